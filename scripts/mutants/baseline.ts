import type { Mutant, NamedTests, Seeds } from "../../test/simulation/mutants/mutant.ts";
import type { Copy } from "./copy.ts";
import { runSeeds, runTests, type SeedRun, type TestEnd } from "./runs.ts";

/** How the code as it is does in the runs that must catch the mutants. */
export class Baseline {
  readonly #ends: readonly TestEnd[];
  readonly #trouble: string | undefined;
  readonly #seeds: ReadonlyMap<string, SeedRun>;

  private constructor(ends: readonly TestEnd[], trouble: string | undefined, seeds: ReadonlyMap<string, SeedRun>) {
    this.#ends = ends;
    this.#trouble = trouble;
    this.#seeds = seeds;
  }

  /** Runs everything that these mutants name, once. */
  static async measure(copy: Copy, mutants: readonly Mutant[]): Promise<Baseline> {
    const tests = mutants.flatMap(({ scenario }) => scenario.tests ?? []);
    const run = tests.length === 0 ? { ends: [], trouble: undefined } : await runTests(copy.folder, tests, 300_000);
    const seeds = new Map<string, SeedRun>();
    for (const { scenario } of mutants) {
      const key = JSON.stringify(scenario.seeds);
      if (scenario.seeds === undefined || seeds.has(key)) continue;
      seeds.set(key, await runSeeds(copy.folder, scenario.seeds, "any"));
    }
    return new Baseline(run.ends, run.trouble, seeds);
  }

  /** Why these runs cannot judge: a test that is missing or fails, a seed that breaks a promise, without any mutant. */
  problemOf({
    tests = [],
    seeds,
  }: {
    readonly tests?: readonly NamedTests[];
    readonly seeds?: Seeds;
  }): string | undefined {
    for (const { file, named } of tests) {
      const ends = this.#ends.filter(
        (end) => end.file === file && end.name.includes(named) && end.status !== "skipped",
      );
      if (ends.length === 0) return this.#trouble ?? `no test of ${file} is named "${named}"`;
      const failed = ends.find(({ status }) => status !== "passed");
      if (failed !== undefined) return `the code as it is fails "${failed.name}"`;
    }
    const broken = seeds && this.#seeds.get(JSON.stringify(seeds));
    return broken?.trouble ?? (broken?.found && `the code as it is breaks ${broken.found}`);
  }
}
