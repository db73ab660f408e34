// Goal: however many candidates meet, and however a record is taken, deleted or restored, one leads and the terms grow.
// Method: real electors over a lock in memory; the test plays the foreign candidate, the operator and the clumsy
// server.
import { expect, it } from "vitest";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import { AlreadyRunningError } from "../../src/errors.ts";
import { StorageLock } from "../../src/lock/storage-lock.ts";
import { MemoryData, MemoryStorage } from "../../src/storage/memory.ts";
import { ManualClock, SeededRandom } from "../../src/testing/index.ts";
import { sleep } from "../../src/system/clock.ts";
import { untilAborted, type Candidate } from "../../src/testing/elector-stage.ts";
import { callsSince, defaults, scenario, startsAndStops, type Scene } from "./scene.ts";

const writesOf = ({ lock }: Candidate): number => lock.log.filter(({ operation }) => operation !== "get").length;

scenario(
  "#33: a second process with the same identity waits for the lease, and both are warned",
  async ({ clock, run, pass }) => {
    const me = await run();
    const twin = await run({ identity: me.lock.identity });
    expect(twin.alarms).toEqual(["duplicateIdentity"]);
    await pass(120_000);
    expect(twin.terms).toEqual([]);
    expect(startsAndStops(me)).toEqual(["start 1"]);
    void me.elector.stop();
    await clock.advanceUntil(() => twin.elector.isLeader(), 10_000);
    expect(twin.term.term).toBeGreaterThan(1);
  },
);

it("#33: two locks with the same label are two identities, and the second follows", async () => {
  const clock = new ManualClock();
  const random = new SeededRandom(33);
  const storage = new MemoryStorage({ data: new MemoryData(), clock });
  const settled: Promise<void>[] = [];
  const electors = [1, 2].map(() => {
    const lock = new StorageLock({ storage, namespace: "default", name: "billing", label: "pod-0", clock, random });
    const elector = new LeaderElector({ lock, clock, random, callbacks: { onStartedLeading: () => {} } });
    settled.push(elector.run());
    return elector;
  });
  await clock.advance(60_000);
  const [first, second] = electors;
  expect(first?.identity.startsWith("pod-0_")).toBe(true);
  expect(second?.identity).not.toBe(first?.identity);
  expect(electors.map((elector) => elector.isLeader())).toEqual([true, false]);
  for (const elector of electors) void elector.stop();
  await clock.advance(20_000);
  await Promise.all(settled);
});

scenario("#34: a restart with the same label waits for the lease, and leads a new term", async ({ run, pass }) => {
  const crashed = await run();
  await pass(7_000); // renewed at 5 s
  crashed.lock.hang();
  const restarted = await run();
  await pass(14_900);
  expect(restarted.terms).toEqual([]);
  await pass(200);
  expect(restarted.term.term).toBe(2);
});

scenario(
  "#39: of two that write at the same instant one wins, and the other waits for the winner's lease",
  async ({ clock, run, stage, pass }) => {
    await stage.put(stage.record({ leaderTransitions: 3 }));
    const candidates = [await run(), await run()];
    for (const { lock } of candidates) lock.delay({ requestMs: 5, answerMs: 5 }, { on: "write" });
    await pass(15_100, 10);
    const winners = candidates.filter(({ elector }) => elector.isLeader());
    expect(winners.length).toBe(1);
    const [winner] = winners;
    const loser = candidates.find((candidate) => candidate !== winner);
    expect(loser && writesOf(loser)).toBe(1);
    winner?.lock.hang();
    const fromMs = clock.monotonicMs();
    await clock.advanceUntil(() => loser?.elector.isLeader() === true, 40_000);
    expect(clock.monotonicMs() - fromMs).toBeGreaterThan(14_500);
  },
);

/** Fifty candidates at this round trip; resolves with who leads after `end`, and with all attempts since. */
async function fifty(
  scene: Scene,
  rttMs: number,
  end: (leader: Candidate) => void,
): Promise<{ attempts: number; tookMs: number }> {
  const { clock, run, pass } = scene;
  const all: Candidate[] = [];
  for (let seed = 1; seed <= 50; seed += 1) {
    const settings = { random: new SeededRandom(seed), herdJitterMs: 50 };
    const slow = ({ lock }: Candidate): void => lock.delay({ requestMs: rttMs / 2, answerMs: rttMs / 2 });
    all.push(await run({ settings }, slow));
  }
  await pass(20_000);
  const [leader] = all.filter(({ elector }) => elector.isLeader());
  if (leader === undefined) throw new Error("nobody leads");
  const before = all.reduce((sum, candidate) => sum + writesOf(candidate), 0) - writesOf(leader);
  const fromMs = clock.monotonicMs();
  end(leader);
  const others = all.filter((candidate) => candidate !== leader);
  await clock.advanceUntil(() => others.some(({ elector }) => elector.isLeader()), 40_000);
  const tookMs = clock.monotonicMs() - fromMs;
  await pass(2_000, 100);
  expect(others.filter(({ elector }) => elector.isLeader()).length).toBe(1);
  const attempts = others.reduce((sum, candidate) => sum + writesOf(candidate), 0) - before;
  return { attempts, tookMs };
}

for (const [rttMs, most] of [
  [1, 3],
  [20, 15],
  [100, 15],
] as const) {
  scenario(
    `#40: fifty candidates whose leader dies elect one, in few attempts at ${rttMs} ms`,
    async (scene) => {
      const { attempts, tookMs } = await fifty(scene, rttMs, ({ lock }) => {
        lock.heal();
        lock.hang();
      });
      expect(attempts).toBeLessThanOrEqual(most);
      expect(tookMs).toBeLessThan(15_000 + 1_000 + 3 * rttMs);
    },
    "records",
  );
}

scenario(
  "#40: fifty candidates whose leader releases elect one, each with one attempt at most",
  async (scene) => {
    const { attempts, tookMs } = await fifty(scene, 20, ({ elector }) => void elector.stop());
    expect(attempts).toBeLessThanOrEqual(50);
    expect(tookMs).toBeLessThan(3 * 20 + 20);
  },
  "records",
);

scenario("a lost race doubles the herd window, until the holder changes", async ({ clock, run, stage }) => {
  await stage.put(stage.record());
  const me = await run({ watched: true, settings: { herdJitterMs: 50 } }, ({ random }) => void (random.value = 0.5));
  await clock.advance(15_010);
  await stage.put(stage.record()); // bing renews, and the watch does not tell
  me.lock.forget();
  await clock.advance(15_000);
  expect(callsSince(me, 0).slice(0, 2)).toEqual(["update@15025", "get@15025"]);
  await clock.advance(100);
  expect(callsSince(me, 30_000)).toEqual(["update@30075"]);
});

scenario(
  "#41: a leader that a foreign candidate replaced early is demoted at the lost race",
  async ({ run, pass, stage }) => {
    const me = await run();
    await pass(3_000);
    await stage.put(stage.record({ leaderTransitions: 2 }));
    await pass(2_000);
    expect(startsAndStops(me)).toEqual(["start 1", "stop taken"]);
    expect(callsSince(me, 5_000).slice(0, 2)).toEqual(["update@5000", "get@5000"]);
    expect(await stage.holder()).toBe("bing");
  },
);

scenario("#41: one of ours with a lease of 3 s waits 15 s for a lease of 15 s", async ({ run, pass }) => {
  const me = await run();
  me.lock.hang();
  const short = { leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryPeriodMs: 500, herdJitterMs: 0 };
  const bing = await run({ settings: short });
  await pass(14_999);
  expect(bing.terms).toEqual([]);
  await pass(1_000);
  expect(bing.term.term).toBe(2);
});

scenario("#42: a stop while a renewal is under way that arrives first ends released", async ({ clock, run, stage }) => {
  const me = await run();
  me.lock.delay({ answerMs: 300 }, { on: "update", times: 1 });
  await clock.advance(5_100);
  void me.elector.stop();
  await clock.advanceUntil(() => me.settled, 15_100);
  expect(await stage.holder()).toBe("");
  await clock.advance(1_000);
  expect(await stage.holder()).toBe("");
});

scenario("#42: a stop while a renewal is under way that arrives last ends released", async ({ clock, run, stage }) => {
  const me = await run();
  me.lock.delay({ requestMs: 300 }, { on: "update", times: 1 });
  await clock.advance(5_100);
  void me.elector.stop();
  await clock.advanceUntil(() => me.settled, 15_100);
  await clock.advance(1_000);
  expect(await stage.holder()).toBe("");
  expect(startsAndStops(me)).toEqual(["start 1", "stop stopped"]);
});

scenario("#43: a release that is delayed past a takeover changes nothing", async ({ clock, run, stage, pass }) => {
  const me = await run();
  const bing = await run();
  me.lock.delay({ requestMs: 20_000 }, { on: "update" });
  void me.elector.stop();
  await clock.advanceUntil(() => bing.elector.isLeader(), 20_000);
  const term = bing.term;
  await pass(10_000);
  expect(term.isHeld()).toBe(true);
  expect(await stage.holder()).toBe(bing.lock.identity);
});

scenario(
  "#44: a leader whose record is deleted loses it, and candidates that saw it never overlap",
  async ({ clock, run, pass, stage }) => {
    const me = await run();
    const others = [await run(), await run()];
    await pass(6_000);
    await stage.put(undefined);
    await pass(120_000);
    expect(startsAndStops(me)).toEqual(["start 1", "stop erased", "start 1002"]);
    expect(others.flatMap(({ terms }) => terms)).toEqual([]);
    me.lock.hang();
    await clock.advanceUntil(() => others.some(({ elector }) => elector.isLeader()), 40_000);
    expect(Math.max(...others.flatMap(({ terms }) => terms.map(({ term }) => term)))).toBe(1_003);
  },
);

scenario("#44: an erased leader whose validity has ended waits like everybody", async ({ clock, run, pass, stage }) => {
  const me = await run();
  await pass(6_000);
  await stage.put(undefined);
  me.lock.hang();
  await pass(10_000);
  expect(startsAndStops(me)).toEqual(["start 1", "stop expired"]);
  me.lock.heal();
  const fromMs = clock.monotonicMs();
  await clock.advanceUntil(() => me.elector.isLeader(), 60_000);
  expect(clock.monotonicMs() - fromMs).toBeGreaterThanOrEqual(14_000);
  expect(me.term.term).toBe(1_002);
});

scenario(
  "#44: an erased leader whose work outlasts its validity waits for the absence like everybody",
  async ({ clock, run, pass, stage }) => {
    const me = await run({ work: (leadership) => untilAborted(leadership).then(() => sleep(clock, 8_000)) });
    await stage.put(undefined);
    await pass(5_000);
    expect(startsAndStops(me)).toEqual(["start 1", "stop erased"]);
    await pass(14_999); // the absence was first received at 5 s, the work has ended at 13 s
    expect(me.terms.length).toBe(1);
    await pass(1_000);
    expect(me.term.term).toBe(1_002);
  },
);

scenario(
  "#45: a record that was deleted and created by another deposes the leader, with an alarm",
  async ({ run, pass, stage }) => {
    await stage.put(stage.record({ holderIdentity: "", leaderTransitions: 6 }));
    const me = await run();
    await stage.put(undefined);
    await stage.put(stage.record({ leaderTransitions: 1 }));
    await pass(5_000);
    expect(startsAndStops(me)).toEqual(["start 7", "stop taken"]);
    expect(me.alarms).toEqual(["termRegression"]);
    expect(me.story).toContain("newLeader bing");
    await pass(60_000);
    expect(me.term.term).toBe(8); // above everything that was ever seen
  },
);

scenario(
  "#46: work that ignores the abort keeps its lease unreleased, and no new term begins here",
  async ({ clock, run, pass, stage }) => {
    let finish = (): void => {};
    const me = await run({ work: () => new Promise<void>((resolve) => (finish = resolve)) });
    void me.elector.resign();
    await pass(9_999);
    expect(me.term.isHeld(), "renewed while it drains").toBe(true);
    await pass(2);
    expect(me.term.isHeld()).toBe(false);
    expect(me.alarms).toEqual(["workOverrun"]);
    // cast: for its class
    expect(me.errors.map(({ error }) => (error as Error).constructor.name)).toEqual(["WorkOverrunError"]);
    expect(() => me.elector.check(60_000)).toThrow();
    const bing = await run();
    await pass(14_000);
    expect(await stage.holder()).toBe(me.lock.identity);
    await clock.advanceUntil(() => bing.elector.isLeader(), 20_000);
    void bing.elector.stop();
    await pass(30_000);
    expect(me.terms.length).toBe(1);
    expect(await stage.holder()).toBe("");
    finish();
    await clock.advanceUntil(() => me.elector.isLeader(), 10_000);
    expect(me.term.term).toBeGreaterThan(bing.term.term);
    finish();
  },
);

scenario(
  "#49: one lock in two electors is refused; two locks on one lease are two candidates",
  async ({ clock, stage, run }) => {
    const me = await run();
    const second = new LeaderElector({ lock: me.lock, clock, callbacks: { onStartedLeading: () => {} } });
    await expect(second.run()).rejects.toBeInstanceOf(AlreadyRunningError);
    await expect(second.terms().next()).rejects.toBeInstanceOf(AlreadyRunningError);
    await expect(second.acquire()).rejects.toBeInstanceOf(AlreadyRunningError);
    await expect(me.elector.run()).rejects.toBeInstanceOf(AlreadyRunningError);
    expect(me.elector.isLeader()).toBe(true);
    const other = (await stage.candidate({ settings: defaults })).run();
    await clock.advance();
    expect(other.elector.leader).toBe(me.lock.identity);
    void me.elector.stop();
    await clock.advanceUntil(() => other.elector.isLeader(), 20_000);
  },
);

scenario(
  "#53: a stored lease of 60 s is honoured by candidates of 15 s, and the other way round",
  async ({ clock, run, pass }) => {
    const long = { leaseDurationMs: 60_000, renewDeadlineMs: 40_000, retryPeriodMs: 8_000 };
    const old = await run({ settings: long });
    const next = await run();
    old.lock.hang();
    await pass(59_900);
    expect(next.terms).toEqual([]);
    await pass(500);
    expect(next.term.term).toBe(2);
    const another = await run({ settings: long });
    await pass(1_000);
    const last = next.lock.log.at(-1)?.atMs ?? NaN;
    next.lock.hang();
    await clock.advanceUntil(() => another.elector.isLeader(), 120_000);
    expect(clock.monotonicMs() - last).toBeGreaterThanOrEqual(59_000);
  },
);

scenario(
  "#70: a record that was restored from an hour ago raises an alarm, and terms go on above the highest",
  async ({ clock, run, pass, stage }) => {
    await stage.put(stage.record({ holderIdentity: "", leaderTransitions: 40 }));
    const me = await run();
    const bing = await run();
    await pass(6_000);
    const told: string[] = [];
    bing.elector.on("alarm", ({ kind }) => told.push(kind));
    bing.elector.on("newLeader", ({ identity }) => told.push(identity));
    await stage.put(stage.record({ holderIdentity: "long-gone", leaderTransitions: 12 }));
    await pass(5_000);
    expect(me.alarms).toEqual(["termRegression"]);
    expect(told, "the alarm comes first").toEqual(["termRegression", "long-gone"]);
    expect(bing.alarms).toEqual(["termRegression"]);
    expect(startsAndStops(me)).toEqual(["start 41", "stop taken"]);
    await clock.advanceUntil(() => me.elector.isLeader() || bing.elector.isLeader(), 60_000);
    expect((me.elector.isLeader() ? me : bing).term.term).toBe(42);
  },
);

scenario(
  "#70: a record that was restored to what its candidates have seen before raises an alarm, and is waited for anew",
  async ({ clock, run, pass, stage }) => {
    const old = stage.record({ leaderTransitions: 7 });
    await stage.put(old);
    const [me, bing] = [await run(), await run()];
    await clock.advanceUntil(() => me.elector.isLeader() || bing.elector.isLeader(), 60_000);
    const [leader, standby] = me.elector.isLeader() ? [me, bing] : [bing, me];
    await pass(60_000); // the old record was waited out long ago
    await stage.put(old);
    const restoredMs = clock.monotonicMs();
    await clock.advanceUntil(() => standby.elector.isLeader(), 60_000);
    expect(clock.monotonicMs() - restoredMs).toBeGreaterThanOrEqual(15_000);
    expect(standby.alarms).toEqual(["termRegression"]);
    expect(startsAndStops(leader)).toEqual(["start 8", "stop taken"]);
    expect(standby.term.term).toBe(9);
  },
);

scenario(
  "two competing candidates hand over back and forth, with growing terms",
  async ({ clock, run }) => {
    const pair = [await run(), await run()];
    const terms: number[] = [];
    for (let turn = 0; turn < 20; turn += 1) {
      await clock.advanceUntil(() => pair.some(({ elector }) => elector.isLeader()), 20_000);
      const leader = pair.find(({ elector }) => elector.isLeader());
      terms.push(leader?.term.term ?? NaN);
      void leader?.elector.resign();
      await clock.advance(1);
    }
    expect(terms).toEqual(terms.toSorted((left, right) => left - right));
    expect(new Set(terms).size).toBe(terms.length);
    for (const { terms: own } of pair) expect(own.length).toBeGreaterThan(5);
  },
  "records",
);
