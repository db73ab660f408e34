import assert from "node:assert/strict";
import type { StopReason } from "../election/leadership.ts";
import { StaleTermError, UnknownOutcomeError } from "../errors.ts";
import { electorCase, type ElectorCase } from "./elector-suite-case.ts";
import type { Candidate, CandidateOptions, ElectorStage } from "./elector-stage.ts";

const settings = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 };
const free = { holderIdentity: "", leaseDurationSeconds: 1 };

/** A leader in term 7, and another candidate that has seen its record. */
async function leaderOfTerm7(stage: ElectorStage): Promise<{ me: Candidate; bing: Candidate }> {
  await stage.put(stage.record({ ...free, leaderTransitions: 6 }));
  const me = await stage.leader({ settings });
  assert.equal(me.term.term, 7);
  const bing = (await stage.candidate({ settings })).run();
  await stage.clock.advance(1);
  assert.equal(bing.elector.leader, me.lock.identity);
  return { me, bing };
}

/**
 * How long a candidate waits before it replaces a record with this stored duration; `undefined`: not within ten hours.
 */
async function waitFor(stage: ElectorStage, seconds: number): Promise<{ waitedMs?: number; candidate: Candidate }> {
  await stage.put(stage.record({ leaseDurationSeconds: seconds }));
  const candidate = await stage.candidate({ settings, watched: true });
  const fromMs = stage.clock.monotonicMs();
  candidate.run();
  for (let hour = 0; hour < 10 && !candidate.elector.isLeader(); hour += 1) {
    // not in this hour
    await stage.clock.advanceUntil(() => candidate.elector.isLeader(), 20_000).catch(() => undefined);
    if (!candidate.elector.isLeader()) stage.clock.pause(3_580_000); // with the 20 s before it: an hour
  }
  if (!candidate.elector.isLeader()) return { candidate };
  const written = candidate.lock.log.find(({ record }) => record);
  return { candidate, waitedMs: (written?.atMs ?? NaN) - fromMs };
}

/** Every way out of a term, and how to take it. */
const waysOut: readonly (readonly [StopReason, (stage: ElectorStage, me: Candidate) => unknown, CandidateOptions?])[] =
  [
    ["stopped", (_, me) => void me.elector.stop()],
    ["resigned", (_, me) => void me.elector.resign()],
    ["workFailed", () => undefined, { work: () => Promise.reject(new Error("injected")) }],
    ["workReturned", () => undefined, { work: () => {}, settings: { ...settings, whenWorkReturns: "resign" } }],
    ["expired", (_, me) => me.lock.hang()],
    ["taken", (stage) => stage.put(stage.record({ leaderTransitions: 2 }))],
    ["erased", (stage) => stage.put(undefined)],
    // what the guard throws is not what ends the term
    ["fenced", (_, me) => void me.term.guard(refuse).catch(() => {})],
  ];

/** A guarded step whose resource has accepted a larger term. */
async function refuse(): Promise<void> {
  throw new StaleTermError("injected", { acceptedTerm: 9 });
}

async function assertGaugeFalls(
  stage: ElectorStage,
  [reason, end, options = {}]: (typeof waysOut)[number],
): Promise<void> {
  const me = await stage.candidate({ settings, ...options });
  const gauge: number[] = [];
  const reasons: StopReason[] = [];
  me.elector.on("elected", () => gauge.push(1));
  me.elector.on("stopped", (event) => {
    gauge.push(0);
    reasons.push(event.reason);
  });
  me.run();
  await stage.clock.advanceUntil(() => gauge.length > 0, 40_000);
  await end(stage, me);
  await stage.clock.advanceUntil(() => gauge.length > 1, 10_000);
  assert.deepEqual(gauge.slice(0, 2), [1, 0], reason);
  assert.equal(reasons[0], reason);
  await me.finish(stage.clock);
  assert.equal(gauge.at(-1), 0, reason);
  await stage.put(undefined);
}

export const laterTraceCases: readonly ElectorCase[] = [
  electorCase("K9", "past the deadline the first call says that nobody leads, before any timer", async (stage) => {
    const me = await stage.leader({ settings });
    stage.clock.pause(9_999);
    assert.equal(me.elector.isLeader(), true);
    stage.clock.pause(1);
    assert.equal(me.elector.isLeader(), false);
  }),

  electorCase("K9", "after run has returned nobody leads, also if nothing could be released", async (stage) => {
    const me = await stage.leader({ settings });
    me.lock.hang();
    void me.elector.stop();
    await stage.clock.advanceUntil(() => me.settled, 15_100);
    assert.equal(await stage.holder(), me.lock.identity);
    assert.equal(me.elector.isLeader(), false);
    assert.equal(me.term.isHeld(), false);
  }),

  electorCase(
    "K10",
    "a second process with the same identity follows for the lease, then leads a new term",
    async (stage) => {
      const me = await stage.leader({ settings });
      me.lock.hang();
      const twin = (await stage.candidate({ settings, identity: me.lock.identity })).run();
      await stage.clock.advance(14_999);
      assert.equal(twin.terms.length, 0);
      assert.deepEqual(twin.alarms, ["duplicateIdentity"]);
      await stage.clock.advance(1);
      assert.equal(twin.term.term, 2);
    },
  ),

  electorCase(
    "K10",
    "a leader that finds a pair of its identity that it did not write is deposed, and warns",
    async (stage) => {
      const me = await stage.leader({ settings });
      await stage.put(stage.record({ holderIdentity: me.lock.identity, leaderTransitions: 1 }));
      await stage.clock.advance(5_000);
      assert.equal(me.term.isHeld(), false);
      assert.ok(me.story.includes("stop taken"), me.story.join());
      assert.deepEqual(me.alarms, ["duplicateIdentity"]);
      await stage.clock.advance(9_000);
      assert.equal(me.terms.length, 1, "it did not wait for the stranger's lease");
    },
  ),

  electorCase("K11", "whose record was deleted is told so, and creates a far larger term", async (stage) => {
    const { me } = await leaderOfTerm7(stage);
    await stage.put(undefined);
    await stage.clock.advance(5_000);
    assert.ok(me.story.includes("stop erased"), me.story.join());
    assert.equal(me.term.term, 1_008);
    assert.equal((await stage.stored())?.record.leaderTransitions, 1_008);
  }),

  electorCase(
    "K11",
    "whose record was deleted and created by another is deposed by the smaller term",
    async (stage) => {
      await stage.put(stage.record({ ...free, leaderTransitions: 6 }));
      const me = await stage.leader({ settings });
      await stage.put(undefined);
      await stage.put(stage.record({ leaderTransitions: 1 }));
      me.lock.forget();
      await stage.clock.advance(5_000);
      assert.deepEqual(me.lock.calls, ["update", "get"]);
      assert.ok(me.story.includes("stop taken"), me.story.join());
      assert.deepEqual(me.alarms, ["termRegression"]);
      assert.equal(await stage.holder(), "bing");
    },
  ),

  electorCase("K11", "who has seen a record waits its whole lease before creating a new one", async (stage) => {
    const { me, bing } = await leaderOfTerm7(stage);
    me.lock.hang();
    await stage.put(undefined);
    bing.lock.forget();
    await stage.clock.advanceUntil(() => bing.elector.isLeader(), 40_000);
    const looks = bing.lock.log.filter(({ operation }) => operation === "get").map(({ atMs }) => atMs);
    const created = bing.lock.log.find(({ operation }) => operation === "create");
    assert.equal(created?.record?.leaderTransitions, 1_008);
    assert.equal((created?.atMs ?? 0) - (looks[0] ?? 0), 15_000, "the wait begins with the first look at the absence");
    for (const [index, atMs] of looks.slice(1).entries())
      assert.ok(atMs - (looks[index] ?? 0) <= 2_000, "a look is missing");
  }),

  electorCase("K11", "a gap in the looks at an absence starts the wait again", async (stage) => {
    const { me, bing } = await leaderOfTerm7(stage);
    me.lock.hang();
    await stage.put(undefined);
    await stage.clock.advance(8_000);
    bing.lock.fail(new UnknownOutcomeError("injected"), { on: "get" });
    await stage.clock.advance(9_000); // longer than three retry periods
    bing.lock.heal();
    bing.lock.forget();
    await stage.clock.advanceUntil(() => bing.elector.isLeader(), 40_000);
    const [first] = bing.lock.log;
    const created = bing.lock.log.find(({ operation }) => operation === "create");
    assert.equal((created?.atMs ?? 0) - (first?.atMs ?? 0), 15_000);
  }),

  electorCase("K12", "two renewals within one second are two, and the wait restarts", async (stage) => {
    const record = stage.record();
    await stage.put({ ...record, renewTime: "2026-03-01T09:30:00.100000Z" });
    const me = (await stage.candidate({ settings, watched: true })).run();
    await stage.clock.advance(200);
    await stage.put({ ...record, renewTime: "2026-03-01T09:30:00.300000Z" });
    me.lock.hint();
    await stage.clock.advance(14_999);
    assert.equal(me.elector.isLeader(), false, "it counted from the first renewal");
    await stage.clock.advance(1);
    assert.equal(me.elector.isLeader(), true);
  }),

  electorCase("K12", "a leader's renewals within one second carry different times", async (stage) => {
    const me = await stage.leader({ settings: { ...settings, renewIntervalMs: 100 } });
    await stage.clock.advance(800);
    const times = me.lock.log.flatMap(({ record }) => record?.renewTime ?? []);
    assert.ok(times.length >= 8);
    assert.equal(new Set(times).size, times.length);
    for (const time of times) assert.match(time, /\.\d{6}Z$/);
  }),

  electorCase("K13", "a stored duration of 0 does not mean expired", async (stage) => {
    const { waitedMs, candidate } = await waitFor(stage, 0);
    assert.equal(waitedMs, 15_000);
    assert.deepEqual(candidate.alarms, ["hostileDuration"]);
  }),

  electorCase("K13", "a negative stored duration does not mean expired", async (stage) => {
    const { waitedMs, candidate } = await waitFor(stage, -1);
    assert.equal(waitedMs, 15_000);
    assert.deepEqual(candidate.alarms, ["hostileDuration"]);
  }),

  electorCase(
    "K13",
    "a stored duration of an hour is honoured, and one second more never taken over",
    async (stage) => {
      const honoured = await waitFor(stage, 3_600);
      assert.equal(honoured.waitedMs, 3_600_000);
      await honoured.candidate.finish(stage.clock);
      const { waitedMs, candidate } = await waitFor(stage, 3_601);
      assert.equal(waitedMs, undefined);
      assert.deepEqual(candidate.alarms, ["hostileDuration"]);
    },
  ),

  electorCase("K13", "a stored duration of 68 years is never taken over, and alarms", async (stage) => {
    const { waitedMs, candidate } = await waitFor(stage, 2 ** 31 - 1);
    assert.equal(waitedMs, undefined);
    assert.deepEqual(candidate.alarms, ["hostileDuration"]);
  }),

  electorCase("K13", "a lease of 900 ms is written as 1 s, and is valid", async (stage) => {
    const me = await stage.leader({ settings: { leaseDurationMs: 900, renewDeadlineMs: 700, retryPeriodMs: 100 } });
    assert.equal((await stage.stored())?.record.leaseDurationSeconds, 1);
    await stage.clock.advance(5_000);
    assert.equal(me.terms.length, 1);
    assert.equal(me.term.isHeld(), true);
  }),

  electorCase("K14", "who never led is never told to stop", async (stage) => {
    await stage.put(stage.record());
    const me = (await stage.candidate({ settings })).run();
    await stage.clock.advance(1_000);
    void me.elector.stop();
    await stage.clock.advanceUntil(() => me.settled, 15_100);
    assert.deepEqual(me.story, ["newLeader bing"]);
    assert.deepEqual(me.lock.events, []);
  }),

  electorCase("K15", "a leader that stood for 20 s learns its end from its first call", async (stage) => {
    const me = await stage.leader({ settings });
    await stage.clock.advance(1_000);
    stage.clock.pause(20_000);
    assert.equal(me.term.signal.aborted, false);
    assert.equal(me.term.isHeld(), false);
    assert.equal(me.term.signal.aborted, true, "aborted before the check returned");
    await stage.clock.advance();
    assert.ok(me.story.includes("stop expired"));
  }),

  electorCase("E1", "what counts as leading ends on every way out", async (stage) => {
    for (const way of waysOut) await assertGaugeFalls(stage, way);
  }),

  electorCase("E2", "another leader is told within one read, also while renewals fail", async (stage) => {
    const me = await stage.leader({ settings });
    me.lock.fail(new UnknownOutcomeError("injected"), { on: "update" });
    await stage.put(stage.record({ leaderTransitions: 2 }));
    const reads = (): number => me.lock.calls.filter((call) => call === "get").length;
    const before = reads();
    await stage.clock.advanceUntil(() => me.story.includes("newLeader bing"), 6_000);
    assert.equal(reads(), before + 1);
    assert.equal(me.elector.leader, "bing");
  }),
];
