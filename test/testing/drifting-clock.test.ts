// Goal: clocks of several hosts, each at its own rate, over one clock that a test moves.
// Method: advance the reference by round amounts and compare what the drifting clock shows, and when its timers fire.
import { expect, test } from "vitest";
import { DriftingClock } from "../../src/testing/drifting-clock.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

test("it runs at its rate from its offset, all three readings", async () => {
  const reference = new ManualClock({ monotonicMs: 1_000, bootMs: 2_000, wallMs: 3_000 });
  const clock = new DriftingClock(reference, { rate: 1.2, offsetMs: 500 });
  expect([clock.monotonicMs(), clock.bootMs(), clock.wallMs()]).toEqual([1_500, 2_500, 3_500]);
  await reference.advance(10_000);
  expect([clock.monotonicMs(), clock.bootMs(), clock.wallMs()]).toEqual([13_500, 14_500, 15_500]);
});

test("a timer fires when this clock shows its time, never before", async () => {
  const reference = new ManualClock();
  const fast = new DriftingClock(reference, { rate: 1.25 });
  const slow = new DriftingClock(reference, { rate: 0.8 });
  const fired: string[] = [];
  fast.setTimer(1_000, () => fired.push(`fast at ${reference.monotonicMs()}`));
  slow.setTimer(1_000, () => fired.push(`slow at ${reference.monotonicMs()}`));
  await reference.advance(2_000);
  expect(fired).toEqual(["fast at 800", "slow at 1250"]);
});

test("whatever the rate and the distance, the reading at a timer has reached its time, within a microsecond", async () => {
  const reference = new ManualClock({ monotonicMs: 0.1 });
  for (let step = 1; step <= 500; step += 1) {
    const clock = new DriftingClock(reference, { rate: 0.7 + step * 0.0013, offsetMs: step * 1e6 + 0.3 });
    const untilMs = clock.monotonicMs() + step * 3.7;
    let firedMs: number | undefined;
    clock.setTimer(untilMs, () => (firedMs = clock.monotonicMs()));
    await reference.advanceUntil(() => firedMs !== undefined);
    expect(firedMs).toBeGreaterThanOrEqual(untilMs);
    expect(firedMs).toBeLessThan(untilMs + 1e-3);
  }
});

test("a change of rate lets no reading jump, and moves the timers that are set", async () => {
  const reference = new ManualClock();
  const clock = new DriftingClock(reference, { rate: 2 });
  let firedMs: number | undefined;
  clock.setTimer(1_000, () => (firedMs = reference.monotonicMs()));
  await reference.advance(400); // it shows 800
  const wallMs = clock.wallMs();
  clock.setRate(0.5);
  expect([clock.monotonicMs(), clock.bootMs(), clock.wallMs()]).toEqual([800, 800, wallMs]);
  expect(clock.rate).toBe(0.5);
  await reference.advance(399);
  expect(firedMs).toBeUndefined();
  await reference.advance(1);
  expect(firedMs).toBe(800);
  expect(clock.monotonicMs()).toBe(1_000);
});

test("a cancelled timer does not come back with a change of rate", async () => {
  const reference = new ManualClock();
  const clock = new DriftingClock(reference);
  clock.setTimer(10, () => expect.unreachable("it was cancelled"))();
  clock.setRate(3);
  await reference.advance(100);
  expect(reference.timerCount).toBe(0);
});

test("suspends and wall steps of the reference are seen here too, and its own wall steps only here", async () => {
  const reference = new ManualClock();
  const clock = new DriftingClock(reference);
  const [wallMs, referenceWallMs] = [clock.wallMs(), reference.wallMs()];
  reference.suspend(5_000);
  expect([clock.monotonicMs(), clock.bootMs(), clock.wallMs() - wallMs]).toEqual([0, 5_000, 5_000]);
  reference.stepWall(-1_000);
  clock.stepWall(60_000);
  expect(clock.wallMs() - wallMs).toBe(64_000);
  expect(reference.wallMs() - referenceWallMs).toBe(4_000);
});

test("a rate must be a positive number", () => {
  const reference = new ManualClock();
  for (const rate of [0, -1, Number.NaN, Infinity]) {
    expect(() => new DriftingClock(reference, { rate })).toThrow(RangeError);
    expect(() => new DriftingClock(reference).setRate(rate)).toThrow(RangeError);
  }
});
