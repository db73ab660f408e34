import { isSteady, type Plan } from "./plan.ts";

/** A leader that was killed while hints flooded everybody, after all else had healed (L6). */
export interface FloodedTakeover {
  /** When its last write was applied. */
  readonly renewedAtMs: number;
  readonly killedAtMs: number;
  /** When another one has to lead, at the latest. */
  readonly withinMs: number;
}

/** Whether this run ends with it: somebody is left who watches, and nothing but the lease keeps him waiting. */
export function endsInFlood(plan: Plan): boolean {
  const { faults, watch, candidates, multiLock } = plan;
  return faults.has("hintFlood") && watch !== "none" && candidates > 1 && !multiLock && isSteady(plan);
}

/** Hint reads come twice a second once their burst is spent: so late a bare hint may tell the last renewal. */
const hintReadEveryMs = 500;
/** Reading the last renewal, losing one race to another candidate, reading that, and winning. */
const roundTrips = 4;

/**
 * L6: how long after its last renewal a dead leader is replaced, however many hints come: the lease and the herd window
 * by the slowest clock. Where hints are bare, half a second more: what they ask for is read no more often.
 */
export function floodedTakeoverMs({ preset, drift, watch }: Plan, roundTripMs: number): number {
  const { leaseDurationMs, retryPeriodMs } = preset;
  const herdMs = Math.max(Math.min(50, retryPeriodMs), Math.min(10 * roundTripMs, 1_000));
  const readMs = watch === "bare" ? hintReadEveryMs : 0;
  return (leaseDurationMs + herdMs + readMs) / (1 - drift) + roundTrips * roundTripMs;
}
