import { errorCode } from "../errors.ts";
import type { ObservedRecord, ResourceLock } from "../lock/resource-lock.ts";
import { sleep, type Clock } from "../system/clock.ts";
import type { Random } from "../system/random.ts";
import { retry } from "../system/retry.ts";
import { linkSignals } from "../system/signals.ts";

/**
 * What a look at a lease from outside can tell. `held`: there is a holder, and nothing more is known yet. `live`: its
 * record changed while we looked. `expired`: it did not for as long as others have to wait. `unreadable`: held by
 * nobody known.
 */
export type LeaseState = "absent" | "free" | "held" | "live" | "expired" | "unreadable";

/** A lease as it was observed. */
export interface LeaseView {
  readonly name: string;
  readonly state: LeaseState;
  readonly observed?: ObservedRecord;
  /** Of an unreadable record, where the storage told it. */
  readonly version?: string;
  /** Why a record is unreadable. */
  readonly problem?: string;
  /** When the record was first received as it is now, on the monotonic clock. */
  readonly receivedMs: number;
  /** Whether that was the change itself; otherwise the record is older than our first look. */
  readonly changeSeen: boolean;
}

/** What a `LeaseObserver` needs. */
export interface LeaseObserverOptions {
  readonly name: string;
  readonly lock: ResourceLock;
  readonly clock: Clock;
  readonly random: Random;
  /** How long a record that says no duration counts; no less than what others would wait. */
  readonly leaseDurationMs: number;
  readonly pollMs: number;
  /** Told once when the storage cannot be read, and `follow` goes on; absent: `follow` fails. */
  readonly onTrouble?: (error: Error) => void;
}

/**
 * Follows one lease as a standby would, without campaigning: a record is judged by its changes, never by another
 * host's clock.
 */
export class LeaseObserver {
  readonly #options: LeaseObserverOptions;
  #view: LeaseView | undefined;
  #troubled = false;

  constructor(options: LeaseObserverOptions) {
    this.#options = options;
  }

  /** Reads once. @throws if the storage cannot be read. */
  async look(signal?: AbortSignal): Promise<LeaseView> {
    const { clock } = this.#options;
    try {
      const observed = await this.#read(signal);
      return this.#fold(observed, clock.monotonicMs());
    } catch (error) {
      if (errorCode(error) !== "CORRUPT_DATA") throw error;
      return this.#foldUnreadable(error, clock.monotonicMs());
    }
  }

  async #read(signal: AbortSignal | undefined): Promise<ObservedRecord | undefined> {
    const { lock, clock, random } = this.#options;
    const read = (): Promise<ObservedRecord | undefined> => lock.get(signal && { signal });
    try {
      return await read(); // most often the first attempt is enough, and then nothing has to be loaded for a second one
    } catch (error) {
      if (errorCode(error) !== "STORAGE_UNAVAILABLE") throw error;
      return await retry(read, { clock, random, deadlineMs: readDeadlineMs, ...(signal && { signal }) });
    }
  }

  /** Yields the lease at once, then after each change of its state, holder or term, until `signal` aborts. */
  async *follow(signal: AbortSignal): AsyncGenerator<LeaseView, void, undefined> {
    const stop = linkSignals(signal);
    const hints = new Hints();
    const watching = this.#watch(hints, stop.signal);
    let told: LeaseView | undefined;
    try {
      while (!signal.aborted) {
        const view = await this.#lookOrTell(stop.signal);
        if (view !== undefined && (told === undefined || differs(told, view))) yield (told = view);
        await hints.wait(this.#options.clock, this.#pauseMs(view), stop.signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      stop.abort(new Error("no more looked at"));
      stop.unlink();
      await watching;
    }
  }

  /** How long the record in hand keeps others waiting. */
  waitMs(view: LeaseView): number {
    const seconds = view.observed?.record.leaseDurationSeconds;
    return seconds === undefined ? this.#options.leaseDurationMs : seconds * 1000;
  }

  async #lookOrTell(signal: AbortSignal): Promise<LeaseView | undefined> {
    const { onTrouble } = this.#options;
    try {
      const view = await this.look(signal);
      this.#troubled = false;
      return view;
    } catch (error) {
      if (onTrouble === undefined || !(error instanceof Error) || errorCode(error) !== "STORAGE_UNAVAILABLE")
        throw error;
      if (!this.#troubled) onTrouble(error);
      this.#troubled = true;
      return undefined;
    }
  }

  /** Until the next poll, or until the lease runs out if that comes first. */
  #pauseMs(view: LeaseView | undefined): number {
    const { clock, pollMs } = this.#options;
    if (view === undefined) return pollMs;
    if (view.state !== "held" && view.state !== "live") return pollMs;
    return Math.min(pollMs, Math.max(0, view.receivedMs + this.waitMs(view) - clock.monotonicMs()));
  }

  #fold(observed: ObservedRecord | undefined, nowMs: number): LeaseView {
    const before = this.#view;
    const same = before !== undefined && pairOf(before.observed) === pairOf(observed) && before.state !== "unreadable";
    const receivedMs = same ? before.receivedMs : nowMs;
    const changeSeen = same ? before.changeSeen : before !== undefined;
    const view: LeaseView = {
      name: this.#options.name,
      state: "held",
      receivedMs,
      changeSeen,
      ...(observed && { observed }),
    };
    this.#view = { ...view, state: this.#judge(view, nowMs) };
    return this.#view;
  }

  #judge(view: LeaseView, nowMs: number): LeaseState {
    if (view.observed === undefined) return "absent";
    if (view.observed.record.holderIdentity === "") return "free";
    if (nowMs - view.receivedMs >= this.waitMs(view)) return "expired";
    return view.changeSeen ? "live" : "held";
  }

  #foldUnreadable(error: unknown, nowMs: number): LeaseView {
    const version: unknown = Reflect.get(Object(error), "version");
    const before = this.#view;
    const same = before?.state === "unreadable" && before.version === version;
    this.#view = {
      name: this.#options.name,
      state: "unreadable",
      ...(typeof version === "string" && { version }),
      problem: error instanceof Error ? error.message : String(error),
      receivedMs: same ? before.receivedMs : nowMs,
      changeSeen: same ? before.changeSeen : before !== undefined,
    };
    return this.#view;
  }

  /** A watch may end by itself, as those of an API server do after some minutes; then it is opened again. */
  async #watch(hints: Hints, signal: AbortSignal): Promise<void> {
    const { lock, clock, pollMs } = this.#options;
    while (lock.watch !== undefined && !signal.aborted) {
      try {
        for await (const _ of lock.watch({ signal })) hints.push();
      } catch {
        // polling goes on: nothing relies on hints
      }
      await sleep(clock, pollMs, signal).catch(() => {}); // the abort, which the loop sees
    }
  }
}

const readDeadlineMs = 10_000;

/** "Look again", told between two looks. */
class Hints {
  #pending = false;
  #wake = new AbortController();

  push(): void {
    this.#pending = true;
    this.#wake.abort();
  }

  /** Until a hint or `ms` have passed. @throws `signal.reason` on abort. */
  async wait(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#pending) {
      this.#wake = new AbortController();
      const woken = linkSignals(signal, this.#wake.signal);
      try {
        await sleep(clock, ms, woken.signal);
      } catch {
        signal.throwIfAborted(); // otherwise it was the hint
      } finally {
        woken.unlink();
      }
    }
    this.#pending = false;
  }
}

/** The pair that names one write; the version too for a free record, since releases may repeat a text. */
function pairOf(observed: ObservedRecord | undefined): string {
  if (observed === undefined) return "";
  const { holderIdentity, renewTime } = observed.record;
  return JSON.stringify([holderIdentity, renewTime, holderIdentity === "" ? observed.version : ""]);
}

function differs(before: LeaseView, after: LeaseView): boolean {
  const facts = ({ state, observed }: LeaseView): string =>
    JSON.stringify([state, observed?.record.holderIdentity, observed?.record.leaderTransitions]);
  return facts(before) !== facts(after);
}
