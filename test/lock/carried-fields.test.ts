// Goal: the memory of others' fields is bounded, and forgets what was remembered longest ago.
// Method: remember more versions than fit, and ask for each.
import { expect, test } from "vitest";
import { CarriedFields } from "../../src/lock/carried-fields.ts";

test("the last eight versions are known, with their fields or without", () => {
  const carried = new CarriedFields();
  for (let version = 1; version <= 9; version += 1)
    carried.remember(`v${version}`, version % 2 ? { version } : undefined);
  expect(carried.has("v1")).toBe(false);
  for (let version = 2; version <= 9; version += 1) expect(carried.has(`v${version}`)).toBe(true);
  expect([carried.get("v2"), carried.get("v3")]).toEqual([undefined, { version: 3 }]);
});

test("a version that is remembered again counts as new", () => {
  const carried = new CarriedFields();
  for (let version = 1; version <= 8; version += 1) carried.remember(`v${version}`, undefined);
  carried.remember("v1", { again: true });
  carried.remember("v9", undefined);
  expect([carried.has("v1"), carried.has("v2")]).toEqual([true, false]);
  expect(carried.get("v1")).toEqual({ again: true });
});
