// Goal: every call of a lock ends in time and is told once, and whatever comes later is told only if it proves
// something. Method: calls that answer, fail, hang, answer late or ignore their signal, on a manual clock.
import { describe, expect, it } from "vitest";
import { isLost, isWritten, retryAfterOf } from "../../src/election/write-answers.ts";
import { LockCalls, type CallEnd, type LockCallOptions } from "../../src/election/lock-calls.ts";
import { CorruptDataError, StorageUnavailableError } from "../../src/errors.ts";
import { TimeoutError } from "../../src/system/signals.ts";
import { ManualClock } from "../../src/testing/index.ts";

function started(call: (options: LockCallOptions) => Promise<string>, timeoutMs = 100) {
  const clock = new ManualClock({ monotonicMs: 1_000 });
  const calls = new LockCalls(clock);
  const ends: CallEnd<string>[] = [];
  const handle = calls.start(timeoutMs, call, (end) => ends.push(end));
  return { clock, calls, ends, handle };
}

describe("a call of a lock", () => {
  it("is told with its answer, and how long it took", async () => {
    const answer = Promise.withResolvers<string>();
    const { clock, ends } = started(() => answer.promise);
    await clock.advance(40);
    answer.resolve("answer");
    await clock.advance();
    expect(ends).toEqual([{ ok: true, value: "answer", ms: 40 }]);
    expect(clock.timerCount).toBe(0);
  });

  it("is told with its error, thrown at once or later", async () => {
    const error = new Error("no");
    const calls: readonly (() => Promise<string>)[] = [
      () => Promise.reject(error),
      () => {
        throw error;
      },
    ];
    for (const call of calls) {
      const { clock, ends } = started(call);
      expect(ends).toEqual([]); // never inside of the start
      await clock.advance(200);
      expect(ends).toEqual([{ ok: false, error, ms: 0 }]);
      expect(clock.timerCount).toBe(0);
    }
  });

  it("takes what a careless lock returns without a promise", async () => {
    const { clock, ends } = started((() => "answer") as unknown as () => Promise<string>); // cast: wrong on purpose
    await clock.advance();
    expect(ends).toEqual([{ ok: true, value: "answer", ms: 0 }]);
  });

  it("gets a signal and its deadline", () => {
    let options: LockCallOptions | undefined;
    started((given) => {
      options = given;
      return new Promise(() => {});
    }, 250);
    expect(options?.timeoutMs).toBe(250);
    expect(options?.signal?.aborted).toBe(false);
  });

  it("ends at its deadline although the lock ignores its signal, and that signal falls (trace K4)", async () => {
    let signal: AbortSignal | undefined;
    const { clock, ends } = started((options) => {
      signal = options.signal;
      return new Promise(() => {});
    });
    await clock.advance(99);
    expect([ends, signal?.aborted]).toEqual([[], false]);
    await clock.advance(1);
    expect(ends).toEqual([{ ok: false, error: expect.any(TimeoutError), ms: 100 }]);
    expect(signal?.aborted).toBe(true);
    expect(signal?.reason).toBeInstanceOf(TimeoutError);
    expect(clock.timerCount).toBe(0);
  });

  it("is told once if it heeds its signal", async () => {
    const { clock, ends } = started(({ signal }) => {
      return new Promise((_resolve, reject) => {
        signal?.addEventListener("abort", () => reject(new Error("aborted")));
      });
    });
    await clock.advance(500);
    expect(ends).toEqual([{ ok: false, error: expect.any(TimeoutError), ms: 100 }]);
  });
});

describe("what comes after the deadline", () => {
  it("is told if it is an answer: it still says what became of a write", async () => {
    const late = Promise.withResolvers<string>();
    const { clock, ends } = started(() => late.promise);
    await clock.advance(300);
    late.resolve("late");
    await clock.advance();
    expect(ends.slice(1)).toEqual([{ ok: true, value: "late", ms: 300 }]);
  });

  it("is not told if it is an error: that says nothing new, and is no unhandled rejection", async () => {
    const late = Promise.withResolvers<string>();
    const { clock, ends } = started(() => late.promise);
    await clock.advance(300);
    late.reject(new Error("late"));
    await clock.advance();
    expect(ends).toHaveLength(1);
  });
});

describe("a call that is abandoned", () => {
  it("is aborted, and nothing is told about it any more", async () => {
    for (const settle of ["resolve", "reject", "never"] as const) {
      const late = Promise.withResolvers<string>();
      let signal: AbortSignal | undefined;
      const { clock, ends, handle } = started((options) => {
        signal = options.signal;
        return late.promise;
      });
      handle.abandon();
      expect(signal?.aborted).toBe(true);
      expect(clock.timerCount).toBe(0);
      if (settle === "resolve") late.resolve("late");
      if (settle === "reject") late.reject(new Error("late"));
      await clock.advance(500);
      expect(ends).toEqual([]);
      expect(clock.timerCount).toBe(0);
    }
  });

  it("may be abandoned twice, after its deadline, and after its end", async () => {
    const { clock, ends, handle } = started(() => new Promise(() => {}));
    await clock.advance(100);
    handle.abandon();
    handle.abandon();
    const ended = started(async () => "answer");
    await ended.clock.advance();
    ended.handle.abandon();
    expect([ends.length, ended.ends.length]).toEqual([1, 1]);
  });

  it("is not one that has ended: its signal is left alone, and it is forgotten", async () => {
    for (const call of [async () => "answer", () => Promise.reject(new Error("no"))]) {
      let signal: AbortSignal | undefined;
      const { clock, calls } = started((options) => {
        signal = options.signal;
        return call();
      });
      await clock.advance();
      calls.abandonAll();
      expect(signal?.aborted).toBe(false);
    }
  });

  it("together with all others that are under way, those past their deadline too", async () => {
    const clock = new ManualClock();
    const calls = new LockCalls(clock);
    const signals: AbortSignal[] = [];
    const late: PromiseWithResolvers<string>[] = [];
    let told = 0;
    for (const timeoutMs of [10, 1_000, 2_000]) {
      const answer = Promise.withResolvers<string>();
      late.push(answer);
      const call = ({ signal }: LockCallOptions): Promise<string> => {
        if (signal !== undefined) signals.push(signal);
        return answer.promise;
      };
      calls.start(timeoutMs, call, () => (told += 1));
    }
    await clock.advance(10);
    expect(told).toBe(1);
    calls.abandonAll();
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, true]);
    for (const answer of late) answer.resolve("late");
    await clock.advance(5_000);
    expect(told).toBe(1);
    expect(clock.timerCount).toBe(0);
    calls.abandonAll();
  });
});

describe("answers of a lock", () => {
  it("written needs a version: without one the outcome is unknown", () => {
    expect(isWritten({ written: true, version: "v1" })).toBe(true);
    expect(isWritten({ written: true, version: "v1", term: 7 })).toBe(true);
    const others = [
      { written: true },
      { written: true, version: 7 },
      { written: "true", version: "v1" },
      undefined,
      null,
    ];
    for (const answer of [...others, true, "written", { version: "v1" }, { written: false }]) {
      expect(isWritten(answer), JSON.stringify(answer)).toBe(false);
    }
  });

  it("lost is said in so many words, or it is unknown", () => {
    expect(isLost({ written: false })).toBe(true);
    for (const answer of [{}, { written: 0 }, { written: undefined }, { written: true }, undefined, null, false]) {
      expect(isLost(answer), JSON.stringify(answer)).toBe(false);
    }
  });

  it("a pause that is asked for is a number of milliseconds above 0, or none", () => {
    expect(retryAfterOf(new StorageUnavailableError("away", { retryAfterMs: 700 }))).toBe(700);
    expect(retryAfterOf({ retryAfterMs: 700 })).toBe(700);
    const none = [undefined, null, "text", new Error("away"), new CorruptDataError("damaged")];
    const wrong = [Number.NaN, Infinity, -1, 0, "700", null].map((retryAfterMs) => ({ retryAfterMs }));
    for (const error of [...none, ...wrong]) expect(retryAfterOf(error)).toBe(0);
  });
});
