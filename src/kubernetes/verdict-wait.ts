import type { Clock } from "../system/clock.ts";
import type { Silence } from "./confirmation.ts";
import type { ShownLease } from "./shown-lease.ts";

/** A verdict that may still change. */
export interface OpenVerdict {
  readonly is: "wait";
  readonly silence: Silence;
  readonly told: string;
  readonly again?: true;
}

/** What `awaitVerdict` needs. */
export interface VerdictWaitParts<V> {
  readonly clock: Clock;
  /** When the caller has to be told something, by the monotonic clock. */
  readonly untilMs: number;
  readonly signal: AbortSignal | undefined;
  /** The states that are known already, oldest first: what the write was answered with, and what overtook it. */
  readonly known: readonly ShownLease[];
  /** `undefined`: there is no such resource. */
  readonly judge: (shown: ShownLease | undefined) => V;
  /** Hears each state that is seen from now on, also by `poll`; the returned function ends it. */
  readonly listen: (hear: (shown: ShownLease | undefined) => void) => () => void;
  /** Whether the watch has shown what was written. */
  readonly isWatched: () => boolean;
  /** Reads once; never rejects. */
  readonly poll: () => Promise<void>;
  /** Signals once more; never rejects. */
  readonly again?: () => Promise<void>;
}

const blindPollMs = 250;
const watchedPollMs = 1_000;
const againMs = 1_000;

/**
 * Judges the answer of a write, then each state that is seen, until a verdict stands or the time is over; then it
 * resolves with the last open one. The watch is the way, and polling the net: each 250 ms until the watch has shown
 * what was written, then each second.
 */
export async function awaitVerdict<V extends { readonly is: string }>(parts: VerdictWaitParts<V>): Promise<V> {
  const queue: (ShownLease | undefined)[] = [...parts.known];
  const bell = new Bell(parts.clock);
  const leave = parts.listen((shown) => {
    queue.push(shown);
    bell.ring();
  });
  const ring = (): void => bell.ring();
  parts.signal?.addEventListener("abort", ring);
  try {
    return await judgeAll(parts, queue, bell);
  } finally {
    leave();
    parts.signal?.removeEventListener("abort", ring);
  }
}

async function judgeAll<V extends { readonly is: string }>(
  parts: VerdictWaitParts<V>,
  queue: (ShownLease | undefined)[],
  bell: Bell,
): Promise<V> {
  const { clock, untilMs, judge, signal } = parts;
  const startMs = clock.monotonicMs();
  const pace: Pace = { polledMs: startMs, againMs: startMs, polling: false };
  for (let verdict = judge(queue.shift()); ;) {
    if (verdict.is !== "wait") return verdict;
    if (queue.length > 0) {
      verdict = judge(queue.shift());
      continue;
    }
    signal?.throwIfAborted();
    const nowMs = clock.monotonicMs();
    if (nowMs >= untilMs) return verdict;
    const dueMs = [untilMs, poll(parts, pace, bell)];
    if (parts.again !== undefined && "again" in verdict) dueMs.push(signalAgain(parts.again, pace, nowMs));
    await bell.waitUntil(Math.min(...dueMs));
  }
}

interface Pace {
  polledMs: number;
  againMs: number;
  polling: boolean;
}

/** Polls if it is time, and says when it is the next time. */
function poll<V>({ clock, isWatched, poll: read }: VerdictWaitParts<V>, pace: Pace, bell: Bell): number {
  const nowMs = clock.monotonicMs();
  const everyMs = isWatched() ? watchedPollMs : blindPollMs;
  if (pace.polling) return Infinity;
  if (nowMs < pace.polledMs + everyMs) return pace.polledMs + everyMs;
  pace.polledMs = nowMs;
  pace.polling = true;
  void read().then(() => {
    pace.polling = false;
    bell.ring();
  });
  return Infinity;
}

function signalAgain(again: () => Promise<void>, pace: Pace, nowMs: number): number {
  if (nowMs < pace.againMs + againMs) return pace.againMs + againMs;
  pace.againMs = nowMs;
  void again();
  return nowMs + againMs;
}

/** Waits for a time, or for being rung. */
class Bell {
  readonly #clock: Clock;
  #rung = false;
  #wake = (): void => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  ring(): void {
    this.#rung = true;
    this.#wake();
  }

  async waitUntil(untilMs: number): Promise<void> {
    if (!this.#rung) {
      let cancel = (): void => {};
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        cancel = this.#clock.setTimer(untilMs, resolve);
      });
      cancel();
    }
    this.#rung = false;
    this.#wake = () => {};
  }
}
