import { StorageUnavailableError, UnknownOutcomeError } from "../errors.ts";
import type { CallOptions, Version } from "../storage/versioned-storage.ts";
import type { Clock } from "../system/clock.ts";
import { withDeadline } from "../system/signals.ts";
import type { CallBudget } from "./call-budget.ts";
import type { LeaderElectionRecord } from "./leader-election-record.ts";
import type { LockOutcome, ResourceLock } from "./resource-lock.ts";

/** Writes that go to two locks, one after the other: while the second half of one is not answered, no other begins. */
export class HalfWrites {
  readonly #description: string;
  readonly #clock: Clock;
  /** My own write whose first half is written and whose second one is not answered yet. */
  #halfWritten: Promise<unknown> | undefined;
  /** What a look at my last write showed while it was half done. */
  #lastHalf: Version | undefined;

  constructor(description: string, clock: Clock) {
    this.#description = description;
    this.#clock = clock;
  }

  /**
   * Refuses while a write of mine is half done. Else a second one, sent in doubt of the first, would name the first
   * one's first half and take its second one away from it: where writes are slow, each would stay a half. It is not
   * kept for later either: by then its term may have ended.
   */
  demandWhole(): void {
    if (this.#halfWritten === undefined) return;
    const message = `cannot write ${this.#description}: an earlier write of its own is not answered yet`;
    throw new StorageUnavailableError(message, { operation: "write", storage: this.#description, applied: "no" });
  }

  /** Sends the second half. */
  async complete(write: () => Promise<LockOutcome>, { signal, leftMs }: CallBudget): Promise<LockOutcome> {
    const written = write();
    // Not for longer than its deadline: a lock that never answers must not hold up all later writes.
    const half = withDeadline({ clock: this.#clock, timeoutMs: leftMs, signal }, () => written);
    this.#halfWritten = half;
    const end = (): void => {
      if (this.#halfWritten === half) this.#halfWritten = undefined;
    };
    half.then(end, end);
    return written;
  }

  /** Both halves are written; this is what a look showed in between. */
  completed(half: Version): void {
    this.#lastHalf = half;
  }

  /** Whether a look showed the last write while it was half done: it is whole, so both have moved on. */
  wasHalf(version: Version): boolean {
    return version === this.#lastHalf;
  }

  /** One of two is written. */
  unknown(why: string, cause?: unknown): UnknownOutcomeError {
    return new UnknownOutcomeError(`cannot write ${this.#description}: ${why}`, {
      operation: "write",
      storage: this.#description,
      ...(cause !== undefined && { cause }),
    });
  }
}

/** Writes one of both: creates it where the version says that it was absent. */
export function putHalf(
  lock: Pick<ResourceLock, "create" | "update">,
  { record, expected }: { readonly record: LeaderElectionRecord; readonly expected: Version | undefined },
  options: CallOptions,
): Promise<LockOutcome> {
  return expected === undefined ? lock.create(record, options) : lock.update(record, expected, options);
}
