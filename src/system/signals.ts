import type { Clock } from "./clock.ts";

/** A signal that falls with any of its sources, and a way to let go of them. */
export interface LinkedSignal {
  readonly signal: AbortSignal;
  abort(reason: unknown): void;
  /** Removes the listeners from the sources. */
  unlink(): void;
}

/**
 * Follows `sources` without leaving listeners on them once `unlink` was called; `AbortSignal.any` keeps them for their
 * lifetime.
 */
export function linkSignals(...sources: readonly (AbortSignal | undefined)[]): LinkedSignal {
  const controller = new AbortController();
  const unlinks: (() => void)[] = [];
  const unlink = (): void => {
    for (const remove of unlinks.splice(0)) remove();
  };
  for (const source of sources) {
    if (source === undefined) continue;
    if (source.aborted) {
      controller.abort(source.reason);
      break;
    }
    const follow = (): void => controller.abort(source.reason);
    source.addEventListener("abort", follow, { once: true });
    unlinks.push(() => source.removeEventListener("abort", follow));
  }
  return { signal: controller.signal, abort: (reason) => controller.abort(reason), unlink };
}

/** Our own deadline has passed. Always the `cause` of one of the two storage errors, never thrown bare to users. */
export class TimeoutError extends Error {
  override readonly name: string = "TimeoutError";
}

/** What `withDeadline` needs. */
export interface DeadlineOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** A second signal, so that nobody has to link the two first: each link costs microseconds. */
  readonly closing?: AbortSignal | undefined;
}

/**
 * Runs one call to the outside with a deadline. Settles at the deadline (rejecting with `TimeoutError`) or at the
 * caller's abort (rejecting with `signal.reason`) even if `call` ignores its signal; a later end of `call` is
 * swallowed.
 */
export function withDeadline<T>(
  { clock, timeoutMs, signal, closing }: DeadlineOptions,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    closing?.throwIfAborted();
    const controller = new AbortController();
    const fail: (reason: unknown) => void = reject; // what the caller or the call gives travels untouched
    const end = (reason: unknown): void => {
      fail(reason);
      controller.abort(reason);
      letGo();
    };
    const abort = (): void => end(signal?.reason);
    const close = (): void => end(closing?.reason);
    let cancelTimer = (): void => {};
    const letGo = (): void => {
      cancelTimer();
      signal?.removeEventListener("abort", abort);
      closing?.removeEventListener("abort", close);
    };
    cancelTimer = clock.setTimer(clock.monotonicMs() + timeoutMs, () =>
      end(new TimeoutError(`no answer after ${Math.round(timeoutMs)} ms`)),
    );
    signal?.addEventListener("abort", abort, { once: true });
    closing?.addEventListener("abort", close, { once: true });
    // By hand, without a race and a signal of its own for each source: half of the cost, in each call to the outside.
    const settled = new Promise<T>((settle) => settle(call(controller.signal)));
    settled.then(
      (value) => {
        letGo();
        resolve(value);
      },
      (error: unknown) => {
        letGo();
        fail(error);
      },
    );
  });
}

/** Settles with `work`, or rejects with `signal.reason` as soon as it falls; a later end of `work` is swallowed. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let letGo = (): void => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error); // cast: the caller's reason travels untouched
    signal.addEventListener("abort", abort, { once: true });
    letGo = () => signal.removeEventListener("abort", abort);
    if (signal.aborted) abort();
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    letGo();
  }
}
