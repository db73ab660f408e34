// Goal: two versions travel as one, and nothing else is taken for such a pair. Method: each pair there and back, and a
// list of texts that are none.
import { expect, it } from "vitest";
import { joinedVersion, splitVersion } from "../../src/lock/joined-version.ts";
import type { Version } from "../../src/storage/versioned-storage.ts";

const [first, second] = ["1/2", '["x"]'] as Version[]; // cast: as locks tell them

it("splits what it joined, with halves that are absent", () => {
  expect(splitVersion(joinedVersion(first, second))).toEqual({ first, second });
  expect(splitVersion(joinedVersion(first, undefined))).toEqual({ first });
  expect(splitVersion(joinedVersion(undefined, second))).toEqual({ second });
});

it.each(["", "x", "null", "{}", "[]", "[null,null]", '["1"]', '["1","2","3"]', "[1,2]", '["1",{}]'])(
  "takes %j for no pair",
  (text) => {
    expect(splitVersion(text as Version)).toBeUndefined(); // cast: of another lock
  },
);
