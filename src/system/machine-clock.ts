import { uptime } from "node:os";

/**
 * An instant that every process of this machine reads alike, in milliseconds on two clocks. A deadline given as an
 * instant is reached when *either* clock has reached it: `monotonicMs` stands while the machine is suspended,
 * `bootMs` does not.
 */
export interface Instant {
  readonly monotonicMs: number;
  /**
   * Absent where the system has no clock that counts suspended time apart (macOS: its monotonic clock counts it
   * already).
   */
  readonly bootMs?: number;
}

/**
 * The clocks that processes of one machine share. `Clock` counts from the start of its own process, so it cannot be
 * passed on.
 */
export interface MachineClock {
  now(): Instant;
}

/**
 * `os.uptime()` moves in steps of 10 ms: without this much more, it would be the first to be reached, up to two steps
 * early.
 */
const bootStepsMs = 20;

/** The real clocks of this machine. */
export const systemMachineClock: MachineClock = {
  now() {
    const monotonicMs = Number(process.hrtime.bigint()) / 1e6;
    // Elsewhere os.uptime() is wall time in whole seconds: a step of the wall clock would move the deadline.
    return process.platform === "linux" ? { monotonicMs, bootMs: uptime() * 1000 } : { monotonicMs };
  },
};

/** The instant `ms` after `from`. */
export function instantAfter(from: Instant, ms: number): Instant {
  const monotonicMs = from.monotonicMs + ms;
  return from.bootMs === undefined ? { monotonicMs } : { monotonicMs, bootMs: from.bootMs + ms + bootStepsMs };
}

/** How long it is from `now` to `until`, by the clock that is further ahead; negative once it has passed. */
export function msBetween(now: Instant, until: Instant): number {
  const leftMs = until.monotonicMs - now.monotonicMs;
  if (now.bootMs === undefined || until.bootMs === undefined) return leftMs;
  return Math.min(leftMs, until.bootMs - now.bootMs);
}
