// `npm run simulate`: plays elections from seeds, and judges each by every promise. Exits with 1 if one was broken.
import { parseArgs } from "node:util";
import type { Violation } from "../test/simulation/history.ts";
import { playSeeds, type JobAnswer, type JobsResult, type Stage } from "../test/simulation/jobs.ts";
import { allRows } from "../test/simulation/rows.ts";
import { shrink } from "../test/simulation/shrink.ts";
import { faultsOf, playOn, type StageOptions } from "../test/simulation/stages.ts";
import { traceOf } from "../test/simulation/trace.ts";

const usage = `npm run simulate -- [options]
  --seeds N       how many seeds are played (default 200)
  --from K        the first of them (default 1)
  --jobs J        worker processes (default 1)
  --seed K        this seed alone
  --trace         with --seed: one line for each event
  --clusters      two clusters over one storage, behind their controllers, instead of one election
  --scope cluster with --clusters: elects clusters, of which each has two candidates or three
  --faults a,b    exactly these faults, instead of those that each seed draws; "none" for none
  --drift x       clocks run at rates of 1 - x to 1 + x
  --repeats R     play each seed R times, and demand the same events each time (default 1)
Faults: ${faultsOf.election.join(", ")}
Faults of clusters: ${faultsOf.clusters.join(", ")}
`;

interface Options {
  readonly stage: Stage;
  readonly seeds: number;
  readonly from: number;
  readonly jobs: number;
  readonly repeats: number;
  readonly trace: boolean;
  readonly single: boolean;
  readonly faults: readonly string[] | undefined;
  readonly drift: number | undefined;
}

function parse(): Options {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    options: {
      ...{ seeds: text, from: text, jobs: text, seed: text, faults: text, drift: text, repeats: text },
      trace: { type: "boolean", default: false },
      clusters: { type: "boolean", default: false },
      scope: text,
    },
  });
  const stage = values.clusters ? clustersIn(values.scope ?? "process") : "election";
  const single = values.seed !== undefined;
  return {
    stage,
    seeds: single ? 1 : whole("seeds", values.seeds ?? "200"),
    from: whole(single ? "seed" : "from", values.seed ?? values.from ?? "1"),
    jobs: whole("jobs", values.jobs ?? "1"),
    repeats: whole("repeats", values.repeats ?? "1"),
    ...{ trace: values.trace, single },
    faults: values.faults === undefined ? undefined : faultsNamed(stage, values.faults),
    drift: values.drift === undefined ? undefined : driftOf(values.drift),
  };
}

function clustersIn(scope: string): Stage {
  if (scope === "process") return "clusters";
  if (scope !== "cluster") throw new TypeError(`--scope (${scope}) must be process or cluster`);
  return "clusterScope";
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new TypeError(`--${name} (${text}) must be a whole number above 0`);
  return value;
}

function driftOf(text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value < 1)) throw new TypeError(`--drift (${text}) must be a number from 0 to below 1`);
  return value;
}

function faultsNamed(stage: Stage, text: string): string[] {
  const names = text === "none" ? [] : text.split(",");
  const unknown = names.filter((name) => !faultsOf[stage].includes(name));
  if (unknown.length > 0) throw new TypeError(`--faults: there is no ${unknown.join(", ")}`);
  return faultsOf[stage].filter((name) => names.includes(name));
}

/** What is fixed of every run. */
interface Planned extends StageOptions {
  readonly stage: Stage;
}

async function main(options: Options): Promise<number> {
  const { stage, from, seeds, jobs, repeats, faults, drift } = options;
  const planned = { stage, ...(faults !== undefined && { faults }), ...(drift !== undefined && { drift }) };
  if (options.single && options.trace) return trace(from, planned);
  let played = 0;
  const heard = (answer: JobAnswer): void => {
    played += 1;
    if (played % 200 === 0 && played < seeds) print(`${played} of ${seeds} seeds played`);
    for (const problem of problemsOf(answer)) print(`seed ${answer.seed}: ${problem}`);
  };
  const result = await playSeeds({ stage, from, seeds, jobs, repeats, faults, drift, heard });
  const broken = result.answers.filter((answer) => problemsOf(answer).length > 0);
  for (const { seed, violations } of broken.slice(0, 3)) {
    if (violations[0] !== undefined) await explain(seed, violations[0], planned);
  }
  for (const line of summary(result, broken.length)) print(line);
  return broken.length > 0 ? 1 : 0;
}

function problemsOf({ violations, hashes }: JobAnswer): string[] {
  const different = hashes.length > 1 ? ["the same seed gave different events"] : [];
  return [
    ...different,
    ...violations.map(({ invariant, atMs, text }) => `${invariant} at ${atMs.toFixed(1)}: ${text}`),
  ];
}

/** One seed, event by event. */
async function trace(seed: number, planned: Planned): Promise<number> {
  const { plan, events, violations } = await playOn(planned.stage, seed, planned);
  for (const line of traceOf(events)) print(line);
  print(JSON.stringify({ ...plan, faults: [...plan.faults] }));
  for (const { invariant, atMs, text } of violations) print(`${invariant} at ${atMs.toFixed(1)}: ${text}`);
  return violations.length > 0 ? 1 : 0;
}

const flagsOf: Readonly<Record<Stage, string>> = {
  ...{ election: "", clusters: " --clusters", clusterScope: " --clusters --scope cluster" },
};

/** How to see it again, with as few faults as break the same promise, and its last minute. */
async function explain(seed: number, violation: Violation, planned: Planned): Promise<void> {
  const { faults, result } = await shrink(seed, violation, planned);
  const clusters = flagsOf[planned.stage];
  const stage = `${clusters}${planned.drift === undefined ? "" : ` --drift ${planned.drift}`}`;
  print(`\nseed ${seed} breaks ${violation.invariant}: ${violation.text}`);
  const given = planned.faults === undefined ? "" : ` --faults ${planned.faults.join(",") || "none"}`;
  print(`  again:             npm run simulate -- --seed ${seed}${stage}${given} --trace`);
  print(
    `  with fewer faults: npm run simulate -- --seed ${seed}${stage} --faults ${faults.join(",") || "none"} --trace`,
  );
  const first = result.violations.find(({ invariant }) => invariant === violation.invariant);
  const untilMs = first?.atMs ?? violation.atMs;
  print(`  the last 60 s of that:`);
  for (const line of traceOf(result.events, untilMs - 60_000, untilMs)) print(line);
}

function summary({ answers, rows, reasons, terms, simulatedMs, cpuMs }: JobsResult, broken: number): string[] {
  const hours = simulatedMs / 3_600_000;
  const missing = allRows.filter((row) => !rows.has(row));
  return [
    `${answers.length} seeds, ${terms} terms, ${hours.toFixed(1)} simulated hours; ${broken} seeds broke a promise`,
    `${(hours / (cpuMs / 1_000)).toFixed(2)} simulated hours per second and core`,
    `rows taken: ${allRows.map((row) => `${row} ${rows.get(row) ?? 0}`).join(", ")}`,
    ...(missing.length > 0 ? [`rows never taken: ${missing.join(", ")}`] : []),
    `terms ended: ${[...reasons].map(([reason, count]) => `${reason} ${count}`).join(", ")}`,
  ];
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

try {
  process.exitCode = await main(parse());
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  process.exitCode = 2;
}
