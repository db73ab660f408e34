import { createHash } from "node:crypto";
import { Chance } from "./chance.ts";
import { withoutGlobals } from "./forbidden-globals.ts";
import type { HistoryEvent, Violation } from "./history.ts";
import { judge, type Verdict } from "./judge.ts";
import { drawPlan, type Plan, type PlanOptions } from "./plan.ts";
import { SimRun, type PlayedRun } from "./sim-run.ts";

/** What was played, and how it went. */
export interface Played {
  readonly events: readonly HistoryEvent[];
  readonly violations: readonly Violation[];
  /** How much of the time after healing was led. */
  readonly ledShare: number;
  readonly terms: number;
  /** Why terms ended: how often. */
  readonly reasons: ReadonlyMap<string, number>;
  /** Rows of the tables that show outside: how often. */
  readonly rows: ReadonlyMap<string, number>;
  readonly simulatedMs: number;
}

/** How a run went. */
export interface RunResult extends Played {
  readonly plan: Plan;
}

/** One run from a seed, played and judged. The same seed and options give the same events. */
export async function simulate(seed: number, options: PlanOptions = {}): Promise<RunResult> {
  const chance = new Chance(seed);
  const plan = drawPlan(seed, chance, options);
  const run = await played(() => new SimRun(plan, chance).play());
  const { events, candidates, endMs: simulatedMs } = run;
  return { plan, ...playedOf({ events, candidates, simulatedMs }), ...judge(run) };
}

/** Plays with nothing but the seed in reach. */
export function played<T>(play: () => Promise<T>): Promise<T> {
  return withoutStacks(() => withoutGlobals(play));
}

/** What is counted of every run. */
export function playedOf({
  events,
  candidates,
  simulatedMs,
}: Pick<PlayedRun, "events" | "candidates"> & { readonly simulatedMs: number }): Omit<Played, keyof Verdict> {
  const reasons = new Map<string, number>();
  let terms = 0;
  for (const event of events) {
    if (event.what === "start") terms += 1;
    if (event.what === "stop") reasons.set(event.reason, (reasons.get(event.reason) ?? 0) + 1);
  }
  const rows = new Map<string, number>();
  for (const one of candidates) for (const [row, count] of one.rows) rows.set(row, (rows.get(row) ?? 0) + count);
  return { events, terms, reasons, rows, simulatedMs };
}

/** Nobody looks at the stacks of the errors that a run makes by the thousand, and each costs more than its call. */
async function withoutStacks<T>(run: () => Promise<T>): Promise<T> {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return await run();
  } finally {
    Error.stackTraceLimit = before;
  }
}

/** One number for all that happened: two runs with the same one were the same. */
export function hashOf(events: readonly HistoryEvent[]): string {
  const hash = createHash("sha256");
  for (const event of events) hash.update(JSON.stringify(event));
  return hash.digest("hex");
}
