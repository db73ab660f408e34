import type { Clock } from "../system/clock.ts";
import { drainMicrotasks } from "../system/microtasks.ts";
import { untilAborted } from "../system/signals.ts";
import { SinkError } from "./watch-trouble.ts";

/** What `SinkCalls` needs. */
export interface SinkCallsParts {
  readonly clock: Clock;
  /** Hears, once each time, that the sink has not caught up for so many milliseconds. */
  readonly onLag: (lagMs: number) => void;
}

const reportedLagMs = 10_000;
/** Whoever waits longer for the next event has caught up with the server. */
const caughtUpMs = 5;
/** A stream that is always ahead of its reader would never let the event loop turn: it may have megabytes to tell. */
const longestTurnMs = 8;
/** So many are told in any case: few that come together cost less than a turn. */
const leastInTurn = 64;

/** Calls a sink, one call at a time, and knows how far it is behind. */
export class SinkCalls {
  readonly #parts: SinkCallsParts;
  #behindSinceMs: number | undefined;
  #turnedMs = -Infinity;
  #toldInTurn = 0;
  #isReported = false;

  constructor(parts: SinkCallsParts) {
    this.#parts = parts;
  }

  /**
   * Makes one call, and waits for what it returns.
   *
   * @throws {SinkError} what the call throws or rejects with; `signal.reason` as soon as the signal falls.
   */
  async make(call: () => void | Promise<void>, signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    this.#behindSinceMs ??= clock.monotonicMs();
    let cancel = (): void => {};
    try {
      const pending = call();
      if (pending === undefined) return;
      const look = (): void => this.#look();
      if (!this.#isReported) cancel = clock.setTimer(this.#behindSinceMs + reportedLagMs, look, { idle: true });
      await untilAborted(pending, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw new SinkError(error);
    } finally {
      cancel();
      if (!signal.aborted) this.#look();
    }
  }

  /**
   * Waits for what is to be told next: a sink that gets to wait is not behind. Others have their turn first, if they
   * had none for long.
   */
  async wait<R>(next: () => Promise<R>): Promise<R> {
    const askedMs = this.#parts.clock.monotonicMs();
    this.#toldInTurn += 1;
    if (this.#toldInTurn > leastInTurn && askedMs - this.#turnedMs > longestTurnMs) {
      this.#turned(askedMs);
      await drainMicrotasks();
    }
    try {
      return await next();
    } finally {
      this.#waited(this.#parts.clock.monotonicMs() - askedMs);
    }
  }

  /** Nothing was there to be told for so long. */
  #waited(ms: number): void {
    if (ms < caughtUpMs) return;
    this.#behindSinceMs = undefined;
    this.#isReported = false;
    this.#turned(this.#parts.clock.monotonicMs());
  }

  #turned(nowMs: number): void {
    this.#turnedMs = nowMs;
    this.#toldInTurn = 0;
  }

  #look(): void {
    const lagMs = this.#parts.clock.monotonicMs() - (this.#behindSinceMs ?? Infinity);
    if (this.#isReported || lagMs < reportedLagMs) return;
    this.#isReported = true;
    this.#parts.onLag(lagMs);
  }
}
