import type { Mutant } from "../../test/simulation/mutants/mutant.ts";
import type { Baseline } from "./baseline.ts";
import type { Copy } from "./copy.ts";
import { runSeeds, runTests } from "./runs.ts";

/** What became of a mutant. */
export interface Verdict {
  readonly caught: boolean;
  /** What caught it, or why it counts as one that survived. */
  readonly how: string;
}

/** Applies a mutant to the copy, runs its scenario, and takes it back. */
export async function tryMutant(copy: Copy, mutant: Mutant, baseline: Baseline): Promise<Verdict> {
  const problem = baseline.problemOf(mutant.scenario);
  if (problem !== undefined) return { caught: false, how: problem };
  let restore: () => void;
  try {
    restore = copy.mutate(mutant.edits);
  } catch (error) {
    return { caught: false, how: `no longer applies: ${error instanceof Error ? error.message : String(error)}` };
  }
  try {
    return await judge(copy, mutant);
  } finally {
    restore();
  }
}

async function judge({ folder }: Copy, { scenario }: Mutant): Promise<Verdict> {
  const { tests = [], seeds } = scenario;
  const by: string[] = [];
  if (tests.length > 0) {
    const { ends, trouble } = await runTests(folder, tests);
    if (trouble !== undefined) return { caught: false, how: trouble };
    for (const { file, named } of tests) {
      const failed = ends.find((end) => end.file === file && end.name.includes(named) && end.status === "failed");
      if (failed === undefined) return { caught: false, how: `"${named}" of ${file} does not see it` };
      by.push(failed.name);
    }
  }
  if (seeds !== undefined) {
    const { found, trouble } = await runSeeds(folder, seeds);
    if (trouble !== undefined) return { caught: false, how: trouble };
    if (found === undefined) return { caught: false, how: `seeds ${seeds.from} to ${seeds.to} do not see it` };
    by.push(found);
  }
  return { caught: by.length > 0, how: by.join("; ") };
}
