// Goal: whatever goes wrong between candidates, API servers, controllers and storage, no two candidates lead at once,
// terms grow, and somebody leads when all is well again. Method: troubles by chance from seeds, over two clusters.
import { describe, expect, it } from "vitest";
import { Clusters, type Candidate, type ControllerKind } from "./clusters.ts";

const seeds = Number(process.env["TENURE_TEST_SEEDS"] ?? 10);

/** One thing that goes wrong, for a while. */
function trouble(world: Clusters, candidates: readonly Candidate[]): void {
  const draw = (count: number): number => Math.floor(world.random.next() * count);
  const candidate = candidates[draw(candidates.length)];
  const cluster = world.cluster(draw(world.clusters.length));
  const controller = world.controllers[draw(world.controllers.length)];
  const ms = draw(6_000);
  const kinds: readonly (() => void)[] = [
    () => candidate?.client.loseAnswer(),
    () => candidate?.client.hang({ times: 1 + draw(3) }),
    () => candidate?.client.hang({ on: "write", times: 1 + draw(2), applied: draw(2) === 0 }),
    () => candidate?.client.delay({ requestMs: ms, answerMs: draw(3_000) }, { times: 1 + draw(3) }),
    () => candidate?.client.refuse(429, { times: 1 + draw(2) }),
    () => void candidate?.elector.resign(),
    () => cluster.endWatches(),
    () => cluster.muteWatches(),
    () => cluster.compact(),
    () => cluster.annotate(world.ref),
    () => cluster.remove(world.ref),
    () => void (controller && (controller.silent = !controller.silent)),
    () => void (controller && (controller.trouble = controller.trouble === undefined ? "503" : undefined)),
    () => void (controller && (controller.delayMs = draw(2) * ms)),
    () => void (world.bucket.trouble = world.bucket.trouble === undefined ? "503" : undefined),
  ];
  kinds[draw(kinds.length)]?.();
}

async function heal(world: Clusters, candidates: readonly Candidate[]): Promise<void> {
  for (const { client } of candidates) client.heal();
  for (const cluster of world.clusters) cluster.endWatches(); // those that were muted would be so for two minutes
  world.bucket.trouble = undefined;
  for (const controller of world.controllers) {
    Object.assign(controller, { silent: false, trouble: undefined, delayMs: 0 });
    await controller.look();
  }
}

/** How many terms were led. */
async function run(kinds: readonly ControllerKind[], prunes: boolean, seed: number): Promise<number> {
  const world = new Clusters(kinds, { prunes }, seed);
  const candidates = [world.candidate("a", 0), world.candidate("b", 1), world.candidate("c", seed % 2)];
  for (let count = 0; count < 60; count += 1) {
    await world.clock.advance(Math.floor(world.random.next() * 4_000));
    if (world.random.next() < 0.7) trouble(world, candidates);
    if (world.random.next() < 0.2) await heal(world, candidates);
  }
  await heal(world, candidates);
  const ledAfterMs = await world.untilLed(undefined, 200_000);
  const terms = world.story.map(({ term }) => term);
  await world.close();
  expect(world.mostLeaders, `seed ${seed}`).toBeLessThanOrEqual(1);
  const grow = terms.every((term, index) => index === 0 || term > (terms[index - 1] ?? 0));
  expect(grow, `seed ${seed}: ${terms.join(" ")}`).toBe(true);
  expect(ledAfterMs, `seed ${seed}`).toBeLessThan(150_000);
  return terms.length;
}

describe("K-114: troubles by chance", () => {
  it.each([
    ["our controllers", ["ours", "ours"], false],
    ["our controllers under upstream's definition", ["ours", "ours"], true],
    ["Go controllers", ["go", "go"], true],
  ] as const)(
    "behind %s nobody leads beside another",
    async (_what, kinds, prunes) => {
      let terms = 0;
      for (let seed = 1; seed <= seeds; seed += 1) terms += await run(kinds, prunes, seed);
      expect(terms).toBeGreaterThan(2 * seeds); // else nothing went wrong, or nobody led
    },
    120_000,
  );
});
