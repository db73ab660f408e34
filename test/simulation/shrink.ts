import type { Violation } from "./history.ts";
import type { FaultName, PlanOptions } from "./plan.ts";
import { simulate, type RunResult } from "./simulate.ts";

/** The same seed with fewer faults, in which the same promise is still broken. */
export interface Shrunk {
  readonly faults: readonly FaultName[];
  readonly result: RunResult;
}

/** Leaves faults out one by one, again and again, as long as the same promise stays broken. */
export async function shrink(seed: number, violation: Violation, options: PlanOptions = {}): Promise<Shrunk> {
  let result = await simulate(seed, options);
  let faults = [...result.plan.faults];
  let smaller = true;
  while (smaller) {
    smaller = false;
    for (const fault of faults) {
      const fewer = faults.filter((other) => other !== fault);
      const attempt = await simulate(seed, { ...options, faults: fewer });
      if (!attempt.violations.some(({ invariant }) => invariant === violation.invariant)) continue;
      [faults, result, smaller] = [fewer, attempt, true];
    }
  }
  return { faults, result };
}
