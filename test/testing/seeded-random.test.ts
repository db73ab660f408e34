// Goal: chance that repeats from a seed, and is good enough to spread candidates.
// Method: compare whole sequences of equal and of neighbouring seeds, and count draws in bins.
import { expect, test } from "vitest";
import { SeededRandom } from "../../src/testing/seeded-random.ts";

const draws = (seed: number): number[] => {
  const random = new SeededRandom(seed);
  return Array.from({ length: 20 }, () => random.next());
};

test("the same seed gives the same draws, another seed gives others", () => {
  expect(draws(7)).toEqual(draws(7));
  const sequences = [0, 1, 2, 7, -1, 2 ** 32, 2 ** 40].map((seed) => draws(seed).join());
  expect(new Set(sequences).size).toBe(sequences.length);
});

test("draws lie in [0, 1) and fill it evenly", () => {
  const random = new SeededRandom(1);
  const bins = Array.from({ length: 10 }, () => 0);
  for (let draw = 0; draw < 10_000; draw += 1) {
    const bin = Math.floor(random.next() * 10);
    bins[bin] = (bins[bin] ?? Number.NaN) + 1;
  }
  for (const count of bins) expect(count).toBeGreaterThan(850);
  expect(bins).toHaveLength(10);
});

test("a uuid has the form of version 4, and none comes twice", () => {
  const random = new SeededRandom(3);
  const uuids = Array.from({ length: 1_000 }, () => random.uuid());
  for (const uuid of uuids)
    expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(new Set(uuids).size).toBe(1_000);
  expect(new SeededRandom(3).uuid()).toBe(uuids[0]);
});
