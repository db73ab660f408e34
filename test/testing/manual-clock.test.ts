// Goal: time in tests moves only when told to, and in an order that a reader can foretell.
// Method: set timers that write into a list, move the clock, and compare the list and the readings.
import { expect, test } from "vitest";
import { sleep } from "../../src/system/clock.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

test("time stands until it is moved, and all three clocks move by the same amount", async () => {
  const clock = new ManualClock({ monotonicMs: 5, bootMs: 7, wallMs: 1_000.9 });
  expect([clock.monotonicMs(), clock.bootMs(), clock.wallMs()]).toEqual([5, 7, 1_000]);
  await clock.advance(100);
  expect([clock.monotonicMs(), clock.bootMs(), clock.wallMs()]).toEqual([105, 107, 1_100]);
});

test("timers fire in the order of their times, and of equal times in the order in which they were set", async () => {
  const clock = new ManualClock();
  const fired: string[] = [];
  const note = (name: string) => () => fired.push(`${name} at ${clock.monotonicMs()}`);
  clock.setTimer(30, note("late"));
  clock.setTimer(10, note("first"));
  clock.setTimer(10, note("second"));
  await clock.advance(29);
  expect(fired).toEqual(["first at 10", "second at 10"]);
  await clock.advance(1);
  expect(fired).toEqual(["first at 10", "second at 10", "late at 30"]);
});

test("a timer that is set by another timer fires in the same advance, at its own time", async () => {
  const clock = new ManualClock();
  const fired: number[] = [];
  clock.setTimer(10, () => clock.setTimer(15, () => fired.push(clock.monotonicMs())));
  await clock.advance(20);
  expect(fired).toEqual([15]);
  expect(clock.monotonicMs()).toBe(20);
});

test("between two timers all promises that are ready have run, however long their chain is", async () => {
  const clock = new ManualClock();
  const fired: string[] = [];
  clock.setTimer(10, () => {
    void (async () => {
      for (let step = 0; step < 1_000; step += 1) await null;
      fired.push("chain");
      clock.setTimer(11, () => fired.push("set by the chain"));
    })();
  });
  clock.setTimer(12, () => fired.push("next timer"));
  await clock.advance(20);
  expect(fired).toEqual(["chain", "set by the chain", "next timer"]);
});

test("what was started just before an advance takes part in it", async () => {
  const clock = new ManualClock();
  const slept = Promise.resolve().then(() => sleep(clock, 10));
  await clock.advance(10);
  await expect(slept).resolves.toBeUndefined();
});

test("a cancelled timer never fires, also when another timer of the same time cancels it", async () => {
  const clock = new ManualClock();
  const fired: string[] = [];
  const cancelEarly = clock.setTimer(10, () => fired.push("cancelled early"));
  cancelEarly();
  let cancelLate = (): void => {};
  clock.setTimer(10, () => cancelLate());
  cancelLate = clock.setTimer(10, () => fired.push("cancelled late"));
  expect(clock.timerCount).toBe(2);
  await clock.advance(10);
  expect(fired).toEqual([]);
  expect(clock.timerCount).toBe(0);
});

test("a timer of the past fires at the next advance, and not before", async () => {
  const clock = new ManualClock({ monotonicMs: 100 });
  const fired: number[] = [];
  clock.setTimer(50, () => fired.push(clock.monotonicMs()));
  expect(fired).toEqual([]);
  await clock.advance(0);
  expect(fired).toEqual([100]);
});

test("in a pause all clocks run and no timer fires; the overdue ones fire afterwards, at the later time", async () => {
  const clock = new ManualClock();
  const fired: number[] = [];
  clock.setTimer(10, () => fired.push(clock.monotonicMs()));
  const wallMs = clock.wallMs();
  clock.pause(20_000);
  expect([clock.monotonicMs(), clock.bootMs(), clock.wallMs() - wallMs]).toEqual([20_000, 20_000, 20_000]);
  expect(fired).toEqual([]);
  await clock.advance();
  expect(fired).toEqual([20_000]);
});

test("in a suspend the monotonic clock stands, and no timer comes nearer", async () => {
  const clock = new ManualClock();
  const wallMs = clock.wallMs();
  clock.setTimer(10, () => {});
  clock.suspend(3_600_000);
  await clock.advance();
  expect([clock.monotonicMs(), clock.bootMs(), clock.wallMs() - wallMs]).toEqual([0, 3_600_000, 3_600_000]);
  expect(clock.timerCount).toBe(1);
});

test("a step of the wall clock moves nothing else", () => {
  const clock = new ManualClock();
  const wallMs = clock.wallMs();
  clock.stepWall(-3_600_000);
  expect([clock.monotonicMs(), clock.bootMs(), clock.wallMs() - wallMs]).toEqual([0, 0, -3_600_000]);
});

test("the boot clock may tick as coarsely as that of Linux", async () => {
  const clock = new ManualClock({ bootStepMs: 10 });
  await clock.advance(19);
  expect(clock.bootMs()).toBe(10);
  await clock.advance(1);
  expect(clock.bootMs()).toBe(20);
});

test("advanceUntil goes from timer to timer, says how long that took, and gives up in the end", async () => {
  const clock = new ManualClock();
  let beats = 0;
  const beat = (): void => {
    beats += 1;
    clock.setTimer(clock.monotonicMs() + 7, beat);
  };
  beat();
  await expect(clock.advanceUntil(() => beats === 4)).resolves.toBe(21);
  await expect(clock.advanceUntil(() => beats < 0, 100)).rejects.toThrow("does not hold after 100 ms");
  expect(clock.monotonicMs()).toBe(121);
});

test("a timer that throws rejects the advance, and two advances at once are a mistake", async () => {
  const clock = new ManualClock();
  clock.setTimer(1, () => {
    throw new Error("from the timer");
  });
  const advancing = clock.advance(1);
  await expect(clock.advance(1)).rejects.toThrow("await the earlier call first");
  await expect(advancing).rejects.toThrow("from the timer");
  await expect(clock.advance(-1)).rejects.toThrow(RangeError);
  expect(() => clock.setTimer(Number.NaN, () => {})).toThrow(TypeError);
});

test("ten simulated hours with a timer each second take well under a second of work", async () => {
  const clock = new ManualClock();
  let beats = 0;
  const beat = (): void => {
    beats += 1;
    if (beats < 36_000) clock.setTimer(clock.monotonicMs() + 1_000, beat);
  };
  clock.setTimer(1_000, beat);
  await clock.advance(36_000_000);
  expect(beats).toBe(36_000);
});
