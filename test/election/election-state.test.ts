// Goal: a campaign starts from nothing, a term starts with nothing against it, and "mine" means a pair of one's own
// last confirmed write. Method: fresh states, and states with one record in hand.
import { describe, expect, it } from "vitest";
import { beginTerm, initialState, isMine } from "../../src/election/election-state.ts";
import { confirm, following, leading, nowMs, record, seen, sentWrite, version } from "./situations.ts";

describe("a fresh state", () => {
  it("follows, has seen and sent nothing, and may look at once", () => {
    const state = initialState("me", nowMs);
    expect(state).toMatchObject({ identity: "me", phase: "following", seen: { kind: "nothing" }, everSaw: false });
    expect(state).toMatchObject({ highestTerm: 0, begunTerm: 0, term: undefined, release: undefined, seq: 0 });
    expect(state.nextPollMs).toBe(nowMs);
    for (const notBefore of [state.readPauseUntilMs, state.quietUntilMs, state.holdUntilMs, state.lastWriteMs]) {
      expect(notBefore).toBe(-Infinity);
    }
    expect([state.sent.later, state.effects, state.firstReceipts.size, state.alarmed.size]).toEqual([[], [], 0, 0]);
  });

  it("shares nothing with another one", () => {
    const [first, second] = [initialState("me", 0), initialState("me", 0)];
    for (const name of ["sent", "effects", "firstReceipts", "alarmed"] as const) {
      expect(first[name]).not.toBe(second[name]);
    }
  });
});

describe("a fresh term", () => {
  it("has neither failed, nor is it doubted, lost, ending or closed", () => {
    const term = beginTerm(7, 100, 10_100);
    expect(term).toMatchObject({ number: 7, startedMs: 100, validUntilMs: 10_100, failures: 0, challenged: false });
    const nothing = { lostRace: undefined, suspectSeq: undefined, loss: undefined, ending: undefined };
    expect(term).toMatchObject({ ...nothing, retryAtMs: undefined, closed: false, workEnded: false, runningSteps: 0 });
    expect(term.drainUntilMs).toBe(Infinity);
  });
});

describe("mine", () => {
  it("is the pair of the last confirmed write, under any version", () => {
    const state = leading(1_000);
    expect(isMine(state)).toBe(true);
    const mine = state.sent.confirmed?.write.record ?? record("me");
    state.seen = seen(mine, 0, { version: version("v9") });
    expect(isMine(state)).toBe(true);
  });

  it("is neither my identity with another pair, nor what I have only sent", () => {
    const state = following(() => {});
    confirm(state, sentWrite(5_000));
    const sent = sentWrite(1_000);
    state.sent.add(sent);
    state.seen = seen(sent.record, 0);
    expect(isMine(state)).toBe(false);
    state.seen = seen(record("me", { renewTime: "of a twin" }), 0);
    expect(isMine(state)).toBe(false);
  });

  it("is nothing while nothing, or no record, is in hand", () => {
    const state = leading(1_000);
    for (const kind of ["nothing", "unreadable"] as const) {
      state.seen = { kind };
      expect(isMine(state)).toBe(false);
    }
    state.seen = { kind: "absent", sinceMs: nowMs, lastReceiptMs: nowMs };
    expect(isMine(state)).toBe(false);
    expect(isMine(following((fresh) => void (fresh.seen = seen(record("me"), 0))))).toBe(false);
  });
});
