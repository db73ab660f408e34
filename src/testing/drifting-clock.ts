import type { Clock } from "../system/clock.ts";

/** How a `DriftingClock` differs from its reference. */
export interface DriftingClockOptions {
  /** Milliseconds of this clock for each millisecond of the reference; default 1, greater than 0. */
  readonly rate?: number;
  /** How far it is ahead of its reference at the start, all three readings; default 0. */
  readonly offsetMs?: number;
}

interface Timer {
  readonly untilMs: number;
  readonly run: () => void;
  cancel: () => void;
}

/** One reading of the reference, and what this clock showed then. */
interface Anchor {
  readonly referenceMs: number;
  readonly ownMs: number;
}

/**
 * A clock of another host: it runs at its own rate over a reference clock, which several of them may share. `setRate`
 * changes the rate from now on; timers that are set move along.
 */
export class DriftingClock implements Clock {
  readonly #reference: Clock;
  #rate: number;
  #monotonic: Anchor;
  #boot: Anchor;
  #wallOffsetMs: number;
  readonly #timers = new Set<Timer>();

  constructor(reference: Clock, options: DriftingClockOptions = {}) {
    this.#reference = reference;
    this.#rate = checkedRate(options.rate ?? 1);
    this.#wallOffsetMs = options.offsetMs ?? 0;
    this.#monotonic = { referenceMs: reference.monotonicMs(), ownMs: reference.monotonicMs() + this.#wallOffsetMs };
    this.#boot = { referenceMs: reference.bootMs(), ownMs: reference.bootMs() + this.#wallOffsetMs };
  }

  /** Milliseconds of this clock for each millisecond of the reference. */
  get rate(): number {
    return this.#rate;
  }

  monotonicMs(): number {
    return reading(this.#monotonic, this.#reference.monotonicMs(), this.#rate);
  }

  bootMs(): number {
    return reading(this.#boot, this.#reference.bootMs(), this.#rate);
  }

  /** Drifts as far as `bootMs` has, and follows the steps of the reference's wall clock. */
  wallMs(): number {
    const driftMs = this.bootMs() - this.#boot.ownMs - (this.#reference.bootMs() - this.#boot.referenceMs);
    return Math.floor(this.#reference.wallMs() + this.#wallOffsetMs + driftMs);
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
    const driftMs = this.bootMs() - this.#boot.ownMs - (this.#reference.bootMs() - this.#boot.referenceMs);
    this.#wallOffsetMs += driftMs;
    this.#monotonic = { referenceMs: this.#reference.monotonicMs(), ownMs: this.monotonicMs() };
    this.#boot = { referenceMs: this.#reference.bootMs(), ownMs: this.bootMs() };
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
    const { referenceMs, ownMs } = this.#monotonic;
    let untilMs = referenceMs + (timer.untilMs - ownMs) / this.#rate;
    // Rounding may fall short by the last bit; a timer must never fire before this clock shows its time.
    while (Number.isFinite(untilMs) && reading(this.#monotonic, untilMs, this.#rate) < timer.untilMs) {
      untilMs += Math.max(1e-6, Math.abs(untilMs) * Number.EPSILON);
    }
    timer.cancel = this.#reference.setTimer(untilMs, () => {
      this.#timers.delete(timer);
      timer.run();
    });
  }
}

function reading(anchor: Anchor, referenceMs: number, rate: number): number {
  return anchor.ownMs + (referenceMs - anchor.referenceMs) * rate;
}

function checkedRate(rate: number): number {
  if (rate > 0 && rate < Infinity) return rate;
  throw new RangeError(`rate (${rate}) must be a positive number`);
}
