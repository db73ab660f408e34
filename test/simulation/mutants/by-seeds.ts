import type { Seeds } from "./mutant.ts";

/**
 * Flaws that the simulation once did not see: beside their tests, a run of it must find them by itself. Some seeds of
 * each; where a change moves the draws of the simulation, `npm run mutants -- --only N9 --seeds 200` finds others.
 */
export const bySeeds: ReadonlyMap<string, Seeds> = new Map([
  ["K11", { from: 215, to: 217, invariant: "S5" }], // a record that was deleted, by someone who had seen it
  ["N3b", { from: 201, to: 203, invariant: "L3" }], // a race that was lost to an edit
  ["N9", { from: 202, to: 204, invariant: "S3" }], // a deletion
  ["N9c", { from: 202, to: 204, invariant: "S3" }], // a deletion, then an outage
  ["N17", { from: 215, to: 217, invariant: "L3" }], // a proxy that repeats a write and answers the second time
  ["N18", { from: 255, to: 257, invariant: "L5" }], // a server that refuses everything for a while
  ["N21", { from: 215, to: 217, invariant: "S3" }], // a deletion under a leader whose work lingers
  // Hosts whose wall clocks are years apart.
  ["M1", { stage: "clusters", faults: ["wallStep", "crash", "aimed"], from: 1, to: 2, invariant: "L1" }],
  // A candidate of a short lease that never waits.
  ["M2", { stage: "clusters", faults: ["impatient", "mixedSpecs", "crash", "aimed"], from: 1, to: 3, invariant: "S3" }],
  ["M4", { stage: "clusters", from: 19, to: 19, invariant: "S6" }], // a release that comes after a new term
  ["M4b", { stage: "clusters", faults: ["resign"], from: 3, to: 4, invariant: "L2" }],
  ["D3", { from: 109, to: 111, invariant: "S8" }], // a process that stood with a renewal under way, and a check
]);
