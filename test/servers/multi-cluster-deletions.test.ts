// Goal: an object or a namespace that is deleted ends a term that was led through it, and blocks nobody (K-108).
// Method: real processes on two API servers, a journal as judge.
import { expect } from "vitest";
import { foundOwnClusters } from "./support/cluster-pair.ts";
import { onTwoClusters } from "./support/clusters-scenario.ts";
import { patienceMs, quick, until, works, type TwoClusters } from "./support/two-clusters.ts";

const withinMs = patienceMs;

onTwoClusters(foundOwnClusters, (scenario) => {
  scenario(
    "K-108: an object deleted under its leader ends the term; made anew, its cluster leads again",
    async (clusters) => {
      await clusters.startControllers();
      const leader = await clusters.startLeader("a", "ada");
      const standby = await clusters.startStandby("b", "bob");
      await goes(clusters, () => clusters.kube("a").ask("DELETE", clusters.path()));
      expect((await leader.until("stopped", { withinMs })).reason).toBe("erased");
      const { term } = await standby.until("started", { withinMs });
      await works(standby);
      await until(
        async () => (await clusters.status("a")) !== undefined,
        () => "the candidate makes it anew",
      );
      standby.signal("SIGTERM");
      const again = await leader.until("started", { after: 1, withinMs });
      expect(again.term).toBeGreaterThan(term);
      await works(leader);
    },
  );

  scenario("K-108: an object deleted under a standby changes no leader, and is made anew", async (clusters) => {
    await clusters.startControllers();
    const leader = await clusters.startLeader("a", "ada");
    const standby = await clusters.startStandby("b", "bob");
    expect((await clusters.kube("b").ask("DELETE", clusters.path())).status).toBe(200);
    await leader.until("renewed", { after: leader.count("renewed") + 2, withinMs });
    leader.signal("SIGTERM");
    await standby.until("started", { withinMs });
    await works(standby);
    await clusters.bothShow(standby);
  });

  // Its controller runs elsewhere: here the test empties the namespace, as that one does.
  scenario(
    "K-108, K-75: a namespace deleted under the leader is empty in time, and the other cluster leads",
    async (clusters) => {
      await clusters.startControllers();
      const leader = await clusters.startLeader("a", "ada");
      const standby = await clusters.startStandby("b", "bob");
      const kube = clusters.kube("a");
      const namespace = `/api/v1/namespaces/${clusters.namespace}`;
      await goes(clusters, async () => {
        await kube.ask("DELETE", namespace);
        return kube.ask("DELETE", clusters.path(""));
      });
      expect((await leader.until("stopped", { withinMs })).reason).toBe("erased");
      await standby.until("started", { withinMs });
      await works(standby);
      await leader.until("trouble", { where: ({ message }) => /being deleted|terminating/i.test(message), withinMs });
      expect((await kube.ask("GET", clusters.path())).status).toBe(404); // nobody has made it there again
      const { body } = await kube.ask("GET", namespace);
      await kube.ask("PUT", `${namespace}/finalize`, { body: { ...body, spec: { finalizers: [] } } });
      expect((await kube.ask("GET", namespace)).status).toBe(404);
    },
  );
});

/** Deletes, and waits until that object of the first cluster is gone: two leases, and what a busy machine adds. */
async function goes(clusters: TwoClusters, remove: () => Promise<{ readonly status: number }>): Promise<void> {
  const kube = clusters.kube("a");
  const uidOf = async (): Promise<unknown> => (await kube.ask("GET", clusters.path())).body.metadata?.uid;
  const uid = await uidOf();
  expect((await remove()).status).toBe(200);
  const tookMs = await until(
    async () => (await uidOf()) !== uid,
    () => "the finalizer goes",
  );
  console.log(`deleted, and gone after ${Math.round(tookMs)} ms`);
  expect(tookMs).toBeLessThan(2 * quick.leaseDurationMs + 5_000);
}
