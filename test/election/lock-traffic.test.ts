// Goal: what is sent names the right version and says the right things, validity counts from before the send, and each
// answer is folded as what it proves. Method: the traffic alone over a fake lock with faults; no decision is taken
// here.
import { describe, expect, it } from "vitest";
import { ElectionClocks } from "../../src/election/election-clocks.ts";
import { beginTerm } from "../../src/election/election-state.ts";
import { LockTraffic } from "../../src/election/lock-traffic.ts";
import { RenewTimes } from "../../src/election/renew-times.ts";
import { heldPair } from "../../src/election/sent-table.ts";
import { AccessDeniedError, CorruptDataError, StorageUnavailableError } from "../../src/errors.ts";
import type { LockOutcome } from "../../src/lock/resource-lock.ts";
import { ManualClock } from "../../src/testing/index.ts";
import { campaignParts, type CampaignParts } from "./campaign-parts.ts";
import { record, version } from "./situations.ts";

function trafficOf(...options: Parameters<typeof campaignParts>): CampaignParts & { traffic: LockTraffic } {
  const parts = campaignParts(...options);
  return Object.assign(parts, { traffic: new LockTraffic(parts.context) });
}

/** A leader of term 1 that has created the record at 50 s. */
async function leaderOf(...options: Parameters<typeof campaignParts>) {
  const parts = trafficOf(...options);
  parts.traffic.create(1);
  await parts.clock.advance();
  const { leaderMs } = parts.context.clocks.readings();
  parts.state.term = beginTerm(1, leaderMs, leaderMs + parts.context.settings.renewDeadlineMs);
  parts.state.phase = "leading";
  parts.events.splice(0);
  parts.lock.log.splice(0);
  return parts;
}

type Parts = ReturnType<typeof trafficOf>;

function lastCall({ lock }: Parts) {
  const call = lock.log.at(-1);
  if (call === undefined) throw new Error("nothing was called");
  return call;
}

describe("a read", () => {
  it("is noted when it is sent, and folded when it is answered", async () => {
    const parts = trafficOf({}, { record: record("other") });
    parts.traffic.read();
    expect(parts.state).toMatchObject({
      reading: { seq: 1, sentMs: 50_000 },
      lastReadSentMs: 50_000,
      hintPending: false,
    });
    await parts.clock.advance();
    expect(parts.state).toMatchObject({ reading: undefined, seen: { kind: "record", version: "v1" } });
    expect(parts.events).toEqual([["attempt", { op: "read", result: "read" }]]);
    expect(parts.turns).toBe(1);
  });

  it("that finds nothing is an absence, and one that finds damage is unreadable; both are answers", async () => {
    const absent = trafficOf();
    absent.traffic.read();
    await absent.clock.advance();
    expect(absent.state.seen.kind).toBe("absent");
    const damaged = trafficOf();
    damaged.lock.fail(new CorruptDataError("damaged", { version: "v9" }));
    damaged.traffic.read();
    await damaged.clock.advance();
    expect(damaged.state.seen.kind).toBe("unreadable");
    for (const { events } of [absent, damaged]) expect(events).toEqual([["attempt", { op: "read", result: "read" }]]);
  });

  it("that fails is told, and honours what the storage asks for", async () => {
    const parts = trafficOf();
    parts.lock.fail(new StorageUnavailableError("away", { retryAfterMs: 7_000 }));
    parts.traffic.read();
    await parts.clock.advance();
    expect(parts.state).toMatchObject({ readFailed: true, quietUntilMs: 57_000, reading: undefined });
    expect(parts.events).toEqual([["failed", { op: "read", result: "failed" }]]);
    expect(parts.turns).toBe(1);
  });

  it("takes one token if a hint asked for it, and none otherwise", () => {
    const parts = trafficOf();
    parts.traffic.read();
    expect(parts.state.hintTokens).toBe(10);
    parts.traffic.foldHint(undefined);
    expect(parts.state.hintPending).toBe(true);
    parts.traffic.read();
    expect(parts.state).toMatchObject({ hintTokens: 9, hintPending: false });
  });

  it("is superseded by a newer one: its late answer tells nothing", async () => {
    const parts = trafficOf({}, { record: record("other") });
    parts.lock.delay({ answerMs: 1_000 }, { times: 1 });
    parts.traffic.read();
    await parts.clock.advance(10);
    parts.lock.put(record("third", { leaderTransitions: 8 }));
    parts.traffic.read();
    await parts.clock.advance(5_000);
    expect(parts.eventsOf("attempt")).toHaveLength(1);
    expect(parts.state.seen).toMatchObject({ version: "v2", lastReceiptMs: 50_010 });
  });

  it("ends at its deadline, a leader's at the end of its validity at the latest", async () => {
    const standby = trafficOf();
    standby.lock.hang();
    standby.traffic.read();
    await standby.clock.advance(4_999);
    expect(standby.events).toEqual([]);
    await standby.clock.advance(1);
    expect(standby.eventsOf("failed")).toEqual([{ op: "read", result: "failed" }]);
    const leader = await leaderOf();
    await leader.clock.advance(9_000);
    leader.lock.hang();
    leader.traffic.read();
    await leader.clock.advance(999);
    expect(leader.events).toEqual([]);
    await leader.clock.advance(1);
    expect(leader.eventsOf("failed")).toHaveLength(1);
  });

  it("measures the round trip: longer ones are smoothed, a shorter one counts at once; writes are measured, too", async () => {
    const parts = trafficOf();
    for (const [answerMs, rttMs, warmRttMs] of [
      [10, 10, 0], // it connects
      [20, 12, 20],
      [4, 4, 4],
    ] as const) {
      parts.lock.delay({ answerMs }, { times: 1 });
      parts.traffic.read();
      await parts.clock.advance(answerMs);
      expect(parts.state.rttMs).toBeCloseTo(rttMs);
      expect(parts.state.warmRttMs).toBeCloseTo(warmRttMs);
    }
    parts.lock.delay({ answerMs: 3 }, { times: 1 });
    parts.traffic.create(1);
    await parts.clock.advance(3);
    expect(parts.state.rttMs).toBe(3);
  });
});

describe("a hint that carries a record", () => {
  it("counts as received now, without a call", () => {
    const parts = trafficOf();
    parts.traffic.foldHint({ record: record("other"), version: version("v5") });
    expect(parts.state).toMatchObject({ seen: { kind: "record", version: "v5" }, hintPending: false });
    expect(parts.lock.calls).toEqual([]);
  });
});

describe("a creation", () => {
  it("writes the whole record, once, with times of six digits and the duration rounded up", async () => {
    const parts = trafficOf({ leaseDurationMs: 12_001 });
    await parts.clock.advance(123);
    parts.traffic.create(1);
    const time = "2026-01-01T00:00:00.123000Z";
    expect(lastCall(parts).operation).toBe("create");
    expect(lastCall(parts).record).toEqual({
      ...{ holderIdentity: "me", leaseDurationSeconds: 13, acquireTime: time, renewTime: time, leaderTransitions: 1 },
    });
    expect(parts.state.acquiring).toMatchObject({ kind: "acquire", sentAtMs: 50_123, expected: undefined });
    expect(parts.state.lastWriteMs).toBe(50_123);
    await parts.clock.advance();
    expect(parts.state.sent.confirmed).toMatchObject({ version: "v1", term: 1 });
    expect(parts.events).toEqual([["attempt", { op: "create", result: "written" }]]);
    expect(parts.turns).toBe(1);
  });

  it("never writes a duration of 0 (trace K13)", () => {
    const settings = { leaseDurationMs: 900, renewDeadlineMs: 600, retryPeriodMs: 100 };
    const parts = trafficOf(settings);
    parts.traffic.create(1);
    expect(lastCall(parts).record?.leaseDurationSeconds).toBe(1);
  });

  it("clears a suspicion that is older than its send", () => {
    const parts = trafficOf();
    parts.clock.stepWall(3_600_000);
    parts.context.look();
    expect(parts.context.clocks.suspect).toBe(true);
    parts.traffic.create(1);
    expect(parts.context.clocks.suspect).toBe(false);
  });
});

describe("the floor of the terms", () => {
  const throwing = (): Promise<number> => {
    throw new Error("away");
  };

  it("is asked before a creation, which is decided anew with its answer", async () => {
    const parts = trafficOf({ termFloor: async () => 41 });
    parts.traffic.create(1);
    expect(parts.state.floor).toBe("asking");
    await parts.clock.advance();
    expect([parts.lock.calls, parts.turns]).toEqual([[], 1]);
    expect(parts.state).toMatchObject({ floor: "known", floorTerm: 41, acquiring: undefined });
    parts.traffic.create(42);
    expect(lastCall(parts).record?.leaderTransitions).toBe(42);
    expect(parts.state.floor).toBe("unasked"); // the next creation asks again
  });

  it("may be 0: nothing was accepted yet", async () => {
    const parts = trafficOf({ termFloor: async () => 0 });
    parts.traffic.create(1);
    await parts.clock.advance();
    expect([parts.state.floor, parts.troubles]).toEqual(["known", []]);
  });

  it("never lowers what is known", async () => {
    const parts = trafficOf({ termFloor: async () => 3 });
    parts.state.floorTerm = 9;
    parts.traffic.create(10);
    await parts.clock.advance();
    expect(parts.state.floorTerm).toBe(9);
  });

  it.each([
    ["a failure", () => Promise.reject(new Error("away")), "away"],
    ["an error thrown at once", throwing, "away"],
    ["no integer", async () => 1.5, "termFloor told 1.5: not a term"],
    ["a negative number", async () => -1, "termFloor told -1: not a term"],
    ["no number", async () => "7" as unknown as number, "termFloor told 7: not a term"], // cast: from untyped callers
    ["more than is readable", async () => 2 ** 31, "termFloor told 2147483648: not a term"],
  ])("that cannot be had means a pause, and no creation: %s", async (_what, termFloor, message) => {
    const parts = trafficOf({ termFloor });
    parts.draw = 0.5;
    parts.traffic.create(1);
    await parts.clock.advance();
    expect(parts.state).toMatchObject({ floor: "unasked", floorTerm: 0, acquirePauseUntilMs: 53_200 });
    expect(parts.troubles).toEqual([expect.stringContaining(`termFloor: ${message}`)]);
    expect([parts.lock.calls, parts.turns]).toEqual([[], 1]);
  });

  it("has the deadline of a call", async () => {
    const parts = trafficOf({ termFloor: () => new Promise(() => {}) });
    parts.traffic.create(1);
    await parts.clock.advance(5_000);
    expect(parts.state.floor).toBe("unasked");
    expect(parts.troubles).toHaveLength(1);
  });
});

describe("a takeover", () => {
  it("names the version in hand, clears the preference, and keeps the strategy", async () => {
    const found = record("", { preferredHolder: "me", strategy: "oldest", leaderTransitions: 8 });
    const parts = trafficOf({}, { record: found });
    parts.traffic.read();
    await parts.clock.advance(7);
    parts.traffic.takeOver(9);
    expect(lastCall(parts)).toMatchObject({ operation: "update", expected: "v1" });
    const time = "2026-01-01T00:00:00.007000Z";
    expect(lastCall(parts).record).toEqual({
      ...{ holderIdentity: "me", leaseDurationSeconds: 15, acquireTime: time, renewTime: time },
      ...{ leaderTransitions: 9, strategy: "oldest" },
    });
  });

  it("of nothing in hand sends nothing", () => {
    const parts = trafficOf();
    parts.traffic.takeOver(9);
    expect(parts.lock.calls).toEqual([]);
  });
});

describe("a renewal", () => {
  it("keeps the term, the time of the acquisition and what others put there, and names the last version", async () => {
    const parts = await leaderOf();
    parts.lock.put({ ...parts.lock.record, preferredHolder: "other", strategy: "oldest" });
    parts.traffic.read();
    await parts.clock.advance(5_000);
    parts.traffic.renew(1);
    expect(lastCall(parts)).toMatchObject({ operation: "update", expected: "v2" });
    expect(lastCall(parts).record).toMatchObject({
      ...{ acquireTime: "2026-01-01T00:00:00.000000Z", renewTime: "2026-01-01T00:00:05.000000Z" },
      ...{ leaderTransitions: 1, preferredHolder: "other", strategy: "oldest", leaseDurationSeconds: 15 },
    });
  });

  it("extends validity from before the send, even if the call itself blocks the process", async () => {
    const parts = await leaderOf({}, { onCall: ({ operation }) => operation === "update" && parts.clock.pause(4_000) });
    await parts.clock.advance(1_000);
    parts.traffic.renew(1);
    await parts.clock.advance();
    expect(parts.state.sent.confirmed?.write.sentAtMs).toBe(51_000);
    expect(parts.state.term?.validUntilMs).toBe(61_000);
  });

  it("notes that it was early, if something had to be judged", async () => {
    const parts = await leaderOf();
    const { term } = parts.state;
    parts.traffic.renew(1);
    expect(term?.lastEarlyRenewMs).toBe(-Infinity);
    if (term !== undefined) term.challenged = true;
    parts.traffic.renew(1);
    expect(term?.lastEarlyRenewMs).toBe(50_000);
  });

  it("without a term, or before any confirmation, sends nothing", async () => {
    const parts = await leaderOf();
    parts.state.term = undefined;
    parts.traffic.renew(1);
    const fresh = trafficOf();
    fresh.state.term = beginTerm(1, 0, 10_000);
    fresh.traffic.renew(1);
    expect([parts.lock.calls, fresh.lock.calls]).toEqual([[], []]);
  });

  it("has no more time than the term", async () => {
    const parts = await leaderOf();
    await parts.clock.advance(9_400);
    parts.lock.hang();
    parts.traffic.renew(1);
    await parts.clock.advance(600);
    expect(parts.eventsOf("failed")).toEqual([{ op: "renew", result: "unknown" }]);
  });
});

describe("the answer of a write", () => {
  it("written, with another term than was asked for: that one counts", async () => {
    const parts = trafficOf({}, { chooseTerm: () => 30 });
    parts.traffic.create(1);
    await parts.clock.advance();
    expect(parts.state.sent.confirmed).toMatchObject({ term: 30, record: { leaderTransitions: 30 } });
    expect(parts.state.highestTerm).toBe(30);
  });

  it("lost the race: told, and nothing has failed", async () => {
    const parts = await leaderOf();
    parts.lock.loseRace();
    parts.traffic.renew(1);
    await parts.clock.advance();
    expect(parts.events).toEqual([
      ["attempt", { op: "renew", result: "lost" }],
      ["lostRace", { op: "renew" }],
    ]);
    expect(parts.state.term?.lostRace).toBeDefined();
  });

  it("any error is unknown, unless it proves that nothing happened (S11)", async () => {
    const unknown = [new Error("reset"), new AccessDeniedError("denied"), new StorageUnavailableError("away")];
    for (const error of unknown) {
      const parts = await leaderOf();
      parts.lock.fail(error);
      parts.traffic.renew(1);
      await parts.clock.advance();
      expect(parts.events).toEqual([
        ["outcomeUnknown", { op: "renew" }],
        ["failed", { op: "renew", result: "unknown" }],
      ]);
      expect(parts.state.sent.newest()?.status).toBe("unknown");
      expect(parts.state.term?.validUntilMs).toBe(60_000);
    }
    const refused = await leaderOf();
    refused.lock.fail(new StorageUnavailableError("busy", { applied: "no", retryAfterMs: 3_000 }));
    refused.traffic.renew(1);
    await refused.clock.advance();
    expect(refused.events).toEqual([["failed", { op: "renew", result: "failed" }]]);
    expect(refused.state).toMatchObject({ quietUntilMs: 53_000 });
    expect(refused.state.sent.newest()?.status).toBe("refused");
  });

  it.each([undefined, {}, { written: true }, "written"])("that is none (%j) is unknown", async (answer) => {
    const parts = await leaderOf();
    parts.lock.update = async () => answer as LockOutcome; // cast: a lock with a bug
    parts.traffic.renew(1);
    await parts.clock.advance();
    expect(parts.eventsOf("failed")).toEqual([{ op: "renew", result: "unknown" }]);
    expect(parts.state.sent.newest()?.status).toBe("unknown");
    expect(parts.state.term?.validUntilMs).toBe(60_000);
  });

  it("that comes after the deadline still proves what it says (decide G2)", async () => {
    const parts = await leaderOf();
    const answer = Promise.withResolvers<LockOutcome>();
    parts.lock.update = () => answer.promise;
    parts.traffic.renew(1);
    await parts.clock.advance(5_000);
    expect(parts.eventsOf("outcomeUnknown")).toHaveLength(1);
    expect(parts.state.term?.validUntilMs).toBe(60_000);
    await parts.clock.advance(1_000);
    answer.resolve({ written: true, version: version("v2") });
    await parts.clock.advance();
    expect(parts.state.sent.confirmed?.version).toBe("v2");
    expect(parts.state.effects).toContainEqual(expect.objectContaining({ kind: "renewed", slow: true }));
  });

  it("is not told any more after all was abandoned", async () => {
    const parts = await leaderOf();
    parts.lock.delay({ answerMs: 100 });
    parts.traffic.renew(1);
    parts.traffic.read();
    parts.traffic.abandonAll();
    await parts.clock.advance(60_000);
    expect(parts.events).toEqual([]);
    // the two delays of the fake lock, if they do not heed the abort
    expect(parts.clock.timerCount).toBeLessThanOrEqual(2);
  });
});

describe("a release", () => {
  it("is sent with times that follow those of the renewals", async () => {
    const parts = await leaderOf();
    const { confirmed } = parts.state.sent;
    if (confirmed === undefined) throw new Error("the leader has confirmed nothing");
    parts.state.term = undefined;
    parts.state.release = {
      ...{ untilMs: 55_000, target: confirmed, to: undefined, step: "write", applied: false, notBeforeMs: 50_000 },
      ...{ sinceSeq: 0, tries: 0, lost: false },
    };
    parts.traffic.release();
    expect(lastCall(parts)).toMatchObject({ operation: "update", expected: "v1" });
    expect(lastCall(parts).record).toMatchObject({ holderIdentity: "", renewTime: "2026-01-01T00:00:00.000001Z" });
    await parts.clock.advance();
    expect(parts.state.release.applied).toBe(true);
  });
});

describe("renew times", () => {
  it("follow the wall clock in microseconds, and grow strictly while it stands or steps back", () => {
    const clock = new ManualClock();
    const times = new RenewTimes(new ElectionClocks(clock));
    const taken = [times.next(), times.next()];
    clock.stepWall(-3_600_000);
    taken.push(times.next(), times.next());
    clock.stepWall(3_600_000);
    clock.pause(5);
    taken.push(times.next());
    expect(taken).toEqual([
      ...["2026-01-01T00:00:00.000000Z", "2026-01-01T00:00:00.000001Z", "2026-01-01T00:00:00.000002Z"],
      ...["2026-01-01T00:00:00.000003Z", "2026-01-01T00:00:00.005000Z"],
    ]);
  });

  it("make a pair of every write", async () => {
    const parts = await leaderOf();
    for (let writes = 0; writes < 50; writes += 1) {
      parts.clock.stepWall(writes % 3 === 0 ? -1 : 1);
      parts.traffic.renew(1);
      await parts.clock.advance();
    }
    const pairs = parts.lock.log.flatMap((call) => (call.record === undefined ? [] : [heldPair(call.record)]));
    expect(new Set(pairs).size).toBe(50);
  });
});
