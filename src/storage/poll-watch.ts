import { sleep, type Clock } from "../system/clock.ts";
import type { Random } from "../system/random.ts";
import { reconnect } from "./reconnect.ts";
import type { Hint } from "./versioned-storage.ts";

/** What `pollWatch` needs. */
export interface PollWatchParts {
  readonly clock: Clock;
  readonly random: Random;
  /** Between two looks, in milliseconds; with a jitter of a tenth. */
  readonly pollMs: number;
  /**
   * Asks whether there is anything but `known`, as cheaply as the storage can say it, with a deadline. Returns a tag of
   * what is there, `known` itself if nothing changed, or `undefined` for an absent key.
   */
  readonly look: (known: string | undefined, signal: AbortSignal) => Promise<string | undefined>;
}

/**
 * The watch of a storage that notifies nobody: bare hints, one when established and one for each change that is seen.
 */
export function pollWatch(parts: PollWatchParts, signal: AbortSignal): AsyncGenerator<Hint, void, undefined> {
  const { clock, random, pollMs, look } = parts;
  const session = async (tell: (hint: Hint) => void, ended: AbortSignal): Promise<void> => {
    let known = await look(undefined, ended);
    tell({});
    for (;;) {
      await sleep(clock, pollMs * (0.9 + random.next() / 5), ended);
      const found = await look(known, ended);
      if (found !== known) tell({});
      known = found;
    }
  };
  return reconnect({ clock, random, session }, signal);
}
