import { sleep, type Clock } from "../system/clock.ts";
import type { Random } from "../system/random.ts";
import { linkSignals } from "../system/signals.ts";
import { reconnect } from "./reconnect.ts";
import type { Hint, Stored } from "./versioned-storage.ts";

/** How a subscription reports. */
export interface Subscriber {
  /** To be called each time that nothing can be missed from now on: what is there is read and told. */
  readonly established: () => void;
  /** To be called for each notification; with what it carried, if it did. */
  readonly tell: (hint: Hint) => void;
}

/** What `pushWatch` needs. */
export interface PushWatchParts {
  readonly clock: Clock;
  readonly random: Random;
  /** How often the key is read all the same, in milliseconds: a lost notification costs that and nothing else. */
  readonly pollMs: number;
  /** A read with a deadline. */
  readonly read: (signal: AbortSignal) => Promise<Stored | undefined>;
  /** One life of the subscription: settles when it broke, or when `signal` fell and what it opened is closed. */
  readonly subscribe: (subscriber: Subscriber, signal: AbortSignal) => Promise<void>;
}

/** The watch of a storage that notifies: hints with what they carry, and a slow poll beside them. */
export function pushWatch(parts: PushWatchParts, signal: AbortSignal): AsyncGenerator<Hint, void, undefined> {
  const { clock, random } = parts;
  return reconnect({ clock, random, session: (tell, ended) => live(parts, tell, ended) }, signal);
}

async function live(parts: PushWatchParts, tell: (hint: Hint) => void, signal: AbortSignal): Promise<void> {
  const { clock, random, pollMs, read, subscribe } = parts;
  const over = linkSignals(signal);
  // What was told last; a read that shows the same says nothing new. A bare notification may stand for anything.
  let told: string | undefined;
  let anew = true;
  const pass = (hint: Hint): void => {
    told = hint.seen?.version;
    anew = hint.seen === undefined;
    tell(hint);
  };
  const look = async (always: boolean): Promise<void> => {
    const seen = await read(over.signal);
    if (over.signal.aborted || (!always && !anew && seen?.version === told)) return;
    told = seen?.version;
    anew = false;
    tell(seen === undefined ? {} : { seen });
  };
  const poll = async (): Promise<never> => {
    for (;;) {
      await sleep(clock, pollMs * (0.9 + random.next() / 5), over.signal);
      await look(false);
    }
  };
  let fail = (_error: unknown): void => {};
  const failed = new Promise<never>((_resolve, reject) => (fail = reject));
  const established = (): void => void look(true).catch(fail);
  try {
    await Promise.race([subscribe({ established, tell: pass }, over.signal), poll(), failed]);
  } finally {
    over.abort(new Error("the subscription is over"));
    over.unlink();
  }
}
