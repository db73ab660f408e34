// Goal: what one event changes for a sink that holds this or that under its identity. Method: a table of situations.
import { describe, expect, it } from "vitest";
import { changesOf, newerOf } from "../../src/kubernetes/reflected-change.ts";

type Known = { uid: string; version: string } | undefined;
const known = (uid: string, version: string): Known => ({ uid, version });

/** `ADDED u1 7`, at the revision of the view, for what is held. */
function told(event: string, at: string, held: Known): readonly string[] | undefined {
  const [type, uid, version] = event.split(" ");
  const resource = { metadata: { name: "a", uid, resourceVersion: version } };
  const head = { namespace: "n", name: "a", uid, version };
  const changes = changesOf({ isDeletion: type === "DELETED", head, resource, revision: at }, held);
  return changes?.map((change) => `${change.kind} ${change.uid} at ${change.revision}`);
}

describe("an event", () => {
  it.each<[string, string, string, Known, readonly string[] | undefined]>([
    ["W-37 is a creation of what was not known", "ADDED u1 7", "6", undefined, ["created u1 at 7"]],
    ["W-37 is a creation also as MODIFIED", "MODIFIED u1 7", "6", undefined, ["created u1 at 7"]],
    ["W-37 is a change of what was known, also as ADDED", "ADDED u1 7", "6", known("u1", "5"), ["modified u1 at 7"]],
    ["W-37 is nothing, if it deletes what is not known", "DELETED u1 7", "6", undefined, []],
    ["is a deletion", "DELETED u1 7", "6", known("u1", "5"), ["deleted u1 at 7"]],
    [
      "is a deletion also under the version that was deleted",
      "DELETED u1 5",
      "6",
      known("u1", "5"),
      ["deleted u1 at 6"],
    ],
    ["W-35 is old, if it is a repetition", "MODIFIED u1 7", "7", known("u1", "7"), undefined],
    ["W-35 is old, if what is held is newer", "MODIFIED u1 7", "7", known("u1", "8"), undefined],
    ["W-35 is old, if it deletes what was there before", "DELETED u1 7", "7", known("u1", "8"), undefined],
    ["W-35 is old, if the view is further: the earlier life", "ADDED u1 5", "9", known("u2", "8"), undefined],
    ["W-35 is old, if the view is further: it is gone since", "ADDED u1 5", "9", undefined, undefined],
    ["W-35 is old, if the view is further: the end before", "DELETED u1 7", "9", known("u2", "8"), undefined],
    ["W-35 is old, if it ended before what is held began", "DELETED u1 7", "6", known("u2", "8"), undefined],
    ["W-35 without an order counts as it comes", "MODIFIED u1 aa", "bb", known("u1", "ab"), ["modified u1 at aa"]],
    ["W-35 without an order is old only if it is equal", "MODIFIED u1 ab", "bb", known("u1", "ab"), undefined],
    [
      "W-24 of another life ends the one before",
      "MODIFIED u2 8",
      "7",
      known("u1", "7"),
      ["deleted u1 at 8", "created u2 at 8"],
    ],
    [
      "that ends a life which nobody knew ends the one before as well",
      "DELETED u2 9",
      "8",
      known("u1", "7"),
      ["deleted u2 at 9"],
    ],
    [
      "of the view's own revision is no repetition: several may share one",
      "ADDED u1 7",
      "7",
      undefined,
      ["created u1 at 7"],
    ],
  ])("%s", (_what, event, at, held, expected) => expect(told(event, at, held)).toEqual(expected));
});

describe("the revision of a view", () => {
  it.each([
    [undefined, "7", "7"],
    ["7", undefined, "7"],
    ["7", "8", "8"],
    ["8", "7", "8"],
    ["bb", "aa", "aa"],
  ])("W-34 after %j and then %j is %j", (before, next, expected) => expect(newerOf(before, next)).toBe(expected));
});
