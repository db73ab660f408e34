// Goal: what is odd about a received record is noticed once, the holders that are told have growing terms, and waits
// count from a pair's first receipt. Method: records of other candidates, of strangers and of twins, read and hinted in
// every order.
import { describe, expect, it } from "vitest";
import { reportLeader } from "../../src/election/sightings.ts";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import { Folding } from "./folding.ts";
import { confirm, following, nowMs, record, sentWrite } from "./situations.ts";

function candidate(): Folding {
  return new Folding(following(() => {}));
}

let writes = 0;

/** A record with a renew time of its own. */
function written(
  holder: string,
  leaderTransitions: number,
  more: Partial<LeaderElectionRecord> = {},
): LeaderElectionRecord {
  writes += 1;
  return record(holder, { renewTime: `time ${String(writes).padStart(6, "0")}`, leaderTransitions, ...more });
}

function firstReceiptMs({ state }: Folding): number | undefined {
  return state.seen.kind === "record" ? state.seen.firstReceiptMs : undefined;
}

describe("first receipts", () => {
  it("are kept when an older pair was in hand between: a late sighting does not restart a wait", () => {
    const folding = candidate();
    const [old, present] = [written("other", 7), written("other", 7)];
    folding.read(old);
    folding.read(present);
    folding.atMs += 9_000;
    folding.hint(old);
    folding.read(present);
    expect(firstReceiptMs(folding)).toBe(nowMs);
  });

  it("are kept for the 32 pairs that were received last", () => {
    const folding = candidate();
    const records = Array.from({ length: 33 }, () => written("other", 7));
    for (const each of records) folding.read(each);
    expect(folding.state.firstReceipts.size).toBe(32);
    folding.atMs += 1_000;
    folding.read(records[1] ?? written("missing", 0));
    expect(firstReceiptMs(folding)).toBe(nowMs);
    folding.read(records[0] ?? written("missing", 0));
    expect(firstReceiptMs(folding)).toBe(nowMs + 1_000);
    expect(folding.state.firstReceipts.size).toBe(32);
  });

  it("of a pair that is received again and again outlive those of pairs that came later", () => {
    const folding = candidate();
    const present = written("other", 7);
    for (let others = 0; others < 100; others += 1) {
      folding.read(present);
      folding.hint(written("other", 7));
    }
    folding.atMs += 1_000;
    folding.read(present);
    expect(firstReceiptMs(folding)).toBe(nowMs);
  });

  it("are not collected without bound for one's own writes", () => {
    const folding = candidate();
    for (let terms = 0; terms < 100; terms += 1) folding.confirm(folding.send("acquire", { leaderTransitions: terms }));
    expect(folding.state.firstReceipts.size).toBeLessThanOrEqual(32);
  });

  it("come with a share of the herd window that is drawn once for each pair", () => {
    const folding = candidate();
    const [first, second] = [written("other", 7), written("other", 7)];
    const shareOf = (found: LeaderElectionRecord, draw: number): number | undefined => {
      folding.draw = draw;
      folding.hint(found);
      return folding.state.seen.kind === "record" ? folding.state.seen.share : undefined;
    };
    expect([shareOf(first, 0.1), shareOf(first, 0.2), shareOf(second, 0.3), shareOf(first, 0.4)]).toEqual([
      ...[0.1, 0.1, 0.3, 0.1],
    ]);
  });

  it("of a read with a smaller term count, so that a restored record can be waited for", () => {
    const folding = candidate();
    folding.read(written("other", 9));
    const restored = written("other", 4);
    folding.read(restored);
    folding.atMs += 5_000;
    folding.read(restored);
    expect(firstReceiptMs(folding)).toBe(nowMs);
  });

  it("of a hint with a smaller term do not count: only a read tells whether the record went back", () => {
    const folding = candidate();
    folding.read(written("other", 9));
    const older = written("other", 8);
    folding.hint(older);
    expect(folding.state.hintPending).toBe(true);
    folding.atMs += 1_000;
    folding.read(older);
    expect(firstReceiptMs(folding)).toBe(nowMs + 1_000);
  });
});

describe("the window of the herd", () => {
  it("starts anew with another holder, and with no mere renewal", () => {
    const folding = candidate();
    folding.read(written("other", 7));
    folding.state.windowDoublings = 4;
    folding.read(written("other", 7));
    expect(folding.state.windowDoublings).toBe(4);
    folding.read(written("third", 8));
    expect(folding.state.windowDoublings).toBe(0);
  });
});

describe("a stored duration", () => {
  it.each([
    ["missing", undefined],
    ["zero", 0],
    ["negative", -1],
    ["no whole number", 1.5],
    ["no number", "15"],
    ["beyond int32", 2 ** 31],
  ])("that is %s is told, and counts as one's own (decide F12)", (_what, leaseDurationSeconds) => {
    const folding = candidate();
    const found = { ...written("other", 7), leaseDurationSeconds };
    folding.read(found as LeaderElectionRecord); // cast: what strangers store
    expect(folding.told()).toEqual(["hostileDuration", "other 7"]);
    expect(folding.state.lastWaitMs).toBe(15_000);
    expect(folding.state.seen).toMatchObject({ storedMs: undefined });
  });

  it("beyond what is honoured is told, and kept for what it is (decide F11)", () => {
    const folding = candidate();
    folding.read(written("other", 7, { leaseDurationSeconds: 3_600 }));
    expect(folding.told()).toEqual(["other 7"]);
    folding.read(written("other", 7, { leaseDurationSeconds: 3_601 }));
    expect(folding.told()).toEqual(["hostileDuration"]);
    expect(folding.state.seen).toMatchObject({ storedMs: 3_601_000 });
  });

  it("is told once for each holder and duration, however often it is renewed", () => {
    const folding = candidate();
    for (let renewals = 0; renewals < 5; renewals += 1)
      folding.read(written("other", 7, { leaseDurationSeconds: 9_999 }));
    expect(folding.told()).toEqual(["hostileDuration", "other 7"]);
    folding.read(written("third", 8, { leaseDurationSeconds: 9_999 }));
    expect(folding.told()).toEqual(["hostileDuration", "third 8"]);
  });

  it("of a free record does not matter", () => {
    const folding = candidate();
    folding.read(written("", 7, { leaseDurationSeconds: 9_999 }));
    expect(folding.told()).toEqual([]);
  });

  it("is told in words that fit it", () => {
    const messageOf = (leaseDurationSeconds: number | undefined): unknown => {
      const folding = candidate();
      const found: object = { ...written("other", 7), leaseDurationSeconds };
      folding.read(found as LeaderElectionRecord); // cast: as above
      return folding.effects()[0];
    };
    expect(messageOf(9_999)).toMatchObject({ message: "other has stored a lease of 9999 s" });
    expect(messageOf(undefined)).toMatchObject({ message: "other has stored no usable lease duration" });
  });

  it("is told without the control characters of its holder (#58)", () => {
    const folding = candidate();
    folding.read(written("\u001b[2Jevil\n", 7, { leaseDurationSeconds: 9_999 }));
    expect(folding.effects()[0]).toMatchObject({ message: expect.stringContaining("\\u001b[2Jevil\\u000a") });
  });
});

describe("a term that goes back", () => {
  it("is told before the holder whom it brings, once, and makes an elector unhealthy (S13)", () => {
    const folding = candidate();
    folding.read(written("other", 20));
    folding.effects();
    folding.read(written("third", 4));
    folding.read(written("third", 4));
    expect(folding.told()).toEqual(["termRegression", "third 4"]);
    expect(folding.state).toMatchObject({ termWentBack: true, highestTerm: 20 });
  });

  it("is told for each further restore", () => {
    const folding = candidate();
    folding.read(written("other", 20));
    folding.read(written("third", 4));
    folding.read(written("third", 3));
    folding.read(written("other", 3));
    expect(folding.told().filter((line) => line === "termRegression")).toHaveLength(3);
  });

  it("is settled by a term that is not below the highest, and told again afterwards", () => {
    const folding = candidate();
    folding.read(written("other", 20));
    folding.read(written("third", 4));
    folding.read(written("other", 20));
    expect(folding.state.termWentBack).toBe(false);
    folding.effects();
    folding.read(written("third", 4));
    expect(folding.told()).toEqual(["termRegression", "third 4"]);
  });

  it("is never believed of a hint, which may be of any age", () => {
    const folding = candidate();
    folding.read(written("other", 20));
    folding.effects();
    folding.hint(written("third", 4));
    expect(folding.told()).toEqual([]);
    expect(folding.state).toMatchObject({ termWentBack: false, hintPending: true });
  });

  it.each(["read", "hint"] as const)(
    "is told and waited for anew if it is a pair of long ago, by a %s first",
    (first) => {
      const folding = candidate();
      const old = written("third", 4);
      folding.read(old);
      folding.read(written("other", 20));
      folding.effects();
      folding.atMs += 7_000;
      folding[first](old);
      expect(folding.told().filter((line) => line === "termRegression")).toHaveLength(first === "read" ? 1 : 0);
      folding.atMs += 2_000;
      folding.read(old);
      expect(firstReceiptMs(folding)).toBe(first === "read" ? nowMs + 7_000 : nowMs + 9_000);
      expect(folding.state.termWentBack).toBe(true);
      folding.atMs += 2_000;
      folding.read(old);
      expect(firstReceiptMs(folding)).toBe(first === "read" ? nowMs + 7_000 : nowMs + 9_000);
    },
  );

  it("is no matter within one term, nor in a free record of the same term", () => {
    const folding = candidate();
    folding.read(written("other", 20));
    folding.read(written("", 20));
    folding.read(written("third", 20));
    expect(folding.told()).toEqual(["other 20", "third 20"]);
  });
});

describe("a twin: another process with one's own identity (#33)", () => {
  it("is told once, and is foreign", () => {
    const folding = candidate();
    folding.read(written("me", 3));
    folding.read(written("me", 3));
    expect(folding.told()).toEqual(["duplicateIdentity", "me 3"]);
  });

  it("is told again after somebody else held the lease", () => {
    const folding = candidate();
    folding.read(written("me", 3));
    folding.read(written("other", 4));
    folding.effects();
    folding.read(written("me", 5));
    expect(folding.told()).toEqual(["duplicateIdentity", "me 5"]);
  });

  it("is not one's own record, nor one of an earlier own term", () => {
    const folding = candidate();
    const write = sentWrite(60_000);
    confirm(folding.state, write);
    folding.state.begunTerm = 7;
    folding.read(write.record);
    folding.read(written("me", 6));
    expect(folding.told()).not.toContain("duplicateIdentity");
  });
});

describe("new leaders", () => {
  it("are told once for each change, with growing terms", () => {
    const folding = candidate();
    for (const [holder, term] of [
      ["a", 1],
      ["a", 1],
      ["b", 2],
      ["", 2],
      ["b", 3],
      ["a", 4],
    ] as const) {
      folding.read(written(holder, term));
    }
    expect(folding.told()).toEqual(["a 1", "b 2", "a 4"]);
  });

  it("are told of an old record that is seen again only after the alarm, and never by a hint", () => {
    const folding = candidate();
    const old = written("a", 1);
    folding.read(old);
    folding.read(written("b", 2));
    folding.effects();
    folding.hint(old);
    expect(folding.told()).toEqual([]);
    expect(folding.state.reported).toEqual({ identity: "b", term: 2 });
    folding.read(old);
    expect(folding.told()).toEqual(["termRegression", "a 1"]);
  });

  it("who lead again in a later term are no change, but later holders are compared with that term", () => {
    const { state } = candidate();
    reportLeader(state, "a", 5);
    reportLeader(state, "a", 9);
    reportLeader(state, "a", 7);
    expect(state.reported).toEqual({ identity: "a", term: 9 });
    reportLeader(state, "b", 8);
    reportLeader(state, "b", 10);
    expect(state.effects).toEqual([
      { kind: "newLeader", identity: "a", term: 5 },
      { kind: "newLeader", identity: "b", term: 10 },
    ]);
  });
});
