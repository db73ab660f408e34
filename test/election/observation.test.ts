// Goal: what is received changes exactly what it proves: rows G2 to G5, lost races, absences and releases. Method: one
// state with one peculiarity, one receipt of a read or a hint, sent before or after what it has to judge.
import { describe, expect, it } from "vitest";
import { CorruptDataError } from "../../src/errors.ts";
import type { ElectionState, ReleaseState } from "../../src/election/election-state.ts";
import { isMine } from "../../src/election/election-state.ts";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import { Folding } from "./folding.ts";
import { confirm, following, leading, nowMs, record, sentWrite, term, version } from "./situations.ts";

const others = record("other", { renewTime: "of the other" });
const successor = record("other", { renewTime: "of the other", leaderTransitions: 8 });
const predecessor = record("other", { renewTime: "of the other", leaderTransitions: 6 });
const free = record("", { leaderTransitions: 7, renewTime: "at the release" });
const corrupt = new CorruptDataError("it is no record", { version: "v9" });

function candidate(change: (state: ElectionState) => void = () => {}): Folding {
  return new Folding(following(change));
}

/** A leader of term 7, valid for nine seconds more, with its own last record in hand. */
function leader(change: (state: ElectionState) => void = () => {}): Folding {
  const folding = new Folding(leading(1_000));
  folding.read(own(folding));
  folding.effects();
  change(folding.state);
  return folding;
}

/** The record that a leader has confirmed last. */
function own({ state }: Folding): LeaderElectionRecord {
  const { confirmed } = state.sent;
  if (confirmed === undefined) throw new Error("nothing was confirmed");
  return confirmed.record;
}

/** A leader whose renewal has just lost the race. */
function loser(): Folding {
  const folding = leader();
  folding.outcomes.lostRace(folding.send("renew"));
  return folding;
}

/** A candidate whose term is over, with its last record in hand, and an older one of that term. */
function deposed(): Folding & { readonly old: LeaderElectionRecord } {
  const folding = leader();
  const old = own(folding);
  folding.confirm(folding.send("renew"));
  folding.state.term = undefined;
  folding.state.phase = "following";
  folding.effects();
  return Object.assign(folding, { old });
}

function inHand({ state }: Folding): LeaderElectionRecord {
  if (state.seen.kind !== "record") throw new Error(`in hand is ${state.seen.kind}`);
  return state.seen.record;
}

describe("a record, to a candidate", () => {
  it("is in hand from then on, with the moments of its receipts", () => {
    const folding = candidate();
    folding.draw = 0.25;
    folding.read(others, "v5");
    expect(folding.state.seen).toMatchObject({ record: others, version: "v5", share: 0.25, storedMs: 15_000 });
    expect(folding.state.seen).toMatchObject({ firstReceiptMs: nowMs, lastReceiptMs: nowMs });
    expect(folding.state).toMatchObject({ everSaw: true, lastWaitMs: 15_000, highestTerm: 7 });
  });

  it("keeps its first receipt when it is received again, under any version: an edit postpones nothing (#59)", () => {
    const folding = candidate();
    folding.read(others, "v5");
    folding.atMs += 4_000;
    folding.hint(others, "v6");
    folding.atMs += 4_000;
    folding.read({ ...others, strategy: "edited" }, "v7");
    expect(folding.state.seen).toMatchObject({ version: "v7", firstReceiptMs: nowMs, lastReceiptMs: nowMs + 8_000 });
  });

  it("starts the wait again once it was renewed, within one second too (trace K12)", () => {
    const folding = candidate();
    folding.read(others);
    folding.atMs += 300;
    folding.read({ ...others, renewTime: "of the other, again" }, "v2");
    expect(folding.state.seen).toMatchObject({ firstReceiptMs: nowMs + 300 });
  });

  it("that is free counts by its version as well: two releases may repeat a text (wire W3)", () => {
    const folding = candidate();
    folding.read(free, "v5");
    folding.atMs += 300;
    folding.read(free, "v6");
    expect(folding.state.seen).toMatchObject({ firstReceiptMs: nowMs + 300 });
    folding.atMs += 300;
    folding.read(free, "v6");
    expect(folding.state.seen).toMatchObject({ firstReceiptMs: nowMs + 300 });
  });

  it("demands the wait of its holder, if that is longer (#53)", () => {
    const folding = new Folding(
      following(() => {}),
      { holderGraceMs: 500 },
    );
    folding.read({ ...others, leaseDurationSeconds: 30 });
    expect(folding.state.lastWaitMs).toBe(30_500);
  });

  it("sets the next look by a drawn pause if it was read, but not if it came with a hint", () => {
    const folding = candidate();
    folding.hint(others);
    expect(folding.state.nextPollMs).toBe(nowMs + 3_000);
    folding.draw = 0.5;
    folding.read(others);
    expect(folding.state.nextPollMs).toBe(nowMs + 3_200);
  });

  it("ends the failure of an earlier read", () => {
    for (const receive of ["read", "hint"] as const) {
      const folding = candidate((state) => void (state.readFailed = true));
      folding[receive](others);
      expect(folding.state.readFailed).toBe(false);
    }
  });

  it("answers a read that everything waits for only if that read was sent later", () => {
    const folding = candidate();
    const early = folding.sendRead();
    folding.state.seq += 1;
    folding.state.mustReadSinceSeq = folding.state.seq;
    folding.read(others, "v1", early);
    folding.hint(others);
    expect(folding.state.mustReadSinceSeq).toBeDefined();
    folding.read(others);
    expect(folding.state.mustReadSinceSeq).toBeUndefined();
  });
});

describe("a watch", () => {
  it("is live once a read followed its opening, or a hint brought the record", () => {
    for (const receive of ["read", "hint"] as const) {
      const folding = candidate((state) => void (state.watchOpenedSeq = state.seq));
      folding[receive](others);
      expect(folding.state).toMatchObject({ watchLive: true, watchOpenedSeq: undefined });
    }
  });

  it("is not live by a read that was sent before it opened", () => {
    const folding = candidate();
    const early = folding.sendRead();
    folding.state.seq += 1;
    folding.state.watchOpenedSeq = folding.state.seq;
    folding.read(others, "v1", early);
    expect(folding.state.watchLive).toBe(false);
    folding.readNothing();
    expect(folding.state.watchLive).toBe(true);
  });
});

describe("an absence", () => {
  it("lasts from its first receipt while looks are at most three retry periods apart", () => {
    const folding = candidate();
    folding.readNothing();
    folding.atMs += 6_000;
    folding.readNothing();
    expect(folding.state.seen).toEqual({ kind: "absent", sinceMs: nowMs, lastReceiptMs: nowMs + 6_000 });
  });

  it("starts again after a longer gap: a whole life may have been missed", () => {
    const folding = candidate();
    folding.readNothing();
    folding.atMs += 6_001;
    folding.readNothing();
    expect(folding.state.seen).toMatchObject({ sinceMs: nowMs + 6_001 });
  });

  it("starts again after an older record of my own, which is otherwise ignored", () => {
    const folding = deposed();
    const old = folding.old;
    folding.readNothing();
    folding.atMs += 1_000;
    folding.read(old, "v1");
    expect(folding.state.seen).toMatchObject({ kind: "absent" });
    folding.atMs += 1_000;
    folding.readNothing();
    expect(folding.state.seen).toMatchObject({ sinceMs: folding.atMs });
  });

  it("starts again after a record, and does not forget what that demands", () => {
    const folding = candidate();
    folding.readNothing();
    expect(folding.state.everSaw).toBe(false);
    folding.atMs += 1_000;
    folding.read({ ...others, leaseDurationSeconds: 40 });
    folding.atMs += 1_000;
    folding.readNothing();
    expect(folding.state.seen).toMatchObject({ sinceMs: nowMs + 2_000 });
    expect(folding.state).toMatchObject({ everSaw: true, lastWaitMs: 40_000, highestTerm: 7 });
  });

  it("of one's own erased record is like any other once somebody else was there", () => {
    const folding = candidate((state) => void (state.erasedValidUntilMs = nowMs + 5_000));
    folding.readNothing();
    expect(folding.state.erasedValidUntilMs).toBe(nowMs + 5_000);
    folding.read(others);
    expect(folding.state.erasedValidUntilMs).toBe(-Infinity);
  });
});

describe("a term whose record is gone", () => {
  it("leaves its validity, within which the record may be created again at once", () => {
    const folding = loser();
    folding.readNothing();
    expect(term(folding.state).loss).toBe("erased");
    expect(folding.state.erasedValidUntilMs).toBe(term(folding.state).validUntilMs);
  });

  it("leaves nothing where a read showed anything else since the last confirmation, be it stale", () => {
    for (const see of [(one: Folding) => one.readGarbage(corrupt), (one: Folding) => one.read(predecessor, "v9")]) {
      const folding = leader();
      see(folding);
      expect(term(folding.state).loss).toBeUndefined();
      folding.outcomes.lostRace(folding.send("renew"));
      folding.readNothing();
      expect(term(folding.state).loss).toBe("erased");
      expect(folding.state.erasedValidUntilMs).toBe(-Infinity);
    }
    const confirmed = leader();
    confirmed.readGarbage(corrupt);
    confirmed.confirm(confirmed.send("renew"));
    confirmed.outcomes.lostRace(confirmed.send("renew"));
    confirmed.readNothing();
    expect(confirmed.state.erasedValidUntilMs).toBe(term(confirmed.state).validUntilMs);
  });

  it("leaves nothing where something unreadable, or a blank record, was seen before", () => {
    for (const see of [(one: Folding) => one.readGarbage(corrupt), (one: Folding) => one.read(free, "v9")]) {
      const folding = loser();
      see(folding);
      expect(term(folding.state).loss).toBe("erased");
      folding.readNothing();
      expect(folding.state.erasedValidUntilMs).toBe(-Infinity);
    }
  });
});

describe("an older record of my own, after my term", () => {
  it("is ignored while it may come from a lagging replica, and counts once reads show nothing else for a lease", () => {
    const folding = deposed();
    const before = folding.state.seen;
    for (let seconds = 0; seconds < 15; seconds += 3) {
      folding.read(folding.old, "v1");
      expect(folding.state.seen, `after ${seconds} s`).toBe(before);
      folding.atMs += 3_000;
    }
    folding.hint(folding.old, "v1");
    expect(folding.state.seen, "a hint may be of any age").toBe(before);
    folding.read(folding.old, "v1");
    expect(inHand(folding)).toEqual(folding.old);
    expect(folding.told(), "it is no twin's").not.toContain("duplicateIdentity");
  });

  it("is ignored anew after reads showed anything else", () => {
    const folding = deposed();
    folding.read(folding.old, "v1");
    folding.atMs += 14_000;
    folding.readNothing();
    folding.atMs += 1_000;
    folding.read(folding.old, "v1");
    expect(folding.state.seen.kind).toBe("absent");
  });
});

describe("what cannot be read", () => {
  it("is held by nobody known, and told once for each version", () => {
    const folding = candidate();
    folding.readGarbage(corrupt);
    folding.readGarbage(corrupt);
    expect(folding.state).toMatchObject({ seen: { kind: "unreadable" }, everSaw: true, lastWaitMs: 15_000 });
    expect(folding.told()).toEqual(["unreadableRecord"]);
    folding.readGarbage(new CorruptDataError("it is no record", { version: "v10" }));
    expect(folding.told()).toEqual(["unreadableRecord"]);
  });

  it("is told again if it could be read meanwhile, or was absent", () => {
    const folding = candidate();
    for (const between of [() => folding.read(others), () => folding.readNothing()]) {
      folding.readGarbage(corrupt);
      between();
      folding.effects();
      folding.readGarbage(corrupt);
      expect(folding.told()).toEqual(["unreadableRecord"]);
      between();
    }
  });

  it("keeps a longer wait that an earlier record has demanded", () => {
    const folding = candidate();
    folding.read({ ...others, leaseDurationSeconds: 40 });
    folding.readGarbage(corrupt);
    expect(folding.state.lastWaitMs).toBe(40_000);
  });

  it.each([
    ["no object", "text"],
    ["a holder that is no text", { ...others, holderIdentity: 7 }],
    ["a term that is no number", { ...others, leaderTransitions: "7" }],
    ["a negative term", { ...others, leaderTransitions: -1 }],
    ["a term near the end of int32", { ...others, leaderTransitions: 2 ** 31 - 10 ** 6 + 1 }],
  ])("is %s, read or hinted", (_what, raw) => {
    for (const receive of ["read", "hint"] as const) {
      const folding = candidate();
      folding[receive](raw as LeaderElectionRecord); // cast: what a lock of a stranger hands over
      expect(folding.state.seen).toEqual({ kind: "unreadable" });
      expect(folding.told()).toEqual(["unreadableRecord"]);
    }
  });

  it("is an answer as good as any other", () => {
    const folding = candidate((state) => {
      Object.assign(state, { readFailed: true, watchOpenedSeq: state.seq, mustReadSinceSeq: state.seq });
    });
    folding.draw = 0.5;
    folding.readGarbage(corrupt);
    expect(folding.state).toMatchObject({ readFailed: false, watchLive: true, mustReadSinceSeq: undefined });
    expect(folding.state.nextPollMs).toBe(nowMs + 3_200);
  });

  it("says so in few and printable characters", () => {
    const folding = candidate();
    folding.readGarbage(new Error(`\u001b[2J${"x".repeat(10_000)}`));
    const [effect] = folding.effects();
    expect(effect).toMatchObject({ kind: "alarm", message: expect.stringMatching(/^\\u001b\[2Jx+…$/) });
    expect(JSON.stringify(effect).length).toBeLessThan(700);
    folding.readGarbage("no error at all");
  });
});

describe("a read that failed", () => {
  it("makes a candidate pause by a drawn time, and look again then", () => {
    const folding = candidate();
    folding.draw = 0.5;
    folding.observation.failure(folding.now);
    expect(folding.state).toMatchObject({
      readFailed: true,
      readPauseUntilMs: nowMs + 3_200,
      nextPollMs: nowMs + 3_200,
    });
  });

  it("makes a leader pause by what remains, and blocks nothing else", () => {
    const folding = leader((state) => void (term(state).validUntilMs = nowMs + 3_000));
    folding.observation.failure(folding.now);
    expect(folding.state).toMatchObject({ readFailed: false, readPauseUntilMs: nowMs + 1_000 });
  });

  it("honours what the storage asks for, up to a minute", () => {
    const folding = candidate();
    folding.observation.failure(folding.now, 9_000);
    expect(folding.state.quietUntilMs).toBe(nowMs + 9_000);
    folding.observation.failure(folding.now, 1e9);
    expect(folding.state.quietUntilMs).toBe(nowMs + 60_000);
  });
});

describe("decide G2: mine, and newer than the last confirmed", () => {
  it("is confirmed from its send, however late it is read", () => {
    const folding = leader();
    const write = folding.send("renew");
    folding.outcomes.unknown(write, folding.now);
    folding.atMs += 3_000;
    folding.read(write.record, "v2");
    expect(term(folding.state).validUntilMs).toBe(nowMs + 10_000);
    expect(folding.state.sent.confirmed).toMatchObject({ write, version: "v2" });
    expect(folding.told()).toEqual(["renewed"]);
  });

  it("is confirmed by a hint that brought it, just so", () => {
    const folding = leader();
    const write = folding.send("renew");
    folding.hint(write.record, "v2");
    expect(term(folding.state).validUntilMs).toBe(nowMs + 10_000);
  });

  it("never lowers validity", () => {
    const folding = leader((state) => void (term(state).validUntilMs = nowMs + 60_000));
    folding.read(folding.send("renew").record, "v2");
    expect(term(folding.state).validUntilMs).toBe(nowMs + 60_000);
  });

  it("decide F7: an unknown acquisition that was applied is mine", () => {
    const folding = candidate();
    folding.read(free, "v1");
    const write = folding.send("acquire", { leaderTransitions: 8 });
    folding.outcomes.unknown(write, folding.now);
    expect(isMine(folding.state)).toBe(false);
    folding.read({ ...write.record, leaderTransitions: 12 }, "v2"); // the server has counted another term
    expect(isMine(folding.state)).toBe(true);
    expect(folding.state).toMatchObject({ mustReadSinceSeq: undefined, highestTerm: 12 });
    expect(folding.state.sent.confirmed?.term).toBe(12);
    expect(folding.told()).toEqual([]);
  });
});

describe("decide G3: my last confirmed pair under another version", () => {
  it("is taken with that version and what was edited, and nothing is lost or won", () => {
    const folding = leader();
    const before = { ...term(folding.state) };
    folding.read({ ...own(folding), strategy: "edited" }, "v9");
    expect(folding.state.sent.confirmed?.version).toBe("v9");
    expect(folding.state.sent.confirmed?.record.strategy).toBe("edited");
    expect(folding.state.seen).toMatchObject({ version: "v9", record: { strategy: "edited" } });
    expect({ ...term(folding.state), answeredReadSeq: 0 }).toEqual({ ...before, answeredReadSeq: 0 });
    expect(folding.effects()).toEqual([]);
  });
});

describe("decide G7: what a doubt is judged by", () => {
  it("is the newest read that was answered, in the order of their sends; a hint is none", () => {
    const folding = leader();
    const [older, newer] = [folding.sendRead(), folding.sendRead()];
    folding.read(own(folding), "v1", newer);
    expect(term(folding.state).answeredReadSeq).toBe(newer);
    folding.readNothing(older);
    folding.hint(own(folding));
    expect(term(folding.state).answeredReadSeq).toBe(newer);
    const last = folding.sendRead();
    folding.readGarbage(corrupt, last);
    expect(term(folding.state).answeredReadSeq).toBe(last);
  });
});

describe("decide G4: foreign or free, and not older than my term", () => {
  it.each([
    ["of a successor", successor, "taken"],
    ["of another holder in my own term", others, "taken"],
    ["free, of my term", free, "erased"],
    ["free, of a later term", { ...free, leaderTransitions: 9 }, "erased"],
  ] as const)("a record %s ends the term, read or hinted", (_what, found, loss) => {
    for (const receive of ["read", "hint"] as const) {
      const folding = leader();
      folding[receive](found, "v9");
      expect(term(folding.state)).toMatchObject({ loss, validUntilMs: nowMs + 9_000 });
      expect(inHand(folding)).toEqual(found);
      expect(folding.told()).toEqual(found.holderIdentity === "" ? [] : [`other ${found.leaderTransitions}`]);
    }
  });

  it("of my own identity, newer than what I wrote, is a twin's: taken, and told (#33)", () => {
    const folding = leader();
    folding.read(record("me", { renewTime: "write 999 of a twin" }), "v9");
    expect(term(folding.state).loss).toBe("taken");
    expect(folding.told()).toContain("duplicateIdentity");
  });

  it("in my own term, but read before my newest write was confirmed, may be a half of that: the next write judges", () => {
    for (const found of [others, free]) {
      const folding = leader();
      const early = folding.sendRead();
      folding.confirm(folding.send("renew"));
      folding.read(found, "v9", early);
      expect(term(folding.state)).toMatchObject({ loss: undefined, challenged: true });
      expect(isMine(folding.state)).toBe(true);
      folding.read(found, "v9");
      expect(term(folding.state).loss).toBe(found === free ? "erased" : "taken");
    }
  });

  it("of a later term ends mine, however early it was read", () => {
    const folding = leader();
    const early = folding.sendRead();
    folding.confirm(folding.send("renew"));
    folding.read(successor, "v9", early);
    expect(term(folding.state).loss).toBe("taken");
  });

  it("the first reason stays", () => {
    const folding = leader();
    folding.read(successor, "v8");
    folding.read({ ...free, leaderTransitions: 8 }, "v9");
    expect(term(folding.state).loss).toBe("taken");
    expect(inHand(folding).holderIdentity).toBe("");
  });
});

describe("decide G5: what may be stale", () => {
  it.each([
    ["a record of a smaller term", (folding: Folding) => folding.read(predecessor, "v9")],
    ["a record of a smaller term, hinted", (folding: Folding) => folding.hint(predecessor, "v9")],
    ["a free record of a smaller term", (folding: Folding) => folding.read({ ...free, leaderTransitions: 6 }, "v9")],
    [
      "my own record of an earlier term",
      (folding: Folding) => folding.read(record("me", { leaderTransitions: 6 }), "v9"),
    ],
    ["an absence", (folding: Folding) => folding.readNothing()],
    ["what cannot be read", (folding: Folding) => folding.readGarbage(corrupt)],
  ])("%s asks the next write to judge, and changes nothing else", (_what, receive) => {
    const folding = leader();
    const mine = inHand(folding);
    receive(folding);
    expect(term(folding.state)).toMatchObject({ challenged: true, loss: undefined, validUntilMs: nowMs + 9_000 });
    expect(inHand(folding)).toEqual(mine);
    expect(isMine(folding.state)).toBe(true);
  });

  it("an absence that was read before my last write was confirmed says nothing", () => {
    for (const receive of ["readNothing", "readGarbage"] as const) {
      const folding = leader();
      const early = folding.sendRead();
      folding.confirm(folding.send("renew"));
      if (receive === "readNothing") folding.readNothing(early);
      else folding.readGarbage(corrupt, early);
      expect(term(folding.state)).toMatchObject({ challenged: false, loss: undefined });
    }
  });

  it("an older record of my own term is ignored", () => {
    for (const receive of ["read", "hint"] as const) {
      const folding = leader();
      const old = own(folding);
      folding.confirm(folding.send("renew"));
      const before = { ...term(folding.state), answeredReadSeq: 0 };
      folding[receive](old, "v1");
      expect({ ...term(folding.state), answeredReadSeq: 0 }).toEqual(before);
      expect(folding.state.sent.confirmed?.version).toBe("v2");
      expect(isMine(folding.state)).toBe(true);
    }
  });
});

describe("the truth: a read that was sent after a lost race", () => {
  it.each([
    ["of a successor", successor, "taken"],
    ["of a smaller term", predecessor, "taken"],
    ["that is free, of a smaller term", { ...free, leaderTransitions: 3 }, "erased"],
    ["of mine, but an older one: it was restored (#70)", record("me", { renewTime: "2025" }), "taken"],
  ] as const)("finds a record %s: the term is over", (_what, found, loss) => {
    const folding = loser();
    folding.read(found, "v9");
    expect(term(folding.state)).toMatchObject({ loss, lostRace: undefined });
    expect(inHand(folding)).toEqual(found);
  });

  it("finds nothing, or what cannot be read: erased", () => {
    const gone = loser();
    gone.readNothing();
    expect(term(gone.state)).toMatchObject({ loss: "erased", lostRace: undefined });
    expect(gone.state.seen.kind).toBe("absent");
    const broken = loser();
    broken.readGarbage(corrupt);
    expect(term(broken.state)).toMatchObject({ loss: "erased", lostRace: undefined });
    expect(broken.state.seen.kind).toBe("unreadable");
  });

  it("is none if the read was sent before the lost race", () => {
    const folding = leader();
    const early = folding.sendRead();
    folding.outcomes.lostRace(folding.send("renew"));
    folding.read(predecessor, "v9", early);
    expect(term(folding.state)).toMatchObject({ loss: undefined, challenged: true });
    expect(term(folding.state).lostRace).toBeDefined();
  });

  it("is none if it came with a hint, which may be of any age", () => {
    const folding = loser();
    folding.hint(predecessor, "v9");
    expect(term(folding.state).loss).toBeUndefined();
    expect(term(folding.state).lostRace).toBeDefined();
  });

  it("is none if a write of mine was confirmed after the read was sent", () => {
    const folding = leader();
    const [first, second] = [folding.send("renew"), folding.send("renew", {}, "v9")];
    folding.outcomes.lostRace(second);
    const early = folding.sendRead();
    folding.confirm(first);
    folding.read(predecessor, "v0", early);
    expect(term(folding.state)).toMatchObject({ loss: undefined, challenged: true });
    folding.readNothing(early);
    expect(term(folding.state).loss).toBeUndefined();
  });

  it("finds it mine, edited: again at once, but only every second time", () => {
    const folding = leader();
    const pauses: number[] = [];
    for (let edits = 0; edits < 4; edits += 1) {
      folding.outcomes.lostRace(folding.send("renew", {}, `v${edits + 1}`));
      folding.read(own(folding), `v${edits + 2}`);
      expect(term(folding.state)).toMatchObject({ lostRace: undefined, loss: undefined });
      pauses.push((term(folding.state).retryAtMs ?? Infinity) - folding.atMs);
    }
    expect(pauses).toEqual([0, 2_000, 0, 2_000]);
    expect(folding.state.sent.confirmed?.version).toBe("v5");
  });

  it("finds it mine, edited, after a renewal between: at once again", () => {
    const folding = leader();
    for (let edits = 0; edits < 3; edits += 1) {
      folding.outcomes.lostRace(folding.send("renew"));
      folding.read(own(folding), `edited ${edits}`);
      expect(term(folding.state).retryAtMs).toBe(folding.atMs);
      folding.confirm(folding.send("renew", {}, `edited ${edits}`), `renewed ${edits}`);
    }
  });

  it("finds it mine and unchanged: an older delivery came first, so a pause", () => {
    const folding = loser();
    folding.read(own(folding));
    expect(term(folding.state)).toMatchObject({ lostRace: undefined, loss: undefined, retryAtMs: nowMs + 2_000 });
  });

  it("finds the very write that lost: a proxy had repeated the request (#15)", () => {
    const folding = leader();
    const write = folding.send("renew");
    folding.outcomes.lostRace(write);
    folding.read(write.record, "v2");
    expect(term(folding.state)).toMatchObject({ lostRace: undefined, loss: undefined, validUntilMs: nowMs + 10_000 });
  });

  it("is kept by a candidate, too: a restored record of its own counts for good", () => {
    const folding = candidate((state) => {
      confirm(state, sentWrite(60_000));
      state.mustReadSinceSeq = state.seq;
    });
    const restored = record("me", { renewTime: "2025" });
    folding.read(restored, "v9");
    folding.atMs += 1_000;
    folding.read(restored, "v10");
    expect(inHand(folding)).toEqual(restored);
    expect(folding.state.seen).toMatchObject({ version: "v10", lastReceiptMs: nowMs + 1_000 });
  });

  it("is none to a candidate, if the read was sent before what it has to judge", () => {
    const folding = candidate((state) => confirm(state, sentWrite(60_000)));
    const mine = inHand(folding);
    const early = folding.sendRead();
    folding.state.seq += 1;
    folding.state.mustReadSinceSeq = folding.state.seq;
    folding.read(record("me", { renewTime: "2025" }), "v9", early);
    expect(inHand(folding)).toEqual(mine);
  });
});

describe("an older record of one's own, to a candidate", () => {
  it("is ignored, and not looked for again at once", () => {
    const folding = candidate((state) => confirm(state, sentWrite(60_000)));
    const mine = inHand(folding);
    folding.draw = 0.5;
    folding.read(record("me", { renewTime: "2025" }), "v9");
    expect(inHand(folding)).toEqual(mine);
    expect(folding.state.readPauseUntilMs).toBe(nowMs + 3_200);
  });

  it("hides nothing: one's own record of an earlier term, and everything of others, is taken as it is", () => {
    const folding = candidate((state) => confirm(state, sentWrite(60_000)));
    folding.read(record("me", { renewTime: "2025", leaderTransitions: 6 }), "v9");
    expect(inHand(folding).leaderTransitions).toBe(6);
    folding.read(predecessor, "v10");
    expect(inHand(folding)).toEqual(predecessor);
  });
});

describe("after a lost acquisition, the next read", () => {
  /** A candidate that saw a free record under `v1`, and lost the race for it. */
  function late(change: (state: ElectionState) => void = () => {}): Folding {
    const folding = candidate(change);
    folding.read(free, "v1");
    folding.outcomes.lostRace(folding.send("acquire", { leaderTransitions: 8 }));
    folding.draw = 0.5;
    return folding;
  }

  it("finds another holder: follow it, the window starts anew", () => {
    const folding = late();
    folding.read(successor, "v2");
    expect(folding.state).toMatchObject({ lostAcquisition: undefined, acquirePauseUntilMs: -Infinity });
    expect(folding.state.windowDoublings).toBe(0);
  });

  it("finds the same holder, renewed: the window doubles, ten times at most", () => {
    const folding = candidate();
    for (let races = 1; races <= 20; races += 1) {
      folding.read({ ...others, renewTime: `renewal ${races}` }, `v${races}`);
      expect(folding.state.windowDoublings).toBe(Math.min(races - 1, 10));
      folding.outcomes.lostRace(folding.send("acquire", { leaderTransitions: 8 }, `v${races}`));
    }
  });

  it("finds nothing changed: the refusal was no race, so a pause, and a new share of the window", () => {
    const folding = late();
    folding.read(free, "v1");
    expect(folding.state).toMatchObject({ acquirePauseUntilMs: nowMs + 3_200, windowDoublings: 1 });
    expect(folding.state.seen).toMatchObject({ firstReceiptMs: nowMs, share: 0.5 });
  });

  it("finds it still absent after a lost creation: a pause", () => {
    const folding = candidate();
    folding.readNothing();
    const write = folding.send("acquire", { leaderTransitions: 1 }, "v1");
    Object.assign(write, { expected: undefined });
    folding.outcomes.lostRace(write);
    folding.readNothing();
    expect(folding.state.acquirePauseUntilMs).toBe(nowMs + 2_000);
  });

  it("finds a mere edit: nobody competes, so again at once, three times in a row", () => {
    const folding = candidate();
    folding.read(others, "v0");
    const pausedAfter: boolean[] = [];
    for (let edits = 1; edits <= 5; edits += 1) {
      folding.outcomes.lostRace(folding.send("acquire", { leaderTransitions: 8 }, `v${edits - 1}`));
      folding.state.acquirePauseUntilMs = -Infinity;
      folding.read(others, `v${edits}`);
      pausedAfter.push(folding.state.acquirePauseUntilMs > nowMs);
      expect(folding.state.seen).toMatchObject({ firstReceiptMs: nowMs });
    }
    expect(pausedAfter).toEqual([false, false, false, true, false]);
  });

  it("re-opens a live watch that did not tell the change", () => {
    const folding = late((state) => void (state.watchLive = true));
    folding.read(successor, "v2");
    expect(folding.state.watchLive).toBe(false);
    expect(folding.effects()).toContainEqual({ kind: "reopenWatch" });
  });

  it("does not blame a watch that told of it meanwhile, or that was not live", () => {
    const told = late((state) => void (state.watchLive = true));
    told.hint(successor, "v2");
    told.read(successor, "v2");
    expect(told.state.watchLive).toBe(true);
    const polled = late();
    polled.read(successor, "v2");
    expect([...told.effects(), ...polled.effects()]).not.toContainEqual({ kind: "reopenWatch" });
  });

  it("judges alone: neither a hint nor a read that was sent before", () => {
    const folding = candidate();
    folding.read(free, "v1");
    const early = folding.sendRead();
    folding.outcomes.lostRace(folding.send("acquire", { leaderTransitions: 8 }));
    folding.read(free, "v1", early);
    folding.hint(free, "v1");
    expect(folding.state.lostAcquisition).toBeDefined();
    expect(folding.state.acquirePauseUntilMs).toBe(-Infinity);
  });
});

describe("while a release waits for a look", () => {
  function releasing(change: Partial<ReleaseState> = {}): Folding {
    const folding = leader();
    const target = { record: own(folding), version: version("v1") };
    folding.state.term = undefined;
    folding.state.phase = "releasing";
    folding.state.seq += 1;
    folding.state.release = {
      ...{ untilMs: nowMs + 5_000, target, to: undefined, step: "read", applied: false, notBeforeMs: nowMs },
      ...{ sinceSeq: folding.state.seq, tries: 1, lost: true },
      ...change,
    };
    return folding;
  }

  it("mine means again, on the version just read", () => {
    const folding = releasing();
    folding.read({ ...own(folding), strategy: "edited" }, "v9");
    expect(folding.state.release).toMatchObject({ step: "write", notBeforeMs: nowMs, target: { version: "v9" } });
    expect(folding.state.release?.target.record.strategy).toBe("edited");
  });

  it("a renewal that was applied after all is mine, and is what the next try replaces", () => {
    const folding = releasing();
    const write = folding.send("renew");
    // cast: complete
    folding.state.release = { ...releasing().state.release, sinceSeq: folding.state.seq } as ReleaseState;
    folding.read(write.record, "v9");
    expect(folding.state.release).toMatchObject({ step: "write", target: { record: write.record, version: "v9" } });
  });

  it("mine after an unknown end, or every second lost race, means a pause first (trace E3)", () => {
    for (const change of [{ lost: false }, { tries: 2 }, { tries: 2, lost: false }]) {
      const folding = releasing(change);
      folding.read(own(folding), "v9");
      expect(folding.state.release).toMatchObject({ step: "write", notBeforeMs: nowMs + 250 });
    }
    const third = releasing({ tries: 3 });
    third.read(own(third), "v9");
    expect(third.state.release?.notBeforeMs).toBe(nowMs);
  });

  it("a longer pause that was asked for stays", () => {
    const folding = releasing({ lost: false, notBeforeMs: nowMs + 3_000 });
    folding.read(own(folding), "v9");
    expect(folding.state.release?.notBeforeMs).toBe(nowMs + 3_000);
  });

  it("anything else means that there is nothing to release", () => {
    const ends: readonly ((folding: Folding) => void)[] = [
      (folding) => folding.read(successor, "v9"),
      (folding) => folding.read(free, "v9"),
      (folding) => folding.read(predecessor, "v9"),
      (folding) => folding.read(record("me", { renewTime: "2025" }), "v9"),
      (folding) => folding.readNothing(),
      (folding) => folding.readGarbage(corrupt),
    ];
    for (const end of ends) {
      const folding = releasing();
      end(folding);
      expect(folding.state.release).toMatchObject({ step: "done", applied: false });
    }
  });

  it("neither a hint nor an earlier read decides", () => {
    const folding = releasing();
    folding.hint(successor, "v9");
    folding.read(successor, "v9", (folding.state.release?.sinceSeq ?? 0) - 1);
    expect(folding.state.release?.step).toBe("read");
  });

  it("a read decides nothing while the next try is under way", () => {
    for (const step of ["write", "sent"] as const) {
      const folding = releasing({ step });
      folding.readNothing();
      expect(folding.state.release?.step).toBe(step);
    }
  });
});
