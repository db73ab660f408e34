// Goal: a namespace or a name that cannot be part of a key is refused when the lock is made.
// Method: compare the verdict with that of the storages' own grammar, over names of each kind.
import { expect, test } from "vitest";
import { leasePlace, segmentProblems } from "../../src/lock/lease-place.ts";
import { leaseKey } from "../../src/storage/keys.ts";

const good = ["billing", "a.b", "Größe", "con", "a%2fb", "@", ".lock", "A".repeat(84), "a".repeat(253), "𝒳"];
const bad = ["", ".", "..", "a/b", "a\u0000b", "tab\t", "\ud800", "e\u0301", "a".repeat(254), "ä".repeat(43)];

test("good names make the key that storages use, and pass there too", () => {
  for (const name of good) {
    expect(segmentProblems("name", name)).toEqual([]);
    expect(leasePlace("default", name)).toBe(leaseKey("default", name));
  }
});

test("bad names are refused here as there, naming the option, with control characters escaped", () => {
  for (const name of bad) {
    expect(() => leaseKey("default", name)).toThrow();
    const problems = segmentProblems("name", name);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^name \("/);
    expect(problems[0]).not.toMatch(/\p{Cc}/u);
  }
  expect(segmentProblems("namespace", 5)).toEqual(["namespace must be text, not number"]);
});
