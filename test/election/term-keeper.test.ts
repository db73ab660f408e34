// Goal: a term begins, drains, closes, is released or demoted in this order and no other, and what its end means for
// the next campaign is right. Method: the keeper alone, told step by step what was decided, with work in the hand of
// the test.
import { describe, expect, it } from "vitest";
import type { StopReason } from "../../src/election/leadership.ts";
import { LockTraffic } from "../../src/election/lock-traffic.ts";
import type { LeaderElectorOptions } from "../../src/election/settings.ts";
import { TermKeeper } from "../../src/election/term-keeper.ts";
import type { CampaignWork, WorkEnd } from "../../src/election/term-run.ts";
import { LeadershipLostError, StaleTermError } from "../../src/errors.ts";
import { Deferred } from "../../src/system/deferred.ts";
import { drainMicrotasks } from "../../src/system/microtasks.ts";
import { campaignParts } from "./campaign-parts.ts";

/** A keeper whose candidate has just created the record in term 1, at 50 s. */
async function keeping(options: Partial<LeaderElectorOptions> = {}, more: Partial<CampaignWork> = {}) {
  const parts = campaignParts(options);
  const body = new Deferred<WorkEnd>();
  const story: string[] = [];
  const work: CampaignWork = {
    start: ({ term }) => {
      story.push(`start ${term}`);
      return body.promise;
    },
    stopped: (reason) => void story.push(`stop ${reason}`),
    newLeader() {},
    onlyOneTerm: false,
    ...more,
  };
  const keeper = new TermKeeper(parts.context, work, () => story.push("over"));
  new LockTraffic(parts.context).create(1);
  await parts.clock.advance();
  parts.events.splice(0);
  parts.turns = 0;
  return Object.assign(parts, { keeper, body, story });
}

/** The same, with the work of term 1 under way. */
async function leading(...options: Parameters<typeof keeping>) {
  const parts = await keeping(...options);
  parts.keeper.begin(1);
  parts.keeper.startWork();
  return parts;
}

type Parts = Awaited<ReturnType<typeof keeping>>;

/** The voluntary end of a term that has a reason, up to its release. */
async function endWith(parts: Parts, reason: StopReason, to?: string): Promise<void> {
  const { keeper, state, body } = parts;
  if (state.term !== undefined) state.term.ending = { reason, to };
  keeper.drain(reason);
  body.resolve("keep");
  await drainMicrotasks();
  keeper.close();
  await drainMicrotasks();
  keeper.startRelease();
}

/** Ends the release that is under way. */
function endRelease({ keeper, state }: Parts, applied: boolean, step: "done" | "read" = "done"): void {
  if (state.release !== undefined) Object.assign(state.release, { applied, step });
  keeper.endRelease();
}

function runOf({ keeper }: Parts) {
  if (keeper.run === undefined) throw new Error("no term has begun");
  return keeper.run;
}

describe("the begin of a term", () => {
  it("is valid from the send of its acquisition, and told before the work starts", async () => {
    const parts = await keeping();
    await parts.clock.advance(300);
    parts.keeper.noteVacancy(49_000);
    parts.keeper.begin(1);
    const { state, keeper } = parts;
    expect(state).toMatchObject({ phase: "leading", begunTerm: 1, stillborn: 0 });
    expect(state.begunWrite).toBe(state.sent.confirmed?.write);
    expect(state.term).toMatchObject({ number: 1, startedMs: 50_300, validUntilMs: 60_000 });
    expect(runOf(parts).leadership.remainingMs()).toBe(9_700);
    expect(parts.eventsOf("elected")).toEqual([{ term: 1, takeoverMs: 1_300 }]);
    expect(parts.lock.events).toEqual(["became leader"]);
    expect(state.effects).toEqual([{ kind: "newLeader", identity: "me", term: 1 }]);
    expect(parts.story).toEqual([]);
    keeper.startWork();
    keeper.startWork();
    expect(parts.story).toEqual(["start 1"]);
  });

  it("starts no work for a term that has ended by then, or is about to", async () => {
    const expired = await keeping();
    expired.keeper.begin(1);
    expired.clock.pause(10_000);
    expired.keeper.startWork();
    const stopped = await keeping();
    stopped.keeper.begin(1);
    if (stopped.state.term !== undefined) stopped.state.term.ending = { reason: "stopped" };
    stopped.keeper.startWork();
    expect([expired.story, stopped.story]).toEqual([[], []]);
  });

  it("starts the work once a suspicion is settled", async () => {
    const parts = await keeping();
    parts.keeper.begin(1);
    parts.clock.stepWall(3_600_000);
    parts.keeper.startWork();
    expect(parts.story).toEqual([]);
    parts.context.clocks.rebase();
    parts.keeper.extend(61_000);
    expect(parts.story).toEqual(["start 1"]);
    expect(runOf(parts).leadership.remainingMs()).toBe(11_000);
  });

  it("survives a lock that cannot record events", async () => {
    const parts = await keeping();
    parts.lock.recordEvent = () => {
      throw new Error("no events");
    };
    parts.keeper.begin(1);
    expect(parts.troubles).toEqual(["recordEvent: no events"]);
    expect(runOf(parts).leadership.isHeld()).toBe(true);
  });
});

describe("a voluntary end", () => {
  it("drains: the work is told, the term is held on", async () => {
    const parts = await leading();
    if (parts.state.term !== undefined) parts.state.term.ending = { reason: "stopped" };
    parts.keeper.drain("stopped");
    expect(parts.state).toMatchObject({ phase: "draining", term: { drainUntilMs: 60_000, workEnded: false } });
    expect(runOf(parts).leadership.signal.aborted).toBe(true);
    expect(runOf(parts).leadership.isHeld()).toBe(true);
    expect(parts.eventsOf("draining")).toEqual([{ term: 1, reason: "stopped" }]);
    expect(parts.story).toEqual(["start 1"]);
  });

  it("closes when the work has ended, calls the stop callback, and is released after both", async () => {
    const stopped = new Deferred<void>();
    const parts = await leading({}, { stopped: () => stopped.promise });
    const { keeper, state, body } = parts;
    if (state.term !== undefined) state.term.ending = { reason: "resigned", to: "other" };
    keeper.drain("resigned");
    body.resolve("keep");
    await drainMicrotasks();
    expect(state.term).toMatchObject({ workEnded: true, closed: false });
    keeper.close();
    expect(state.term).toMatchObject({ closed: true, stopCallbackEnded: false });
    expect(runOf(parts).leadership.isHeld()).toBe(false);
    expect(() => keeper.startRelease()).toThrow("bug: a release while work"); // S7
    stopped.resolve();
    await drainMicrotasks();
    expect(state.term?.stopCallbackEnded).toBe(true);
    await parts.clock.advance(700);
    keeper.startRelease();
    expect(state).toMatchObject({ phase: "releasing", term: undefined, lastReason: "resigned" });
    expect(state.release).toMatchObject({ untilMs: 55_700, to: "other", step: "write", tries: 0, notBeforeMs: 50_700 });
    expect(state.release?.target).toMatchObject({ version: "v1", record: { holderIdentity: "me" } });
    expect(parts.eventsOf("stopped")).toEqual([{ term: 1, reason: "resigned" }]);
    expect(parts.eventsOf("drained")).toEqual([{ term: 1, ms: 700 }]);
    expect(parts.lock.events).toEqual(["became leader", "stopped leading"]);
  });

  it("is never released while a step runs (S7)", async () => {
    const parts = await leading();
    const step = new Deferred<void>();
    const guarded = runOf(parts).leadership.guard(() => step.promise);
    guarded.catch(() => {}); // it outlasts the term below
    if (parts.state.term !== undefined) parts.state.term.ending = { reason: "stopped" };
    parts.keeper.drain("stopped");
    parts.body.resolve("keep");
    await drainMicrotasks();
    expect(parts.state.term).toMatchObject({ workEnded: true, runningSteps: 1 });
    parts.keeper.close();
    await drainMicrotasks();
    expect(() => parts.keeper.startRelease()).toThrow("bug: a release while work");
    step.resolve();
    await expect(guarded).rejects.toBeInstanceOf(LeadershipLostError);
    expect(parts.state.term?.runningSteps).toBe(0);
    parts.keeper.startRelease();
    expect(parts.state.phase).toBe("releasing");
  });

  it("asks the loop to look when the last step of an ending term has ended", async () => {
    const parts = await leading();
    await runOf(parts).leadership.guard(async () => {});
    await drainMicrotasks();
    expect(parts.turns).toBe(0);
    if (parts.state.term !== undefined) parts.state.term.ending = { reason: "stopped" };
    const step = new Deferred<void>();
    const guarded = runOf(parts).leadership.guard(() => step.promise);
    await drainMicrotasks();
    expect(parts.turns).toBe(0);
    step.resolve();
    await guarded;
    await drainMicrotasks();
    expect(parts.turns).toBe(1);
  });

  it("is not released sooner than the lock may be written again", async () => {
    const parts = await leading();
    Object.assign(parts.context.settings, { minWriteIntervalMs: 1_500 });
    await endWith(parts, "stopped");
    expect(parts.state.release?.notBeforeMs).toBe(51_500);
  });
});

describe("a loss", () => {
  it("closes at once, calls the stop callback, and waits for the work", async () => {
    const parts = await leading();
    parts.keeper.demote("taken");
    expect(runOf(parts).leadership.signal.reason).toMatchObject({ reason: "taken" });
    expect(parts.story).toEqual(["start 1", "stop taken", "over"]);
    expect(parts.state).toMatchObject({ phase: "following", term: undefined, workRunning: true, overrunAtMs: 60_000 });
    expect(parts.eventsOf("drained")).toEqual([]);
    await parts.clock.advance(400);
    parts.body.resolve("keep");
    await drainMicrotasks();
    expect(parts.state).toMatchObject({ workRunning: false, overrunAtMs: undefined });
    expect(parts.eventsOf("drained")).toEqual([{ term: 1, ms: 400 }]);
    expect(parts.turns).toBeGreaterThan(0);
  });

  it("during a drain closes at once, and keeps the first reason", async () => {
    const parts = await leading();
    if (parts.state.term !== undefined) parts.state.term.ending = { reason: "resigned" };
    parts.keeper.drain("resigned");
    await parts.clock.advance(1_000);
    parts.keeper.demote("taken");
    expect(parts.eventsOf("stopped")).toEqual([{ term: 1, reason: "resigned" }]);
    expect(parts.state.lastReason).toBe("resigned");
    expect([parts.troubles, parts.keeper.overrun]).toEqual([[], false]);
  });

  it("after the close of a drain tells nothing twice", async () => {
    const parts = await leading();
    if (parts.state.term !== undefined) parts.state.term.ending = { reason: "stopped" };
    parts.keeper.drain("stopped");
    parts.body.resolve("keep");
    await drainMicrotasks();
    parts.keeper.close();
    await drainMicrotasks();
    parts.keeper.demote("expired");
    expect(parts.eventsOf("stopped")).toHaveLength(1);
    expect(parts.story).toEqual(["start 1", "stop stopped", "over"]);
  });

  it("of a term whose work never started calls no stop callback (trace K14)", async () => {
    const parts = await keeping();
    parts.keeper.begin(1);
    parts.keeper.demote("expired");
    expect(parts.story).toEqual(["over"]);
    expect(parts.state.workRunning).toBe(false);
    expect(parts.eventsOf("stopped")).toHaveLength(1);
  });

  it("without a term is none", async () => {
    const parts = await keeping();
    parts.keeper.demote("taken");
    parts.keeper.drain("stopped");
    parts.keeper.close();
    expect([parts.events, parts.story]).toEqual([[], []]);
  });
});

describe("work that does not end", () => {
  it("is told once its drain time is over, and the lease is left to run out", async () => {
    const parts = await leading({ drainTimeoutMs: 3_000 });
    if (parts.state.term !== undefined) parts.state.term.ending = { reason: "stopped" };
    parts.keeper.drain("stopped");
    await parts.clock.advance(3_000);
    parts.keeper.demote("stopped");
    expect(parts.troubles).toEqual([expect.stringContaining("did not end within 3000 ms")]);
    expect(parts.keeper.overrun).toBe(true);
    expect(parts.state).toMatchObject({ release: undefined, workRunning: true, overrunAtMs: undefined });
    expect(parts.state.effects).toContainEqual(expect.objectContaining({ kind: "alarm", alarm: "workOverrun" }));
    expect(parts.story).toEqual(["start 1", "stop stopped", "over"]);
    parts.body.resolve("keep");
    await drainMicrotasks();
    expect([parts.keeper.overrun, parts.state.workRunning]).toEqual([false, false]);
  });
});

describe("what an end means for the next campaign", () => {
  it.each<[StopReason, number]>([
    ["resigned", 3_200],
    ["workReturned", 3_200],
    ["stopped", 0],
    ["taken", 0],
    ["expired", 0],
  ])("after %s it holds back for %d ms", async (reason, holdMs) => {
    const parts = await leading();
    parts.draw = 0.5;
    parts.keeper.demote(reason);
    expect(parts.state).toMatchObject({ holdUntilMs: 50_000 + holdMs, lastReason: reason, releaseGivenUp: false });
  });

  it("failed work holds back for longer each time, up to the greatest pause; a long term resets it", async () => {
    const parts = await leading({ workBackoffMs: { minMs: 1_000, maxMs: 10_000 } });
    parts.draw = 0.999_999;
    const holds: number[] = [];
    for (const termMs of [0, 0, 0, 0, 0, 150_001, 0]) {
      await parts.clock.advance(termMs);
      const { leaderMs } = parts.context.clocks.readings();
      parts.keeper.demote("workFailed");
      holds.push(Math.round(parts.state.holdUntilMs - leaderMs));
      await parts.clock.advance(20_000);
      parts.keeper.begin(1);
      if (parts.state.term !== undefined) parts.state.term.validUntilMs = Infinity;
    }
    expect(holds).toEqual([2_000, 4_000, 8_000, 10_000, 10_000, 2_000, 4_000]);
  });

  it("a long term resets that pause, however it ended, and a short one does not", async () => {
    for (const [termMs, holdMs] of [
      [150_001, 2_000],
      [1_000, 4_000],
    ] as const) {
      const parts = await leading();
      parts.draw = 0.999_999;
      parts.keeper.demote("workFailed");
      parts.keeper.begin(1);
      await parts.clock.advance(termMs);
      parts.keeper.demote("taken");
      await parts.clock.advance(20_000);
      parts.keeper.begin(1);
      const { leaderMs } = parts.context.clocks.readings();
      parts.keeper.demote("workFailed");
      expect(Math.round(parts.state.holdUntilMs - leaderMs)).toBe(holdMs);
    }
  });

  it("a release that was given up in an earlier term counts no more", async () => {
    const parts = await leading();
    parts.state.releaseGivenUp = true;
    parts.keeper.demote("taken");
    expect(parts.state.releaseGivenUp).toBe(false);
  });

  it("a pause is never shortened by a later end", async () => {
    const parts = await leading();
    parts.state.holdUntilMs = 90_000;
    parts.keeper.demote("taken");
    expect(parts.state.holdUntilMs).toBe(90_000);
  });
});

describe("the end of a release", () => {
  it("that was applied forgets what was in hand: nobody has seen what is there now", async () => {
    const parts = await leading();
    await endWith(parts, "resigned");
    endRelease(parts, true);
    expect(parts.state).toMatchObject({ release: undefined, phase: "following", seen: { kind: "nothing" } });
    expect(parts.state.releaseGivenUp).toBe(false);
    expect(parts.story.at(-1)).toBe("over");
  });

  it("counts the time that is left to others from there, however long it took", async () => {
    for (const [reason, holdMs] of [
      ["resigned", 2_000],
      ["stopped", -3_000],
    ] as const) {
      const parts = await leading();
      await endWith(parts, reason);
      await parts.clock.advance(3_000);
      endRelease(parts, true);
      expect(parts.state.holdUntilMs - 53_000, reason).toBe(holdMs);
    }
  });

  it("that found somebody else keeps what it found", async () => {
    const parts = await leading();
    await endWith(parts, "resigned");
    endRelease(parts, false);
    expect(parts.state.seen.kind).toBe("record");
    expect(parts.state.releaseGivenUp).toBe(false);
  });

  it("that ran out of time gives up, and pauses", async () => {
    const parts = await leading();
    await endWith(parts, "stopped");
    parts.draw = 0.5;
    endRelease(parts, false, "read");
    expect(parts.state).toMatchObject({ releaseGivenUp: true, holdUntilMs: 53_200 });
  });

  it("without one is none", async () => {
    const parts = await leading();
    parts.keeper.endRelease();
    expect(parts.story).toEqual(["start 1"]);
  });
});

describe("a stillborn acquisition (decide F8)", () => {
  it("is released without a term, with a pause that doubles up to the lease", async () => {
    const parts = await keeping();
    const holds: number[] = [];
    for (let times = 0; times < 5; times += 1) {
      parts.state.holdUntilMs = -Infinity;
      parts.keeper.startRelease();
      holds.push(parts.state.holdUntilMs - 50_000);
      expect(parts.state.phase).toBe("releasing");
      endRelease(parts, false);
    }
    expect(holds).toEqual([2_000, 4_000, 8_000, 15_000, 15_000]);
    expect([parts.eventsOf("stopped"), parts.story.includes("start 1")]).toEqual([[], false]);
    parts.keeper.begin(1);
    expect(parts.state.stillborn).toBe(0);
  });
});

describe("a late renewal of an ended term (decide F8)", () => {
  it("is released without a pause: it was no term that came too late", async () => {
    const parts = await keeping();
    Object.assign(parts.state.sent.confirmed?.write ?? {}, { kind: "renew" });
    parts.keeper.startRelease();
    expect(parts.state).toMatchObject({ phase: "releasing", stillborn: 0, holdUntilMs: -Infinity });
  });
});

describe("the end of the work", () => {
  it.each(["workReturned", "stopped"] as const)("as %s ends the term", async (end) => {
    const parts = await leading();
    parts.body.resolve(end);
    await drainMicrotasks();
    expect(parts.state.term).toMatchObject({ ending: { reason: end }, workEnded: true });
    expect(parts.turns).toBe(1);
  });

  it("may keep the term", async () => {
    const parts = await leading();
    parts.body.resolve("keep");
    await drainMicrotasks();
    expect(parts.state.term).toMatchObject({ ending: undefined, workEnded: true });
  });

  it("by a failure is told, and ends the term", async () => {
    const parts = await leading();
    parts.body.reject(new Error("disk full"));
    await drainMicrotasks();
    expect(parts.troubles).toEqual(["work: disk full"]);
    expect(parts.state.term?.ending).toEqual({ reason: "workFailed" });
  });

  it("does not replace an earlier reason", async () => {
    const parts = await leading();
    if (parts.state.term !== undefined) parts.state.term.ending = { reason: "resigned", to: "other" };
    parts.body.reject(new Error("disk full"));
    await drainMicrotasks();
    expect(parts.state.term?.ending).toEqual({ reason: "resigned", to: "other" });
  });

  it("by throwing what it was told is no failure", async () => {
    for (const thrown of ["reason", "lost"] as const) {
      const parts = await leading();
      if (parts.state.term !== undefined) parts.state.term.ending = { reason: "stopped" };
      parts.keeper.drain("stopped");
      const { reason } = runOf(parts).leadership.signal;
      parts.body.reject(thrown === "reason" ? reason : Object.assign(new Error("x"), { code: "LEADERSHIP_LOST" }));
      await drainMicrotasks();
      expect(parts.troubles).toEqual([]);
    }
  });

  it("by a term that was lost elsewhere, before anybody was told here, is a failure", async () => {
    const parts = await leading();
    parts.body.reject(Object.assign(new Error("of another elector"), { code: "LEADERSHIP_LOST" }));
    await drainMicrotasks();
    expect(parts.troubles).toEqual(["work: of another elector"]);
    expect(parts.state.term?.ending).toEqual({ reason: "workFailed" });
  });

  it("after the term was lost says nothing about the next one", async () => {
    const parts = await leading();
    parts.keeper.demote("taken");
    parts.body.reject(new Error("disk full"));
    await drainMicrotasks();
    expect(parts.troubles).toEqual(["work: disk full"]);
    expect(parts.state).toMatchObject({ workRunning: false, lastReason: "taken" });
  });
});

describe("a guarded resource that has accepted a larger term", () => {
  it("ends the term as fenced, and raises the floor, from a step or from the work itself", async () => {
    for (const from of ["step", "work"] as const) {
      const parts = await leading();
      const stale = new StaleTermError("stale", { acceptedTerm: 9 });
      if (from === "work") parts.body.reject(stale);
      else await expect(runOf(parts).leadership.guard(() => Promise.reject(stale))).rejects.toBe(stale);
      await drainMicrotasks();
      expect(parts.state).toMatchObject({ floorTerm: 9, term: { loss: "fenced" } });
      expect(parts.turns).toBeGreaterThan(0);
    }
  });

  it("ends it also at an equal term, which belongs to somebody else", async () => {
    const parts = await leading();
    parts.body.reject(new StaleTermError("stale", { acceptedTerm: 1 }));
    await drainMicrotasks();
    expect(parts.state).toMatchObject({ floorTerm: 1, term: { loss: "fenced" } });
  });

  it("does not replace the reason of a loss that is known already", async () => {
    const parts = await leading();
    if (parts.state.term !== undefined) parts.state.term.loss = "taken";
    parts.body.reject(new StaleTermError("stale", { acceptedTerm: 9 }));
    await drainMicrotasks();
    expect(parts.state).toMatchObject({ floorTerm: 9, term: { loss: "taken" } });
  });

  it("that told no usable term cannot push the next one out of range", async () => {
    for (const acceptedTerm of [2 ** 31, Number.NaN, Infinity, -1, "9", undefined]) {
      const parts = await leading();
      const stale = Object.assign(new Error("stale"), { code: "STALE_TERM", acceptedTerm });
      await expect(runOf(parts).leadership.guard(() => Promise.reject(stale))).rejects.toBe(stale);
      expect(parts.state.floorTerm, String(acceptedTerm)).toBe(0);
      expect(parts.state.term?.loss, String(acceptedTerm)).toBe(acceptedTerm === 2 ** 31 ? "fenced" : undefined);
    }
  });
});

describe("disposing of a term", () => {
  it("ends it as returned, and waits for nothing, unless the face has its own way", async () => {
    const parts = await leading();
    await runOf(parts).leadership[Symbol.asyncDispose]();
    expect(parts.state.term?.ending).toEqual({ reason: "workReturned" });
    expect(parts.turns).toBe(1);
    const disposed: string[] = [];
    const own = await leading({}, { dispose: async () => void disposed.push("own way") });
    await runOf(own).leadership[Symbol.asyncDispose]();
    expect([disposed, own.state.term?.ending]).toEqual([["own way"], undefined]);
  });

  it("that is over already changes nothing", async () => {
    const parts = await leading();
    parts.keeper.demote("taken");
    await runOf(parts).leadership[Symbol.asyncDispose]();
    expect(parts.state.lastReason).toBe("taken");
  });
});

describe("after a bug", () => {
  it("the work loses its term, whatever else goes wrong, and no other term begins before it has ended", async () => {
    const parts = await leading();
    let isBroken = true;
    const push = parts.events.push.bind(parts.events);
    parts.events.push = (...events) => {
      if (isBroken) throw new Error("and nothing can be told any more");
      return push(...events);
    };
    parts.keeper.abandon();
    isBroken = false;
    expect(runOf(parts).leadership.isHeld()).toBe(false);
    expect(runOf(parts).leadership.signal.reason).toMatchObject({ reason: "expired" });
    expect(parts.state).toMatchObject({ term: undefined, phase: "following", workRunning: true });
    expect(parts.troubles).toEqual(["election: and nothing can be told any more"]);
    parts.body.resolve("keep");
    await drainMicrotasks();
    expect(parts.state.workRunning).toBe(false);
  });
});
