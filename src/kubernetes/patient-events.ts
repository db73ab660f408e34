import type { Clock } from "../system/clock.ts";

/** What `PatientEvents` needs. */
export interface PatientEventsParts {
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Reads a stream one by one, and does not wait for it longer than it is told to. */
export class PatientEvents<T> {
  readonly #events: AsyncIterator<T>;
  readonly #parts: PatientEventsParts;
  #next: Promise<IteratorResult<T, unknown>> | undefined;

  constructor(events: AsyncIterable<T>, parts: PatientEventsParts) {
    this.#events = events[Symbol.asyncIterator]();
    this.#parts = parts;
  }

  /**
   * The next event; `"silent"` after `pauseMs` without one, which is then still to come; `"over"` at the end of the
   * stream, and when the signal falls.
   */
  async next(pauseMs: number): Promise<{ readonly event: T } | "silent" | "over"> {
    const { clock, signal } = this.#parts;
    if (signal.aborted) return "over";
    const next = (this.#next ??= this.#events.next());
    let letGo = (): void => {};
    const interrupted = new Promise<"silent" | "over">((resolve) => {
      const onAbort = (): void => resolve("over");
      const cancel = clock.setTimer(clock.monotonicMs() + pauseMs, () => resolve("silent"), { idle: true });
      signal.addEventListener("abort", onAbort, { once: true });
      letGo = () => {
        cancel();
        signal.removeEventListener("abort", onAbort);
      };
    });
    try {
      const first = await Promise.race([next, interrupted]);
      if (first === "silent" || first === "over") return first;
      this.#next = undefined;
      return first.done === true ? "over" : { event: first.value };
    } finally {
      letGo();
    }
  }

  /** Ends the stream, without waiting for its end: that could last for ever. */
  close(): void {
    this.#next?.catch(() => {}); // nobody reads on, so nobody needs to hear of it
    this.#events.return?.().catch(() => {}); // it is over either way
  }
}
