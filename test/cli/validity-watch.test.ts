// Goal: the end of a validity is seen in time whatever stood meanwhile, and nothing extends it afterwards. Method: a
// manual clock whose monotonic and boot time move together, or apart as in a suspend.
import { describe, expect, it } from "vitest";
import { ValidityWatch } from "../../src/cli/validity-watch.ts";
import { type Instant, instantAfter, type MachineClock } from "../../src/system/machine-clock.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

function stage(killAfterMs = 400): {
  clock: ManualClock;
  machineClock: MachineClock;
  watch: ValidityWatch;
  seen: string[];
  after: (ms: number) => Instant;
} {
  const clock = new ManualClock();
  const machineClock = { now: () => ({ monotonicMs: clock.monotonicMs(), bootMs: clock.bootMs() }) };
  const after = (ms: number): Instant => instantAfter(machineClock.now(), ms);
  const seen: string[] = [];
  const watch = new ValidityWatch({
    ...{ clock, machineClock, killAfterMs },
    until: after(2000),
    onOver: () => seen.push(`over ${clock.monotonicMs()}`),
    onKill: () => seen.push(`kill ${clock.monotonicMs()}`),
  });
  return { clock, machineClock, watch, seen, after };
}

describe("a validity", () => {
  it("is over at its instant, and the kill is due killAfterMs later", async () => {
    const { clock, watch, seen } = stage();
    await clock.advance(1999);
    expect(seen).toEqual([]);
    await clock.advance(402);
    watch.stop();
    expect(seen).toEqual(["over 2000", "kill 2400"]);
  });

  it("that is extended in time ends later", async () => {
    const { clock, watch, seen, after } = stage();
    await clock.advance(1000);
    watch.extend(after(2000));
    await clock.advance(1999);
    expect(seen).toEqual([]);
    await clock.advance(1);
    watch.stop();
    expect(seen).toEqual(["over 3000"]);
  });

  it("that is over is extended by nothing, however late the timer is", async () => {
    const { clock, watch, seen, after } = stage();
    await clock.advance(2010);
    watch.extend(after(2000));
    await clock.advance(400);
    watch.stop();
    expect(seen[0]).toBe("over 2000");
    expect(seen[1]).toBe("kill 2400");
  });

  it("ends at most 100 ms after a suspend, while the monotonic clock stood", async () => {
    const { clock, watch, seen } = stage();
    await clock.advance(500);
    clock.suspend(60_000);
    await clock.advance(100);
    watch.stop();
    expect(seen).toEqual(["over 600", "kill 600"]);
  });

  it("that was over long ago when it is looked at leaves no further time", () => {
    const { clock, watch, seen } = stage();
    clock.suspend(10_000);
    expect(watch.look()).toBe(true);
    watch.stop();
    expect(seen).toEqual(["over 0", "kill 0"]);
  });

  it("tells over and kill at once where there is no time between them", async () => {
    const { clock, watch, seen } = stage(0);
    await clock.advance(2000);
    watch.stop();
    expect(seen).toEqual(["over 2000", "kill 2000"]);
  });

  it("kills again at each look until it is stopped, and then leaves no timer behind", async () => {
    const { clock, watch, seen } = stage();
    await clock.advance(2600);
    expect(seen.filter((event) => event.startsWith("kill")).length).toBeGreaterThan(1);
    watch.stop();
    expect(clock.timerCount).toBe(0);
    seen.length = 0;
    watch.look();
    await clock.advance(1000);
    expect(seen).toEqual([]);
  });
});
