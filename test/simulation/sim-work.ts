import { StaleTermError } from "../../src/errors.ts";
import type { Leadership } from "../../src/election/leadership.ts";
import { sleep } from "../../src/system/clock.ts";
import type { Draws } from "./chance.ts";
import type { Plan } from "./plan.ts";
import type { SimHost } from "./sim-host.ts";
import type { World } from "./world.ts";

/** The guarded resource: a log that takes terms in an order that never goes back, checked in the step that appends. */
export class FencedLog {
  #highest = 0;
  #holder = "";

  append(term: number, who: string): boolean {
    if (term < this.#highest || (term === this.#highest && who !== this.#holder)) return false;
    this.#highest = term;
    this.#holder = who;
    return true;
  }

  get highest(): number {
    return this.#highest;
  }
}

/** What the work of one candidate is made of. */
export interface WorkParts {
  readonly world: World;
  readonly host: SimHost;
  readonly plan: Plan;
  readonly log: FencedLog;
  /** Draws how long the work goes on after it was told to end, if the run has that fault; 0 mostly. */
  readonly lingersMs: () => number;
  /** Draws how long the event loop is blocked before a step, if the run has that fault; 0 mostly. */
  readonly blockedMs: () => number;
  readonly draws: Draws;
  readonly acted: (term: number) => void;
  /** Whether the fenced log takes it. */
  readonly fenced: (term: number) => boolean;
}

const stepsOfShortWork = 20;
const stepsOfDeafWork = 400;

/** The work of one term: guarded steps until it is told to end, fails, returns, or goes on regardless. */
export async function simWork(leadership: Leadership, parts: WorkParts): Promise<void> {
  await simSteps(leadership, parts);
  const ms = parts.lingersMs();
  if (ms > 0) await sleep(parts.host, ms);
}

async function simSteps(leadership: Leadership, parts: WorkParts): Promise<void> {
  const { plan, host, blockedMs } = parts;
  const stepMs = plan.preset.retryPeriodMs / 8;
  for (let steps = 0; ; steps += 1) {
    const deaf = plan.work === "ignoresAbort";
    if (leadership.signal.aborted && !deaf) return;
    if (plan.work === "throws" && steps > stepsOfShortWork) throw new Error("the work failed");
    if (plan.work === "returns" && steps > stepsOfShortWork) return;
    if (deaf && steps > stepsOfDeafWork) return;
    const ms = blockedMs();
    if (ms > 0) await blockLoop(parts, ms);
    try {
      await leadership.guard((term) => step(term, parts));
    } catch (error) {
      if (error instanceof StaleTermError) throw error;
      if (!deaf) return; // refused or outlasted: the term is over
    }
    await sleep(host, plan.work === "long" ? stepMs * 4 : stepMs);
  }
}

/** One step: one append; that of long work takes a while afterwards, and delays the release for so long. */
async function step(term: number, { plan, host, log, acted, fenced }: WorkParts): Promise<void> {
  acted(term);
  const accepted = fenced(term);
  if (!accepted) throw new StaleTermError("a larger term was here", { acceptedTerm: log.highest });
  if (plan.work === "long") await sleep(host, plan.preset.retryPeriodMs / 4);
}

/** The process computes for a while: whatever comes due waits, and the next statement runs before all of it. */
function blockLoop({ world, host, draws }: WorkParts, ms: number): Promise<void> {
  return new Promise((resolve) => {
    host.stand("process");
    world.after(ms, () => host.resume((items) => draws.shuffle(items), { first: resolve }));
  });
}
