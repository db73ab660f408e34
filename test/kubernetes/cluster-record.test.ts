// Goal: the record of a cluster's lock and the global one say together whether this candidate holds both, whom it has
// to wait for, or that both may be tried (K-56). Method: a table of situations, as one candidate of a cluster sees
// them.
import { describe, expect, it } from "vitest";
import { clusterRecord } from "../../src/kubernetes/cluster-record.ts";
import type { GlobalLook } from "../../src/kubernetes/global-lease.ts";
import { unknownHolder } from "../../src/lock/multi-lock.ts";
import type { ObservedRecord } from "../../src/lock/resource-lock.ts";
import type { Version } from "../../src/storage/versioned-storage.ts";

const text = (second: number): string => `2026-11-21T09:00:${String(second).padStart(2, "0")}.000000Z`;
const reader = { label: "eu", self: "me_1", letGo: "" };

function observed(holderIdentity: string, second: number, leaderTransitions: number, seconds: number): ObservedRecord {
  const times = { acquireTime: text(0), renewTime: text(second) };
  const record = { holderIdentity, leaseDurationSeconds: seconds, ...times, leaderTransitions };
  return { record, version: `v${second}` as Version }; // cast: as a lock tells it
}

/** The cluster's lock. */
const here = (holder: string, second = 10, term = 3): ObservedRecord => observed(holder, second, term, 15);
/** The global one. */
const there = (holder: string, second = 10, isOwn = false): GlobalLook => ({
  observed: observed(holder, second, 4, 21),
  isOwn,
});

function told(local: ObservedRecord | undefined, global: GlobalLook | undefined, letGo = ""): unknown {
  const look = clusterRecord(local, global, { ...reader, letGo });
  if (look === undefined) return undefined;
  const { holderIdentity, renewTime, leaderTransitions, leaseDurationSeconds } = look.record;
  return [holderIdentity, renewTime, leaderTransitions, leaseDurationSeconds, look.isMine];
}

describe("a look at both records", () => {
  it.each([
    ["nothing", undefined, undefined, undefined],
    ["no global record, the cluster's lock free", here(""), undefined, ["", text(10), 3, 15, false]],
    ["no global record, held here by me", here("me_1"), undefined, ["", text(10), 3, 15, false]],
    ["no global record, held here by a neighbour", here("you_2"), undefined, ["you_2", text(10), 3, 15, false]],
    ["another cluster, nobody here", undefined, there("us"), ["us", text(10), 4, 21, false]],
    ["another cluster, free here", here(""), there("us"), ["us", text(10), 4, 21, false]],
    ["another cluster, held here by me", here("me_1"), there("us"), ["us", text(10), 4, 21, false]],
    ["free, free here", here(""), there(""), ["", text(10), 4, 21, false]],
    ["free, held here by me", here("me_1"), there(""), ["", text(10), 4, 21, false]],
    ["free, held here by a neighbour", here("you_2"), there("", 5), ["you_2", text(10), 4, 15, false]],
    ["my cluster, held here by a neighbour", here("you_2"), there("eu", 9), ["you_2", text(10), 4, 15, false]],
    ["my cluster, free here: its holder has let go", here(""), there("eu"), ["", text(10), 4, 21, false]],
    ["my cluster, the lock here is gone", undefined, there("eu"), [unknownHolder, text(10), 4, 21, false]],
    ["my own signal, the lock here is gone", undefined, there("eu", 10, true), [unknownHolder, text(10), 4, 21, false]],
    ["a neighbour's signal that I have waited out", here("me_1"), there("eu", 9), ["", text(9), 4, 21, false]],
    ["both mine", here("me_1"), there("eu", 10, true), ["eu", text(10), 4, 21, true]],
    ["a renewal that is not signalled yet", here("me_1", 12), there("eu", 10, true), ["eu", text(10), 4, 21, true]],
    ["a look at the lock here from before", here("me_1", 8), there("eu", 10, true), ["eu", text(8), 4, 21, true]],
  ] as const)("%s", (_what, local, global, expected) => {
    expect(told(local, global)).toEqual(expected);
  });

  it("another cluster, and a neighbour that is about to contend: a change of either begins the wait anew", () => {
    const looks = [
      [here("you_2", 10), there("us", 10)],
      [here("you_2", 11), there("us", 10)],
      [here("you_2", 11), there("us", 11)],
      [here("she_3", 11), there("us", 11)],
    ] as const;
    const records = looks.map(([local, global]) => clusterRecord(local, global, reader)?.record);
    expect(records.map((record) => record?.holderIdentity)).toEqual(["us", "us", "us", "us"]);
    expect(records.map((record) => record?.leaseDurationSeconds)).toEqual([21, 21, 21, 21]);
    expect(new Set(records.map((record) => record?.renewTime)).size).toBe(4);
  });

  it("what I let go of is no holding any more, however late a look comes that shows it", () => {
    expect(told(here("me_1", 10), there("eu", 9, true), text(10))).toEqual(["", text(9), 4, 21, false]);
    expect(told(here("me_1", 11), there("eu", 10, true), text(10))).toEqual(["", text(10), 4, 21, false]);
    expect(told(here("me_1", 11), there("eu", 11, true), text(10))).toEqual(["eu", text(11), 4, 21, true]);
  });

  it("names both versions, and tells who runs another program", () => {
    const foreign = { ...here("you_2"), foreign: true };
    expect(clusterRecord(foreign, there("eu", 9), reader)).toMatchObject({ version: '["v10","v9"]', foreign: true });
    expect(clusterRecord(undefined, there("us", 9), reader)).toMatchObject({ version: '[null,"v9"]' });
    expect(clusterRecord(here("you_2"), there("eu"), reader)).not.toHaveProperty("foreign");
  });
});
