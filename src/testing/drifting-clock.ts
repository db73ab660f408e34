import type { Clock } from "../system/clock.ts";

/** How a `DriftingClock` differs from its base. */
export interface DriftingClockOptions {
  /** Milliseconds of this clock for each millisecond of the base; default 1, greater than 0. */
  readonly rate?: number;
  /** How far it is ahead of its base at the start, all three readings; default 0. */
  readonly offsetMs?: number;
}

interface Timer {
  readonly untilMs: number;
  readonly run: () => void;
  cancel: () => void;
}

/** One reading of the base, and what this clock showed then. */
interface Anchor {
  readonly baseMs: number;
  readonly ownMs: number;
}

/**
 * A clock of another host: it runs at its own rate over a base clock, which several of them may share. `setRate` changes the
 * rate from now on; timers that are set move along.
 */
export class DriftingClock implements Clock {
  readonly #base: Clock;
  #rate: number;
  #monotonic: Anchor;
  #boot: Anchor;
  #wallOffsetMs: number;
  readonly #timers = new Set<Timer>();

  constructor(base: Clock, options: DriftingClockOptions = {}) {
    this.#base = base;
    this.#rate = checkedRate(options.rate ?? 1);
    this.#wallOffsetMs = options.offsetMs ?? 0;
    this.#monotonic = { baseMs: base.monotonicMs(), ownMs: base.monotonicMs() + this.#wallOffsetMs };
    this.#boot = { baseMs: base.bootMs(), ownMs: base.bootMs() + this.#wallOffsetMs };
  }

  /** Milliseconds of this clock for each millisecond of the base. */
  get rate(): number {
    return this.#rate;
  }

  monotonicMs(): number {
    return reading(this.#monotonic, this.#base.monotonicMs(), this.#rate);
  }

  bootMs(): number {
    return reading(this.#boot, this.#base.bootMs(), this.#rate);
  }

  /** Drifts as far as `bootMs` has, and follows the steps of the base's wall clock. */
  wallMs(): number {
    const driftMs = this.bootMs() - this.#boot.ownMs - (this.#base.bootMs() - this.#boot.baseMs);
    return Math.floor(this.#base.wallMs() + this.#wallOffsetMs + driftMs);
  }

  setTimer(untilMs: number, run: () => void): () => void {
    const timer: Timer = { untilMs, run, cancel: () => {} };
    this.#timers.add(timer);
    this.#arm(timer);
    return () => {
      timer.cancel();
      this.#timers.delete(timer);
    };
  }

  /** Changes the rate from now on; no reading jumps. */
  setRate(rate: number): void {
    checkedRate(rate);
    const driftMs = this.bootMs() - this.#boot.ownMs - (this.#base.bootMs() - this.#boot.baseMs);
    this.#wallOffsetMs += driftMs;
    this.#monotonic = { baseMs: this.#base.monotonicMs(), ownMs: this.monotonicMs() };
    this.#boot = { baseMs: this.#base.bootMs(), ownMs: this.bootMs() };
    this.#rate = rate;
    for (const timer of this.#timers) {
      timer.cancel();
      this.#arm(timer);
    }
  }

  /** This host's wall clock is set, forwards or backwards; nothing else notices. */
  stepWall(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  #arm(timer: Timer): void {
    const { baseMs, ownMs } = this.#monotonic;
    let untilMs = baseMs + (timer.untilMs - ownMs) / this.#rate;
    // Rounding may fall short by the last bit; a timer must never fire before this clock shows its time.
    while (Number.isFinite(untilMs) && reading(this.#monotonic, untilMs, this.#rate) < timer.untilMs) {
      untilMs += Math.max(1e-6, Math.abs(untilMs) * Number.EPSILON);
    }
    timer.cancel = this.#base.setTimer(untilMs, () => {
      this.#timers.delete(timer);
      timer.run();
    });
  }
}

function reading(anchor: Anchor, baseMs: number, rate: number): number {
  return anchor.ownMs + (baseMs - anchor.baseMs) * rate;
}

function checkedRate(rate: number): number {
  if (rate > 0 && rate < Infinity) return rate;
  throw new RangeError(`rate (${rate}) must be a positive number`);
}
