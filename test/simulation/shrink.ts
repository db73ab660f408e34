import type { Violation } from "./history.ts";
import type { Stage } from "./jobs.ts";
import { playOn, type StageOptions, type StagePlayed } from "./stages.ts";

/** The same seed with fewer faults, in which the same promise is still broken. */
export interface Shrunk {
  readonly faults: readonly string[];
  readonly result: StagePlayed;
}

/** Leaves faults out one by one, again and again, as long as the same promise stays broken. */
export async function shrink(
  seed: number,
  violation: Violation,
  { stage = "election", ...options }: StageOptions & { readonly stage?: Stage } = {},
): Promise<Shrunk> {
  let result = await playOn(stage, seed, options);
  let faults = [...result.plan.faults];
  let smaller = true;
  while (smaller) {
    smaller = false;
    for (const fault of faults) {
      const fewer = faults.filter((other) => other !== fault);
      const attempt = await playOn(stage, seed, { ...options, faults: fewer });
      if (!attempt.violations.some(({ invariant }) => invariant === violation.invariant)) continue;
      [faults, result, smaller] = [fewer, attempt, true];
    }
  }
  return { faults, result };
}
