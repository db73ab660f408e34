// Goal: a term has one start and at most one stop, in the promised order, and stop, failure and return of the work end
// as said. Method: real electors over a lock in memory; their story of callbacks, signals and writes is compared line
// by line.
import { expect } from "vitest";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import type { Leadership, StopReason } from "../../src/election/leadership.ts";
import { StaleTermError, StorageUnavailableError, UnknownOutcomeError } from "../../src/errors.ts";
import { sleep } from "../../src/system/clock.ts";
import { untilAborted, type Candidate } from "../../src/testing/elector-stage.ts";
import { callsSince, defaults, scenario, since, startsAndStops, type Scene } from "./scene.ts";

const unavailable = new StorageUnavailableError("injected", { applied: "no" });
const busy = new StorageUnavailableError("injected", { applied: "no", retryAfterMs: 60_000 });
const failure = new Error("injected");

/** Stops, and resolves with how long it took to settle; L4: the drain, the release and 100 ms at most. */
async function stop({ clock }: Scene, candidate: Candidate): Promise<number> {
  void candidate.elector.stop();
  return clock.advanceUntil(() => candidate.settled, 15_100);
}

scenario("#30: stopped while an acquisition is under way, its win is released without a callback", async (scene) => {
  const me = await scene.run({}, ({ lock }) => lock.delay({ answerMs: 1_000 }, { on: "create" }));
  expect(me.lock.calls).toEqual(["get", "create"]);
  const ms = await stop(scene, me);
  expect(ms).toBeLessThanOrEqual(5_100);
  expect(await scene.stage.holder()).toBe("");
  expect(me.story.filter((line) => /^(start|stop)/.test(line))).toEqual([]);
  expect(me.lock.log.filter(({ record }) => record?.holderIdentity === "").length).toBe(1);
});

scenario("#30: stopped while an acquisition hangs that was applied, the lease is found and released", async (scene) => {
  const settings = { attemptTimeoutMs: 1_000 };
  const me = await scene.run({ settings }, ({ lock }) => lock.hang({ on: "create", applied: true }));
  const ms = await stop(scene, me);
  expect(ms).toBeLessThanOrEqual(15_100);
  expect(await scene.stage.holder()).toBe("");
  expect(startsAndStops(me)).toEqual([]);
});

scenario("#30: stopped while a renewal is under way, and twice, releases once", async (scene) => {
  const me = await scene.run();
  me.lock.delay({ answerMs: 200 }, { on: "update", times: 1 });
  await scene.clock.advance(5_050);
  const both = [me.elector.stop(), me.elector.stop()];
  await scene.clock.advanceUntil(() => me.settled, 15_100);
  await Promise.all(both);
  expect(await scene.stage.holder()).toBe("");
  expect(startsAndStops(me)).toEqual(["start 1", "stop stopped"]);
  const releases = me.lock.log.filter(({ record }) => record?.holderIdentity === "");
  expect(new Set(releases.map(({ expected }) => expected)).size).toBe(releases.length);
});

scenario("a second stop, and a stop after the end, ask the lock nothing", async (scene) => {
  const me = await scene.run();
  await stop(scene, me);
  me.lock.forget();
  await me.elector.stop();
  await me.elector.stop();
  expect(me.lock.calls).toEqual([]);
  expect(me.elector.state).toBe("stopped");
});

for (const [how, work] of [
  [
    "throws",
    () => {
      throw failure;
    },
  ],
  ["rejects", () => Promise.reject(failure)],
] as const) {
  scenario(`#47: work that ${how} ends its term, is released, and is tried again after a back-off`, async (scene) => {
    const me = await scene.run({ work });
    expect(startsAndStops(me)).toEqual(["start 1", "stop workFailed"]);
    expect(me.errors).toEqual([{ error: failure, where: "work" }]);
    expect(await scene.stage.holder()).toBe("");
    await scene.clock.advance(999);
    expect(me.terms.length).toBe(1);
    await scene.clock.advance(5_000);
    expect(startsAndStops(me).slice(0, 4)).toEqual(["start 1", "stop workFailed", "start 2", "stop workFailed"]);
  });
}

scenario("#47: work that returns keeps its term, unless told otherwise", async ({ clock, run }) => {
  const me = await run({ work: () => {} });
  await clock.advance(60_000);
  expect(startsAndStops(me)).toEqual(["start 1"]);
  expect(me.term.isHeld()).toBe(true);
});

scenario("#47: with whenWorkReturns: resign the term ends when the work returns", async ({ clock, run, stage }) => {
  const me = await run({ work: () => sleep(clock, 1_000), settings: { whenWorkReturns: "resign" } });
  await clock.advance(999);
  expect(me.term.isHeld()).toBe(true);
  await clock.advance(1);
  expect(startsAndStops(me)).toEqual(["start 1", "stop workReturned"]);
  expect(await stage.holder()).toBe("");
  await clock.advance(1_999);
  expect(me.terms.length, "it holds back for a retry period").toBe(1);
  await clock.advance(5_000);
  expect(me.terms.length).toBeGreaterThan(1);
});

scenario("#47: work that never ends runs on", async ({ clock, run }) => {
  const me = await run({ work: () => new Promise(() => {}) });
  await clock.advance(600_000);
  expect(startsAndStops(me)).toEqual(["start 1"]);
  expect(me.term.isHeld()).toBe(true);
});

scenario("#48: stop before run makes it settle at once, and the next one campaign", async ({ clock, stage }) => {
  const me = await stage.candidate({ settings: defaults });
  await me.elector.stop();
  me.run();
  await clock.advance();
  expect(me.settled).toBe(true);
  expect(me.lock.calls).toEqual([]);
});

scenario("#48: stop inside each callback settles, in order", async ({ clock, stage }) => {
  for (const place of ["onStartedLeading", "onNewLeader", "onStoppedLeading"] as const) {
    const story: string[] = [];
    const lock = await stage.lock();
    const tell = (line: string, at: string): void => {
      story.push(line);
      if (at === place) void elector.stop();
      if (at === "onStartedLeading" && place === "onStoppedLeading") void elector.resign();
    };
    const elector: LeaderElector = new LeaderElector({
      ...{ ...defaults, lock, clock },
      callbacks: {
        onStartedLeading: async (leadership) => {
          tell("start", "onStartedLeading");
          await untilAborted(leadership);
        },
        onStoppedLeading: (reason) => tell(`stop ${reason}`, "onStoppedLeading"),
        onNewLeader: () => tell("newLeader", "onNewLeader"),
      },
    });
    let settled = false;
    void elector.run().then(() => (settled = true));
    await clock.advanceUntil(() => settled, 15_100);
    const reason = place === "onStoppedLeading" ? "resigned" : "stopped";
    const expected = ["newLeader", "start", `stop ${reason}`];
    expect(story, place).toEqual(place === "onNewLeader" ? story.slice(0, story.length) : expected);
    if (place === "onNewLeader") expect(["newLeader", "newLeader,start,stop stopped"]).toContain(story.join());
    expect(await stage.holder()).toBe("");
    await stage.put(undefined);
  }
});

scenario("stop settles within the drain and the release, whatever the storage does", async (scene) => {
  const { clock } = scene;
  for (const [trouble, work] of [
    [(me: Candidate) => me.lock.hang(), untilAborted],
    [(me: Candidate) => me.lock.fail(unavailable), untilAborted],
    [(me: Candidate) => me.lock.fail(new UnknownOutcomeError("injected")), untilAborted],
    [(me: Candidate) => me.lock.fail(busy), untilAborted],
    [(me: Candidate) => me.lock.delay({ requestMs: 3_000, answerMs: 3_000 }), untilAborted],
    [(me: Candidate) => me.lock.hang(), () => new Promise<void>(() => {})],
    [() => {}, () => new Promise<void>(() => {})],
  ] as const) {
    const settings = { drainTimeoutMs: 3_000, releaseTimeoutMs: 2_000 };
    const me = await scene.run({ settings, work });
    expect(me.elector.isLeader()).toBe(true);
    trouble(me);
    const startMs = clock.monotonicMs();
    void me.elector.stop();
    await clock.advanceUntil(() => me.settled, 5_100);
    expect(clock.monotonicMs() - startMs).toBeLessThanOrEqual(5_100);
    expect(me.elector.isLeader()).toBe(false);
    me.lock.heal();
    await scene.stage.put(undefined);
    await clock.advance(10_000);
    await scene.stage.put(undefined);
  }
});

scenario("an aborted signal of run ends it as stop does", async ({ clock, stage }) => {
  const lock = await stage.lock();
  const story: string[] = [];
  const callbacks = {
    onStartedLeading: untilAborted,
    onStoppedLeading: (reason: StopReason): void => void story.push(reason),
  };
  const elector = new LeaderElector({ ...defaults, lock, clock, callbacks });
  const controller = new AbortController();
  let settled = false;
  void elector.run({ signal: controller.signal }).then(() => (settled = true));
  await clock.advance();
  expect(elector.isLeader()).toBe(true);
  controller.abort();
  await clock.advance();
  expect(settled).toBe(true);
  expect(story).toEqual(["stopped"]);
  expect(await stage.holder()).toBe("");
  await elector.run({ signal: controller.signal }); // aborted already: nothing is asked
  expect(lock.calls.length).toBe(3);
});

scenario("S10: callbacks, signals and the release come in the promised order", async (scene) => {
  const held: boolean[] = [];
  const me = await scene.run({
    work: async (leadership) => {
      await untilAborted(leadership);
      held.push(leadership.isHeld());
      await sleep(scene.clock, 500);
    },
    stopped: async () => {
      held.push(me.term.isHeld());
      await sleep(scene.clock, 300);
      me.story.push("end of stop");
    },
  });
  await stop(scene, me);
  expect(me.story).toEqual([
    ...[`write "${me.lock.identity}"`, `newLeader ${me.lock.identity}`, "start 1"],
    ...["signal", "end of work", "stop stopped", "end of stop", 'write ""'],
  ]);
  expect(held, "held while it drains, closed before onStoppedLeading").toEqual([true, false]);
});

scenario(
  "S10: after a loss onStoppedLeading is called at once, and nothing is released",
  async ({ clock, run, stage }) => {
    const me = await run({ work: (leadership) => untilAborted(leadership).then(() => sleep(clock, 500)) });
    await stage.put(stage.record({ leaderTransitions: 2 }));
    await clock.advance(5_000);
    expect(since(me.story, "signal").filter((line) => !line.startsWith("newLeader"))).toEqual(["signal", "stop taken"]);
    await clock.advance(499);
    expect(me.story).not.toContain("end of work");
    await clock.advance(1);
    expect(me.story.at(-1)).toBe("end of work");
    expect(await stage.holder()).toBe("bing");
  },
);

scenario("a guarded step finishes during the drain, and delays the release", async (scene) => {
  const { clock } = scene;
  const me = await scene.run();
  let stepSignal: AbortSignal | undefined;
  const step = me.term.guard(async (_term, signal) => {
    stepSignal = signal;
    await sleep(clock, 2_000);
    return "done";
  });
  void me.elector.stop();
  await clock.advance(1_999);
  expect(me.term.signal.aborted).toBe(true);
  expect(stepSignal?.aborted).toBe(false);
  expect(await scene.stage.holder()).toBe(me.lock.identity);
  await clock.advance(1);
  await expect(step).resolves.toBe("done");
  expect(me.settled).toBe(true);
  expect(await scene.stage.holder()).toBe("");
});

scenario("a guarded step that overruns the drain leaves the lease to run out, and outlasts", async (scene) => {
  const { clock } = scene;
  const me = await scene.run();
  const step = expect(
    me.term.guard(async () => {
      await sleep(clock, 30_000);
      return "late";
    }),
  ).rejects.toMatchObject({ phase: "outlasted", value: "late", reason: "stopped" });
  await stop(scene, me);
  expect(await scene.stage.holder()).toBe(me.lock.identity);
  expect(me.errors.map(({ where }) => where)).toEqual(["work"]);
  await clock.advance(30_000);
  await step;
});

scenario("a guarded step that needs more time than remains is refused, and told", async ({ clock, run }) => {
  const me = await run();
  const refused: number[] = [];
  me.elector.on("guardRefused", ({ term }) => refused.push(term));
  await clock.advance(4_000);
  const step = async (term: number): Promise<number> => term;
  await expect(me.term.guard(step, { needMs: 6_000 })).resolves.toBe(1);
  await expect(me.term.guard(step, { needMs: 6_001 })).rejects.toMatchObject({ phase: "refused" });
  expect(refused).toEqual([1]);
  expect(me.term.isHeld(), "a refusal ends nothing").toBe(true);
});

scenario("the signal of a guarded step falls at a loss", async ({ clock, run, stage }) => {
  const me = await run();
  let signal: AbortSignal | undefined;
  const step = expect(
    me.term.guard(async (_term, own) => {
      signal = own;
      await untilAborted({ signal: own });
      return "aborted";
    }),
  ).rejects.toMatchObject({ phase: "outlasted", reason: "taken", value: "aborted" });
  await stage.put(stage.record({ leaderTransitions: 2 }));
  await clock.advance(4_999);
  expect(signal?.aborted).toBe(false);
  await clock.advance(1);
  expect(signal?.aborted).toBe(true);
  await step;
});

scenario("a loss during the drain closes at once, and the first reason stays", async ({ clock, run, stage, pass }) => {
  const me = await run({ work: (leadership) => untilAborted(leadership).then(() => sleep(clock, 8_000)) });
  await clock.advance(1_000);
  void me.elector.resign();
  await clock.advance(1_000);
  await stage.put(stage.record({ leaderTransitions: 2 }));
  expect(me.term.isHeld()).toBe(true);
  await clock.advance(3_000); // the renewal of 5 s
  expect(me.term.isHeld()).toBe(false);
  expect(startsAndStops(me)).toEqual(["start 1", "stop resigned"]);
  await pass(5_000);
  expect(await stage.holder()).toBe("bing");
});

scenario("a step that its resource fences ends the term, and raises the floor", async ({ clock, run, stage }) => {
  const me = await run();
  const fenced = me.term.guard(async () => {
    throw new StaleTermError("injected", { acceptedTerm: 70 });
  });
  await expect(fenced).rejects.toBeInstanceOf(StaleTermError);
  expect(me.term.isHeld()).toBe(false);
  await clock.advance();
  expect(startsAndStops(me).slice(0, 2)).toEqual(["start 1", "stop fenced"]);
  await clock.advanceUntil(() => me.terms.length === 2, 30_000);
  expect(me.term.term).toBe(71);
  expect((await stage.stored())?.record.leaderTransitions).toBe(71);
});

scenario(
  "a resigned candidate leaves the lease to the preferred one first",
  async ({ clock, run }) => {
    const me = await run();
    const others = [await run(), await run()];
    const [, preferred] = others;
    const to = preferred?.lock.identity ?? "";
    const resigned = me.elector.resign({ to });
    await clock.advanceUntil(() => others.some(({ elector }) => elector.isLeader()), 5_000);
    await resigned;
    expect(preferred?.elector.isLeader()).toBe(true);
    expect(clock.monotonicMs()).toBeLessThan(100);
    expect(startsAndStops(me)).toEqual(["start 1", "stop resigned"]);
  },
  "records",
);

scenario(
  "a preferred candidate that has vanished costs one retry period",
  async ({ clock, run, stage }) => {
    const me = await run();
    const other = await run();
    me.random.value = 0.9; // it holds back for longer than a retry period itself
    void me.elector.resign({ to: "gone" });
    await clock.advance(1);
    expect((await stage.stored())?.record).toMatchObject({ holderIdentity: "", preferredHolder: "gone" });
    await clock.advance(1_998);
    expect(other.terms).toEqual([]);
    await clock.advance(10);
    expect(other.elector.isLeader()).toBe(true);
    expect((await stage.stored())?.record.preferredHolder).toBeUndefined();
  },
  "records",
);

scenario("recampaign: false ends run after one term, released", async ({ clock, run, stage }) => {
  const me = await run({ settings: { recampaign: false } });
  void me.elector.resign();
  await clock.advance(1);
  expect(me.settled).toBe(true);
  expect(await stage.holder()).toBe("");
  expect(startsAndStops(me)).toEqual(["start 1", "stop resigned"]);
});

scenario("recampaign: false ends run after a loss, too", async ({ clock, run, stage }) => {
  const me = await run({ settings: { recampaign: false } });
  await stage.put(stage.record({ leaderTransitions: 2 }));
  await clock.advance(5_001);
  expect(me.settled).toBe(true);
  expect(startsAndStops(me)).toEqual(["start 1", "stop taken"]);
  expect(await stage.holder()).toBe("bing");
});

scenario(
  "the back-off after failed work doubles up to its bound, and a long term resets it",
  async ({ clock, run }) => {
    const starts: number[] = [];
    let patience = 0;
    const me = await run({
      settings: { workBackoffMs: { minMs: 1_000, maxMs: 8_000 } },
      work: async () => {
        starts.push(clock.monotonicMs());
        if (patience > 0) await sleep(clock, patience);
        throw failure;
      },
    });
    me.random.value = 0.999_999;
    await clock.advance(60_000);
    const pauses = starts.slice(1).map((atMs, index) => Math.round((atMs - (starts[index] ?? 0)) / 1_000));
    expect(pauses.slice(1, 6)).toEqual([4, 8, 8, 8, 8]);
    const count = starts.length;
    patience = 160_000;
    await clock.advanceUntil(() => starts.length === count + 1, 20_000);
    patience = 0;
    await clock.advanceUntil(() => starts.length === count + 3, 400_000);
    const [before = 0, , after = 0] = starts.slice(-3);
    expect(after - before).toBeGreaterThan(160_000);
    const [last = 0, next = 0] = starts.slice(-2);
    expect(next - last, "it starts from the least bound again").toBeLessThanOrEqual(4_100);
  },
);

scenario("newLeader is told at the start: of another, and of oneself, each once", async ({ clock, run }) => {
  const me = await run();
  const bing = await run();
  await clock.advance(60_000);
  expect(me.story.filter((line) => line.startsWith("newLeader"))).toEqual([`newLeader ${me.lock.identity}`]);
  expect(bing.story).toEqual([`newLeader ${me.lock.identity}`]);
  expect(me.story.indexOf(`newLeader ${me.lock.identity}`)).toBeLessThan(me.story.indexOf("start 1"));
});

scenario(
  "a callback or listener that throws goes to onError by its name, and breaks nothing",
  async ({ clock, stage }) => {
    const lock = await stage.lock();
    const places: string[] = [];
    let thrown = 0;
    const fail = (): void => {
      thrown += 1;
      throw failure;
    };
    const elector = new LeaderElector({
      ...{ ...defaults, lock, clock, onError: (_error, where) => (places.push(where), fail()) },
      callbacks: {
        onStartedLeading: untilAborted,
        onStoppedLeading: () => Promise.reject(failure),
        onNewLeader: fail,
      },
    });
    elector.on("elected", fail);
    elector.on("renewed", fail);
    elector.on("error", fail);
    let settled = false;
    void elector.run().then(() => (settled = true));
    await clock.advance(60_000);
    expect(elector.isLeader()).toBe(true);
    lock.fail(unavailable, { on: "get", times: 1 });
    void elector.stop();
    await clock.advanceUntil(() => settled, 15_100);
    expect(new Set(places)).toEqual(new Set(["elected", "renewed", "onNewLeader", "onStoppedLeading"]));
    expect(thrown).toBeGreaterThan(4);
    expect(await stage.holder()).toBe("");
  },
);

scenario("errors of the lock reach onError with the kind of call", async ({ clock, run }) => {
  const me = await run();
  me.lock.fail(unavailable);
  await clock.advance(9_000);
  me.lock.heal();
  await clock.advance(20_000);
  me.lock.fail(unavailable, { on: "update" });
  void me.elector.stop();
  await clock.advanceUntil(() => me.settled, 15_100);
  const places = new Set(me.errors.map(({ where }) => where));
  expect(places).toEqual(new Set(["write", "release"]));
});

scenario("re-elected 1 000 times in one process, it leaks no timer, listener or call", async ({ clock, run }) => {
  const signals: Leadership[] = [];
  const me = await run({ work: (leadership) => (signals.push(leadership), untilAborted(leadership)) });
  let mostTimers = 0;
  for (let turn = 1; turn <= 1_000; turn += 1) {
    await clock.advanceUntil(() => me.elector.isLeader(), 10_000);
    expect(me.term.term).toBe(turn);
    void me.elector.resign();
    await clock.advance(1);
    mostTimers = Math.max(mostTimers, clock.timerCount);
  }
  expect(me.story.filter((line) => line.startsWith("newLeader")).length, "the holder never changed").toBe(1);
  expect(mostTimers).toBeLessThanOrEqual(3);
  expect(signals.every(({ signal }) => signal.aborted)).toBe(true);
  const calls = callsSince(me, 0);
  expect(calls.length).toBeLessThanOrEqual(4 * 1_001);
});

scenario("resign without a term resolves at once; a second one waits for the same end", async (scene) => {
  const { clock } = scene;
  await scene.stage.put(scene.stage.record());
  const standby = await scene.run();
  await standby.elector.resign();
  expect(standby.story).toEqual(["newLeader bing"]);
  await scene.stage.put(undefined);
  await clock.advanceUntil(() => standby.elector.isLeader(), 40_000);
  let resolved = 0;
  standby.lock.delay({ answerMs: 700 }, { on: "update", times: 1 });
  for (const to of [undefined, "late"]) {
    void standby.elector.resign(to === undefined ? {} : { to }).then(() => (resolved += 1));
  }
  await clock.advance(699);
  expect(resolved).toBe(0);
  await clock.advance(1);
  expect(resolved).toBe(2);
  const releases = standby.lock.log.filter(({ record }) => record?.holderIdentity === "");
  expect(releases.length).toBe(1);
});

scenario("stop during a back-off, or while a resigned candidate holds back, settles at once", async (scene) => {
  for (const end of ["resigned", "workFailed"] as const) {
    const work = end === "resigned" ? untilAborted : () => Promise.reject(failure);
    const me = await scene.run({ work });
    if (end === "resigned") void me.elector.resign();
    await scene.clock.advance(100);
    expect(startsAndStops(me).at(-1)).toBe(`stop ${end}`);
    me.lock.forget();
    expect(await stop(scene, me)).toBe(0);
    expect(me.lock.calls).toEqual([]);
    await scene.stage.put(undefined);
  }
});

scenario("an elector that has stopped runs again, in a larger term", async ({ clock, stage }) => {
  const lock = await stage.lock();
  const story: string[] = [];
  const elector = new LeaderElector({
    ...{ ...defaults, lock, clock },
    callbacks: {
      onStartedLeading: (leadership) => (story.push(`start ${leadership.term}`), untilAborted(leadership)),
      onStoppedLeading: (reason) => void story.push(`stop ${reason}`),
    },
  });
  for (let turn = 1; turn <= 3; turn += 1) {
    let settled = false;
    void elector.run().then(() => (settled = true));
    await clock.advance(6_000);
    expect(elector.state).toBe("leading");
    void elector.stop();
    await clock.advance();
    expect(settled).toBe(true);
    expect(elector.state).toBe("stopped");
    expect(elector.isLeader()).toBe(false);
  }
  expect(story).toEqual(["start 1", "stop stopped", "start 2", "stop stopped", "start 3", "stop stopped"]);
});

scenario(
  "a term that the lock's server chose is the one that counts, also if its answer was lost",
  async ({ clock, place }) => {
    for (const lost of [false, true]) {
      place.erase();
      const terms: number[] = [];
      const chooseTerm = ({ leaderTransitions }: { leaderTransitions: number }): number =>
        Math.max(40, leaderTransitions);
      const lock = place.forCandidate(`server-${lost}`, { chooseTerm });
      if (lost) lock.loseAnswer();
      const callbacks = { onStartedLeading: ({ term }: Leadership): void => void terms.push(term) };
      const elector = new LeaderElector({ ...defaults, lock, clock, callbacks });
      let settled = false;
      void elector.run().then(() => (settled = true));
      await clock.advance(60_000);
      expect(terms).toEqual([40]);
      expect(elector.isLeader()).toBe(true);
      expect(lock.record?.leaderTransitions).toBe(40);
      void elector.resign();
      await clock.advance(10_000);
      expect(terms).toEqual([40, 41]);
      void elector.stop();
      await clock.advanceUntil(() => settled, 15_100);
      expect(lock.record).toMatchObject({ holderIdentity: "", leaderTransitions: 41 });
    }
  },
);

scenario(
  "elected tells how long the lease was to be had: after an expiry, a release and an absence",
  async (scene) => {
    const took: (number | undefined)[] = [];
    // The hint of an acquisition, 10 ms after its send, confirms it before its answer does.
    const slow = (candidate: Candidate): void => {
      candidate.elector.on("elected", ({ takeoverMs }) => took.push(takeoverMs));
      candidate.lock.delay({ requestMs: 10, answerMs: 10 }, { on: "write" });
    };
    const me = await scene.run({ watched: "through" }, slow);
    await scene.clock.advance(20);
    expect(took, "created").toEqual([10]);
    const bing = await scene.run({ watched: "through" }, slow);
    await stop(scene, me);
    await scene.clock.advance(100);
    expect(took, "released").toEqual([10, 10]);
    bing.lock.hang();
    await scene.run({ watched: "through" }, slow);
    await scene.clock.advance(16_000);
    expect(took, "expired").toEqual([10, 10, 10]);
  },
  "records",
);

scenario("#48: stop awaited inside the work, against the advice, settles when the drain is over", async (scene) => {
  const { clock } = scene;
  for (const place of ["work", "stopped"] as const) {
    const settings = { drainTimeoutMs: 3_000 };
    const stopping = async (): Promise<void> => {
      await sleep(clock, 100);
      await me.elector.stop();
    };
    const me: Candidate = await scene.run({
      settings,
      ...(place === "work" ? { work: stopping } : { stopped: stopping }),
    });
    expect(me.elector.isLeader()).toBe(true);
    if (place === "stopped") void me.elector.resign();
    await clock.advanceUntil(() => me.settled, 100 + 3_000 + 5_000 + 100);
    expect(startsAndStops(me)).toEqual(["start 1", place === "work" ? "stop stopped" : "stop resigned"]);
    expect(await scene.stage.holder(), "the work was still running").toBe(me.lock.identity);
    await scene.stage.put(undefined);
  }
});

scenario("a loss during the drain of a stop does not prolong it", async ({ clock, run, stage }) => {
  for (const loss of ["taken", "expired"] as const) {
    const me = await run({ work: () => new Promise(() => {}) });
    expect(me.elector.isLeader()).toBe(true);
    if (loss === "expired") me.lock.hang();
    void me.elector.stop();
    await clock.advance(1_000);
    if (loss === "taken") await stage.put(stage.record({ leaderTransitions: 2 }));
    await clock.advanceUntil(() => me.settled, 14_100);
    expect(startsAndStops(me)).toEqual(["start 1", "stop stopped"]);
    await stage.put(undefined);
  }
});
