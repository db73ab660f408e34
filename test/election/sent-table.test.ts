// Goal: the table knows exactly the writes of one's own that may still matter, and names each by its pair. Method:
// writes in every order of sending, answering and confirming, and what is left of them.
import { describe, expect, it } from "vitest";
import { heldPair, SentTable, type SentWrite } from "../../src/election/sent-table.ts";
import { record, version } from "./situations.ts";

/** The write number `seq`, which names version `expected`. */
function write(seq: number, expected: string | undefined, more: Partial<SentWrite> = {}): SentWrite {
  const mine = record("me", { renewTime: `write ${seq}` });
  return {
    ...{ kind: "renew", pair: heldPair(mine), record: mine, sentAtMs: seq * 10, sentSeq: seq },
    ...{ expected: expected === undefined ? undefined : version(expected), status: "underWay", endedSeq: 0 },
    ...more,
  };
}

function confirm(table: SentTable, confirmed: SentWrite): void {
  const { record, sentSeq } = confirmed;
  table.confirm({ write: confirmed, version: version(`v${sentSeq}`), record, term: 7, seq: sentSeq + 1 });
}

function tableOf(...writes: readonly SentWrite[]): SentTable {
  const table = new SentTable();
  for (const each of writes) table.add(each);
  return table;
}

describe("a pair", () => {
  it("names one write: holder and renew time as the stored text", () => {
    const pair = heldPair(record("a", { renewTime: "b" }));
    expect(heldPair(record("a", { renewTime: "b", leaderTransitions: 9, acquireTime: "other" }))).toBe(pair);
    expect(heldPair(record("a", { renewTime: "b " }))).not.toBe(pair);
    expect(heldPair(record("ab", { renewTime: "" }))).not.toBe(pair);
  });

  it("is found in the table, whether it is confirmed or not", () => {
    const [first, second] = [write(1, "v0"), write(2, "v0")];
    const table = tableOf(first, second);
    expect(table.find(first.pair)).toBe(first);
    confirm(table, first);
    expect(table.find(first.pair)).toBe(first);
    expect(table.find(heldPair(record("other")))).toBeUndefined();
    expect(table.find("")).toBeUndefined();
  });
});

describe("a confirmation", () => {
  it("drops what was sent before: it can no longer be applied, for each write names its version", () => {
    const [older, confirmed] = [write(1, "v0"), write(2, "v1")];
    const table = tableOf(older, confirmed);
    confirm(table, confirmed);
    expect(table.holds(older)).toBe(false);
    expect(table.find(older.pair)).toBeUndefined();
    expect(table.later).toEqual([]);
  });

  it("drops what names the version that it replaced, though it was sent later", () => {
    const [confirmed, twin] = [write(1, "v0"), write(2, "v0")];
    const table = tableOf(confirmed, twin);
    confirm(table, confirmed);
    expect(table.holds(twin)).toBe(false);
    expect(table.newest()).toBeUndefined();
  });

  it("keeps what was sent later on another version", () => {
    const [confirmed, later] = [write(1, "v0"), write(2, "v1")];
    const table = tableOf(confirmed, later);
    confirm(table, confirmed);
    expect(table.later).toEqual([later]);
    expect(table.newest()).toBe(later);
  });

  it("drops two creations alike: both name that nothing is there", () => {
    const [confirmed, twin] = [write(1, undefined), write(2, undefined)];
    const table = tableOf(confirmed, twin);
    confirm(table, confirmed);
    expect(table.later).toEqual([]);
  });

  it("ends that the confirmed write itself is waited for", () => {
    const confirmed = write(1, "v0");
    const table = tableOf(confirmed);
    confirm(table, confirmed);
    expect(table.holds(confirmed)).toBe(false);
    expect(table.underWay()).toBe(0);
    expect(table.confirmed?.write).toBe(confirmed);
    expect(table.confirmed?.version).toBe("v1");
  });

  it("replaces the earlier one, whose pair is a stranger's from then on", () => {
    const [first, second] = [write(1, "v0"), write(2, "v1")];
    const table = tableOf(first);
    confirm(table, first);
    table.add(second);
    confirm(table, second);
    expect(table.find(first.pair)).toBeUndefined();
    expect(table.find(second.pair)).toBe(second);
  });
});

describe("other ends", () => {
  it("drop nothing: a write that lost its race may have been delivered twice, and applied", () => {
    const writes = (["lost", "unknown", "refused"] as const).map((status, index) => write(index, "v0", { status }));
    const table = tableOf(...writes);
    expect(table.later).toEqual(writes);
    for (const each of writes) expect([table.holds(each), table.find(each.pair)]).toEqual([true, each]);
  });

  it("do not count as under way", () => {
    const ended = (["lost", "unknown", "refused"] as const).map((status, index) => write(index, "v0", { status }));
    const table = tableOf(...ended, write(8, "v0"), write(9, "v0"));
    expect(table.underWay()).toBe(2);
    expect(table.newest()?.sentSeq).toBe(9);
  });
});

describe("the bound", () => {
  it("keeps the 32 newest writes beside the confirmed one", () => {
    const first = write(0, "v0");
    const table = tableOf(first);
    confirm(table, first);
    const writes = Array.from({ length: 40 }, (_, index) => write(index + 1, "v1"));
    for (const each of writes) table.add(each);
    expect(table.later).toEqual(writes.slice(-32));
    expect(table.find(first.pair)).toBe(first);
    expect(writes.filter((each) => table.holds(each))).toHaveLength(32);
  });

  it("of an empty table holds nothing", () => {
    const table = new SentTable();
    expect([table.confirmed, table.newest(), table.underWay(), table.later]).toEqual([undefined, undefined, 0, []]);
    expect(table.holds(write(1, "v0"))).toBe(false);
  });
});
