// Goal: steps, pauses, suspends and offsets of clocks end a term early at worst, never late, and never let two lead.
// Method: real electors over a lock in memory; the test moves each clock by hand and looks before any timer can fire.
import { expect } from "vitest";
import { LeadershipLostError } from "../../src/errors.ts";
import { DriftingClock } from "../../src/testing/index.ts";
import type { Clock } from "../../src/system/clock.ts";
import { scenario, startsAndStops } from "./scene.ts";

const hourMs = 3_600_000;
const yearMs = 365 * 24 * hourMs;

scenario("#1: a wall clock that steps an hour ahead costs one round trip, and no term", async ({ clock, run }) => {
  const me = await run();
  me.lock.delay({ answerMs: 20 });
  await clock.advance(7_000);
  me.lock.forget();
  clock.stepWall(hourMs);
  expect(me.term.isHeld()).toBe(false);
  expect(me.term.signal.aborted).toBe(false);
  await clock.advance(19);
  expect(me.elector.isLeader()).toBe(false);
  expect(me.lock.calls).toEqual(["update"]);
  await clock.advance(1);
  expect(me.elector.isLeader()).toBe(true);
  await clock.advance(60_000);
  expect(startsAndStops(me)).toEqual(["start 1"]);
});

scenario("#1: a wall clock that steps an hour back changes nothing", async ({ clock, run }) => {
  const me = await run();
  await clock.advance(1_000);
  clock.stepWall(-hourMs);
  expect(me.term.isHeld()).toBe(true);
  await clock.advance(3_999);
  expect(me.lock.calls).toEqual(["get", "create"]);
  await clock.advance(60_000);
  expect(startsAndStops(me)).toEqual(["start 1"]);
  expect(me.term.isHeld()).toBe(true);
  const times = me.lock.log.flatMap(({ record }) => record?.renewTime ?? []);
  expect(times, "each is later than the one before, as pairs have to be").toEqual([...new Set(times)].toSorted());
});

scenario("#1: a guarded step waits while the clocks are suspect", async ({ clock, run }) => {
  const me = await run();
  me.lock.delay({ answerMs: 20 });
  clock.stepWall(hourMs);
  let ran = 0;
  const step = me.term.guard(async () => (ran += 1));
  await clock.advance(19);
  expect(ran).toBe(0);
  await clock.advance(1);
  await expect(step).resolves.toBe(1);
});

scenario(
  "#1: a renewal that was sent before the step does not make the clocks trusted again",
  async ({ clock, run }) => {
    const me = await run();
    me.lock.delay({ answerMs: 1_000 }, { on: "update" });
    await clock.advance(5_500);
    clock.stepWall(hourMs);
    expect(me.term.isHeld()).toBe(false);
    await clock.advance(500); // the answer of the renewal of 5 s
    expect(me.term.isHeld()).toBe(false);
    await clock.advance(5_000);
    expect(me.term.isHeld()).toBe(true);
    expect(startsAndStops(me)).toEqual(["start 1"]);
  },
);

scenario(
  "#1: a step while an acquisition is under way starts the work only once a renewal is confirmed",
  async ({ clock, run }) => {
    const me = await run({}, ({ lock }) => lock.delay({ answerMs: 1_000 }, { on: "write" }));
    await clock.advance(500);
    clock.stepWall(hourMs);
    await clock.advance(500);
    expect(me.lock.calls).toEqual(["get", "create", "update"]);
    expect(me.terms).toEqual([]);
    expect(me.elector.isLeader()).toBe(false);
    await clock.advance(1_000);
    expect(me.elector.isLeader()).toBe(true);
    expect(me.term.remainingMs()).toBe(9_000);
    expect(startsAndStops(me)).toEqual(["start 1"]);
  },
);

scenario(
  "#6: a suspend while an acquisition is under way makes it stillborn, and it is released",
  async ({ clock, run, stage }) => {
    const me = await run({}, ({ lock }) => lock.delay({ answerMs: 1_000 }, { on: "create" }));
    await clock.advance(500);
    clock.suspend(60_000);
    await clock.advance(500);
    expect(me.terms).toEqual([]);
    expect(await stage.holder()).toBe("");
    await clock.advance(5_000);
    expect(startsAndStops(me)).toEqual(["start 2"]);
  },
);

scenario(
  "#2: a wall clock that steps on a standby neither hastens nor delays its takeover",
  async ({ clock, run }) => {
    for (const stepMs of [hourMs, -hourMs]) {
      const own = new DriftingClock(clock);
      const me = await run();
      await clock.advanceUntil(() => me.elector.isLeader(), 30_000);
      const bing = await run({ settings: { clock: own } });
      await clock.advance(1_000);
      const lastMs = me.lock.log.filter(({ record }) => record).at(-1)?.atMs ?? NaN;
      const seenMs = Math.max(lastMs, clock.monotonicMs() - 1_000);
      me.lock.hang();
      own.stepWall(stepMs);
      await clock.advanceUntil(() => bing.elector.isLeader(), 20_000);
      expect(clock.monotonicMs()).toBe(seenMs + 15_000);
      await bing.finish(clock);
      await me.finish(clock);
    }
  },
  "records",
);

scenario(
  "#5: clocks that are years apart elect as well as equal ones",
  async ({ clock, run, pass }) => {
    const clocks = [-9 * yearMs, 0, 40 * yearMs].map((offsetMs) => new DriftingClock(clock, { offsetMs }));
    const [first, second, third] = clocks as [DriftingClock, DriftingClock, DriftingClock];
    const me = await run({ settings: { clock: first } });
    const others = [await run({ settings: { clock: second } }), await run({ settings: { clock: third } })];
    await pass(30_000);
    expect(me.term.isHeld()).toBe(true);
    me.lock.hang(); // its last applied renewal is that of 30 s
    await pass(14_900);
    expect(others.flatMap(({ terms }) => terms)).toEqual([]);
    await pass(200);
    expect(others.flatMap(({ terms }) => terms.map(({ term }) => term))).toEqual([2]);
  },
  "records",
);

scenario("#6: after a suspend of 60 s the first call says no, before any step", async ({ clock, run }) => {
  const me = await run();
  await clock.advance(1_000);
  clock.suspend(60_000);
  let ran = false;
  const step = me.term.guard(async () => {
    ran = true;
  });
  expect(me.term.signal.aborted).toBe(true);
  await expect(step).rejects.toMatchObject({ reason: "expired", phase: "refused" });
  expect(ran).toBe(false);
  expect(me.elector.isLeader()).toBe(false);
  await clock.advance(1);
  expect(startsAndStops(me)).toContain("stop expired");
});

scenario(
  "#6: a suspend counts for the leader, and not for who waits",
  async ({ clock, run, pass }) => {
    const other = new DriftingClock(clock);
    const me = await run();
    await clock.advance(4_000);
    const bing = await run({ settings: { clock: other }, watched: false }); // so that it looks at its clock often
    clock.suspend(9_000);
    expect(me.term.isHeld()).toBe(false);
    me.lock.hang();
    await pass(14_500);
    expect(bing.terms).toEqual([]);
    await pass(1_000);
    expect(bing.term.term).toBe(2);
  },
  "records",
);

/** A guarded resource: takes terms in non-decreasing order only. */
class FencedLog {
  readonly entries: number[] = [];

  append(term: number): boolean {
    if (term < Math.max(0, ...this.entries)) return false;
    this.entries.push(term);
    return true;
  }
}

const standing = 1e-9;

scenario(
  "#7: all clocks stand for 30 s, then the wall clock jumps: suspect, demoted, fenced",
  async ({ clock, run }) => {
    const own = new DriftingClock(clock);
    const log = new FencedLog();
    const me = await run({ settings: { clock: own } });
    const bing = await run();
    own.setRate(standing);
    me.lock.hang(); // nothing leaves a machine that stands
    await clock.advance(30_000);
    expect(bing.elector.isLeader()).toBe(true);
    log.append(bing.term.term);
    own.setRate(1);
    own.stepWall(30_000);
    me.lock.heal();
    expect(me.term.isHeld()).toBe(false);
    const step = expect(me.term.guard(async (term) => log.append(term))).rejects.toBeInstanceOf(LeadershipLostError);
    await clock.advance(3_000);
    await step;
    expect(startsAndStops(me)).toEqual(["start 1", "stop taken"]);
    expect(log.append(1)).toBe(false);
  },
  "records",
);

scenario(
  "#8: all clocks stand for 30 s without a jump: the fence takes nothing of the old term",
  async ({ clock, run }) => {
    const own = new DriftingClock(clock);
    const log = new FencedLog();
    const me = await run({ settings: { clock: own } });
    const bing = await run({ watched: false });
    await me.term.guard(async (term) => log.append(term));
    own.setRate(standing);
    me.lock.hang();
    await clock.advance(30_000);
    await bing.term.guard(async (term) => log.append(term));
    own.setRate(1);
    const late = me.term.guard(async (term) => log.append(term));
    await expect(late.catch(() => false)).resolves.toBe(false);
    expect(log.entries).toEqual([1, 2]);
  },
);

/** A clock whose monotonic reading moves in steps of 10 ms, as some systems have it. */
function stepped(base: Clock): Clock {
  const floor = (ms: number): number => Math.floor(ms / 10) * 10;
  return {
    monotonicMs: () => floor(base.monotonicMs()),
    bootMs: () => floor(base.bootMs()),
    wallMs: () => floor(base.wallMs()),
    setTimer: (untilMs, run) => base.setTimer(Math.ceil(untilMs / 10) * 10, run),
  };
}

scenario(
  "#9: a clock in steps of 10 ms ends nothing early, and each write has a time of its own",
  async ({ clock, run }) => {
    const settings = { clock: stepped(clock), renewIntervalMs: 4, retryPeriodMs: 5 };
    const me = await run({ settings: { ...settings, leaseDurationMs: 900, renewDeadlineMs: 600, herdJitterMs: 0 } });
    await clock.advance(2_003);
    expect(startsAndStops(me)).toEqual(["start 1"]);
    expect(me.term.remainingMs()).toBeGreaterThan(580);
    const times = me.lock.log.flatMap(({ record }) => record?.renewTime ?? []);
    expect(times.length).toBeGreaterThan(100);
    expect(new Set(times).size).toBe(times.length);
    expect(me.errors).toEqual([]);
    me.lock.hang();
    const [lastSend = 0] = me.lock.log.slice(-1).map(({ atMs }) => atMs);
    await clock.advance(595 + lastSend - clock.monotonicMs());
    expect(me.term.isHeld(), "it ended early").toBe(true);
    await clock.advance(20);
    expect(me.term.isHeld()).toBe(false);
  },
);

scenario("#31: after a blocked loop a guarded step in the next microtask is refused", async ({ clock, run }) => {
  const me = await run();
  await clock.advance(1_000);
  clock.pause(13_000);
  let abortedInside: boolean | undefined;
  let ran = false;
  const refused = Promise.resolve().then(() => {
    const step = me.term.guard(async () => {
      ran = true;
    });
    abortedInside = me.term.signal.aborted;
    return step;
  });
  await expect(refused).rejects.toMatchObject({ code: "LEADERSHIP_LOST", reason: "expired", phase: "refused" });
  expect(abortedInside).toBe(true);
  expect(ran).toBe(false);
  await clock.advance();
  expect(startsAndStops(me).slice(0, 2)).toEqual(["start 1", "stop expired"]);
});

scenario("#31: a blocked loop inside a guarded step ends it as outlasted, with its value", async ({ clock, run }) => {
  const me = await run();
  const step = me.term.guard(async () => {
    clock.pause(13_000);
    return "done";
  });
  await expect(step).rejects.toMatchObject({ phase: "outlasted", value: "done", reason: "expired" });
});
