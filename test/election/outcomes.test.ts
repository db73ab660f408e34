// Goal: what became of a write changes exactly what it proves: validity grows from its own send and never shrinks, and
// an unknown end extends nothing. Method: writes of a leader and of a candidate, ended in each way and in every order.
import { describe, expect, it } from "vitest";
import { isMine } from "../../src/election/election-state.ts";
import { Folding } from "./folding.ts";
import { following, leading, nowMs, record, seen, term, version } from "./situations.ts";

/** A leader of term 7 whose last confirmed write was sent a second ago. */
function leader(): Folding {
  const folding = new Folding(leading(1_000));
  folding.read(folding.state.sent.confirmed?.write.record ?? record("me")); // the record in hand is known, not new
  folding.effects();
  return folding;
}

/** A candidate with a free record in hand. */
function candidate(): Folding {
  const free = record("", { leaderTransitions: 8 });
  return new Folding(following((state) => void (state.seen = seen(free, 5_000))));
}

describe("a confirmed renewal", () => {
  it("extends validity from its send, not from its answer", () => {
    const folding = leader();
    const write = folding.send("renew");
    folding.atMs += 4_000;
    folding.confirm(write);
    expect(term(folding.state).validUntilMs).toBe(nowMs + 10_000);
  });

  it("never shortens validity", () => {
    const folding = leader();
    term(folding.state).validUntilMs = nowMs + 60_000;
    folding.confirm(folding.send("renew"));
    expect(term(folding.state).validUntilMs).toBe(nowMs + 60_000);
  });

  it("clears what stood against the term", () => {
    const folding = leader();
    Object.assign(term(folding.state), { retryAtMs: nowMs + 500, failures: 3, challenged: true });
    folding.confirm(folding.send("renew"));
    expect(term(folding.state)).toMatchObject({ retryAtMs: undefined, failures: 0, challenged: false });
  });

  it("is the record in hand from then on, with its version", () => {
    const folding = leader();
    const write = folding.send("renew");
    folding.confirm(write, "v2", { strategy: "chosen by the server" });
    expect(folding.state.sent.confirmed).toMatchObject({ write, version: "v2", term: 7 });
    expect(folding.state.sent.confirmed?.record.strategy).toBe("chosen by the server");
    expect(folding.state.seen).toMatchObject({ kind: "record", version: "v2", pair: write.pair });
    expect(isMine(folding.state)).toBe(true);
  });

  it("is told once, and as slow if it needed a second look", () => {
    const folding = leader();
    const write = folding.send("renew");
    folding.confirm(write);
    folding.confirm(write);
    expect(folding.effects()).toEqual([{ kind: "renewed", write, slow: false }]);
    const doubted = folding.send("renew", {}, "v2");
    folding.outcomes.unknown(doubted, folding.now);
    folding.confirm(doubted, "v3");
    expect(folding.effects()).toEqual([{ kind: "renewed", write: doubted, slow: true }]);
  });

  it("is told as slow if an earlier one had failed", () => {
    const folding = leader();
    folding.outcomes.refused(folding.send("renew"), folding.now);
    const write = folding.send("renew");
    folding.confirm(write);
    expect(folding.effects()).toEqual([{ kind: "renewed", write, slow: true }]);
  });

  it("is remembered with its receipt: read again, it is not new", () => {
    const folding = leader();
    const write = folding.send("renew");
    folding.confirm(write);
    folding.atMs += 3_000;
    folding.draw = 0.9;
    folding.read(write.record, "v2");
    expect(folding.state.seen).toMatchObject({ firstReceiptMs: nowMs, lastReceiptMs: nowMs + 3_000, share: 0 });
  });

  it("settles a term that had gone back, at the same term too", () => {
    const folding = leader();
    folding.state.termWentBack = true;
    folding.confirm(folding.send("renew"));
    expect(folding.state).toMatchObject({ termWentBack: false, highestTerm: 7 });
  });

  it("of an earlier term extends nothing", () => {
    const folding = leader();
    const late = folding.send("renew", { leaderTransitions: 6 });
    folding.atMs += 5_000;
    folding.confirm(late);
    expect(term(folding.state).validUntilMs).toBe(nowMs + 9_000);
    expect(folding.effects()).toEqual([]);
  });

  it("that was dropped says nothing any more", () => {
    const folding = leader();
    const [older, newer] = [folding.send("renew"), folding.send("renew")];
    folding.confirm(newer, "v3");
    folding.atMs += 1_000;
    const before = structuredClone({ seq: folding.state.seq, seen: folding.state.seen });
    folding.confirm(older, "v2");
    folding.outcomes.lostRace(older);
    folding.outcomes.unknown(older, folding.now);
    folding.outcomes.refused(older, folding.now);
    expect({ seq: folding.state.seq, seen: folding.state.seen }).toEqual(before);
    expect(term(folding.state)).toMatchObject({ lostRace: undefined, failures: 0, retryAtMs: undefined });
    expect(folding.state.sent.confirmed?.write).toBe(newer);
  });

  it("clears a suspicion only if it was sent after that", () => {
    const folding = leader();
    const before = folding.send("renew");
    folding.state.seq += 1;
    term(folding.state).suspectSeq = folding.state.seq;
    const after = folding.send("renew", {}, "v2");
    folding.confirm(before);
    expect(term(folding.state).suspectSeq).toBeDefined();
    folding.confirm(after, "v3");
    expect(term(folding.state).suspectSeq).toBeUndefined();
  });

  it("settles a lost race of a write that it drops, but not of one that may still count", () => {
    const folding = leader();
    const [first, second] = [folding.send("renew"), folding.send("renew")];
    folding.outcomes.lostRace(second);
    expect(term(folding.state).lostRace).toBeDefined();
    folding.confirm(first); // the second names the same version: it lost against the first
    expect(term(folding.state).lostRace).toBeUndefined();
    const [third, fourth] = [folding.send("renew", {}, "v2"), folding.send("renew", {}, "v9")];
    folding.outcomes.lostRace(fourth);
    folding.confirm(third, "v3");
    expect(term(folding.state).lostRace).toBeDefined();
  });
});

describe("a renewal without a confirmation", () => {
  it("extends nothing, whatever its end", () => {
    for (const end of ["lostRace", "unknown", "refused"] as const) {
      const folding = leader();
      folding.outcomes[end](folding.send("renew"), folding.now);
      expect(term(folding.state).validUntilMs).toBe(nowMs + 9_000);
      expect(folding.effects()).toEqual([]);
    }
  });

  it("that lost the race asks for the truth, without a pause, and drops nothing", () => {
    const folding = leader();
    const write = folding.send("renew");
    folding.outcomes.lostRace(write);
    expect(term(folding.state).lostRace).toEqual({ seq: folding.state.seq });
    expect(write).toMatchObject({ status: "lost", endedSeq: folding.state.seq });
    expect(term(folding.state).retryAtMs).toBeUndefined();
    expect(folding.state.sent.holds(write)).toBe(true);
  });

  it("that was refused, or whose end is unknown, waits for a third of what remains", () => {
    for (const end of ["unknown", "refused"] as const) {
      const folding = leader();
      const write = folding.send("renew");
      folding.atMs += 6_000; // 3 s are left
      folding.outcomes[end](write, folding.now);
      expect(write.status).toBe(end);
      expect(term(folding.state)).toMatchObject({ failures: 1, retryAtMs: folding.atMs + 1_000, lostRace: undefined });
    }
  });

  it("may be told again: a late answer still says what became of it", () => {
    const folding = leader();
    const write = folding.send("renew");
    folding.outcomes.unknown(write, folding.now);
    folding.outcomes.lostRace(write);
    expect(write.status).toBe("lost");
    expect(term(folding.state).lostRace).toBeDefined();
    folding.confirm(write);
    expect(term(folding.state)).toMatchObject({ lostRace: undefined, validUntilMs: nowMs + 10_000 });
  });

  it("of an earlier term says nothing about this one", () => {
    const folding = leader();
    folding.outcomes.lostRace(folding.send("renew", { leaderTransitions: 6 }));
    folding.outcomes.unknown(folding.send("renew", { leaderTransitions: 6 }), folding.now);
    expect(term(folding.state)).toMatchObject({ lostRace: undefined, failures: 0, retryAtMs: undefined });
  });

  it("that was refused with a wish of the storage honours it, even if the write was dropped", () => {
    const folding = leader();
    const [older, newer] = [folding.send("renew"), folding.send("renew")];
    folding.confirm(newer);
    folding.outcomes.refused(older, folding.now, 3_000);
    expect(folding.state.quietUntilMs).toBe(nowMs + 3_000);
  });
});

describe("an acquisition", () => {
  it("that is confirmed is mine, and ends what an earlier failure has asked for", () => {
    const folding = candidate();
    const write = folding.send("acquire", { leaderTransitions: 9 });
    Object.assign(folding.state, { mustReadSinceSeq: 3, acquirePauseUntilMs: nowMs + 1_000, windowDoublings: 4 });
    folding.state.lostAcquisition = { seq: 3, expected: undefined, watched: false };
    folding.state.editedAcquisitions = 2;
    folding.confirm(write);
    expect(isMine(folding.state)).toBe(true);
    expect(folding.state).toMatchObject({ acquiring: undefined, mustReadSinceSeq: undefined, windowDoublings: 0 });
    expect(folding.state).toMatchObject({ acquirePauseUntilMs: -Infinity, highestTerm: 9, everSaw: true });
    expect(folding.state).toMatchObject({ lostAcquisition: undefined, editedAcquisitions: 0 });
    expect(folding.state).toMatchObject({ lastWaitMs: 15_000, effects: [] });
  });

  it("takes the term that a server has chosen", () => {
    const folding = candidate();
    folding.confirm(folding.send("acquire", { leaderTransitions: 9 }), "v2", { leaderTransitions: 30 });
    expect(folding.state.sent.confirmed?.term).toBe(30);
    expect(folding.state.highestTerm).toBe(30);
  });

  it("that is confirmed late does not end the wait for a newer one", () => {
    const folding = candidate();
    const first = folding.send("acquire", { leaderTransitions: 9 });
    folding.outcomes.unknown(first, folding.now);
    const second = folding.send("acquire", { leaderTransitions: 9 }, "v2");
    folding.confirm(first);
    expect(folding.state.acquiring).toBe(second);
  });

  it("that lost the race asks for a read, at once, which will tell why", () => {
    const folding = candidate();
    const write = folding.send("acquire");
    folding.state.watchLive = true;
    folding.outcomes.lostRace(write);
    const { seq } = folding.state;
    expect(folding.state).toMatchObject({ acquiring: undefined, mustReadSinceSeq: seq });
    expect(folding.state.lostAcquisition).toEqual({ seq, expected: version("v1"), watched: true });
    expect(folding.state.acquirePauseUntilMs).toBe(-Infinity);
  });

  it("with an unknown end asks for a read, and pauses in case that it was not applied", () => {
    const folding = candidate();
    folding.draw = 0.5;
    folding.outcomes.unknown(folding.send("acquire"), folding.now);
    const { seq } = folding.state;
    expect(folding.state).toMatchObject({ acquiring: undefined, mustReadSinceSeq: seq });
    expect(folding.state.acquirePauseUntilMs).toBe(nowMs + 3_200);
  });

  it("that was refused pauses, and needs no read: nothing has changed", () => {
    const folding = candidate();
    folding.outcomes.refused(folding.send("acquire"), folding.now, 9_000);
    expect(folding.state).toMatchObject({ acquiring: undefined, mustReadSinceSeq: undefined });
    expect(folding.state).toMatchObject({ acquirePauseUntilMs: nowMs + 2_000, quietUntilMs: nowMs + 9_000 });
  });

  it("that lost a creation proves that there was a record: its absence has to be waited for", () => {
    const folding = candidate();
    folding.state.seen = { kind: "absent", sinceMs: nowMs, lastReceiptMs: nowMs };
    const creation = folding.send("acquire", { leaderTransitions: 1 });
    Object.assign(creation, { expected: undefined });
    folding.outcomes.lostRace(creation);
    folding.readNothing();
    expect(folding.state).toMatchObject({ everSaw: true, lastWaitMs: 15_000 });
    const takeover = candidate();
    takeover.state.everSaw = false;
    takeover.outcomes.lostRace(takeover.send("acquire"));
    expect(takeover.state.everSaw).toBe(false);
  });

  it("heals a record whose term went back: the new term is above all that was seen", () => {
    const folding = candidate();
    folding.read(record("other", { leaderTransitions: 20, renewTime: "before the backup" }), "v5");
    folding.read(record("other", { leaderTransitions: 4, renewTime: "from the backup" }), "v6");
    expect(folding.state.termWentBack).toBe(true);
    folding.confirm(folding.send("acquire", { leaderTransitions: 21 }, "v6"), "v7");
    expect(folding.state.termWentBack).toBe(false);
    folding.told();
    folding.read(record("other", { leaderTransitions: 4, renewTime: "from the same backup" }), "v8");
    expect(folding.told()).toContain("termRegression"); // restored once more: told once more
  });
});
