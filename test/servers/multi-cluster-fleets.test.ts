// Goal: many replicas of two clusters elect one, and the originals of Go take part (K-107, K-109). Method: real
// processes on two API servers, doubles of Go's controller and of its candidate, a journal as judge.
import { setTimeout as pause } from "node:timers/promises";
import { expect } from "vitest";
import { multiClusterLeaseKind } from "../../src/kubernetes/multi-cluster-lease.ts";
import type { ResourceRef } from "../../src/kubernetes/kubernetes-resources.ts";
import { systemClock } from "../../src/system/clock.ts";
import { GoController, type GoBucket } from "../kubernetes/go-controller.ts";
import type { Candidate } from "../process/support/candidate-process.ts";
import { foundClusters } from "./support/cluster-pair.ts";
import { onTwoClusters } from "./support/clusters-scenario.ts";
import { GoCandidate } from "./support/go-candidate.ts";
import { patienceMs, quick, until, works, type ClusterName, type TwoClusters } from "./support/two-clusters.ts";

const withinMs = patienceMs;

onTwoClusters(foundClusters, (scenario) => {
  scenario(
    "K-107: of three replicas in each cluster one leads, then the next one, with growing terms",
    async (clusters) => {
      await clusters.startControllers();
      const names = ["a", "a", "a", "b", "b", "b"] as const;
      const replicas = await Promise.all(names.map((of, index) => clusters.start(of, `${of}${index}`)));
      const terms: number[] = [];
      for (let left: readonly Candidate[] = replicas; terms.length < 3;) {
        const { leader, term } = await leaderOf(left);
        terms.push(term);
        await works(leader);
        leader.signal(terms.length === 1 ? "SIGTERM" : "SIGKILL");
        await leader.exited;
        left = left.filter((one) => one !== leader);
      }
      expect(terms).toEqual(terms.toSorted((one, other) => one - other));
      expect(new Set(terms).size).toBe(3);
    },
  );

  scenario(
    "K-107: in scope cluster a leader that is killed is followed by its neighbours, and then by the other cluster",
    async (clusters) => {
      await clusters.startControllers();
      const names = ["a", "a", "a", "b", "b", "b"] as const;
      let left = await Promise.all(names.map((of, index) => clusters.start(of, `${of}${index}`)));
      const led: { readonly of: ClusterName; readonly term: number }[] = [];
      while (led.length < 5) {
        const { leader, term } = await leaderOf(left);
        const of = leader.label.startsWith("a") ? "a" : "b";
        led.push({ of, term });
        await works(leader);
        expect((await clusters.status(of))?.globalHolderIdentity).toBe(`cluster-${of}`);
        leader.signal("SIGKILL");
        await leader.exited;
        left = left.filter((one) => one !== leader);
      }
      const [first = "a"] = led.map(({ of }) => of);
      const other = first === "a" ? "b" : "a";
      expect(led.map(({ of }) => of)).toEqual([first, first, first, other, other]);
      for (const [index, { term }] of led.entries()) expect(term).toBeGreaterThan(led[index - 1]?.term ?? 0);
    },
    { scope: "cluster" },
  );

  scenario(
    "K-107: in scope cluster a leader that is told to stop is followed by whoever comes first, without an overlap",
    async (clusters) => {
      await clusters.startControllers();
      const names = ["a", "a", "b", "b"] as const;
      let left = await Promise.all(names.map((of, index) => clusters.start(of, `${of}${index}`)));
      const terms: number[] = [];
      while (terms.length < 3) {
        const { leader, term } = await leaderOf(left);
        terms.push(term);
        await works(leader);
        leader.signal("SIGTERM");
        await leader.exited;
        left = left.filter((one) => one !== leader);
      }
      for (const [index, term] of terms.entries()) expect(term).toBeGreaterThan(terms[index - 1] ?? 0);
    },
    { scope: "cluster" },
  );

  scenario(
    "K-109: under doubles of the Go controller one of ours leads, then the other, with growing terms",
    async (clusters) => {
      const over = new AbortController();
      const bucket: GoBucket = { record: undefined, trouble: undefined };
      const ref = refOf(clusters);
      try {
        for (const each of ["a", "b"] as const) {
          const client = await clusters.kube(each).client();
          new GoController({ client, ref, clock: systemClock, bucket, signal: over.signal });
        }
        const leader = await clusters.startLeader("a", "ada");
        const standby = await clusters.startStandby("b", "bob");
        await pause(2 * quick.leaseDurationMs);
        expect([leader.count("stopped"), standby.count("started")]).toEqual([0, 0]);
        leader.signal("SIGKILL");
        await standby.until("started", { withinMs: 2 * withinMs });
        const third = await clusters.startStandby("a", "eve");
        standby.signal("SIGTERM"); // to a Go controller that is no release: it ends with the lease
        await third.until("started", { withinMs: 2 * withinMs });
        await works(third);
      } finally {
        over.abort();
      }
    },
  );

  scenario(
    "K-109: a double of Go's candidate and one of ours follow and succeed each other on our controllers",
    async (clusters) => {
      await clusters.startControllers();
      const { timing, journal } = { timing: quick, journal: clusters.candidates.journal };
      const goes = async (of: ClusterName, identity: string): Promise<GoCandidate> =>
        new GoCandidate({ client: await clusters.kube(of).client(), ref: refOf(clusters), identity, timing, journal });
      await using first = await goes("a", "go-first");
      await until(
        () => first.term > 0,
        () => "Go's candidate leads",
      );
      const ours = await clusters.startStandby("b", "bob");
      await pause(1.5 * quick.leaseDurationMs);
      expect([first.term > 0, ours.count("started")]).toEqual([true, 0]);
      await first.crash();
      const { term } = await ours.until("started", { withinMs });
      expect(term).toBeGreaterThan(1);
      await works(ours);
      await using second = await goes("a", "go-second");
      await pause(1.5 * quick.leaseDurationMs);
      expect([second.term, ours.count("stopped")]).toEqual([0, 0]);
      ours.signal("SIGTERM");
      await until(
        () => second.term > term,
        () => "Go's candidate leads again",
      );
      const after = journal.accepted.length;
      await until(
        () => journal.accepted.length > after + 5,
        () => "Go's candidate works",
      );
    },
  );
});

function refOf({ namespace }: TwoClusters): ResourceRef {
  return { ...multiClusterLeaseKind({ namespace }), name: "invoices" };
}

/** The first of these that leads with a term that it began after this call, or leads now. */
async function leaderOf(candidates: readonly Candidate[]): Promise<{ leader: Candidate; term: number }> {
  return Promise.any(
    candidates.map(async (leader) => {
      const { term } = await leader.until("started", { withinMs });
      return { leader, term };
    }),
  );
}
