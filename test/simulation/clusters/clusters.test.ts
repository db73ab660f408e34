// Goal: over two clusters and one storage at most one leader acts, and one leads once faults end (K-114).
// Method: real locks, electors and controllers on virtual clocks and networks, driven from seeds; each run is judged.
import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { Chance } from "../chance.ts";
import { playSeeds } from "../jobs.ts";
import { hashOf } from "../simulate.ts";
import { playOn } from "../stages.ts";
import { clusterFaultNames, drawClusterPlan, type ClusterPlanOptions } from "./cluster-plan.ts";
import { simulateClusters, type ClustersResult } from "./simulate-clusters.ts";

interface KeptSeed {
  readonly seed: number;
  /** What it had drawn; kinds of faults that were added later stay out. */
  readonly faults: readonly string[];
  readonly found: string;
}

const { seeds: keptSeeds } = JSON.parse(await readFile(new URL("seeds.json", import.meta.url), "utf8")) as {
  seeds: KeptSeed[]; // cast: a file of ours, whose shape a test below checks
};

/** What befalls messages or says how a run is set up, and what cannot come together with a hand in the resource. */
const lasting: readonly string[] = [
  ...["requestLost", "answerLost", "late", "doubled", "reordered", "refused", "failsAfter", "repeated"],
  ...["watchLate", "watchCut", "mixedSpecs", "aimed", "recordDeleted"],
];

/** For a machine that is busy with other things; by itself each takes some seconds. */
const slow = { timeout: 600_000 };

/** Some seeds with these faults only; none may break a promise. */
async function play(count: number, options: ClusterPlanOptions): Promise<readonly ClustersResult[]> {
  const results: ClustersResult[] = [];
  for (let seed = 1; seed <= count; seed += 1) results.push(await simulateClusters(seed, options));
  const broken = results.flatMap(({ plan, violations }) =>
    violations.map(({ invariant, text }) => `seed ${plan.seed}, ${invariant}: ${text}`),
  );
  expect(broken).toEqual([]);
  for (const { ledShare, terms } of results) expect([ledShare > 0.9, terms > 0]).toEqual([true, true]);
  return results;
}

/** How often the faults have struck. */
function strikes(results: readonly ClustersResult[], fault: string): number {
  const notes = results.flatMap(({ events }) => events.filter((event) => event.what === "note"));
  return notes.filter(({ text }) => text.startsWith(`${fault} `)).length;
}

describe("two simulated clusters", () => {
  test("K-114: keep every promise, whatever a seed draws", slow, async () => {
    const { answers, terms } = await playSeeds({ stage: "clusters", from: 1, seeds: 8, jobs: 2 });
    const broken = answers.flatMap(({ seed, violations }) =>
      violations.map(({ invariant, text }) => `seed ${seed}, ${invariant}: ${text}`),
    );
    expect(broken).toEqual([]);
    expect(answers.length).toBe(8);
    expect(terms, "the promises must not hold because nobody ever led").toBeGreaterThan(24);
  });

  test("K-114: draw every fault within eight seeds, and each that strikes at a moment does strike", slow, async () => {
    const drawn = Array.from({ length: 8 }, (_, index) => drawClusterPlan(index + 1, new Chance(index + 1)).faults);
    expect(clusterFaultNames.filter((name) => !drawn.some((faults) => faults.has(name)))).toEqual([]);
    const momentary = clusterFaultNames.filter((name) => !name.startsWith("storage.") && !lasting.includes(name));
    const results = await play(2, { faults: momentary });
    expect(momentary.filter((name) => strikes(results, name) === 0)).toEqual([]);
  });

  test("K-114: keep every promise where there are three of them", slow, async () => {
    const results = await play(4, { clusters: 3 });
    const starts = results.flatMap(({ events }) => events.filter(({ what }) => what === "start"));
    expect(new Set(starts.map(({ who }) => /^c\d-([abc])_/.exec(who)?.[1]))).toEqual(new Set(["a", "b", "c"]));
  });

  test("keep seeds that say what they found", () => {
    for (const { seed, found, faults } of keptSeeds) {
      expect([Number.isInteger(seed), found.length > 10]).toEqual([true, true]);
      expect(faults.filter((fault) => !clusterFaultNames.some((name) => name === fault))).toEqual([]);
    }
  });

  test("stay repaired for the seeds that found something", slow, async () => {
    for (const { seed, faults, found } of keptSeeds) {
      const { violations } = await playOn("clusters", seed, { faults });
      expect(violations, found).toEqual([]);
    }
  });

  test("#71, #78: have hosts whose wall clocks are years apart and step, and nobody minds", slow, async () => {
    const results = await play(2, { faults: ["wallStep", "editFlood", "edit"] });
    expect(strikes(results, "wallStep")).toBeGreaterThan(10);
    // Of candidates that nothing but clocks and edits disturbs, one leads until it is killed, one until it resigns.
    for (const { terms } of results) expect(terms).toBe(3);
  });

  test("#72: wait for the duration of the holder, however short the challenger's is", slow, async () => {
    const results = await play(2, { faults: ["mixedSpecs", "crash", "aimed", "impatient"] });
    expect(strikes(results, "crash")).toBeGreaterThan(2);
    expect(results.some(({ plan }) => plan.candidates.some(({ preset }) => preset.leaseDurationMs !== 15_000))).toBe(
      true,
    );
  });

  test("#73: have several candidates on one resource, under upstream's definition", slow, async () => {
    const results = await play(2, { faults: ["requestLost", "answerLost", "resign"], prunes: true, candidates: 4 });
    for (const { events, plan } of results) {
      const leaders = new Set(events.filter(({ what }) => what === "start").map(({ who }) => who));
      expect([plan.candidates.length, leaders.size > 1]).toEqual([4, true]);
    }
  });

  test("#74: lose status writes, controllers after a global write, and see old watches", slow, async () => {
    const results = await play(2, {
      faults: ["controllerCrash", "answerLost", "failsAfter", "watchLate", "resign", "storage.answerLost"],
    });
    expect(strikes(results, "controllerCrash")).toBeGreaterThan(2);
  });

  test("#74: lose no leader to a status write that fails", slow, async () => {
    const results = await play(2, { faults: ["statusLost"] });
    expect(strikes(results, "statusLost")).toBeGreaterThan(6);
  });

  test("#75: restart controllers, and kill candidates", slow, async () => {
    const results = await play(2, { faults: ["controllerRestart", "crash", "aimed"] });
    expect(strikes(results, "controllerRestart")).toBeGreaterThan(2);
  });

  test("#76: release, and lose the resource under the leader", slow, async () => {
    const results = await play(2, { faults: ["resign", "deletion", "finalizerTaken"] });
    expect(strikes(results, "deletion")).toBeGreaterThan(1);
  });

  test("#77: sit out an hour without the storage, without flapping", slow, async () => {
    await play(1, { faults: ["storageAway"], hour: true });
  });

  test("are the same for the same seed, to the last event", slow, async () => {
    const hashes = new Set<string>();
    for (let run = 0; run < 2; run += 1) hashes.add(hashOf((await simulateClusters(7)).events));
    expect(hashes.size).toBe(1);
    expect(hashOf((await simulateClusters(8)).events)).not.toBe([...hashes][0]);
  });
});
