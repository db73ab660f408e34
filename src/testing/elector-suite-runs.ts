import assert from "node:assert/strict";
import { HealthAdaptor } from "../election/health.ts";
import { LeaderElector } from "../election/leader-elector.ts";
import type { LeaderElectorOptions } from "../election/settings.ts";
import { InvalidSettingsError } from "../errors.ts";
import { electorCase, type ElectorCase } from "./elector-suite-case.ts";
import type { ElectorStage } from "./elector-stage.ts";

const settings = { leaseDurationMs: 15_000, renewDeadlineMs: 2_000, retryPeriodMs: 1_000 };
const minute = { leaseDurationMs: 60_000, renewDeadlineMs: 40_000 };
const hourMs = 3_600_000;

/** All the problems that a construction is rejected with. */
async function problemsOf(stage: ElectorStage, options: Partial<LeaderElectorOptions>): Promise<readonly string[]> {
  const lock = await stage.lock();
  try {
    new LeaderElector({ lock, clock: stage.clock, ...options });
  } catch (error) {
    assert.ok(error instanceof InvalidSettingsError, `it threw ${String(error)}`);
    return error.problems;
  }
  assert.fail(`accepted: ${JSON.stringify(options)}`);
}

/** client-go's checks, each broken alone, and what the message has to name. */
const brokenSettings: readonly (readonly [string, Partial<LeaderElectorOptions>])[] = [
  ["leaseDurationMs", { leaseDurationMs: 10_000, renewDeadlineMs: 10_000 }],
  ["leaseDurationMs", { leaseDurationMs: 0 }],
  ["leaseDurationMs", { leaseDurationMs: -1 }],
  ["renewDeadlineMs", { renewDeadlineMs: 0 }],
  ["renewDeadlineMs", { renewDeadlineMs: 2_400, retryPeriodMs: 2_000 }],
  ["retryPeriodMs", { retryPeriodMs: 0 }],
  ["leaseDurationMs", { leaseDurationMs: 2_000, renewDeadlineMs: 1_900, retryPeriodMs: 1_000 }],
];

export const runCases: readonly ElectorCase[] = [
  electorCase("F1", "renewals need no read: the first comes one interval after the acquisition", async (stage) => {
    const me = (await stage.candidate({ settings })).run();
    await stage.clock.advance();
    await stage.clock.advanceUntil(() => me.lock.calls.filter((call) => call === "update").length === 2, 10_000);
    void me.elector.stop();
    assert.deepEqual(me.lock.calls, ["get", "create", "update", "update"]);
    assert.deepEqual(
      me.lock.log.map(({ atMs }) => atMs),
      [0, 0, 1_000, 2_000],
    );
    await stage.clock.advanceUntil(() => me.settled, 3_100);
    assert.equal(me.lock.calls.length, 5, "more than the release followed");
    assert.equal(await stage.holder(), "");
  }),

  electorCase(
    "F2",
    "a renewal that lost the race is followed by a read, and by a renewal in the same term",
    async (stage) => {
      const me = (await stage.candidate({ settings })).run();
      me.lock.loseRace({ on: "update", skip: 1 });
      await stage.clock.advance();
      await stage.clock.advanceUntil(() => me.lock.calls.filter((call) => call === "update").length === 4, 10_000);
      void me.elector.stop();
      assert.deepEqual(me.lock.calls, ["get", "create", "update", "update", "get", "update", "update"]);
      assert.deepEqual(
        me.terms.map(({ term }) => term),
        [1],
      );
      await stage.clock.advanceUntil(() => me.settled, 3_100);
      assert.equal(await stage.holder(), "");
    },
  ),

  electorCase("V1", "valid options are accepted, and construction asks the lock nothing", async (stage) => {
    const { lock, elector } = await stage.candidate({ settings });
    assert.equal(elector.identity, lock.identity);
    assert.equal(elector.state, "idle");
    assert.deepEqual(lock.calls, []);
  }),

  electorCase(
    "V2",
    "an empty identity is rejected by name, with all other problems in the same error",
    async (stage) => {
      const lock = await stage.lock({ identity: "" });
      // cast: to be refused
      const problems = await problemsOf(stage, { lock, retryPeriodMs: 0, onMissing: "guess" as never });
      for (const name of ["identity", "retryPeriodMs", "onMissing"]) {
        assert.ok(
          problems.some((problem) => problem.includes(name)),
          `no problem names ${name}: ${problems.join("; ")}`,
        );
      }
      assert.deepEqual(lock.calls, []);
    },
  ),

  electorCase("V3", "each broken bound is rejected, also a ratio of 1.05 that upstream takes", async (stage) => {
    for (const [name, options] of brokenSettings) {
      const problems = await problemsOf(stage, options);
      assert.ok(
        problems.some((problem) => problem.startsWith(name)),
        problems.join("; "),
      );
    }
    const missing = { lock: undefined } as unknown as Partial<LeaderElectorOptions>; // cast: what JavaScript may pass
    assert.match((await problemsOf(stage, missing)).join("; "), /lock/);
    const lock = await stage.lock();
    const withoutWork = new LeaderElector({ lock, clock: stage.clock });
    await assert.rejects(withoutWork.run(), (error) => error instanceof InvalidSettingsError);
    assert.deepEqual(lock.calls, []);
  }),

  electorCase("X1", "the health check may be asked at any moment", async (stage) => {
    const quick = { leaseDurationMs: 2_000, renewDeadlineMs: 1_000, retryPeriodMs: 5 };
    const me = (await stage.candidate({ settings: quick })).run();
    for (let ms = 0; ms < 2_000; ms += 10) {
      me.elector.check(1_000);
      await stage.clock.advance(10);
    }
    assert.equal(me.elector.isLeader(), true);
    assert.deepEqual(me.errors, []);
  }),

  electorCase("RT1", "a full record keeps its seven fields and its microseconds over the lock", async (stage) => {
    const times = { acquireTime: "2026-03-01T09:12:44.100001Z", renewTime: "2026-03-01T09:30:00.000123Z" };
    const more = { strategy: "OldestEmulationVersion", preferredHolder: "baz" };
    const full = stage.record({ ...times, ...more, leaseDurationSeconds: 15, leaderTransitions: 7 });
    await stage.put(full);
    const lock = await stage.lock();
    assert.deepEqual({ ...(await lock.get())?.record }, full);
  }),

  electorCase("H1", "a health check is fine while no elector is attached", async () => {
    new HealthAdaptor(20_000).check();
  }),

  electorCase(
    "H2",
    "a leader that was not confirmed for an hour is unhealthy, and the error names the lock",
    async (stage) => {
      const me = await stage.leader({ settings: minute });
      const health = new HealthAdaptor(20_000);
      health.setElector(me.elector);
      health.check();
      stage.clock.pause(hourMs);
      assert.throws(
        () => health.check(),
        (error) => error instanceof Error && error.message.includes(me.lock.description),
      );
    },
  ),

  electorCase("H3", "a standby is healthy, however long it has followed", async (stage) => {
    await stage.put(stage.record());
    const me = (await stage.candidate({ settings: minute })).run();
    await stage.clock.advance();
    stage.clock.pause(hourMs);
    me.elector.check(20_000);
    assert.equal(me.elector.state, "following");
  }),

  electorCase("H4", "a leader that was confirmed just now is healthy", async (stage) => {
    const me = await stage.leader({ settings: minute });
    me.elector.check(0);
    assert.equal(me.elector.isLeader(), true);
  }),

  electorCase("H5", "a leader past its lease but within the tolerance is healthy", async (stage) => {
    const me = await stage.leader({ settings: minute });
    stage.clock.pause(61_000);
    me.elector.check(20_000);
    stage.clock.pause(19_001);
    assert.throws(() => me.elector.check(20_000));
  }),
];
