import assert from "node:assert/strict";
import { StorageUnavailableError, UnknownOutcomeError } from "../errors.ts";
import { sleep } from "../system/clock.ts";
import { electorCase, type ElectorCase } from "./elector-suite-case.ts";
import type { Candidate, ElectorStage } from "./elector-stage.ts";

/** client-go's defaults, which the traces were measured with. */
const settings = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 };
const unavailable = new StorageUnavailableError("injected", { applied: "no" });

/** The term is held until exactly this time, and over for good from then on. */
async function assertHeldUntil(stage: ElectorStage, { elector, term }: Candidate, endMs: number): Promise<void> {
  await stage.clock.advance(endMs - 1 - stage.clock.monotonicMs());
  assert.equal(term.isHeld(), true, "it ended early");
  assert.equal(elector.isLeader(), true);
  await stage.clock.advance(1);
  assert.equal(term.isHeld(), false, "it is held too long");
  assert.equal(elector.isLeader(), false);
  assert.equal(term.signal.aborted, true);
  await stage.clock.advance(30_000);
  assert.equal(term.isHeld(), false);
}

/** What happened after `line`. */
function since(story: readonly string[], line: string): readonly string[] {
  return story.slice(story.indexOf(line));
}

/**
 * The term's signal, the end of the work, the closed term, the release: in this order, with the times of the first and
 * last.
 */
async function assertOrderlyEnd(stage: ElectorStage, fault: (me: Candidate) => void): Promise<void> {
  let heldAtEnd = false;
  const me = await stage.leader({
    settings,
    work: async (leadership) => {
      await new Promise((resolve) => leadership.signal.addEventListener("abort", resolve, { once: true }));
      await sleep(stage.clock, 700);
      heldAtEnd = leadership.isHeld();
    },
    stopped: () => void me.story.push(`held ${me.term.isHeld()}`),
  });
  fault(me);
  await stage.clock.advance(500);
  const stopMs = stage.clock.monotonicMs();
  void me.elector.stop();
  assert.equal(me.term.signal.aborted, true, "the signal comes first, at once");
  await stage.clock.advance(699);
  assert.deepEqual(
    me.lock.log.filter(({ record }) => record?.holderIdentity === ""),
    [],
  );
  await stage.clock.advanceUntil(() => me.settled, 15_100);
  assert.equal(heldAtEnd, true, "the lease is kept while the work drains");
  const end = since(me.story, "signal").filter((line) => !line.includes(me.lock.identity));
  assert.deepEqual(end.slice(0, 5), ["signal", "end of work", "stop stopped", "held false", 'write ""']);
  const release = me.lock.log.find(({ record }) => record?.holderIdentity === "");
  assert.equal(release?.atMs, stopMs + 700);
}

export const traceCases: readonly ElectorCase[] = [
  electorCase("K1", "validity counts from the send: an answer after 9.8 s leaves 0.2 s", async (stage) => {
    const quick = { ...settings, renewIntervalMs: 100, attemptTimeoutMs: 10_000 };
    const me = await stage.leader({ settings: quick });
    me.lock.delay({ answerMs: 9_800 }, { on: "update", times: 1 });
    me.lock.hang();
    await assertHeldUntil(stage, me, 10_100);
    assert.deepEqual(since(me.story, "signal").slice(0, 3), ["signal", "stop expired", "end of work"]);
    assert.equal(me.terms.length, 1);
  }),

  electorCase("K2", "silence ends the term at send + V, not at V after the last try", async (stage) => {
    const me = await stage.leader({ settings });
    await stage.clock.advance(5_000);
    me.lock.hang();
    await assertHeldUntil(stage, me, 15_000);
    assert.deepEqual(since(me.story, "signal"), ["signal", "stop expired", "end of work"]);
  }),

  electorCase("K3", "the ratio of clock rates that is logged is the real one", async (stage) => {
    for (const [numbers, ratio] of [
      [{ leaseDurationMs: 137_000, renewDeadlineMs: 107_000, retryPeriodMs: 26_000 }, 1.28],
      [settings, 1.5],
    ] as const) {
      const logged: unknown[] = [];
      const log = (_message: string, fields?: unknown): void => void logged.push(fields);
      const logger = { debug: log, info: log, warn: log, error: log };
      const me = await stage.candidate({ settings: { ...numbers, logger } });
      assert.equal(Math.round(me.elector.tolerances.clockRatio * 100) / 100, ratio);
      assert.equal(me.elector.tolerances.clockRatio, numbers.leaseDurationMs / numbers.renewDeadlineMs);
      me.run();
      const told = logged.filter((fields) => JSON.stringify(fields).includes(JSON.stringify(me.elector.tolerances)));
      assert.equal(told.length, 1, "the tolerances are logged once");
    }
  }),

  electorCase(
    "K4",
    "a lock without deadlines cannot hold a term: each call is aborted by validUntil",
    async (stage) => {
      const me = await stage.leader({ settings });
      me.lock.forget();
      me.lock.hang();
      await stage.clock.advance(9_999);
      const own = [...me.lock.log];
      assert.deepEqual(me.lock.calls, ["update", "get"]);
      assert.equal(me.term.isHeld(), true);
      await stage.clock.advance(1);
      for (const { signal, operation } of own) assert.equal(signal?.aborted, true, `a ${operation} was not aborted`);
      assert.equal(me.term.isHeld(), false);
    },
  ),

  electorCase("K5", "a term ends one read after the hint of a theft", async (stage) => {
    const me = await stage.leader({ settings, watched: true });
    await stage.clock.advance(1_000);
    me.lock.delay({ answerMs: 20 }, { on: "get" });
    await stage.put(stage.record({ leaderTransitions: 2 }));
    me.lock.hint();
    await stage.clock.advance(19);
    assert.equal(me.term.isHeld(), true);
    await stage.clock.advance(1);
    assert.equal(me.term.isHeld(), false);
    const end = since(me.story, "signal").filter((line) => line !== "newLeader bing");
    assert.deepEqual(end, ["signal", "stop taken", "end of work"]);
  }),

  electorCase("K5", "without a hint a theft ends the term at the next renewal", async (stage) => {
    const me = await stage.leader({ settings });
    await stage.clock.advance(1_000);
    await stage.put(stage.record({ leaderTransitions: 2 }));
    me.lock.forget();
    await stage.clock.advance(4_000);
    assert.deepEqual(me.lock.calls, ["update", "get"]);
    assert.equal(me.term.isHeld(), false);
    assert.ok(me.story.includes("stop taken"));
    assert.equal(await stage.holder(), "bing");
  }),

  electorCase("K6", "a lease that was lost and won back is two terms, with a stop between", async (stage) => {
    const me = await stage.leader({ settings });
    await stage.clock.advance(1_000);
    await stage.put(stage.record({ leaderTransitions: 2 }));
    await stage.clock.advance(1_000);
    await stage.put(stage.record({ holderIdentity: "", leaseDurationSeconds: 1, leaderTransitions: 2 }));
    await stage.clock.advanceUntil(() => me.terms.length === 2, 20_000);
    const starts = me.story.filter((line) => /^(start|stop|end)/.test(line));
    assert.equal(starts[0], "start 1");
    assert.match(starts[1] ?? "", /^stop (taken|erased)$/);
    assert.deepEqual(starts.slice(2), ["end of work", "start 3"]);
  }),

  electorCase("K7", "a release that comes after a takeover erases nothing", async (stage) => {
    const me = await stage.leader({ settings });
    me.lock.forget();
    me.lock.fail(unavailable);
    void me.elector.stop();
    await stage.clock.advance(10);
    assert.deepEqual(me.lock.calls, ["update"], "nothing was written, so nothing needs to be read");
    const theirs = stage.record({ leaderTransitions: 2 });
    await stage.put(theirs);
    me.lock.heal();
    await stage.clock.advanceUntil(() => me.settled, 15_100);
    assert.deepEqual(me.lock.calls, ["update", "update", "get"]);
    assert.deepEqual({ ...(await stage.stored())?.record }, theirs);
  }),

  electorCase("K8", "stopped in a partition: signal, end of work, closed, released", (stage) =>
    assertOrderlyEnd(stage, (me) => me.lock.fail(unavailable)),
  ),

  electorCase("E3", "stopped while renewals fail for good: signal, end of work, closed, released", (stage) =>
    assertOrderlyEnd(stage, (me) => me.lock.fail(new UnknownOutcomeError("injected"), { on: "update" })),
  ),
];
