import { Deferred } from "../system/deferred.ts";
import { compareRevisions } from "./revision.ts";

interface Waiting extends Deferred<void> {
  readonly revision: string;
  /** How many lists had begun when the waiting did. */
  readonly begun: number;
}

/** Who waits for a view to be at least as new as a revision. */
export class RevisionWaiters {
  readonly #waiting = new Set<Waiting>();
  #begun = 0;

  /**
   * Resolves at the first `reach` of that revision, or of a newer one. Revisions without an order are reached by
   * themselves, and by the first list that began after this call. Rejects with `signal.reason`, and with what `fail` is
   * given.
   */
  async wait(revision: string, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const waiting: Waiting = Object.assign(new Deferred<void>(), { revision, begun: this.#begun });
    const abort = (): void => waiting.reject(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    this.#waiting.add(waiting);
    try {
      await waiting.promise;
    } finally {
      this.#waiting.delete(waiting);
      signal?.removeEventListener("abort", abort);
    }
  }

  /** The view is at this revision now. */
  reach(revision: string): void {
    for (const waiting of this.#waiting) if (isReached(waiting.revision, revision)) waiting.resolve();
  }

  /** A list begins: its number for `listed`. */
  begin(): number {
    this.#begun += 1;
    return this.#begun;
  }

  /** What that list told is in the view. */
  listed(number: number, revision: string): void {
    this.reach(revision);
    for (const waiting of this.#waiting) {
      const isOrdered = compareRevisions(waiting.revision, revision) !== undefined;
      if (!isOrdered && waiting.begun < number) waiting.resolve();
    }
  }

  /** Nothing more will be reached. */
  fail(error: unknown): void {
    for (const waiting of this.#waiting) waiting.reject(error);
  }
}

/** Whether a view at `current` is at least as new as `wanted`. */
export function isReached(wanted: string, current: string): boolean {
  const order = compareRevisions(current, wanted);
  return order !== undefined && order >= 0;
}
