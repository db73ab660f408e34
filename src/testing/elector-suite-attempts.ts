import assert from "node:assert/strict";
import type { LeaderElectionRecord } from "../lock/leader-election-record.ts";
import { electorCase, type ElectorCase } from "./elector-suite-case.ts";
import type { Candidate, ElectorStage } from "./elector-stage.ts";

const hourMs = 3_600_000;
const free = { holderIdentity: "", acquireTime: "", renewTime: "", leaderTransitions: 0 };

/** The candidate leads in this term, and the record says so. */
async function assertLeads(stage: ElectorStage, candidate: Candidate, term: number): Promise<void> {
  const stored = (await stage.stored())?.record;
  assert.equal(candidate.elector.isLeader(), true, "it does not lead");
  assert.equal(candidate.term.term, term);
  assert.equal(stored?.holderIdentity, candidate.lock.identity);
  assert.equal(stored?.leaderTransitions, term);
  assert.equal(candidate.elector.leader, candidate.lock.identity);
  assert.equal(candidate.terms.length, 1, "it began more than one term");
}

/** A candidate that took over what is free, at once and by these calls. */
async function takeOverFree(stage: ElectorStage, record: LeaderElectionRecord): Promise<void> {
  await stage.put(record);
  const me = (await stage.candidate()).run();
  await stage.clock.advance();
  assert.deepEqual(me.lock.calls, ["get", "update"]);
  await assertLeads(stage, me, 1);
}

export const attemptCases: readonly ElectorCase[] = [
  electorCase("T1", "without a record a candidate creates it, and leads in term 1", async (stage) => {
    const me = (await stage.candidate()).run();
    await stage.clock.advance();
    assert.deepEqual(me.lock.calls, ["get", "create"]);
    await assertLeads(stage, me, 1);
    assert.deepEqual(me.story, [`write "${me.lock.identity}"`, `newLeader ${me.lock.identity}`, "start 1"]);
  }),

  electorCase("T2", "an empty record is taken over at once", (stage) => takeOverFree(stage, free)),

  electorCase("T3", "a lease stored for less than one's own duration is honoured for one's own", async (stage) => {
    await stage.put(stage.record({ leaseDurationSeconds: 3 }));
    // Draws of 0, then of nearly 1: one look between 3 and 10 s.
    const me = (await stage.candidate({ settings: { retryPeriodMs: 6_000 } })).run();
    await stage.clock.advance(5_999);
    me.random.value = 0.99;
    await stage.clock.advance(4_000);
    assert.deepEqual(me.lock.calls, ["get", "get"]);
    assert.equal(me.elector.isLeader(), false);
    await stage.clock.advance(1);
    assert.deepEqual(me.lock.calls, ["get", "get", "get", "update"]);
    assert.deepEqual(
      me.lock.log.map(({ atMs }) => atMs),
      [0, 6_000, 10_000, 10_000],
    );
    await assertLeads(stage, me, 1);
  }),

  electorCase("T3b", "a lease stored for longer than one's own duration is honoured as stored", async (stage) => {
    await stage.put(stage.record({ leaseDurationSeconds: 30 }));
    const settings = { renewDeadlineMs: 8_300, retryPeriodMs: 6_900 };
    const candidate = await stage.candidate({ settings });
    candidate.random.value = 0.999;
    const me = candidate.run();
    await stage.clock.advance(29_999);
    assert.deepEqual(me.lock.calls, ["get", "get"]);
    assert.equal(me.elector.isLeader(), false);
    await stage.clock.advance(1);
    assert.deepEqual(me.lock.calls, ["get", "get", "get", "update"]);
    await assertLeads(stage, me, 1);
  }),

  electorCase("T4", "a record without holder, all zeros, is taken over at once", (stage) =>
    takeOverFree(stage, { ...free, leaseDurationSeconds: 0 }),
  ),

  electorCase("T5", "a holder that was silent for 1 000 hours is replaced at the next look", async (stage) => {
    await stage.put(stage.record());
    const me = (await stage.candidate()).run();
    await stage.clock.advance();
    assert.deepEqual(me.lock.calls, ["get"]);
    me.lock.forget();
    stage.clock.pause(1_000 * hourMs);
    await stage.clock.advance();
    assert.deepEqual(me.lock.calls, ["get", "update"]);
    await assertLeads(stage, me, 1);
  }),

  electorCase("T6", "a free record is taken over at once, whatever its times say", (stage) => {
    const future = "2999-12-31T23:59:59.000000Z";
    return takeOverFree(stage, { ...free, acquireTime: future, renewTime: future });
  }),

  electorCase("T7", "a fresh holder is followed, and told", async (stage) => {
    await stage.put(stage.record());
    const me = (await stage.candidate()).run();
    await stage.clock.advance();
    assert.deepEqual(me.lock.calls, ["get"]);
    assert.deepEqual(me.story, ["newLeader bing"]);
    assert.equal(me.elector.state, "following");
    assert.equal(me.elector.leader, "bing");
    assert.equal((await stage.stored())?.record.leaderTransitions, 0);
  }),

  electorCase("T8", "one's own identity with times that one did not write is a stranger's lease", async (stage) => {
    const me = await stage.candidate();
    await stage.put(stage.record({ holderIdentity: me.lock.identity, leaderTransitions: 4 }));
    me.run();
    await stage.clock.advance(9_999);
    assert.deepEqual(new Set(me.lock.calls), new Set(["get"]));
    assert.equal(me.elector.isLeader(), false);
    assert.deepEqual(me.alarms, ["duplicateIdentity"]);
    await stage.clock.advance(1);
    await assertLeads(stage, me, 5);
  }),

  electorCase("T8b", "one's own record under another version costs no term: after a hint", async (stage) => {
    const me = await stage.leader({ watched: true });
    const own = (await stage.stored())?.record;
    await stage.put(own);
    me.lock.forget();
    me.lock.hint();
    await stage.clock.advance(4_000);
    assert.deepEqual(me.lock.calls, ["get", "update"]);
    await assertLeads(stage, me, 1);
  }),

  electorCase("T8b", "one's own record under another version costs no term: unnoticed until renewal", async (stage) => {
    const me = await stage.leader();
    const own = (await stage.stored())?.record;
    await stage.put(own);
    me.lock.forget();
    await stage.clock.advance(4_000);
    assert.deepEqual(me.lock.calls, ["update", "get", "update"]);
    await assertLeads(stage, me, 1);
  }),
];
