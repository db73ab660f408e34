import type { ObservedRecord } from "../lock/resource-lock.ts";

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

interface PlannedFault {
  readonly fault: Fault;
  readonly on: FakeOperation | "write" | "any";
  timesLeft: number;
  skipLeft: number;
}

/**
 * The troubles that lie ahead. Those with a number of `times` come first, in the order in which they were planned; of
 * the others, which last until `clear`, the latest counts.
 */
export class FakeFaults {
  #counted: PlannedFault[] = [];
  #lasting: PlannedFault[] = [];

  plan(fault: Fault, { on = "any", times = Infinity, skip = 0 }: FaultOptions): void {
    const planned: PlannedFault = { fault, on, timesLeft: times, skipLeft: skip };
    if (times === Infinity) this.#lasting.unshift(planned);
    else this.#counted.push(planned);
  }

  /** The fault that hits this call, which is counted. */
  take(operation: FakeOperation): Fault | undefined {
    for (const planned of [...this.#counted, ...this.#lasting]) {
      if (!matches(planned.on, operation)) continue;
      if (planned.skipLeft > 0) {
        planned.skipLeft -= 1;
        continue;
      }
      planned.timesLeft -= 1;
      if (planned.timesLeft <= 0) this.#counted = this.#counted.filter((other) => other !== planned);
      return planned.fault;
    }
    return undefined;
  }

  clear(): void {
    this.#counted = [];
    this.#lasting = [];
  }
}

function matches(on: PlannedFault["on"], operation: FakeOperation): boolean {
  if (on === "any") return true;
  return on === "write" ? operation !== "get" : on === operation;
}
