// Goal: a watch is kept open at a bearable pace, tells what it was told, and can be ended at any moment, whatever the
// lock does. Method: hints from the hand of the test, over a lock that may ignore its signal, on a manual clock.
import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { RecordWatch } from "../../src/election/record-watch.ts";
import type { LockHint, ResourceLock } from "../../src/lock/resource-lock.ts";
import { Deferred } from "../../src/system/deferred.ts";
import { FakeLock, ManualClock } from "../../src/testing/index.ts";
import { record, version } from "./situations.ts";

/** One watch as its lock sees it. */
interface OpenWatch {
  readonly openedAtMs: number;
  readonly signal: AbortSignal;
  returned: boolean;
  hint(hint?: LockHint): void;
  end(): void;
  fail(error: unknown): void;
}

/** A lock whose watches tell what the test says, and never heed an abort. */
class WatchedLock {
  readonly clock = new ManualClock();
  readonly watches: OpenWatch[] = [];
  readonly told: string[] = [];
  readonly watch: RecordWatch;
  draw = 0;
  /** Thrown by the next opening. */
  refusal: Error | undefined;

  constructor() {
    const lock = Object.assign(new FakeLock({ clock: this.clock }), {
      watch: ({ signal }: { signal: AbortSignal }) => this.#open(signal),
    }) as ResourceLock; // cast: the fake lock without a watch declares none
    const random = { next: () => this.draw, uuid: () => "" };
    this.watch = new RecordWatch(
      { lock, clock: this.clock, random },
      {
        opened: () => this.told.push("opened"),
        hinted: (observed) => this.told.push(observed === undefined ? "hint" : `hint of ${observed.version}`),
        // cast: the tests fail with errors
        lost: (error) => this.told.push(error === undefined ? "lost" : `lost: ${(error as Error).message}`),
      },
    );
  }

  get last(): OpenWatch {
    const last = this.watches.at(-1);
    if (last === undefined) throw new Error("no watch was opened");
    return last;
  }

  #open(signal: AbortSignal): AsyncIterable<LockHint> {
    if (this.refusal !== undefined) throw this.refusal;
    const queue: (IteratorResult<LockHint, undefined> | Error)[] = [];
    let waiting: Deferred<IteratorResult<LockHint, undefined>> | undefined;
    const give = (item: IteratorResult<LockHint, undefined> | Error): void => {
      if (waiting === undefined) return void queue.push(item);
      if (item instanceof Error) waiting.reject(item);
      else waiting.resolve(item);
      waiting = undefined;
    };
    const open: OpenWatch = {
      ...{ openedAtMs: this.clock.monotonicMs(), signal, returned: false },
      hint: (hint = {}) => give({ done: false, value: hint }),
      end: () => give({ done: true, value: undefined }),
      fail: (error) => give(error as Error), // cast: the tests pass errors
    };
    this.watches.push(open);
    const next = async (): Promise<IteratorResult<LockHint, undefined>> => {
      const item = queue.shift();
      if (item instanceof Error) throw item;
      if (item !== undefined) return item;
      waiting = new Deferred();
      return waiting.promise;
    };
    const iterator: AsyncIterator<LockHint, undefined> = {
      next,
      return: () => {
        open.returned = true;
        return new Promise(() => {}); // never ends either
      },
    };
    return { [Symbol.asyncIterator]: () => iterator };
  }
}

async function watching(): Promise<WatchedLock> {
  const lock = new WatchedLock();
  lock.watch.start();
  await lock.clock.advance();
  return lock;
}

describe("a watch", () => {
  it("is open with its first hint, and passes each hint on with what it carries", async () => {
    const lock = await watching();
    expect(lock.told).toEqual([]);
    lock.last.hint();
    lock.last.hint({ observed: { record: record("other"), version: version("v7") } });
    await lock.clock.advance();
    expect(lock.told).toEqual(["opened", "hint", "hint of v7"]);
  });

  it("is not opened for a lock without one", async () => {
    const clock = new ManualClock();
    const lock = new FakeLock({ clock });
    const fail = (): void => {
      throw new Error("there is nothing to tell");
    };
    const random = { next: () => 0, uuid: () => "" };
    const watch = new RecordWatch({ lock, clock, random }, { opened: fail, hinted: fail, lost: fail });
    watch.start();
    await clock.advance(60_000);
    watch.reopen();
    watch.stop();
    expect(lock.calls).toEqual([]);
    expect(clock.timerCount).toBe(0);
  });

  it("keeps no listener for each hint that it has told", async () => {
    const lock = await watching();
    for (let hints = 0; hints < 100; hints += 1) lock.last.hint();
    await lock.clock.advance();
    expect(lock.told).toHaveLength(101);
    expect(getEventListeners(lock.last.signal, "abort").length).toBeLessThanOrEqual(1);
  });
});

describe("a watch that ended", () => {
  it("is told, with its error if it had one, and opened again", async () => {
    const lock = await watching();
    lock.last.hint();
    await lock.clock.advance();
    lock.last.fail(new Error("connection reset"));
    await lock.clock.advance(1_000);
    lock.last.hint();
    await lock.clock.advance();
    lock.last.end();
    await lock.clock.advance(1_000);
    expect(lock.told).toEqual(["opened", "hint", "lost: connection reset", "opened", "hint", "lost"]);
    expect(lock.watches).toHaveLength(3);
  });

  it("is aborted, whichever way it ended: it must not run on", async () => {
    const lock = await watching();
    lock.last.fail(new Error("connection reset"));
    await lock.clock.advance();
    expect(lock.watches[0]?.signal.aborted).toBe(true);
    expect(lock.watches[0]?.returned).toBe(true);
  });

  it.each([
    [0, [1_000, 1_000, 1_000, 1_000, 1_000, 1_000]],
    [0.5, [1_500, 2_500, 4_500, 8_500, 15_500, 15_500]],
    [0.999_999, [2_000, 4_000, 8_000, 16_000, 30_000, 30_000]],
  ])("opens again after 1 s to 30 s, doubling while it tells nothing, at a draw of %d", async (draw, pauses) => {
    const lock = await watching();
    lock.draw = draw;
    const taken: number[] = [];
    for (let ends = 0; ends < pauses.length; ends += 1) {
      lock.last.end();
      const opened = lock.watches.length;
      taken.push(await lock.clock.advanceUntil(() => lock.watches.length > opened, 31_000));
    }
    expect(taken.map((ms) => Math.round(ms))).toEqual(pauses);
  });

  it("opens again soon once it has told something", async () => {
    const lock = await watching();
    lock.draw = 0.5;
    for (const expected of [1_500, 2_500, 4_500]) {
      lock.last.end();
      const opened = lock.watches.length;
      expect(await lock.clock.advanceUntil(() => lock.watches.length > opened)).toBe(expected);
    }
    lock.last.hint();
    await lock.clock.advance();
    lock.last.end();
    const opened = lock.watches.length;
    expect(await lock.clock.advanceUntil(() => lock.watches.length > opened)).toBe(1_500);
  });

  it("is opened again if the opening itself throws", async () => {
    const lock = new WatchedLock();
    lock.refusal = new Error("too many watches");
    lock.watch.start();
    await lock.clock.advance();
    expect(lock.told).toEqual(["lost: too many watches"]);
    lock.refusal = undefined;
    await lock.clock.advance(1_000);
    expect(lock.watches).toHaveLength(1);
  });
});

describe("a watch that is opened anew, since it did not tell a change", () => {
  it("ends at once although the lock ignores its signal, and opens after a pause", async () => {
    const lock = await watching();
    lock.last.hint();
    await lock.clock.advance();
    lock.watch.reopen();
    await lock.clock.advance();
    expect(lock.told).toEqual(["opened", "hint", "lost"]);
    expect(lock.watches[0]).toMatchObject({ returned: true, signal: { aborted: true } });
    await lock.clock.advance(1_000);
    expect(lock.watches).toHaveLength(2);
  });

  it("tells nothing of the old one any more, neither a hint nor an error", async () => {
    const lock = await watching();
    const old = lock.last;
    lock.watch.reopen();
    await lock.clock.advance();
    old.hint();
    old.fail(new Error("late"));
    await lock.clock.advance(1_000);
    expect(lock.told).toEqual(["lost"]);
  });

  it("is no second pause if it is between two watches already", async () => {
    const lock = await watching();
    lock.last.end();
    await lock.clock.advance(400);
    lock.watch.reopen();
    await lock.clock.advance(600);
    expect(lock.watches).toHaveLength(2);
  });
});

describe("the end of all watching", () => {
  it("is at once, tells nothing, and leaves nothing behind, although the lock ignores its signal", async () => {
    const lock = await watching();
    lock.last.hint();
    await lock.clock.advance();
    lock.watch.stop();
    await lock.clock.advance(60_000);
    expect(lock.told).toEqual(["opened", "hint"]);
    expect(lock.watches).toHaveLength(1);
    expect(lock.last).toMatchObject({ returned: true, signal: { aborted: true } });
    expect(lock.clock.timerCount).toBe(0);
  });

  it("may come between two watches, and before the first", async () => {
    const between = await watching();
    between.last.end();
    await between.clock.advance();
    expect(between.clock.timerCount).toBe(1);
    between.watch.stop();
    await between.clock.advance(60_000);
    expect([between.watches.length, between.clock.timerCount]).toEqual([1, 0]);
    const before = new WatchedLock();
    before.watch.stop();
    before.watch.start();
    await before.clock.advance(60_000);
    expect([before.watches.length, before.clock.timerCount]).toEqual([0, 0]);
  });
});
