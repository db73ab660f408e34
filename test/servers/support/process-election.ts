import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { atMs, type Candidate } from "../../process/support/candidate-process.ts";
import { Candidates, timing } from "../../process/support/candidates.ts";
import { firstStart, l1Ms, l2Ms } from "../../process/support/scenario.ts";

/** Where processes elect. */
export interface ElectionPlace extends AsyncDisposable {
  /** The URL of a fresh place, with whatever parameters make it quick enough for leases of three seconds. */
  readonly url: () => string;
}

/** The same, on Leases. */
export interface LeaseElectionPlace extends AsyncDisposable {
  /** A Lease that nobody has written, in the cluster that this kubeconfig file leads to. */
  readonly lease: () => Promise<{ readonly kubeConfig: string; readonly namespace: string; readonly name: string }>;
}

/** What a storage owes to its candidates. */
export interface ElectionDemands {
  /** The longest that a freed lease may stay free: push storages owe L2, others their poll. */
  readonly handoverMs?: number;
  /** How much longer than on files a crash may stay unnoticed. */
  readonly moreMs?: number;
}

/**
 * The election on a real storage with real processes: crash, freeze and graceful hand-over. What guarded work did is
 * checked by true time, on the one monotonic clock that the processes of a machine share.
 */
export function processElection(
  start: () => Promise<ElectionPlace | LeaseElectionPlace>,
  demands: ElectionDemands = {},
): void {
  const { handoverMs = l2Ms, moreMs = 0 } = demands;
  let place: ElectionPlace | LeaseElectionPlace | undefined;
  beforeAll(async () => {
    place = await start();
  });
  afterAll(async () => {
    await place?.[Symbol.asyncDispose]();
  });
  const contend = async (): Promise<Candidates> => {
    if (place === undefined) throw new Error("there is no server");
    return Candidates.open("url" in place ? { storage: place.url() } : { lease: await place.lease() });
  };

  test("#28: SIGKILL of the leader: a standby takes over after the lease and within L1, with a larger term", async () => {
    await using candidates = await contend();
    const leader = await candidates.startLeader("a");
    const standbys = await Promise.all([candidates.startStandby("b"), candidates.startStandby("c")]);
    await leader.until("renewed");
    const killedMs = performance.now();
    leader.signal("SIGKILL");
    const { winner, term } = await firstStart(standbys);
    expect(performance.now() - killedMs).toBeLessThan(l1Ms + moreMs);
    expect(term).toBeGreaterThan(1);
    const lastMs = Math.max(...leader.all("applied").map(sentMsOf(leader)));
    const acquiredMs = atMs(winner.all("sending").findLast(({ op }) => op === "acquire") ?? { atNs: "0" });
    expect(acquiredMs - lastMs).toBeGreaterThanOrEqual(timing.leaseDurationMs);
    await works(winner);
    expect(await candidates.problems()).toEqual([]);
  });

  test("#26: SIGSTOP past the lease, SIGCONT: the first look says not held, no step is accepted", async () => {
    await using candidates = await contend();
    const frozen = await candidates.startLeader("a");
    const standby = await candidates.startStandby("b");
    frozen.signal("SIGSTOP");
    await firstStart([standby]);
    await works(standby);
    await pause(timing.leaseDurationMs);
    const before = candidates.journal.of(frozen).length;
    frozen.signal("SIGCONT");
    const gap = await frozen.until("gap");
    expect(gap.held && !gap.ambiguous).toBe(false);
    await frozen.until("stopped");
    expect(candidates.journal.of(frozen).length).toBe(before);
    expect(await candidates.problems()).toEqual([]);
  });

  test("#29: SIGTERM: the work ends, then the release, and the successor comes in time", async () => {
    await using candidates = await contend();
    const leader = await candidates.startLeader("a", { drainMs: 300 });
    const standby = await candidates.startStandby("b");
    leader.signal("SIGTERM");
    const [{ term }, exited] = await Promise.all([firstStart([standby]), leader.exited]);
    expect(term).toBeGreaterThan(1);
    expect(exited).toEqual({ code: 0, signal: null });
    const released = leader.all("applied").filter(({ op }) => op === "release");
    expect(released).toHaveLength(1);
    const [elected] = standby.all("elected");
    expect(atMs(elected ?? { atNs: "0" }) - atMs(released[0] ?? { atNs: "0" })).toBeLessThan(handoverMs);
    await works(standby);
    expect(await candidates.problems()).toEqual([]);
  });
}

/** When the write of this outcome was sent. */
function sentMsOf(candidate: Candidate): (told: { readonly record: { readonly renewTime: string } }) => number {
  return ({ record }) =>
    atMs(candidate.all("sending").find((sent) => sent.record.renewTime === record.renewTime) ?? { atNs: "0" });
}

async function works(candidate: Candidate): Promise<void> {
  await candidate.until("step", { where: ({ outcome }) => outcome === "accepted" });
}
