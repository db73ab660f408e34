// Goal: a release blanks exactly the record that it names, in its own time, and each end leads to the right next step.
// Method: the traffic of releases alone over a fake lock with faults; what to do next is read from the state.
import { describe, expect, it } from "vitest";
import type { ReleaseState } from "../../src/election/election-state.ts";
import { LockCalls } from "../../src/election/lock-calls.ts";
import { ReleaseTraffic } from "../../src/election/release-traffic.ts";
import { RenewTimes } from "../../src/election/renew-times.ts";
import { StorageUnavailableError, UnknownOutcomeError } from "../../src/errors.ts";
import type { LockOutcome } from "../../src/lock/resource-lock.ts";
import { campaignParts } from "./campaign-parts.ts";
import { record, version } from "./situations.ts";

const mine = record("me", { leaderTransitions: 7, strategy: "oldest", preferredHolder: "somebody" });

/** A release of the record `mine`, which is stored under `v1`. */
function releasing(change: Partial<ReleaseState> = {}) {
  const parts = campaignParts({}, { record: mine });
  const calls = new LockCalls(parts.clock);
  const traffic = new ReleaseTraffic(parts.context, calls, new RenewTimes(parts.context.clocks));
  const release: ReleaseState = {
    ...{ untilMs: 55_000, target: { record: mine, version: version("v1") }, to: undefined, step: "write" },
    ...{ applied: false, notBeforeMs: 50_000, sinceSeq: 0, tries: 0, lost: false },
    ...change,
  };
  parts.state.release = release;
  parts.state.phase = "releasing";
  return { ...parts, traffic, release, parts };
}

describe("a release", () => {
  it("writes an empty holder, one second, and the term of the record that it replaces", async () => {
    const { traffic, lock, clock, release, state, parts } = releasing();
    traffic.send();
    const time = "2026-01-01T00:00:00.000000Z";
    expect(lock.log).toEqual([{ operation: "update", atMs: 50_000, expected: "v1", record: lock.log[0]?.record }]);
    expect(lock.log[0]?.record).toEqual({
      ...{ holderIdentity: "", leaseDurationSeconds: 1, acquireTime: time, renewTime: time },
      ...{ leaderTransitions: 7, strategy: "oldest" },
    });
    expect(release).toMatchObject({ step: "sent", tries: 1, applied: false });
    expect(state.lastWriteMs).toBe(50_000);
    await clock.advance();
    expect(release).toMatchObject({ step: "done", applied: true });
    expect(parts.events).toEqual([["attempt", { op: "release", result: "written" }]]);
    expect(parts.turns).toBe(1);
  });

  it("names who should take over, if that was asked for", () => {
    const { traffic, lock } = releasing({ to: "other" });
    traffic.send();
    expect(lock.log[0]?.record?.preferredHolder).toBe("other");
  });

  it("sends nothing if there is none", () => {
    const { traffic, lock, state } = releasing();
    state.release = undefined;
    traffic.send();
    expect(lock.calls).toEqual([]);
  });
});

describe("a try that", () => {
  it("lost the race asks for a look, in its own words: nothing has failed", async () => {
    const { traffic, lock, clock, release, state, parts } = releasing();
    lock.loseRace();
    traffic.send();
    await clock.advance();
    expect(release).toMatchObject({ step: "read", lost: true, applied: false, sinceSeq: state.seq });
    expect(parts.events).toEqual([
      ["lostRace", { op: "release" }],
      ["attempt", { op: "release", result: "lost" }],
    ]);
    expect(lock.record).toEqual(mine);
  });

  it("has an unknown end asks for a look as well", async () => {
    for (const error of [new UnknownOutcomeError("reset"), new Error("reset")]) {
      const { traffic, lock, clock, release, state, parts } = releasing();
      lock.fail(error);
      traffic.send();
      await clock.advance();
      expect(release).toMatchObject({ step: "read", lost: false, sinceSeq: state.seq });
      expect(parts.events).toEqual([["failed", { op: "release", result: "unknown" }]]);
    }
  });

  it("gets no answer that means anything has an unknown end", async () => {
    for (const answer of [undefined, {}, { written: true }]) {
      const { traffic, lock, clock, release, parts } = releasing();
      lock.update = async () => answer as LockOutcome; // cast: a lock with a bug
      traffic.send();
      await clock.advance();
      expect(release).toMatchObject({ step: "read", applied: false });
      expect(parts.eventsOf("failed")).toEqual([{ op: "release", result: "unknown" }]);
    }
  });

  it("was refused is written again, after a pause that the storage may lengthen (trace E3)", async () => {
    for (const [retryAfterMs, pauseMs] of [
      [undefined, 250],
      [100, 250],
      [3_000, 3_000],
    ] as const) {
      const { traffic, lock, clock, release } = releasing();
      const asked = retryAfterMs === undefined ? {} : { retryAfterMs };
      lock.fail(new StorageUnavailableError("busy", { applied: "no", ...asked }));
      traffic.send();
      await clock.advance();
      expect(release).toMatchObject({ step: "write", notBeforeMs: 50_000 + pauseMs });
    }
  });
});

describe("the time of a try", () => {
  it("is that of a call, and ends with the release", async () => {
    for (const [untilMs, deadlineMs] of [
      [60_000, 5_000],
      [51_500, 1_500],
    ] as const) {
      const { traffic, lock, clock, release } = releasing({ untilMs });
      lock.hang();
      traffic.send();
      await clock.advance(deadlineMs - 1);
      expect(release.step).toBe("sent");
      await clock.advance(1);
      expect(release.step).toBe("read");
    }
  });

  it("may be over before its answer, which still settles the release", async () => {
    const { traffic, lock, clock, release } = releasing();
    const answer = Promise.withResolvers<LockOutcome>();
    lock.update = () => answer.promise;
    traffic.send();
    await clock.advance(5_000);
    expect(release.step).toBe("read");
    answer.resolve({ written: true, version: version("v2") });
    await clock.advance();
    expect(release).toMatchObject({ step: "done", applied: true });
  });

  it("may be over for good: an answer after the end of the release tells nothing", async () => {
    const { traffic, lock, clock, state, parts } = releasing();
    lock.delay({ answerMs: 100 });
    traffic.send();
    state.release = undefined;
    await clock.advance(1_000);
    expect([parts.events, parts.turns]).toEqual([[], 0]);
  });

  it("a late refusal does not reopen what is done", async () => {
    const { traffic, lock, clock, release, parts } = releasing();
    const answer = Promise.withResolvers<LockOutcome>();
    lock.update = () => answer.promise;
    traffic.send();
    release.step = "done"; // a read has found somebody else
    answer.resolve({ written: false });
    await clock.advance();
    expect([release.step, parts.events]).toEqual(["done", []]);
  });
});
