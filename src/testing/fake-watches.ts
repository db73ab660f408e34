import type { LockHint, ObservedRecord } from "../lock/resource-lock.ts";
import type { FakeRecord } from "./fake-record.ts";

/** The running watches of one `FakeLock`. */
export class FakeWatches {
  readonly #shared: FakeRecord;
  readonly #see: (() => ObservedRecord | undefined) | undefined;
  readonly #breaks = new Set<(error: unknown) => void>();

  /** With `see`, hints carry what it returns. */
  constructor(shared: FakeRecord, see?: () => ObservedRecord | undefined) {
    this.#shared = shared;
    this.#see = see;
  }

  /** Hints: one at once, then one after each change (several may come as one), until `signal` aborts. */
  async *open(signal: AbortSignal): AsyncGenerator<LockHint, void, void> {
    let pending = true;
    let ended: { readonly error?: unknown } | undefined;
    let wake = (): void => {};
    const end = (error?: unknown): void => {
      ended ??= error === undefined ? {} : { error };
      wake();
    };
    const stop = (): void => end();
    const unlisten = this.#shared.listen(() => {
      pending = true;
      wake();
    });
    this.#breaks.add(end);
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    try {
      while (ended === undefined) {
        if (!pending) await new Promise<void>((resolve) => (wake = resolve));
        else {
          pending = false;
          yield this.#hint();
        }
      }
      if ("error" in ended) throw ended.error;
    } finally {
      unlisten();
      this.#breaks.delete(end);
      signal.removeEventListener("abort", stop);
    }
  }

  breakAll(error?: unknown): void {
    for (const end of [...this.#breaks]) end(error);
  }

  #hint(): LockHint {
    try {
      const observed = this.#see?.();
      return observed === undefined ? {} : { observed };
    } catch {
      return {}; // damaged: an unreadable record is never attached, the read that follows tells
    }
  }
}
