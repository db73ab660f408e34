import { InvalidSettingsError } from "../errors.ts";
import type { CallOptions } from "../storage/versioned-storage.ts";
import type { Clock } from "../system/clock.ts";

const defaultTimeoutMs = 10_000;

/** The deadline of one call of a lock, which all requests that it makes share. */
export class CallBudget {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number;
  readonly #clock: Clock;
  readonly #untilMs: number;

  /** @throws {InvalidSettingsError} if `timeoutMs` is no number; nothing was sent. */
  constructor(clock: Clock, { signal, timeoutMs = defaultTimeoutMs }: CallOptions = {}) {
    if (!Number.isFinite(timeoutMs)) {
      const problem = `timeoutMs (${String(timeoutMs)}) must be a number of milliseconds`;
      throw new InvalidSettingsError([problem], { applied: "no" });
    }
    this.signal = signal;
    this.timeoutMs = timeoutMs;
    this.#clock = clock;
    this.#untilMs = clock.monotonicMs() + timeoutMs;
  }

  /** What is left of it in milliseconds; never below 0. */
  get leftMs(): number {
    return Math.max(this.#untilMs - this.#clock.monotonicMs(), 0);
  }

  /** The options of the next request. */
  next(): CallOptions {
    return { timeoutMs: this.leftMs, ...(this.signal !== undefined && { signal: this.signal }) };
  }
}
