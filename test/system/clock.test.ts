// Goal: timers fire at their time and never before it, at any distance, and a sleep leaves nothing behind. Method: the
// real clock with waits of a few milliseconds, a runner's fake time for the weeks that nobody can wait, and a manual
// clock.
import { getEventListeners } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import { sleep, systemClock } from "../../src/system/clock.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

/** Timers that would keep this process alive. */
function timersThatHold(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
}

describe("the system clock", () => {
  it("tells the wall time, and a monotonic and a boot time that move on", async () => {
    const before = { monotonicMs: systemClock.monotonicMs(), bootMs: systemClock.bootMs(), wallMs: Date.now() };
    await delay(2);
    expect(systemClock.monotonicMs()).toBeGreaterThan(before.monotonicMs);
    expect(systemClock.bootMs()).toBeGreaterThanOrEqual(before.bootMs);
    expect(systemClock.wallMs()).toBeGreaterThanOrEqual(before.wallMs);
    expect(systemClock.wallMs() - before.wallMs).toBeLessThan(5_000);
  });

  it("never fires a timer early, although Node's own timers may be a fraction of a millisecond early", async () => {
    const distances = Array.from({ length: 40 }, (_, index) => index * 0.31);
    const earlyMs = distances.map((distanceMs) => {
      const untilMs = systemClock.monotonicMs() + distanceMs;
      return new Promise<number>((resolve) => {
        systemClock.setTimer(untilMs, () => resolve(untilMs - systemClock.monotonicMs()));
      });
    });
    for (const leftMs of await Promise.all(earlyMs)) expect(leftMs).toBeLessThanOrEqual(0);
  });

  it("fires a timer of the past soon, but never inside of setTimer", async () => {
    for (const untilMs of [systemClock.monotonicMs(), systemClock.monotonicMs() - 1_000, -Infinity]) {
      let inside = true;
      const firedInside = await new Promise<boolean>((resolve) => {
        systemClock.setTimer(untilMs, () => resolve(inside));
        inside = false;
      });
      expect(firedInside).toBe(false);
    }
  });

  it("fires once, and not at all after it was cancelled", async () => {
    const fired: string[] = [];
    const atMs = systemClock.monotonicMs() + 2;
    const cancel = systemClock.setTimer(atMs, () => fired.push("cancelled"));
    const cancelAfterwards = systemClock.setTimer(atMs, () => fired.push("kept"));
    cancel();
    await delay(10);
    cancelAfterwards();
    cancel();
    expect(fired).toEqual(["kept"]);
  });

  it("keeps the process alive for a timer, but not for an idle one", () => {
    const before = timersThatHold();
    const untilMs = systemClock.monotonicMs() + 60_000;
    const cancelIdle = systemClock.setTimer(untilMs, () => {}, { idle: true });
    expect(timersThatHold()).toBe(before);
    const cancel = systemClock.setTimer(untilMs, () => {});
    expect(timersThatHold()).toBe(before + 1);
    cancel();
    cancelIdle();
    expect(timersThatHold()).toBe(before);
  });

  it.each([2 ** 31, 2 ** 40, Infinity])(
    "does not fire a timer that is %d ms away at once, as Node's would",
    async (ms) => {
      const warned = vi.fn();
      process.on("warning", warned);
      let fired = false;
      const cancel = systemClock.setTimer(systemClock.monotonicMs() + ms, () => {
        fired = true;
      });
      await delay(10);
      cancel();
      process.off("warning", warned);
      expect(fired).toBe(false);
      expect(warned).not.toHaveBeenCalled();
    },
  );
});

describe("the system clock, in the weeks that pass in a runner's time", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it("sets a timer beyond 2^31-1 ms again and again, and fires it at its time", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const distanceMs = 2.5 * 2 ** 31;
    const untilMs = systemClock.monotonicMs() + distanceMs;
    let firedAtMs: number | undefined;
    systemClock.setTimer(untilMs, () => {
      firedAtMs = systemClock.monotonicMs();
    });
    await vi.advanceTimersByTimeAsync(distanceMs - 1_000);
    expect(firedAtMs).toBeUndefined();
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(firedAtMs).toBeGreaterThanOrEqual(untilMs);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("cancels a timer that was set again", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const cancel = systemClock.setTimer(systemClock.monotonicMs() + 2 ** 32, () => {
      throw new Error("it was cancelled");
    });
    await vi.advanceTimersByTimeAsync(2 ** 31 + 1);
    cancel();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("sleep", () => {
  it("ends after its time, with neither timer nor listener left", async () => {
    const clock = new ManualClock();
    const { signal } = new AbortController();
    let over = false;
    const slept = sleep(clock, 100, signal).then(() => (over = true));
    await clock.advance(99);
    expect(over).toBe(false);
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    await clock.advance(1);
    await slept;
    expect(over).toBe(true);
    expect(clock.timerCount).toBe(0);
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  it("rejects with the reason of the abort, untouched, with neither timer nor listener left", async () => {
    const clock = new ManualClock();
    const controller = new AbortController();
    const slept = sleep(clock, 100, controller.signal);
    const reason = { nothing: "like an error" };
    controller.abort(reason);
    await expect(slept).rejects.toBe(reason);
    expect(clock.timerCount).toBe(0);
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
  });

  it("does not begin if it was aborted before", async () => {
    const clock = new ManualClock();
    const signal = AbortSignal.abort(new Error("before"));
    await expect(sleep(clock, 0, signal)).rejects.toThrow("before");
    expect(clock.timerCount).toBe(0);
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  it("needs no signal, and a sleep of no length ends at the next turn", async () => {
    const clock = new ManualClock();
    const slept = sleep(clock, 0);
    await clock.advance();
    await slept;
    expect(clock.timerCount).toBe(0);
  });
});
