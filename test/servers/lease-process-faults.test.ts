// Goal: whatever happens to the API server and its etcd, the guarded work of processes that elect on a Lease never
// overlaps, its terms grow, and somebody works again. Method: three processes of the built package and one journal that
// they share, judged by the clock of the machine, while servers of one's own are frozen, killed and partitioned.
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FaultProxy } from "../process/fault-proxy.ts";
import type { Candidate } from "../process/support/candidate-process.ts";
import { Candidates, timing } from "../process/support/candidates.ts";
import { firstStart } from "../process/support/scenario.ts";
import { describeOn } from "./support/found-server.ts";
import { foundOwnKube, type KubeServer } from "./support/kube-server.ts";
import { LeasePlace } from "./support/lease-place.ts";

let kube: KubeServer;

interface Contest {
  readonly candidates: Candidates;
  readonly leader: Candidate;
  readonly standbys: readonly Candidate[];
}

/** A leader that works and two standbys; the leader's wire is another one if a port is given. */
async function contest(port?: number): Promise<Contest> {
  const place = await LeasePlace.make(kube);
  const { namespace, name } = place;
  const kubeConfig = await kube.fileOf(await place.candidate());
  const candidates = await Candidates.open({ lease: { kubeConfig, namespace, name } });
  const file = port === undefined ? undefined : await kube.fileOf(kube.through(port, await place.candidate()));
  const leader = await candidates.startLeader("a", file === undefined ? {} : { env: { KUBECONFIG: file } });
  const standbys = await Promise.all([candidates.startStandby("b"), candidates.startStandby("c")]);
  await works([leader]);
  return { candidates, leader, standbys };
}

/** Waits for a step that one of them takes from now on. */
async function works(all: readonly Candidate[]): Promise<void> {
  await Promise.any(
    all.map((each) =>
      each.until("step", { after: each.count("step"), where: ({ outcome }) => outcome === "accepted" }),
    ),
  );
}

function stepsAfter({ candidates }: Contest, atNs: bigint): number {
  return candidates.journal.accepted.filter(({ beginNs }) => beginNs > atNs).length;
}

describeOn(foundOwnKube, (start) => {
  beforeAll(async () => {
    kube = await start();
  });
  afterAll(() => kube?.[Symbol.asyncDispose]());

  for (const which of ["etcd", "apiServer"] as const) {
    test(`#66: ${which} stands past the lease: nobody works then, and one does when it goes on`, async () => {
      const election = await contest();
      await using candidates = election.candidates;
      const server = kube.own()[which];
      server.stop();
      await pause(timing.renewDeadlineMs + 200);
      const overNs = process.hrtime.bigint();
      await pause(timing.leaseDurationMs);
      expect(stepsAfter(election, overNs)).toBe(0);
      server.cont();
      await works([election.leader, ...election.standbys]);
      expect(await candidates.problems()).toEqual([]);
    });
  }

  test("#21: the API server is killed and restarted while processes renew: somebody works on, alone", async () => {
    const { candidates: all, leader, standbys } = await contest();
    await using candidates = all;
    await kube.restartApiServer();
    await works([leader, ...standbys]);
    expect(await candidates.problems()).toEqual([]);
  });

  test("#16: the leader's wire swallows everything: a standby works after the lease, the former leader does not", async () => {
    await using proxy = await new FaultProxy({ host: kube.host, port: kube.port }).inject({});
    const { candidates: all, leader, standbys } = await contest(proxy.port);
    await using candidates = all;
    await proxy.inject({ up: { swallow: true }, down: { swallow: true } });
    const [{ winner, term }] = await Promise.all([firstStart(standbys), leader.until("stopped")]);
    expect(term).toBeGreaterThan(1);
    await works([winner]);
    await proxy.inject({});
    await leader.until("newLeader", { where: (told) => told.term === term });
    expect(await candidates.problems()).toEqual([]);
  });
});
