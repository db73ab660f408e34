// Goal: a call to the outside ends at its deadline and at its caller's abort, whatever it does itself, and no signal of
// another owner keeps a listener. Method: calls that ignore their signal, a manual clock, and counted listeners.
import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { linkSignals, TimeoutError, withDeadline } from "../../src/system/signals.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

function listeners(...signals: readonly AbortSignal[]): number {
  return signals.reduce((sum, signal) => sum + getEventListeners(signal, "abort").length, 0);
}

const forEver = (): Promise<never> => new Promise(() => {});

describe("a linked signal", () => {
  it("falls with any of its sources, with that one's reason", () => {
    const [first, second] = [new AbortController(), new AbortController()];
    const linked = linkSignals(first.signal, undefined, second.signal);
    expect(linked.signal.aborted).toBe(false);
    second.abort("second");
    first.abort("first");
    expect(linked.signal.reason).toBe("second");
  });

  it("has fallen already if a source has", () => {
    const open = new AbortController();
    const linked = linkSignals(open.signal, AbortSignal.abort("before"), new AbortController().signal);
    expect(linked.signal.aborted).toBe(true);
    expect(linked.signal.reason).toBe("before");
    linked.unlink();
    expect(listeners(open.signal)).toBe(0);
  });

  it("can be aborted by its owner, and does not touch its sources", () => {
    const source = new AbortController();
    const linked = linkSignals(source.signal);
    linked.abort("mine");
    expect(linked.signal.reason).toBe("mine");
    expect(source.signal.aborted).toBe(false);
  });

  it("leaves no listener once it was unlinked, and follows nobody any more", () => {
    const [first, second] = [new AbortController(), new AbortController()];
    const linked = linkSignals(first.signal, second.signal);
    expect(listeners(first.signal, second.signal)).toBe(2);
    linked.unlink();
    linked.unlink();
    expect(listeners(first.signal, second.signal)).toBe(0);
    first.abort();
    expect(linked.signal.aborted).toBe(false);
  });

  it("without a source falls by its owner alone", () => {
    const linked = linkSignals(undefined);
    linked.unlink();
    linked.abort("mine");
    expect(linked.signal.reason).toBe("mine");
  });
});

describe("a deadline", () => {
  it("passes the answer on, and leaves neither timer nor listener", async () => {
    const clock = new ManualClock();
    const { signal } = new AbortController();
    await expect(withDeadline({ clock, timeoutMs: 100, signal }, async () => "answer")).resolves.toBe("answer");
    expect(clock.timerCount).toBe(0);
    expect(listeners(signal)).toBe(0);
  });

  it("passes the error on, thrown early or late, and leaves neither timer nor listener", async () => {
    const clock = new ManualClock();
    const { signal } = new AbortController();
    const late = withDeadline({ clock, timeoutMs: 100, signal }, async () => {
      throw new Error("late");
    });
    await expect(late).rejects.toThrow("late");
    const atOnce = withDeadline({ clock, timeoutMs: 100, signal }, () => {
      throw new Error("at once");
    });
    await expect(atOnce).rejects.toThrow("at once");
    expect(clock.timerCount).toBe(0);
    expect(listeners(signal)).toBe(0);
  });

  it("tells whole milliseconds of a deadline that is a rest of another", async () => {
    const clock = new ManualClock();
    const late = withDeadline({ clock, timeoutMs: 99.897_676_9 }, forEver);
    const told = expect(late).rejects.toThrow(/^no answer after 100 ms$/);
    await clock.advance(100);
    await told;
  });

  it("ends a call that ignores its signal, at the deadline and not before, and aborts that signal", async () => {
    const clock = new ManualClock();
    const { signal } = new AbortController();
    let inner: AbortSignal | undefined;
    let error: unknown;
    const ended = withDeadline({ clock, timeoutMs: 100, signal }, (given) => {
      inner = given;
      return forEver();
    }).catch((thrown: unknown) => (error = thrown));
    await clock.advance(99);
    expect([error, inner?.aborted]).toEqual([undefined, false]);
    await clock.advance(1);
    await ended;
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error).toMatchObject({ name: "TimeoutError", message: "no answer after 100 ms" });
    expect(inner?.reason).toBe(error);
    expect(signal.aborted).toBe(false);
    expect(clock.timerCount).toBe(0);
    expect(listeners(signal)).toBe(0);
  });

  it("ends a call that ignores its signal at the caller's abort, with the caller's reason", async () => {
    const clock = new ManualClock();
    const controller = new AbortController();
    const ended = withDeadline({ clock, timeoutMs: 100, signal: controller.signal }, forEver);
    const reason = new Error("not needed any more");
    controller.abort(reason);
    await expect(ended).rejects.toBe(reason);
    expect(clock.timerCount).toBe(0);
    expect(listeners(controller.signal)).toBe(0);
  });

  it("makes no call if the caller has aborted before", async () => {
    const clock = new ManualClock();
    let calls = 0;
    const ended = withDeadline({ clock, timeoutMs: 100, signal: AbortSignal.abort(new Error("before")) }, async () => {
      calls += 1;
    });
    await expect(ended).rejects.toThrow("before");
    expect(calls).toBe(0);
    expect(clock.timerCount).toBe(0);
  });

  it("swallows what comes after it: a late answer and a late error alike", async () => {
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on("unhandledRejection", note);
    const clock = new ManualClock();
    for (const settle of ["resolve", "reject"] as const) {
      const late = Promise.withResolvers<string>();
      const ended = expect(withDeadline({ clock, timeoutMs: 10 }, () => late.promise)).rejects.toThrow(TimeoutError);
      await clock.advance(10);
      await ended;
      if (settle === "resolve") late.resolve("late");
      else late.reject(new Error("late"));
      await clock.advance();
    }
    process.off("unhandledRejection", note);
    expect(unhandled).toEqual([]);
  });

  it("lets the caller's abort win over a deadline of the same instant that has not fired", async () => {
    const clock = new ManualClock();
    const controller = new AbortController();
    const ended = withDeadline({ clock, timeoutMs: 0, signal: controller.signal }, forEver);
    controller.abort(new Error("first"));
    const rejects = expect(ended).rejects.toThrow("first");
    await clock.advance();
    await rejects;
  });
});
