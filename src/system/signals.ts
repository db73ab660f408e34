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
export async function withDeadline<T>(
  { clock, timeoutMs, signal, closing }: DeadlineOptions,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  closing?.throwIfAborted();
  const linked = linkSignals(signal, closing);
  let cancelTimer = (): void => {};
  const ended = new Promise<never>((_resolve, reject) => {
    const fail = (): void => reject(linked.signal.reason as Error); // cast: the caller's reason travels untouched
    linked.signal.addEventListener("abort", fail, { once: true });
    cancelTimer = clock.setTimer(clock.monotonicMs() + timeoutMs, () => {
      linked.abort(new TimeoutError(`no answer after ${Math.round(timeoutMs)} ms`));
    });
  });
  try {
    return await Promise.race([call(linked.signal), ended]);
  } finally {
    cancelTimer();
    linked.unlink();
  }
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
