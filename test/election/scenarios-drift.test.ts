// Goal: clocks whose rates differ within the bound cost nothing but time: the scenarios #3 and #11. Method: three
// candidates with clocks of their own over one manual clock, on a lock in memory whose calls are late or lost.
import { expect } from "vitest";
import { DriftingClock } from "../../src/testing/index.ts";
import { scenario, startsAndStops, type Scene } from "./scene.ts";
import type { Candidate } from "../../src/testing/elector-stage.ts";

const stepMs = 50;

for (const [leader, standby] of [
  [1.08, 0.92],
  [0.92, 1.08],
] as const) {
  scenario(
    `#3: a leader's clock at a rate of ${leader}, the others' at ${standby}: late, lost and cut off, nobody overlaps`,
    async (scene) => {
      const all = await runOn(scene, clocksAt(scene, [leader, standby, standby]));
      expect(leaderOf(all)).toBe(all[0]);
      for (const { lock } of all) lock.delay({ answerMs: 3_000 });
      await scene.pass(60_000, stepMs);
      for (const { lock } of all) lock.heal();
      const [first] = all;
      first?.lock.hang();
      await scene.pass(35_000, stepMs);
      const second = leaderOf(all);
      expect(second?.term.term).toBe(2);
      first?.lock.heal();
      second?.lock.hang({ applied: true }); // its watch still tells what was applied
      await scene.pass(35_000, stepMs);
      expect(leaderOf(all)).toBe(second);
    },
    "records",
  );
}

scenario(
  "#11: clocks that drift by 500 ppm, and are slewed, change nothing in 8 hours",
  async (scene) => {
    const clocks = clocksAt(scene, [1, 1, 1]);
    const all = await runOn(scene, clocks);
    for (let slice = 0; slice < 16; slice += 1) {
      for (const [index, clock] of clocks.entries()) clock.setRate(1 + (((slice + index) % 3) - 1) * 500e-6);
      await scene.pass(1_800_000, 30_000);
    }
    expect(all.map(startsAndStops)).toEqual([["start 1"], [], []]);
    expect(leaderOf(all)).toBe(all[0]);
  },
  "records",
);

function clocksAt({ clock }: Scene, rates: readonly number[]): readonly DriftingClock[] {
  return rates.map((rate) => new DriftingClock(clock, { rate }));
}

/** One candidate for each clock; the first leads, and does not watch: cut off, it learns nothing. */
async function runOn({ run }: Scene, clocks: readonly DriftingClock[]): Promise<readonly Candidate[]> {
  const all: Candidate[] = [];
  for (const clock of clocks) all.push(await run({ settings: { clock }, watched: all.length > 0 && "through" }));
  return all;
}

function leaderOf(all: readonly Candidate[]): Candidate | undefined {
  return all.find(({ elector }) => elector.isLeader());
}
