import { expect, test, vi } from "vitest";
import { Candidates, timing } from "./candidates.ts";
import { atMs, type Candidate } from "./candidate-process.ts";

/** How often each scenario runs: before a release all of them have to be green 100 times in a row. */
export const repeats: number = Number(process.env["TENURE_TEST_REPEAT"] ?? 1) - 1;

// Scenarios wait for leases to run out and hardly compute, so they run side by side.
vi.setConfig({ maxConcurrency: 8 });

/** L1: how long after the last fault a candidate leads at the latest, with a herd window of a second. */
export const l1Ms: number = timing.leaseDurationMs + 2.2 * timing.retryPeriodMs + 1_000;
/** L2 on push, on a machine that runs all scenarios at once. Whoever is not pushed waits for the lease, 2 s or more. */
export const l2Ms = 1_000;
/** The poll that would hide a push that does not come. */
export const seldomMs = 60_000;

/** One scenario: its own lease, its own processes. What happened has to be right in the end, whatever it was. */
export function scenario(title: string, play: (candidates: Candidates) => Promise<void>): void {
  test.concurrent(title, { repeats, timeout: 60_000 }, async () => {
    await using candidates = await Candidates.open();
    await play(candidates);
    expect(await candidates.problems()).toEqual([]);
  });
}

/** The first of these that starts a term, and that start. */
export async function firstStart(candidates: readonly Candidate[]): Promise<{ winner: Candidate; term: number }> {
  return Promise.any(
    candidates.map(async (winner) => {
      const { term } = await winner.until("started", { after: winner.count("started") });
      return { winner, term };
    }),
  );
}

/** When `candidate` sent its last write that was applied, acquisition or renewal: the least that others wait from. */
async function lastWriteMs(candidates: Candidates, candidate: Candidate): Promise<number> {
  const applied = new Set((await candidates.lease()).map(({ renewTime }) => renewTime));
  const sent = candidate.all("sending").filter(({ op, record }) => op !== "release" && applied.has(record.renewTime));
  return atMs(sent.at(-1) ?? { atNs: "0" });
}

/** Asserts that `winner` waited out the lease of `lost`, who never released it, and not much longer; tells how long. */
export async function expectWaited(candidates: Candidates, winner: Candidate, lost: Candidate): Promise<number> {
  const acquired = winner.all("sending").findLast(({ op }) => op === "acquire") ?? { atNs: "0" };
  const [ready] = winner.all("ready");
  const lastMs = await lastWriteMs(candidates, lost);
  expect(atMs(acquired) - lastMs).toBeGreaterThanOrEqual(timing.leaseDurationMs);
  expect(atMs(acquired) - Math.max(lastMs, atMs(ready ?? { atNs: "0" }))).toBeLessThan(l1Ms);
  return atMs(acquired) - lastMs;
}
