import { readFileSync, readdirSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Benchmark, Fact, Guard } from "./benchmark.ts";
import { machine, whyNotJudged } from "./machine.ts";
import { measure, median, quantile, ratioOf, type Ratio, type Samples } from "./rounds.ts";

// npm run bench -- [name …] [--rounds 7] [--quick] [--json]
// Ratios are promises, nanoseconds are guards. With --quick, or on a busy machine, both are printed and not judged.

/** The accepted ratios. CI fails where one grew by more than a fourth, and warns from a ninth on. */
type Baseline = Readonly<Record<string, Readonly<Record<string, number>>>>;

interface Result {
  readonly name: string;
  readonly row: string;
  readonly notRun: readonly string[];
  readonly medianNs: Readonly<Record<string, number>>;
  readonly p99Ns: Readonly<Record<string, number>>;
  readonly ratios: readonly Ratio[];
  readonly guards: readonly (Guard & { readonly ns: number })[];
  readonly facts: readonly Fact[];
  readonly warnings: readonly string[];
  readonly failures: readonly string[];
}

const fails = 1 / 0.8;
const warns = 1 / 0.9;

async function runOne(name: string, rounds: number, quick: boolean): Promise<Result> {
  const { benchmark } = (await import(`./${name}.bench.ts`)) as { benchmark: Benchmark }; // what each of them exports
  const { row, bars, guards } = benchmark;
  const nothing = { name, row, medianNs: {}, p99Ns: {}, ratios: [], guards: [], facts: [], warnings: [], failures: [] };
  const prepared = await benchmark.prepare({ quick });
  if (typeof prepared === "string") return { ...nothing, notRun: [`all of it (${prepared})`] };
  try {
    const samples = await measure(prepared, rounds);
    const facts = (await prepared.facts?.()) ?? [];
    await prepared.check();
    const medianNs = overall(samples, (sorted) => quantile(sorted, 0.5));
    const p99Ns = overall(samples, (sorted) => quantile(sorted, 0.99));
    const ratios = bars.map((bar) => ratioOf(bar, samples));
    const taken = guards.map((guard) => ({
      ...guard,
      ns: (medianNs[guard.of] ?? NaN) - (medianNs[guard.minus ?? ""] ?? 0),
    }));
    const judged = judge({ name, ratios, guards: taken, facts });
    return { ...nothing, notRun: benchmark.notRun, medianNs, p99Ns, ratios, guards: taken, facts, ...judged };
  } finally {
    await prepared.close();
  }
}

/** The median over the rounds of a number of each round. */
function overall(samples: Samples, of: (sorted: readonly number[]) => number): Record<string, number> {
  return Object.fromEntries(Object.entries(samples).map(([side, rounds]) => [side, median(rounds.map(of))]));
}

function judge({
  name,
  ratios,
  guards,
  facts,
}: Pick<Result, "name" | "ratios" | "guards" | "facts">): Pick<Result, "warnings" | "failures"> {
  const baseline = JSON.parse(readFileSync(new URL("baseline.json", import.meta.url), "utf8")) as Baseline; // ours
  const warnings: string[] = [];
  const failures: string[] = [];
  for (const ratio of ratios) {
    const label = ratioName(ratio);
    const accepted = baseline[name]?.[label];
    if (!(ratio.median <= ratio.atMost))
      failures.push(`${label} is ${ratio.median.toFixed(2)}; at most ${ratio.atMost}`);
    if (accepted === undefined) warnings.push(`${label} has no accepted value in bench/baseline.json`);
    else if (ratio.median > accepted * fails) failures.push(`${label} was accepted at ${accepted}`);
    else if (ratio.median > accepted * warns) warnings.push(`${label} was accepted at ${accepted}`);
  }
  for (const guard of guards)
    if (!(guard.ns <= guard.atMostNs)) failures.push(`${guardName(guard)} is ${shown(guard.ns)}`);
  for (const { name: what, value, unit, atMost } of facts) {
    if (!(value <= atMost)) failures.push(`${what} ${value} ${unit}; at most ${atMost}`);
  }
  return { warnings, failures };
}

function ratioName({ of, to }: { readonly of: string; readonly to: string }): string {
  return `${of} / ${to}`;
}

function guardName({ of, minus }: Guard): string {
  return minus === undefined ? of : `${of} less ${minus}`;
}

function shown(ns: number): string {
  if (ns >= 1e6) return `${(ns / 1e6).toFixed(2)} ms`;
  return ns >= 1e4 ? `${(ns / 1e3).toFixed(1)} µs` : `${ns.toFixed(1)} ns`;
}

function print(result: Result): void {
  const { row, name, medianNs, p99Ns, ratios, guards, facts, notRun } = result;
  console.log(`\n${row} ${name}`);
  for (const [side, ns] of Object.entries(medianNs)) {
    console.log(`  ${side.padEnd(40)} p50 ${shown(ns)}, p99 ${shown(p99Ns[side] ?? NaN)}`);
  }
  for (const ratio of ratios) {
    const range = `${ratio.least.toFixed(2)} to ${ratio.greatest.toFixed(2)}`;
    console.log(`  ${ratioName(ratio).padEnd(40)} ${ratio.median.toFixed(2)} (${range}); bar ${ratio.atMost}`);
  }
  for (const guard of guards) {
    console.log(`  ${guardName(guard).padEnd(40)} ${shown(guard.ns)}; guard ${shown(guard.atMostNs)}`);
  }
  for (const { name: what, value, unit, atMost } of facts) {
    console.log(`  ${what.padEnd(40)} ${value} ${unit}; at most ${atMost}`);
  }
  for (const what of notRun) console.log(`  not run: ${row}, ${what}`);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string" }, quick: { type: "boolean" }, json: { type: "boolean" } },
});
const { quick = false, json = false } = values;
const rounds = Number(values.rounds ?? (quick ? 1 : 7));
const here = new URL(".", import.meta.url);
const known = readdirSync(here).flatMap((file) => /^(.*)\.bench\.ts$/.exec(file)?.slice(1) ?? []);
const unknown = positionals.filter((name) => !known.includes(name));
if (unknown.length > 0 || !(Number.isInteger(rounds) && rounds > 0)) {
  console.error(`usage: npm run bench -- [${known.join(" | ")}] [--rounds 7] [--quick] [--json]`);
  process.exit(2);
}

const head = machine();
const notJudged = quick ? "--quick prints times and judges nothing" : whyNotJudged(head);
if (!json) for (const [what, value] of Object.entries(head)) console.log(`${what.padEnd(10)} ${value}`);
const results: Result[] = [];
for (const name of positionals.length > 0 ? positionals : known) {
  const result = await runOne(name, rounds, quick);
  if (!json) print(result);
  results.push(result);
}

const failures = results.flatMap((result) => result.failures.map((failure) => `${result.row}: ${failure}`));
const warnings = results.flatMap((result) => result.warnings.map((warning) => `${result.row}: ${warning}`));
if (json) console.log(JSON.stringify({ machine: head, rounds, notJudged, results }, undefined, 2));
else {
  console.log("");
  for (const warning of warnings) console.log(`warning: ${warning}`);
  for (const failure of failures) console.log(`${notJudged === undefined ? "FAILED" : "above a bar"}: ${failure}`);
  console.log(notJudged === undefined ? `${failures.length} failed` : `not judged: ${notJudged}`);
}
process.exit(notJudged === undefined && failures.length > 0 ? 1 : 0);
