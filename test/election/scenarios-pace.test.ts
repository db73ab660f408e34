// Goal: an elector asks as seldom as it promises, spreads its looks within their bounds, and raises terms above every
// floor. Method: real electors over a lock in memory; the times of all their calls are compared with the bounds of the
// pacing.
import { expect, it } from "vitest";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import { StorageUnavailableError, UnknownOutcomeError } from "../../src/errors.ts";
import { MultiLock } from "../../src/lock/multi-lock.ts";
import { sleep } from "../../src/system/clock.ts";
import { FakeLock, ManualClock, SeededRandom } from "../../src/testing/index.ts";
import { assertPace } from "../../src/testing/elector-pace.ts";
import { untilAborted, type Candidate } from "../../src/testing/elector-stage.ts";
import { defaults, scenario, startsAndStops, type Scene } from "./scene.ts";

const unavailable = new StorageUnavailableError("injected", { applied: "no" });
const pace = { retryPeriodMs: 2_000, renewIntervalMs: 5_000 };

function gaps(times: readonly number[]): number[] {
  return times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0));
}

const readsOf = ({ lock }: Candidate): number[] =>
  lock.log.filter(({ operation }) => operation === "get").map(({ atMs }) => atMs);

scenario(
  "L5: a leader writes once per interval and reads nothing; a watching standby sends nothing",
  async ({ run, pass }) => {
    const me = await run();
    const bing = await run();
    await pass(1_000);
    for (const { lock } of [me, bing]) lock.forget();
    await pass(600_000, 1_000);
    expect(me.lock.log.length).toBe(120);
    assertPace(me.lock.log, { ...pace, kind: "leader" });
    expect(bing.lock.log.length).toBe(0);
  },
  "records",
);

scenario("L5: a polling standby looks once per 1 to 2.2 retry periods, and writes nothing", async ({ run, pass }) => {
  await run();
  const bing = await run({ settings: { random: new SeededRandom(5) } });
  await pass(1_200_000, 1_000);
  assertPace(bing.lock.log, { ...pace, kind: "standby" });
  const looks = gaps(readsOf(bing));
  expect(Math.min(...looks)).toBeGreaterThanOrEqual(2_000);
  expect(Math.max(...looks)).toBeLessThan(4_400);
  expect(Math.min(...looks)).toBeLessThan(2_200);
  expect(Math.max(...looks)).toBeGreaterThan(4_200);
  const meanMs = looks.reduce((sum, ms) => sum + ms, 0) / looks.length;
  expect(meanMs).toBeGreaterThan(1.55 * 2_000);
  expect(meanMs).toBeLessThan(1.65 * 2_000);
});

/** Every trouble that may tempt an elector to try again at once. */
const troubles: Readonly<Record<string, (scene: Scene, candidate: Candidate) => unknown>> = {
  "all calls are refused": (_, { lock }) => lock.fail(unavailable),
  "all calls end unknown": (_, { lock }) => lock.fail(new UnknownOutcomeError("injected")),
  "all calls hang": (_, { lock }) => lock.hang(),
  "writes are refused": (_, { lock }) => lock.fail(unavailable, { on: "write" }),
  "writes end unknown": (_, { lock }) => lock.fail(new UnknownOutcomeError("injected"), { on: "write" }),
  "writes end unknown and are applied": (_, { lock }) =>
    lock.fail(new UnknownOutcomeError("injected"), { on: "write", applied: true }),
  "writes lose every race": (_, { lock }) => lock.loseRace({ times: Infinity }),
  "writes hang": (_, { lock }) => lock.hang({ on: "write" }),
  "writes throw what is no error": (_, { lock }) => lock.fail(undefined, { on: "write" }),
  "reads fail": (_, { lock }) => lock.fail(unavailable, { on: "get" }),
  "reads hang": (_, { lock }) => lock.hang({ on: "get" }),
  "reads find nothing": (_, { lock }) => lock.answerWith(undefined, { times: Infinity }),
  "the record is free": ({ stage }) => stage.put(stage.record({ holderIdentity: "" })),
  "the record is another's": ({ stage }) => stage.put(stage.record({ leaderTransitions: 5 })),
  "the record went back": ({ stage }) => stage.put(stage.record({ leaderTransitions: 0 })),
  "the record is gone": ({ stage }) => stage.put(undefined),
  "the record is damaged": ({ place }) => place.put({ leaderTransitions: "many" }),
  "answers are late": (_, { lock }) => lock.delay({ requestMs: 3_000, answerMs: 3_000 }),
};

/** L1: the greatest wait, a look, the herd window and two round trips. */
const most = { takeoverMs: 15_000 + 2.2 * 2_000 + 1_000 };

for (const watch of ["none", "bare", "records"] as const) {
  for (const [what, begin] of Object.entries(troubles)) {
    scenario(
      `L1, L5: no busy loop where ${what}, and a leader once that is over, watch: ${watch}`,
      async (scene) => {
        const me = await scene.run();
        const bing = await scene.run();
        const newcomer = await scene.stage.candidate({ settings: defaults, watched: "through" });
        for (const candidate of [me, bing, newcomer]) await begin(scene, candidate);
        newcomer.run();
        await scene.clock.advance(180_000);
        for (const { lock, terms } of [me, bing, newcomer]) {
          assertPace(lock.log, { ...pace, terms: terms.length + 1, hints: lock.hints });
          lock.heal();
        }
        if (scene.place.record === undefined) await scene.stage.put(scene.stage.record({ holderIdentity: "" }));
        const electors = [me, bing, newcomer].map(({ elector }) => elector);
        await scene.clock.advanceUntil(() => electors.some((elector) => elector.isLeader()), most.takeoverMs);
      },
      watch,
    );
  }
}

scenario(
  "the draw at an expiry lies within the herd window",
  async ({ clock, run, stage }) => {
    const delays: number[] = [];
    for (let seed = 1; seed <= 60; seed += 1) {
      await stage.put(stage.record());
      const settings = { random: new SeededRandom(seed), herdJitterMs: 50, recampaign: false };
      const me = await run({ settings, watched: "through" });
      const fromMs = clock.monotonicMs();
      await clock.advanceUntil(() => me.elector.isLeader(), 20_000);
      delays.push(clock.monotonicMs() - fromMs - 15_000);
      void me.elector.stop();
      await clock.advance(1);
    }
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...delays)).toBeLessThan(50.001);
    expect(Math.min(...delays)).toBeLessThan(10);
    expect(Math.max(...delays)).toBeGreaterThan(40);
  },
  "records",
);

scenario(
  "minWriteIntervalMs is respected by acquisitions, renewals, retries and the release",
  async ({ clock, stage, place }) => {
    const lock = place.forCandidate("slow", { minWriteIntervalMs: 1_000 });
    const writes = (): number[] => lock.log.filter(({ operation }) => operation !== "get").map(({ atMs }) => atMs);
    const settings = { ...defaults, renewIntervalMs: 1_000, lock, clock, random: new SeededRandom(3) };
    const elector = new LeaderElector({ ...settings, callbacks: { onStartedLeading: untilAborted } });
    const free = { ...stage.record({ holderIdentity: "", leaseDurationSeconds: 1 }) };
    await stage.put(free);
    let races = 0;
    const spoiling = lock.update.bind(lock);
    lock.update = (record, expected, options) => {
      if ((races += 1) <= 3) place.put({ ...free, leaderTransitions: races }); // somebody came and went
      return spoiling(record, expected, options);
    };
    let settled = false;
    void elector.run().then(() => (settled = true));
    await clock.advance(5_300);
    expect(races).toBeGreaterThan(3);
    lock.fail(new UnknownOutcomeError("injected"), { on: "write", times: 2 });
    await clock.advance(10_000);
    lock.fail(unavailable, { on: "write", times: 3 });
    await clock.advance(10_000);
    lock.loseRace();
    await clock.advance(10_400);
    place.touch(); // the next renewal loses, and may be repeated at once
    await clock.advance(10_000);
    for (let turn = 0; turn < 3; turn += 1) {
      void elector.resign();
      await clock.advance(10_000);
    }
    expect(elector.isLeader()).toBe(true);
    void elector.stop();
    await clock.advanceUntil(() => settled, 15_100);
    expect(await stage.holder()).toBe("");
    expect(writes().length).toBeGreaterThan(40);
    expect(Math.min(...gaps(writes()))).toBeGreaterThanOrEqual(1_000);
  },
);

scenario("a new record begins above the floor that a fenced resource tells", async ({ clock, run, stage }) => {
  let asked = 0;
  const termFloor = async (): Promise<number> => {
    asked += 1;
    await sleep(clock, 100);
    return 500;
  };
  const me = await run({ settings: { termFloor } });
  expect(me.lock.calls).toEqual(["get"]);
  await clock.advance(100);
  expect(me.lock.calls).toEqual(["get", "create"]);
  expect(me.term.term).toBe(501);
  expect((await stage.stored())?.record.leaderTransitions).toBe(501);
  void me.elector.resign();
  await clock.advance(10_000);
  expect(me.term.term).toBe(502);
  expect(asked, "asked before a creation only").toBe(1);
});

scenario(
  "a floor that fails, hangs or is silly lets nobody create, and is asked again at the polling pace",
  async ({ clock, stage }) => {
    const silly = [NaN, -1, 1.5, 2 ** 31, Infinity, "7", undefined, null];
    const answers = [
      ...silly.map((value) => () => Promise.resolve(value)),
      () => Promise.reject(unavailable),
      () => new Promise(() => {}),
    ];
    for (const answer of answers) {
      let asked = 0;
      const termFloor = (): Promise<number> => {
        asked += 1;
        return (asked > 5 ? Promise.resolve(41) : answer()) as Promise<number>; // cast: what JavaScript may answer
      };
      const me = (await stage.candidate({ settings: { ...defaults, termFloor } })).run();
      await clock.advanceUntil(() => asked > 5, 60_000);
      expect(clock.monotonicMs()).toBeGreaterThan(0);
      expect(me.lock.calls.filter((call) => call !== "get")).toEqual(me.elector.isLeader() ? ["create"] : []);
      expect(me.errors.map(({ where }) => where)).toEqual(Array.from({ length: 5 }, () => "termFloor"));
      await clock.advance();
      expect(me.term.term).toBe(42);
      await me.finish(clock);
      await stage.put(undefined);
    }
  },
);

scenario("a floor that throws at once is an error like any other", async ({ clock, run }) => {
  let asked = 0;
  const termFloor = (): Promise<number> => {
    asked += 1;
    if (asked === 1) throw unavailable;
    return Promise.resolve(0);
  };
  const me = await run({ settings: { termFloor } });
  expect(me.errors).toEqual([{ error: unavailable, where: "termFloor" }]);
  await clock.advance(5_000);
  expect(me.term.term).toBe(1);
});

scenario("an existing record is taken over without asking for the floor", async ({ run, stage }) => {
  await stage.put(stage.record({ holderIdentity: "", leaderTransitions: 8 }));
  let asked = 0;
  const me = await run({ settings: { termFloor: () => Promise.resolve((asked += 1)) } });
  expect(me.term.term).toBe(9);
  expect(asked).toBe(0);
});

scenario(
  "onMissing: wait creates only after a whole lease without a record, under looks in between",
  async ({ clock, run }) => {
    const me = await run({ settings: { onMissing: "wait" } });
    await clock.advance(14_999);
    expect(me.lock.calls.filter((call) => call !== "get")).toEqual([]);
    expect(Math.max(...gaps(readsOf(me)))).toBeLessThanOrEqual(2_000);
    await clock.advance(1);
    expect(me.elector.isLeader()).toBe(true);
  },
);

/** Candidates of the second roll-out of a move: they hold both locks. */
function roll(): { clock: ManualClock; old: FakeLock; next: FakeLock; both: (identity: string) => MultiLock } {
  const clock = new ManualClock();
  const [old, next] = [new FakeLock({ clock, identity: "nobody" }), new FakeLock({ clock, identity: "nobody" })];
  const both = (identity: string): MultiLock =>
    new MultiLock(old.forCandidate(identity), next.forCandidate(identity), { clock });
  return { clock, old, next, both };
}

it("electors over the old lock, both, and the new one exclude each other through a whole move", async () => {
  const { clock, old, next, both } = roll();
  const seen: number[] = [];
  const start = (lock: FakeLock | MultiLock, seed: number): { elector: LeaderElector; done: () => boolean } => {
    const work = ({ term }: { term: number }): void => void seen.push(term);
    const settings = { ...defaults, lock, clock, random: new SeededRandom(seed) };
    const elector = new LeaderElector({ ...settings, callbacks: { onStartedLeading: work } });
    let settled = false;
    void elector.run().then(() => (settled = true));
    return { elector, done: () => settled };
  };
  const stages = [
    [() => start(old.forCandidate("a1"), 1), () => start(old.forCandidate("a2"), 2)],
    [() => start(both("b1"), 3), () => start(both("b2"), 4)],
    [() => start(next.forCandidate("c1"), 5), () => start(next.forCandidate("c2"), 6)],
  ].flat();
  let running = stages.slice(0, 2).map((begin) => begin());
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 250) {
      await clock.advance(250);
      expect(running.filter(({ elector }) => elector.isLeader()).length).toBeLessThanOrEqual(1);
    }
  };
  await pass(5_000);
  for (const begin of stages.slice(2)) {
    running.push(begin()); // one in, one out, as a rolling update does it
    await pass(5_000);
    const [leaving] = running;
    void leaving?.elector.stop();
    await pass(20_000);
    expect(leaving?.done()).toBe(true);
    running = running.slice(1);
    await pass(25_000);
    expect(running.filter(({ elector }) => elector.isLeader()).length, "somebody leads").toBe(1);
  }
  expect(seen).toEqual([...new Set(seen)].toSorted((left, right) => left - right));
  for (const { elector } of running) void elector.stop();
  await clock.advance(20_000);
  expect(running.every(({ done }) => done())).toBe(true);
});

it("a leader over both locks that loses one of them is deposed", async () => {
  const { clock, old, next, both } = roll();
  const story: string[] = [];
  const callbacks = {
    onStartedLeading: ({ term }: { term: number }): void => void story.push(`start ${term}`),
    onStoppedLeading: (reason: string): void => void story.push(`stop ${reason}`),
  };
  const elector = new LeaderElector({ ...defaults, lock: both("b1"), clock, random: new SeededRandom(9), callbacks });
  let settled = false;
  void elector.run().then(() => (settled = true));
  await clock.advance(1_000);
  expect(story).toEqual(["start 1"]);
  next.takeAway("thief");
  await clock.advance(9_000);
  expect(story[1]).toMatch(/^stop (taken|expired)$/);
  expect(old.record?.holderIdentity).not.toBe("");
  void elector.stop();
  await clock.advanceUntil(() => settled, 15_100);
  expect(next.record?.holderIdentity).toBe("thief");
});

for (const [watch, mostMs] of [
  ["records", 3 * 20],
  ["bare", 4 * 20],
  ["none", 2.2 * 2_000 + 3 * 20],
] as const) {
  scenario(
    `L2: after a release another candidate starts within ${mostMs} ms, watch: ${watch}`,
    async ({ clock, run }) => {
      const slow = ({ lock }: Candidate): void => lock.delay({ requestMs: 10, answerMs: 10 });
      const me = await run({}, slow);
      await clock.advance(100);
      const others: Candidate[] = [];
      for (const seed of [1, 2]) others.push(await run({ settings: { random: new SeededRandom(seed) } }, slow));
      await clock.advance(20_000);
      void me.elector.stop();
      const release = await clock.advanceUntil(() => me.settled, 100);
      expect(release).toBe(20);
      // Counted from the release's arrival, 10 ms before its answer.
      await clock.advanceUntil(() => others.some(({ terms }) => terms.length > 0), mostMs - 10);
    },
    watch,
  );
}

scenario("renewals keep an equal pace for hours: one per interval, none early, none late", async ({ clock, run }) => {
  const me = await run();
  me.lock.delay({ requestMs: 10, answerMs: 10 });
  await clock.advance(2 * 3_600_000);
  const sends = me.lock.log.filter(({ operation }) => operation === "update").map(({ atMs }) => atMs);
  expect(sends.length).toBe(1_440);
  expect(Math.min(...gaps(sends))).toBeCloseTo(5_000, 3);
  expect(Math.max(...gaps(sends))).toBeCloseTo(5_000, 3);
  expect(startsAndStops(me)).toEqual(["start 1"]);
});

/** A lock that keeps no promise of its interface but the shape. */
const nonsense = [undefined, null, 7, "yes", {}, { written: "true" }, { written: true }, { written: true, version: 7 }];

scenario(
  "L5: a lock that answers writes with nonsense never makes a leader, nor a busy loop",
  async ({ clock, stage }) => {
    const candidates: Candidate[] = [];
    for (const answer of nonsense) {
      const me = await stage.candidate({ settings: defaults });
      candidates.push(me);
      const count = me.lock.create.bind(me.lock);
      me.lock.create = (record) => count(record).then(() => answer as never); // cast: what JavaScript may answer
      await stage.put(undefined);
      me.lock.loseRace({ times: Infinity });
      me.run();
      await clock.advance(60_000);
      expect(me.terms).toEqual([]);
      assertPace(me.lock.log, { ...pace, terms: 1 });
      expect(me.errors.length).toBeGreaterThan(5);
      await me.finish(clock);
    }
  },
);

scenario("L5: a lock that answers reads with nonsense is unreadable, not free", async ({ clock, stage }) => {
  for (const answer of [null, 7, "yes", {}, { record: null, version: "v1" }, { record: {}, version: "v1" }]) {
    const me = await stage.candidate({ settings: defaults });
    me.lock.answerWith(answer as never, { times: Infinity }); // cast: as above
    me.run();
    await clock.advance(60_000);
    expect(me.lock.calls.filter((call) => call !== "get")).toEqual([]);
    expect(me.terms).toEqual([]);
    assertPace(me.lock.log, pace);
    await me.finish(clock);
  }
});

const ended = { done: true, value: undefined } as const;
const oneHint = [{ done: false, value: {} }, ended] as const;

/** A watch with these turns, then with silence. */
function watchOf(...turns: (() => Promise<IteratorResult<object, undefined>>)[]): () => AsyncIterable<object> {
  return () => {
    const left = [...turns];
    const next = (): Promise<IteratorResult<object, undefined>> => left.shift()?.() ?? new Promise(() => {});
    return { [Symbol.asyncIterator]: () => ({ next }) };
  };
}

const throwing = (): never => {
  throw unavailable;
};

for (const [what, watch] of [
  ["throws at once", throwing],
  ["ends at once", watchOf(async () => ended)],
  ["fails at once", watchOf(() => Promise.reject(unavailable))],
  ["tells one hint and ends", watchOf(...oneHint.map((turn) => async () => turn))],
  ["tells nothing, ever", watchOf()],
] as const) {
  scenario(`L5: a watch that ${what} costs no term, and few reads`, async ({ clock, stage }) => {
    const [me, bing] = [await stage.candidate({ settings: defaults }), await stage.candidate({ settings: defaults })];
    for (const { lock } of [me, bing]) Reflect.set(lock, "watch", watch);
    me.run();
    await clock.advance();
    bing.run();
    await clock.advance(300_000);
    expect(startsAndStops(me)).toEqual(["start 1"]);
    expect(bing.terms).toEqual([]);
    for (const { lock } of [me, bing]) assertPace(lock.log, { ...pace, terms: 1 });
    me.lock.hang();
    await clock.advanceUntil(() => bing.elector.isLeader(), 22_000);
  });
}
