// Goal: at most one leader acts, and somebody leads once faults end, whatever the clocks, the network and the processes
// do. Method: real electors on a virtual clock, network and store, driven from a seed; the history of each run is
// judged.
import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { simulate } from "./simulate.ts";

const kept: unknown = JSON.parse(await readFile(new URL("seeds.json", import.meta.url), "utf8"));

interface KeptSeed {
  readonly seed: number;
  readonly drift?: number;
  readonly found: string;
}

function keptSeeds(): KeptSeed[] {
  // cast: a file of ours, whose shape the first assertion checks
  const { seeds } = kept as { seeds: KeptSeed[] };
  expect(seeds.every(({ seed, found }) => Number.isInteger(seed) && found !== "")).toBe(true);
  return seeds;
}

async function violationsOf(seed: number, drift?: number): Promise<string[]> {
  const result = await simulate(seed, drift === undefined ? {} : { drift });
  return result.violations.map(
    ({ invariant, atMs, text }) => `seed ${seed}, ${atMs.toFixed(0)} ms, ${invariant}: ${text}`,
  );
}

describe("simulated elections", () => {
  test.each(keptSeeds())("seed $seed stays repaired: $found", async ({ seed, drift }) => {
    expect(await violationsOf(seed, drift)).toEqual([]);
  });

  test("keep every promise over 60 seeds", { timeout: 120_000 }, async () => {
    const violations: string[] = [];
    let terms = 0;
    for (let seed = 1; seed <= 60; seed += 1) {
      const result = await simulate(seed);
      terms += result.terms;
      for (const { invariant, text } of result.violations) violations.push(`seed ${seed}, ${invariant}: ${text}`);
    }
    expect(violations).toEqual([]);
    expect(terms, "the promises must not hold because nobody ever led").toBeGreaterThan(500);
  });

  test(
    "do overlap with clocks beyond the proved bound, so the judge can see it (#4)",
    { timeout: 120_000 },
    async () => {
      let overlap: string | undefined;
      for (let seed = 1; seed <= 150 && overlap === undefined; seed += 1) {
        overlap = (await violationsOf(seed, 0.35)).find((text) => text.includes(" S1: "));
      }
      expect(overlap).toMatch(/acts after/);
    },
  );

  test("are the same for the same seed", async () => {
    const [first, second] = [await simulate(7), await simulate(7)];
    expect(second.events).toEqual(first.events);
    expect(second.writes).toEqual(first.writes);
  });
});
