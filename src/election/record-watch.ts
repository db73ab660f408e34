import type { LockHint, ObservedRecord, ResourceLock } from "../lock/resource-lock.ts";
import { sleep, type Clock } from "../system/clock.ts";
import { Deferred } from "../system/deferred.ts";
import type { Random } from "../system/random.ts";

/** What a watch tells the loop. */
export interface WatchListener {
  /** The watch is open: a read that is sent from now on makes it live. */
  opened(): void;
  hinted(observed: ObservedRecord | undefined): void;
  /** It ended or failed; it opens again by itself. */
  lost(error: unknown): void;
}

const firstPauseMs = 1_000;
const longestPauseMs = 30_000;

/** Keeps one watch of the lock open: re-opens it after 1 to 30 s, with full jitter. Safety never depends on it. */
export class RecordWatch {
  readonly #lock: ResourceLock;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #listener: WatchListener;
  readonly #stop = new AbortController();
  #current: AbortController | undefined;

  constructor(parts: { lock: ResourceLock; clock: Clock; random: Random }, listener: WatchListener) {
    this.#lock = parts.lock;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#listener = listener;
  }

  /** Does nothing for a lock without `watch`. */
  start(): void {
    if (this.#lock.watch === undefined) return;
    void this.#keepOpen();
  }

  stop(): void {
    this.#stop.abort();
    this.#current?.abort();
  }

  /** Ends the present watch and opens another one: it did not tell a change. */
  reopen(): void {
    this.#current?.abort();
  }

  async #keepOpen(): Promise<void> {
    for (let failures = 0; !this.#stop.signal.aborted; failures += 1) {
      const told = await this.#watchOnce();
      if (this.#stop.signal.aborted) return;
      if (told) failures = 0;
      const mostMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (failures + 1));
      const pauseMs = firstPauseMs + this.#random.next() * (mostMs - firstPauseMs);
      await sleep(this.#clock, pauseMs, this.#stop.signal).catch(() => {}); // the loop's condition sees the abort
    }
  }

  /** Whether the watch told anything at all. */
  async #watchOnce(): Promise<boolean> {
    const current = new AbortController();
    this.#current = current;
    let told = false;
    let failure: unknown = undefined;
    try {
      for await (const hint of hintsUntil(current.signal, this.#lock)) {
        if (!told) this.#listener.opened();
        told = true;
        this.#listener.hinted(hint.observed);
      }
    } catch (error) {
      failure = error;
    }
    current.abort(); // whichever way it ended, it must not run on
    if (!this.#stop.signal.aborted) this.#listener.lost(failure);
    return told;
  }
}

/** The lock's hints; ends at the abort even if the lock does not heed it. */
async function* hintsUntil(signal: AbortSignal, lock: ResourceLock): AsyncGenerator<LockHint, void> {
  const hints = lock.watch?.({ signal })[Symbol.asyncIterator]();
  if (hints === undefined) return;
  try {
    while (!signal.aborted) {
      const result = await nextUntil(signal, hints);
      if (result === undefined || result.done === true || signal.aborted) return;
      yield result.value;
    }
  } finally {
    hints.return?.().catch(() => {}); // the watch is over either way; waiting for its end could last for ever
  }
}

/** One hint, or `undefined` at the abort. One promise for all turns would keep every hint alive: each has its own. */
async function nextUntil(
  signal: AbortSignal,
  hints: AsyncIterator<LockHint>,
): Promise<IteratorResult<LockHint, unknown> | undefined> {
  const aborted = new Deferred<undefined>();
  const onAbort = (): void => aborted.resolve(undefined);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([hints.next(), aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
