// Goal: real chance has the shape that the seeded one imitates. Method: draws of both kinds, checked for range and
// form.
import { expect, test } from "vitest";
import { systemRandom } from "../../src/system/random.ts";

test("draws lie in [0, 1), and differ", () => {
  const draws = Array.from({ length: 1_000 }, () => systemRandom.next());
  for (const draw of draws) expect(draw >= 0 && draw < 1).toBe(true);
  expect(new Set(draws).size).toBeGreaterThan(990);
});

test("a uuid is one of version 4, and never comes twice", () => {
  const uuids = Array.from({ length: 1_000 }, () => systemRandom.uuid());
  for (const uuid of uuids)
    expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(new Set(uuids).size).toBe(1_000);
});
