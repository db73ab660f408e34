import { CorruptDataError } from "../errors.ts";
import type { LockOutcome } from "../lock/resource-lock.ts";

/**
 * Whether a lock answered "written", with a version: without one there is nothing to renew, and the outcome is unknown.
 */
export function isWritten(outcome: unknown): outcome is Extract<LockOutcome, { written: true }> {
  if (typeof outcome !== "object" || outcome === null) return false;
  return Reflect.get(outcome, "written") === true && typeof Reflect.get(outcome, "version") === "string";
}

/** Whether a lock answered "lost the race". */
export function isLost(outcome: unknown): boolean {
  return typeof outcome === "object" && outcome !== null && Reflect.get(outcome, "written") === false;
}

/** How long the storage asked to be left alone, in milliseconds; 0 where it did not. */
export function retryAfterOf(error: unknown): number {
  if (error instanceof CorruptDataError || typeof error !== "object" || error === null) return 0;
  const asked: unknown = Reflect.get(error, "retryAfterMs");
  return typeof asked === "number" && Number.isFinite(asked) && asked > 0 ? asked : 0;
}
