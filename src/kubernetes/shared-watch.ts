import type { LockHint } from "../lock/resource-lock.ts";
import { LeaseWatch, type LeaseWatchParts } from "./lease-watch.ts";

/** One who is told the hints of a `SharedWatch`. */
interface Reader {
  readonly queue: LockHint[];
  ended: { readonly error?: unknown } | undefined;
  wake: () => void;
}

/** The watch of one resource, shared by all who need it at the same time; open while there is one of them. */
export class SharedWatch {
  readonly #watch: LeaseWatch;
  readonly #readers = new Set<Reader>();
  #calls = 0;
  #open: AbortController | undefined;

  constructor(parts: LeaseWatchParts) {
    this.#watch = new LeaseWatch(parts);
  }

  /**
   * Hints until `signal` falls or the watch ends, as `LeaseWatch` has them. Who comes to a watch that is open is told
   * at once to look.
   */
  async *hints(signal: AbortSignal): AsyncGenerator<LockHint, void, undefined> {
    if (signal.aborted) return;
    const reader: Reader = { queue: this.#open === undefined ? [] : [{}], ended: undefined, wake: () => {} };
    const stop = (): void => reader.wake();
    signal.addEventListener("abort", stop, { once: true });
    this.#readers.add(reader);
    this.#start();
    try {
      while (!signal.aborted) {
        const hint = reader.queue.shift();
        if (hint !== undefined) yield hint;
        else if (reader.ended !== undefined) break;
        else await new Promise<void>((resolve) => (reader.wake = resolve));
      }
      if (!signal.aborted && reader.ended !== undefined && "error" in reader.ended) throw reader.ended.error;
    } finally {
      signal.removeEventListener("abort", stop);
      this.#readers.delete(reader);
      // Whoever ends its hints may do so because the watch is silent: nobody else goes on with it, and calls poll.
      if (this.#readers.size === 0) this.#stop();
    }
  }

  /** Keeps the watch open for a call; the returned function lets go of it. */
  join(): () => void {
    this.#calls += 1;
    this.#start();
    return () => {
      this.#calls -= 1;
      if (this.#calls === 0 && this.#readers.size === 0) this.#stop();
    };
  }

  #start(): void {
    if (this.#open !== undefined) return;
    const open = new AbortController();
    this.#open = open;
    void this.#run(open);
  }

  #stop(): void {
    this.#open?.abort(new Error("the watch is not needed any more"));
    this.#open = undefined;
  }

  /** Never rejects: the error travels to the readers. */
  async #run(open: AbortController): Promise<void> {
    let ended: { readonly error?: unknown } = {};
    try {
      for await (const hint of this.#watch.hints(open.signal)) {
        if (this.#open !== open) return;
        for (const reader of this.#readers) tell(reader, hint);
      }
    } catch (error) {
      ended = { error };
    }
    if (this.#open !== open) return;
    this.#open = undefined;
    for (const reader of this.#readers) end(reader, ended);
  }
}

function tell(reader: Reader, hint: LockHint): void {
  reader.queue.push(hint);
  reader.wake();
}

function end(reader: Reader, ended: { readonly error?: unknown }): void {
  reader.ended = ended;
  reader.wake();
}
