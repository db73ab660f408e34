// Goal: no two terms of `tenure run` work at once, however often one of its processes is killed or frozen, also with
// all cores busy. Method: three candidates, a seeded victim every moment, and the order of the lines of one journal.
import { setTimeout as pause } from "node:timers/promises";
import { expect, it } from "vitest";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { type Tenure, timing, until, World } from "./cli-world.ts";

/** Longer runs: `TENURE_TEST_ROUNDS=20` takes twenty times as long. */
const rounds = 12 * Number(process.env["TENURE_TEST_ROUNDS"] ?? 1);
const seed = Number(process.env["TENURE_TEST_SEED"] ?? 1);
const { leaseMs, validityMs } = timing;

/** Ignores SIGTERM, and so do its children. */
const stubborn = "trap '' TERM; (trap '' TERM; work) & work";

it("nobody works beside a larger term", { timeout: 60_000 + rounds * 20_000 }, async () => {
  await using world = new World();
  const random = new SeededRandom(seed);
  const one = <T>(choices: readonly [T, ...T[]]): T =>
    choices[Math.floor(random.next() * choices.length)] ?? choices[0];
  const start = (): Tenure => world.run(stubborn, { flags: ["--restart", "--grace", "500ms"] });
  const candidates = [start(), start(), start()];
  for (const _core of [1, 2]) world.start("sh", ["-c", "while :; do :; done"]);
  const done: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const before = world.highestTerm();
    const leader = await leaderOf(world, candidates);
    const victim = one(["supervisor", "guardian"] as const);
    const pid = victim === "supervisor" ? leader.pid : await leader.guardian();
    const action = one(["kill", "short", "past V", "past L", "stop"] as const);
    done.push(`${action} ${victim}`);
    if (action === "kill") process.kill(pid, "SIGKILL");
    else if (action === "stop") leader.kill("SIGTERM");
    else await freeze(pid, { short: 700, "past V": validityMs + 700, "past L": leaseMs + 700 }[action]);
    await pause(random.next() * 500);
    candidates.forEach((candidate, index) => {
      if (candidate.child.exitCode !== null || candidate.child.signalCode !== null) candidates[index] = start();
    });
    if (action === "short") continue;
    await until(
      () => world.highestTerm() > before,
      () => `no new term after ${done.join(", ")}: ${world.tail()}`,
      30_000,
    );
    expect(world.overlaps(), `seed ${seed}: ${done.join(", ")}`).toEqual([]);
  }
  expect(world.overlaps(), `seed ${seed}: ${done.join(", ")}`).toEqual([]);
  expect(world.highestTerm(), "it has handed over again and again").toBeGreaterThan(rounds / 2);
  console.log(`soak: seed ${seed}, ${world.highestTerm()} terms, ${world.lines().length} lines, ${done.join(", ")}`);
});

async function leaderOf(world: World, candidates: readonly Tenure[]): Promise<Tenure> {
  const find = (): Tenure | undefined =>
    candidates.find(({ stderr, child }) => {
      const term = [...stderr.matchAll(/leads "job" term=(\d+)/g)].at(-1)?.[1];
      return child.exitCode === null && child.signalCode === null && Number(term) === world.highestTerm();
    });
  let leader: Tenure | undefined;
  await until(
    () => (leader = find()) !== undefined,
    () => `nobody leads: ${world.tail()}`,
    30_000,
  );
  if (leader === undefined) throw new Error("bug: found nobody");
  return leader;
}

async function freeze(pid: number, ms: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  await pause(ms);
  try {
    process.kill(pid, "SIGCONT");
  } catch {
    // it was killed meanwhile, as it had to be
  }
}
