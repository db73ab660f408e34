import type { Clock } from "../system/clock.ts";
import { drainMicrotasks } from "../system/microtasks.ts";

/** Where a `ManualClock` starts. */
export interface ManualClockOptions {
  /** Default 0. */
  readonly monotonicMs?: number;
  /** Default: what `monotonicMs` is. */
  readonly bootMs?: number;
  /** Default: the first of January 2026, UTC. */
  readonly wallMs?: number;
  /** The resolution of `bootMs()`; Linux has 10. Default 0: exact. */
  readonly bootStepMs?: number;
}

interface Timer {
  readonly untilMs: number;
  readonly sequence: number;
  readonly run: () => void;
}

const newYear2026Ms = 1_767_225_600_000;

/**
 * Time that stands until a test moves it. Timers fire inside `advance` only, in the order of their times (of equal
 * times, in the order in which they were set), and between two of them every promise reaction that is ready has run.
 *
 * ```ts
 * const clock = new ManualClock();
 * clock.setTimer(clock.monotonicMs() + 600_000, () => console.log("ten minutes later"));
 * await clock.advance(600_000); // takes no time
 * ```
 */
export class ManualClock implements Clock {
  #monotonicMs: number;
  #bootMs: number;
  #wallMs: number;
  readonly #bootStepMs: number;
  #timers: Timer[] = [];
  #sequence = 0;
  #advancing = false;

  constructor(options: ManualClockOptions = {}) {
    this.#monotonicMs = options.monotonicMs ?? 0;
    this.#bootMs = options.bootMs ?? this.#monotonicMs;
    this.#wallMs = options.wallMs ?? newYear2026Ms;
    this.#bootStepMs = options.bootStepMs ?? 0;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  bootMs(): number {
    return this.#bootStepMs > 0 ? Math.floor(this.#bootMs / this.#bootStepMs) * this.#bootStepMs : this.#bootMs;
  }

  /** In whole milliseconds, like `Date.now()`. */
  wallMs(): number {
    return Math.floor(this.#wallMs);
  }

  /** A timer of the past fires at the next `advance`, also at `advance(0)`. */
  setTimer(untilMs: number, run: () => void): () => void {
    if (Number.isNaN(untilMs)) throw new TypeError("setTimer: untilMs is not a number");
    const timer: Timer = { untilMs, sequence: this.#sequence++, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** How many timers are set. */
  get timerCount(): number {
    return this.#timers.length;
  }

  /** When the next timer fires, or `undefined` if none is set. */
  get nextTimerMs(): number | undefined {
    return this.#next()?.untilMs;
  }

  /**
   * Moves all three clocks by `ms` (default 0), fires what comes due, and resolves when nothing more happens at that
   * time. A timer that throws rejects it.
   */
  async advance(ms = 0): Promise<void> {
    if (!(ms >= 0)) throw new RangeError(`advance: ${ms} must be at least 0`);
    if (this.#advancing) throw new Error("advance: await the earlier call first");
    this.#advancing = true;
    try {
      await this.#advanceTo(this.#monotonicMs + ms);
    } finally {
      this.#advancing = false;
    }
  }

  /**
   * Advances from timer to timer until `condition` holds, and resolves with the milliseconds that took; rejects if it
   * does not hold within `withinMs` (default ten minutes).
   */
  async advanceUntil(condition: () => boolean, withinMs = 600_000): Promise<number> {
    const startMs = this.#monotonicMs;
    await this.advance();
    while (!condition()) {
      const leftMs = startMs + withinMs - this.#monotonicMs;
      if (leftMs <= 0) throw new Error(`the condition does not hold after ${withinMs} ms`);
      await this.advance(Math.min(Math.max((this.nextTimerMs ?? Infinity) - this.#monotonicMs, 0), leftMs));
    }
    return this.#monotonicMs - startMs;
  }

  /** The process stands (SIGSTOP, a blocked event loop): all clocks run, no timer fires before the next `advance`. */
  pause(ms: number): void {
    this.#move(ms);
  }

  /** The machine sleeps: the monotonic clock stands, the others run. No timer comes nearer. */
  suspend(ms: number): void {
    this.#bootMs += ms;
    this.#wallMs += ms;
  }

  /** The wall clock is set, forwards or backwards; nothing else notices. */
  stepWall(ms: number): void {
    this.#wallMs += ms;
  }

  async #advanceTo(targetMs: number): Promise<void> {
    await drainMicrotasks();
    for (let timer = this.#next(); timer !== undefined && timer.untilMs <= targetMs; timer = this.#next()) {
      const due = timer;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#move(Math.max(due.untilMs - this.#monotonicMs, 0));
      due.run();
      await drainMicrotasks();
    }
    this.#move(Math.max(targetMs - this.#monotonicMs, 0));
    await drainMicrotasks();
  }

  #move(ms: number): void {
    this.#monotonicMs += ms;
    this.#bootMs += ms;
    this.#wallMs += ms;
  }

  #next(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      // equal times: the list is in sequence order
      if (next === undefined || timer.untilMs < next.untilMs) next = timer;
    }
    return next;
  }
}
