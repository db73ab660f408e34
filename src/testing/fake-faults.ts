import type { ObservedRecord } from "../lock/resource-lock.ts";
import { PlannedFaults } from "./planned-faults.ts";

/** A call of a `ResourceLock` that a `FakeLock` counts and can disturb. */
export type FakeOperation = "get" | "create" | "update";

/** Which calls a fault hits. */
export interface FaultOptions {
  /** Default: what the fault makes sense for; `"write"` is create and update. */
  readonly on?: FakeOperation | "write" | "any";
  /** How many calls it hits. */
  readonly times?: number;
  /** How many matching calls pass before the first one that it hits; default 0. */
  readonly skip?: number;
}

/** What happens to a call that is hit. */
export type Fault =
  | { readonly kind: "fail"; readonly error: unknown; readonly applied: boolean }
  | { readonly kind: "hang"; readonly applied: boolean }
  | { readonly kind: "loseRace" }
  | { readonly kind: "delay"; readonly requestMs: number; readonly answerMs: number }
  | { readonly kind: "stale"; readonly observed: ObservedRecord | undefined };

/** The troubles of one lock. */
export class FakeFaults extends PlannedFaults<Fault, FaultOptions, FakeOperation> {
  constructor() {
    super(hits);
  }
}

function hits({ on = "any" }: FaultOptions, operation: FakeOperation): boolean {
  if (on === "any") return true;
  return on === "write" ? operation !== "get" : on === operation;
}
