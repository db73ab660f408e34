import type { ResourceLock } from "../lock/resource-lock.ts";
import type { Clock } from "../system/clock.ts";
import { TimeoutError } from "../system/signals.ts";

/** What each call of a lock takes. */
export type LockCallOptions = NonNullable<Parameters<ResourceLock["get"]>[0]>;

/** How a call ended, and how long it took. */
export type CallEnd<T> =
  | { readonly ok: true; readonly value: T; readonly ms: number }
  | { readonly ok: false; readonly error: unknown; readonly ms: number };

/** One call under way. */
export interface Call {
  /** Aborts the call; nothing is told about it any more. */
  abandon(): void;
}

/**
 * The calls of one campaign. Each ends at its deadline, whatever the lock does: its signal is aborted, and the end is
 * told as a `TimeoutError`. An answer that comes later is told as well, for it still says what became of a write.
 */
export class LockCalls {
  readonly #clock: Clock;
  readonly #open = new Set<Call>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  start<T>(timeoutMs: number, call: (options: LockCallOptions) => Promise<T>, ended: (end: CallEnd<T>) => void): Call {
    const controller = new AbortController();
    const sentMs = this.#clock.monotonicMs();
    let listening = true;
    let timedOut = false;
    const tell = (end: { ok: true; value: T } | { ok: false; error: unknown }): void => {
      cancelTimer();
      if (!listening || (timedOut && !end.ok)) return;
      ended({ ...end, ms: this.#clock.monotonicMs() - sentMs });
    };
    const handle: Call = {
      abandon: () => {
        listening = false;
        this.#open.delete(handle);
        cancelTimer();
        controller.abort(new TimeoutError("the call is not needed any more"));
      },
    };
    this.#open.add(handle);
    const cancelTimer = this.#clock.setTimer(sentMs + timeoutMs, () => {
      const error = new TimeoutError(`no answer after ${Math.round(timeoutMs)} ms`);
      tell({ ok: false, error });
      timedOut = true;
      controller.abort(error);
    });
    const settled = new Promise<T>((resolve) => {
      resolve(call({ signal: controller.signal, timeoutMs })); // a lock that throws at once rejects this, too
    });
    settled.then(
      (value) => {
        this.#open.delete(handle);
        tell({ ok: true, value });
      },
      (error: unknown) => {
        this.#open.delete(handle);
        tell({ ok: false, error });
      },
    );
    return handle;
  }

  /** Aborts everything that is under way. */
  abandonAll(): void {
    for (const call of [...this.#open]) call.abandon();
  }
}
