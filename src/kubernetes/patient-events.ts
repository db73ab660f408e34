import type { Clock } from "../system/clock.ts";

/** What `PatientEvents` needs. */
export interface PatientEventsParts {
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Reads a stream one by one, and does not wait for it longer than it is told to. Whoever makes one closes it. */
export class PatientEvents<T> {
  readonly #events: AsyncIterator<T>;
  readonly #parts: PatientEventsParts;
  readonly #onAbort = (): void => this.#interrupt?.("over");
  #next: Promise<IteratorResult<T, unknown>> | undefined;
  #interrupt: ((why: "silent" | "over") => void) | undefined;
  /** One timer for many events: it looks when it fires whether the wait was prolonged in the meantime. */
  #cancelTimer = (): void => {};
  #timerMs = Infinity;
  #silentMs = Infinity;

  constructor(events: AsyncIterable<T>, parts: PatientEventsParts) {
    this.#events = events[Symbol.asyncIterator]();
    this.#parts = parts;
    parts.signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  /**
   * The next event; `"silent"` after `pauseMs` without one, which is then still to come; `"over"` at the end of the
   * stream, and when the signal falls.
   */
  async next(pauseMs: number): Promise<{ readonly event: T } | "silent" | "over"> {
    const { clock, signal } = this.#parts;
    if (signal.aborted) return "over";
    const next = (this.#next ??= this.#events.next());
    const interrupted = new Promise<"silent" | "over">((resolve) => (this.#interrupt = resolve));
    this.#silentMs = clock.monotonicMs() + pauseMs;
    this.#arm();
    try {
      const first = await Promise.race([next, interrupted]);
      if (first === "silent" || first === "over") return first;
      this.#next = undefined;
      return first.done === true ? "over" : { event: first.value };
    } finally {
      this.#interrupt = undefined;
    }
  }

  /** Ends the stream, without waiting for its end: that could last for ever. */
  close(): void {
    this.#cancelTimer();
    this.#parts.signal.removeEventListener("abort", this.#onAbort);
    this.#next?.catch(() => {}); // nobody reads on, so nobody needs to hear of it
    this.#events.return?.().catch(() => {}); // it is over either way
  }

  #arm(): void {
    if (this.#timerMs <= this.#silentMs) return;
    this.#cancelTimer();
    this.#timerMs = this.#silentMs;
    this.#cancelTimer = this.#parts.clock.setTimer(this.#timerMs, () => this.#look(), { idle: true });
  }

  #look(): void {
    this.#timerMs = Infinity;
    if (this.#interrupt === undefined) return;
    if (this.#parts.clock.monotonicMs() < this.#silentMs) this.#arm();
    else this.#interrupt("silent");
  }
}
