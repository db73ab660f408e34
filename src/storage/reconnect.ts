import { errorCode } from "../errors.ts";
import { sleep, type Clock } from "../system/clock.ts";
import type { Random } from "../system/random.ts";
import { linkSignals } from "../system/signals.ts";
import { HintQueue } from "./hint-queue.ts";
import type { Hint } from "./versioned-storage.ts";

/** One life of whatever tells of changes: until it breaks, or until `signal` falls. */
export type WatchSession = (tell: (hint: Hint) => void, signal: AbortSignal) => Promise<void>;

/** What `reconnect` needs. */
export interface ReconnectParts {
  readonly clock: Clock;
  readonly random: Random;
  /** Tells one hint as soon as nothing can be missed any more, then one for each change. Settles when it is over. */
  readonly session: WatchSession;
}

const shortestPauseMs = 100;
const longestPauseMs = 5_000;
/** What no waiting cures: the caller has to learn it. */
const incurable: readonly unknown[] = ["ACCESS_DENIED", "CLOSED", "INVALID_SETTINGS", "UNSUPPORTED"];

/**
 * The hints of one session after the other, until `signal` falls; then it ends without an error. Pauses between
 * sessions are 0.1 to 5 s with jitter, doubled after each session that was shorter than that.
 *
 * @throws what a session throws, if waiting cannot cure it: no access, no such place, closed.
 */
export async function* reconnect(parts: ReconnectParts, signal: AbortSignal): AsyncGenerator<Hint, void, undefined> {
  const queue = new HintQueue();
  const over = linkSignals(signal);
  void keepGoing(parts, queue, over.signal);
  try {
    yield* queue.hints(signal);
  } finally {
    over.abort(new Error("the watch is over"));
    over.unlink();
  }
}

async function keepGoing(parts: ReconnectParts, queue: HintQueue, signal: AbortSignal): Promise<void> {
  const { clock, random, session } = parts;
  const tell = (hint: Hint): void => (signal.aborted ? undefined : queue.push(hint));
  let pauseMs = shortestPauseMs;
  while (!signal.aborted) {
    const startedMs = clock.monotonicMs();
    try {
      await session(tell, signal);
    } catch (error) {
      if (incurable.includes(errorCode(error))) return queue.fail(error);
      // Anything else is the end of a session like any other: the next one tells what was missed.
    }
    if (clock.monotonicMs() - startedMs > longestPauseMs) pauseMs = shortestPauseMs;
    const drawnMs = pauseMs * (0.5 + random.next() / 2);
    pauseMs = Math.min(2 * pauseMs, longestPauseMs);
    await sleep(clock, drawnMs, signal).catch(() => undefined); // it rejects when the watch is over
  }
}
