// Goal: the leader's clock counts suspended time once and never runs ahead, the observer's never counts it, and a jump
// of the wall clock that nothing explains is noticed. Method: a manual clock with the boot steps of Linux, moved by
// hand.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ElectionClocks } from "../../src/election/election-clocks.ts";
import type { Clock } from "../../src/system/clock.ts";
import { ManualClock } from "../../src/testing/index.ts";

function onLinux(): { clock: ManualClock; clocks: ElectionClocks } {
  const clock = new ManualClock({ monotonicMs: 5_000.25, bootMs: 777_777.5, bootStepMs: 10 });
  return { clock, clocks: new ElectionClocks(clock) };
}

/** How far the leader's clock is ahead of the observer's. */
function aheadMs(clocks: ElectionClocks): number {
  return clocks.leaderMs() - clocks.observerMs();
}

describe("suspended time", () => {
  it("counts for the leader, once, however often it is looked at", () => {
    const { clock, clocks } = onLinux();
    clock.suspend(60_000);
    const ahead = aheadMs(clocks);
    expect(Math.abs(ahead - 60_000)).toBeLessThanOrEqual(10);
    for (let look = 0; look < 1_000; look += 1) {
      clock.pause(1.37);
      expect(aheadMs(clocks)).toBeCloseTo(ahead, 6);
      expect(clocks.readings().leaderMs - clocks.observerMs()).toBeCloseTo(ahead, 6);
    }
  });

  it("is found by the first look, whichever it is", () => {
    for (const look of ["leaderMs", "readings"] as const) {
      const { clock, clocks } = onLinux();
      const before = clocks.leaderMs();
      clock.suspend(3_000);
      const found = look === "readings" ? clocks.readings().leaderMs : clocks.leaderMs();
      expect(found - before).toBeGreaterThanOrEqual(2_990);
    }
  });

  it("adds up over several suspends", () => {
    const { clock, clocks } = onLinux();
    for (let times = 1; times <= 50; times += 1) {
      clock.pause(77);
      clock.suspend(1_000);
      expect(Math.abs(aheadMs(clocks) - times * 1_000)).toBeLessThanOrEqual(20);
    }
  });

  it("never counts for the observer, who would replace others too early", () => {
    const { clock, clocks } = onLinux();
    const before = clocks.observerMs();
    clock.suspend(3_600_000);
    expect(clocks.readings().observerMs).toBe(before);
    expect(clocks.observerMs()).toBe(before);
    clock.pause(10);
    expect(clocks.observerMs()).toBe(before + 10);
  });

  it("is found by a thorough look 10 ms later even if the wall clock says nothing of it", () => {
    const { clock, clocks } = onLinux();
    clock.suspend(5_000);
    clock.stepWall(-5_000); // both before anybody looked
    clock.pause(10);
    const { leaderMs, observerMs } = clocks.readings();
    expect(Math.abs(leaderMs - observerMs - 5_000)).toBeLessThanOrEqual(10);
  });

  it("is not lost by a rebase that comes before anybody looked", () => {
    const { clock, clocks } = onLinux();
    clock.suspend(5_000);
    clocks.rebase();
    const { leaderMs, observerMs } = clocks.readings();
    expect(Math.abs(leaderMs - observerMs - 5_000)).toBeLessThanOrEqual(10);
  });

  it("after a wall clock that stepped back by the same length is still seen at once", () => {
    const { clock, clocks } = onLinux();
    clock.stepWall(-60_000);
    expect(aheadMs(clocks)).toBe(0);
    clock.suspend(60_000);
    expect(Math.abs(aheadMs(clocks) - 60_000)).toBeLessThanOrEqual(10);
  });
});

describe("the steps of 10 ms of the boot clock", () => {
  it("do not make the leader's clock run ahead, at any pace of looking", () => {
    const { clock, clocks } = onLinux();
    for (const stepMs of [0.1, 1, 3.3, 9.99, 10, 10.01, 333]) {
      for (let look = 0; look < 500; look += 1) {
        clock.pause(stepMs);
        const { leaderMs, observerMs } = clocks.readings();
        expect(leaderMs).toBe(observerMs);
      }
    }
  });

  it("leave it within 30 ms of the time that has really passed, after any sequence of work and suspend", () => {
    const step = fc.record({
      kind: fc.constantFrom("run", "suspend", "rebase"),
      ms: fc.oneof(fc.double({ min: 0, max: 50, noNaN: true }), fc.double({ min: 0, max: 100_000, noNaN: true })),
    });
    const check = (steps: readonly { kind: string; ms: number }[], startMs: number): void => {
      const clock = new ManualClock({ bootMs: startMs, bootStepMs: 10 });
      const clocks = new ElectionClocks(clock);
      let passedMs = 0;
      let before = clocks.leaderMs();
      for (const { kind, ms } of steps) {
        if (kind === "run") clock.pause(ms);
        if (kind === "suspend") clock.suspend(ms);
        if (kind !== "rebase") passedMs += ms;
        const { leaderMs, observerMs } = clocks.readings();
        if (kind === "rebase") clocks.rebase();
        expect(leaderMs).toBeGreaterThanOrEqual(before);
        expect(leaderMs).toBeGreaterThan(passedMs - 30.01);
        expect(leaderMs).toBeLessThan(passedMs + 20.01);
        expect(observerMs).toBeLessThanOrEqual(leaderMs);
        expect(clocks.suspect).toBe(false);
        before = leaderMs;
      }
    };
    const steps = fc.array(step, { maxLength: 40 });
    fc.assert(fc.property(steps, fc.double({ min: 0, max: 1e6, noNaN: true }), check), { numRuns: 300, seed: 3 });
  });
});

describe("a wall clock that moved further than anything explains", () => {
  it("makes the clocks suspect beyond 2 s, and changes neither clock", () => {
    const { clock, clocks } = onLinux();
    clock.stepWall(2_000);
    const { leaderMs, observerMs } = clocks.readings();
    expect([leaderMs, clocks.suspect]).toEqual([observerMs, false]);
    clock.stepWall(1);
    expect(clocks.leaderMs()).toBe(observerMs);
    expect(clocks.suspect).toBe(true);
  });

  it("makes them suspect by several small steps as well", () => {
    const { clock, clocks } = onLinux();
    for (let steps = 0; steps < 5; steps += 1) {
      clock.pause(1_000);
      clock.stepWall(500);
      expect(clocks.readings().leaderMs).toBe(clocks.observerMs());
    }
    expect(clocks.suspect).toBe(true);
  });

  it("leaves them suspect until a rebase, also if the wall clock comes back", () => {
    const { clock, clocks } = onLinux();
    clock.stepWall(3_600_000);
    clocks.leaderMs();
    clock.stepWall(-3_600_000);
    clocks.leaderMs();
    expect(clocks.suspect).toBe(true);
    clocks.rebase();
    expect(clocks.suspect).toBe(false);
  });

  it("is the new normal after a rebase: the next jump counts from there", () => {
    const { clock, clocks } = onLinux();
    clock.stepWall(3_600_000);
    clocks.leaderMs();
    clocks.rebase();
    clock.pause(10_000);
    clocks.readings();
    expect(clocks.suspect).toBe(false);
    clock.stepWall(2_001);
    clocks.leaderMs();
    expect(clocks.suspect).toBe(true);
  });

  it("is no suspicion if a suspend explains it, however long", () => {
    const { clock, clocks } = onLinux();
    for (const ms of [2_500, 600_000]) {
      clock.suspend(ms);
      clocks.leaderMs();
      expect(clocks.suspect).toBe(false);
    }
  });

  it("is one if a suspend explains only a part of it", () => {
    const { clock, clocks } = onLinux();
    clock.suspend(60_000);
    clock.stepWall(2_050);
    clocks.leaderMs();
    expect(clocks.suspect).toBe(true);
  });

  it("is one if the suspend that could explain it lies before the last rebase", () => {
    const { clock, clocks } = onLinux();
    clock.suspend(60_000);
    clocks.readings();
    clocks.rebase();
    clock.stepWall(3_000);
    clocks.leaderMs();
    expect(clocks.suspect).toBe(true);
  });

  it("is not seen in a step back, of any length", () => {
    const { clock, clocks } = onLinux();
    for (const ms of [1, 3_000, 3_600_000, 1e12]) {
      clock.stepWall(-ms);
      expect(clocks.readings().leaderMs).toBe(clocks.observerMs());
      expect(clocks.suspect).toBe(false);
    }
    clock.stepWall(2_001); // counted from where it stands now
    clocks.leaderMs();
    expect(clocks.suspect).toBe(true);
  });
});

describe("a look at the leader's clock", () => {
  it("reads the boot clock only if the wall clock moved apart: that one is slow", () => {
    const clock = new ManualClock();
    let bootReadings = 0;
    const counting: Clock = {
      monotonicMs: () => clock.monotonicMs(),
      wallMs: () => clock.wallMs(),
      setTimer: (untilMs, run) => clock.setTimer(untilMs, run),
      bootMs() {
        bootReadings += 1;
        return clock.bootMs();
      },
    };
    const clocks = new ElectionClocks(counting);
    bootReadings = 0;
    for (let look = 0; look < 100; look += 1) {
      clock.pause(7);
      clocks.leaderMs();
    }
    clock.stepWall(100);
    clocks.leaderMs();
    expect(bootReadings).toBe(0);
    clock.stepWall(1);
    clocks.leaderMs();
    expect(bootReadings).toBe(1);
    clocks.readings();
    expect(bootReadings).toBeGreaterThan(1);
  });

  it("passes the wall clock through for the renew time alone", () => {
    const { clock, clocks } = onLinux();
    clock.stepWall(-5_000_000);
    expect(clocks.wallMs()).toBe(clock.wallMs());
  });
});
