import { errorCode } from "../errors.ts";
import { sleep, type Clock } from "./clock.ts";
import type { Random } from "./random.ts";

/** How `retry` works. */
export interface RetryOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** No pause reaches beyond this many milliseconds after the first attempt began. */
  readonly deadlineMs: number;
  /** How many attempts are made at the most; default 3. */
  readonly attempts?: number;
  readonly signal?: AbortSignal;
}

const firstPauseMs = 50;

/**
 * Repeats a *read* while it fails with `STORAGE_UNAVAILABLE`: full-jitter pauses from 50 ms, doubling; a longer
 * `retryAfterMs` of the storage is honoured if it fits before the deadline. Every other error is thrown at once. Never
 * give it a conditional write: a repeated write turns one's own success into a refusal.
 *
 * Abort ends the pause and rejects with `signal.reason`.
 */
export async function retry<T>(read: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { clock, random, signal } = options;
  const untilMs = clock.monotonicMs() + options.deadlineMs;
  const { default: pRetry } = await import("p-retry");
  return pRetry(read, {
    retries: (options.attempts ?? 3) - 1,
    minTimeout: 0, // the pause is taken below, on the injected clock
    ...(signal && { signal }),
    shouldRetry: async ({ error, attemptNumber }) => {
      if (errorCode(error) !== "STORAGE_UNAVAILABLE") return false;
      const asked: unknown = Reflect.get(error, "retryAfterMs");
      const drawnMs = random.next() * firstPauseMs * 2 ** (attemptNumber - 1);
      const pauseMs = Math.max(drawnMs, typeof asked === "number" && asked > 0 ? asked : 0);
      if (clock.monotonicMs() + pauseMs >= untilMs) return false;
      await sleep(clock, pauseMs, signal);
      return true;
    },
  });
}
