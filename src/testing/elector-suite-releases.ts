import assert from "node:assert/strict";
import { StorageUnavailableError, UnknownOutcomeError } from "../errors.ts";
import { electorCase, type ElectorCase } from "./elector-suite-case.ts";
import type { Candidate, ElectorStage } from "./elector-stage.ts";

/** The settings of client-go's `run` tests. */
const settings = { leaseDurationMs: 15_000, renewDeadlineMs: 2_000, retryPeriodMs: 1_000 };

/** A leader of term 1 whose calls so far are forgotten. */
async function freshLeader(stage: ElectorStage): Promise<Candidate> {
  const me = await stage.leader();
  me.lock.forget();
  return me;
}

async function stop(stage: ElectorStage, candidate: Candidate): Promise<void> {
  void candidate.elector.stop();
  await stage.clock.advanceUntil(() => candidate.settled, 12_100);
}

/** The lease is free, and the last write said so, in the term of the record that it replaced. */
async function assertReleased(stage: ElectorStage, candidate: Candidate, term = 1): Promise<void> {
  assert.equal(await stage.holder(), "");
  const last = candidate.lock.log.filter(({ operation }) => operation === "update").at(-1)?.record;
  assert.equal(last?.holderIdentity, "");
  assert.equal(last?.leaderTransitions, term);
  assert.equal(last?.leaseDurationSeconds, 1);
  assert.equal(candidate.elector.isLeader(), false);
}

/** A run of RC1: one renewal fails, a later one hangs, then stop. */
async function runToTheHangingRenewal(stage: ElectorStage): Promise<Candidate> {
  const me = (await stage.candidate({ settings })).run();
  me.lock.fail(new UnknownOutcomeError("injected"), { on: "update", times: 1 });
  me.lock.hang({ on: "update", skip: 1, times: 1 });
  await stage.clock.advanceUntil(() => me.lock.calls.length === 6, 5_000);
  return me;
}

async function assertRun(stage: ElectorStage, me: Candidate): Promise<void> {
  assert.deepEqual(me.lock.calls, ["get", "create", "update", "get", "update", "update", "update"]);
  await assertReleased(stage, me);
  assert.deepEqual(me.lock.events, ["became leader", "stopped leading"]);
  assert.deepEqual(me.story.slice(-4), ["signal", "end of work", "stop stopped", 'write ""']);
  assert.equal(me.terms.length, 1);
}

export const releaseCases: readonly ElectorCase[] = [
  electorCase("R1", "a release needs no read before it, and leaves the term as it was", async (stage) => {
    await stage.put(stage.record({ holderIdentity: "", leaderTransitions: 3 }));
    const me = (await stage.candidate()).run();
    await stage.clock.advance();
    await stop(stage, me);
    assert.deepEqual(me.lock.calls, ["get", "update", "update"]);
    await assertReleased(stage, me, 4);
    assert.deepEqual(
      me.story.filter((line) => line.startsWith("newLeader")),
      [`newLeader ${me.lock.identity}`],
    );
  }),

  electorCase(
    "R2",
    "a release after a renewal that was applied unnoticed finds its own record, and frees it",
    async (stage) => {
      const me = await freshLeader(stage);
      me.lock.hang({ on: "update", times: 1, applied: true });
      await stage.clock.advanceUntil(() => me.lock.log.length === 1, 4_000);
      me.lock.forget();
      await stop(stage, me);
      assert.deepEqual(me.lock.calls, ["update", "get", "update"]);
      await assertReleased(stage, me);
    },
  ),

  electorCase("R3", "a release that lost a race is repeated if the record is still one's own", async (stage) => {
    const me = await freshLeader(stage);
    me.lock.loseRace();
    await stop(stage, me);
    assert.deepEqual(me.lock.calls, ["update", "get", "update"]);
    await assertReleased(stage, me);
  }),

  electorCase("R3b", "a release that lost the race to another candidate writes nothing more", async (stage) => {
    const me = await freshLeader(stage);
    const theirs = stage.record({ leaderTransitions: 2 });
    await stage.put(theirs);
    await stop(stage, me);
    assert.deepEqual(me.lock.calls, ["update", "get"]);
    assert.deepEqual({ ...(await stage.stored())?.record }, theirs);
  }),

  electorCase("RC1", "stopped while a renewal hangs: the signal first, the release last", async (stage) => {
    const me = await runToTheHangingRenewal(stage);
    await stop(stage, me);
    await assertRun(stage, me);
  }),

  electorCase("RC2", "stopped while a renewal hangs and reads fail: released all the same", async (stage) => {
    const me = await runToTheHangingRenewal(stage);
    me.lock.fail(new StorageUnavailableError("injected"), { on: "get" });
    await stop(stage, me);
    await assertRun(stage, me);
  }),
];
