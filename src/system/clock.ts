import { uptime } from "node:os";

/**
 * The three clocks of a host, and the only door to timers. All readings are in milliseconds; only differences of
 * `monotonicMs` and `bootMs` mean anything, and none is ever compared with another host's.
 */
export interface Clock {
  /** Never steps back; on Linux it stands while the machine is suspended. */
  monotonicMs(): number;
  /** Counts suspended time as well, where the system offers such a clock; coarse (10 ms) and slow (some 4 µs). */
  bootMs(): number;
  /** Time since 1970; may step either way at any moment. */
  wallMs(): number;
  /**
   * Calls `run` once `monotonicMs()` has reached `untilMs`; the returned function cancels. Any distance is allowed. An
   * `idle` timer does not keep the process alive.
   */
  setTimer(untilMs: number, run: () => void, options?: { readonly idle?: boolean }): () => void;
}

/** Node fires a longer timer after 1 ms. */
const longestTimerMs = 2 ** 31 - 1;

/** The real clocks of this process. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  // Only on Linux does os.uptime() count suspended time with a resolution that helps; elsewhere it is derived from wall
  // time.
  bootMs: process.platform === "linux" ? () => uptime() * 1000 : () => performance.now(),
  wallMs: () => Date.now(),
  setTimer(untilMs, run, { idle = false } = {}) {
    if (Number.isNaN(untilMs)) throw new TypeError("setTimer: untilMs is not a number");
    let timer: ReturnType<typeof setTimeout> | undefined;
    const arm = (): void => {
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0 && timer !== undefined) return run();
      // setTimeout cuts to whole milliseconds and may fire early: round up, and look again when it fires.
      timer = setTimeout(arm, Math.min(Math.max(Math.ceil(leftMs), 0), longestTimerMs));
      if (idle) timer.unref();
    };
    arm();
    return () => clearTimeout(timer);
  },
};

/** Resolves after `ms`; rejects with `signal.reason` on abort, and leaves no timer behind. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error); // cast: the caller's reason travels untouched
    const onAbort = (): void => {
      cancel();
      reject(signal?.reason as Error); // cast: as above
    };
    const cancel = clock.setTimer(clock.monotonicMs() + ms, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
