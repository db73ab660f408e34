// Goal: a candidate or a controller that dies, or stands still and comes back, makes no second leader, and a
// controller's replica that dies no change at all (K-103, K-104). Method: signals to processes, a journal as judge.
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Candidate } from "../process/support/candidate-process.ts";
import { foundOwnClusters } from "./support/cluster-pair.ts";
import { onTwoClusters } from "./support/clusters-scenario.ts";
import { patienceMs, quick, TwoClusters, until, usual, works, writes } from "./support/two-clusters.ts";

const withinMs = patienceMs;

onTwoClusters(foundOwnClusters, (scenario, pair) => {
  scenario(
    "K-103, K-85: SIGKILL of the controller's replica that writes deposes no 15/10/2 s leader",
    async (clusters) => {
      const first = await clusters.startController("a");
      await writes(first);
      const [second, other] = [await clusters.startController("a"), await clusters.startController("b")];
      await writes(other);
      const leader = await clusters.startLeader("a", "ada");
      const standby = await clusters.startStandby("b", "bob");
      await renews(leader);
      await pause(2_500); // the next signal comes while nobody carries it
      first.kill("SIGKILL");
      const tookMs = await writes(second);
      console.log(`SIGKILL of a controller's replica: the other one writes after ${Math.round(tookMs)} ms`);
      await renews(leader, 2);
      expect([leader.count("stopped"), standby.count("started")]).toEqual([0, 0]);
    },
    { timing: usual },
  );

  scenario(
    "K-103: SIGKILL of the leader and of its controller's replica: one of the same cluster leads",
    async (clusters) => {
      const first = await clusters.startController("a");
      await writes(first);
      const second = await clusters.startController("a");
      const leader = await clusters.startLeader("a", "ada");
      const standby = await clusters.startStandby("a", "bob");
      leader.signal("SIGKILL");
      first.kill("SIGKILL");
      const { term } = await standby.until("started", { withinMs });
      expect(term).toBeGreaterThan(leader.all("started")[0]?.term ?? Infinity);
      await writes(second);
      await works(standby);
    },
  );

  scenario(
    "K-103: SIGKILL of the only controller: its leader ends by its own clock, the other cluster leads",
    async (clusters) => {
      const controllers = await clusters.startControllers();
      const leader = await clusters.startLeader("a", "ada");
      const standby = await clusters.startStandby("b", "bob");
      controllers.a.kill("SIGKILL");
      const { reason } = await leader.until("stopped", { withinMs });
      expect(reason).toBe("expired");
      await standby.until("started", { withinMs });
      await works(standby);
      await writes(await clusters.startController("a"));
      await pause(quick.leaseDurationMs); // whatever it found at its start
      await works(standby);
      expect([standby.count("stopped"), leader.count("started")]).toEqual([0, 1]);
    },
  );

  scenario(
    "K-104: SIGSTOP of the leader beyond the lease, SIGCONT: no act, no guarded write with the old term",
    async (clusters) => {
      await clusters.startControllers();
      const leader = await clusters.startLeader("a", "ada");
      const standby = await clusters.startStandby("b", "bob");
      leader.signal("SIGSTOP");
      await standby.until("started", { withinMs });
      await works(standby);
      await pause(quick.leaseDurationMs);
      const before = clusters.candidates.journal.of(leader).length;
      leader.signal("SIGCONT");
      const gap = await leader.until("gap", { where: ({ ms }) => ms > quick.leaseDurationMs });
      expect(gap.ambiguous || !gap.held, JSON.stringify(gap)).toBe(true);
      await leader.until("stopped", { withinMs });
      await works(standby);
      expect([clusters.candidates.journal.of(leader).length, standby.count("stopped")]).toEqual([before, 0]);
    },
  );

  scenario(
    "K-104: SIGSTOP of a controller beyond the lease, SIGCONT: it takes nothing back, and then works",
    async (clusters) => {
      const controllers = await clusters.startControllers();
      const leader = await clusters.startLeader("a", "ada");
      const standby = await clusters.startStandby("b", "bob");
      controllers.a.kill("SIGSTOP");
      await leader.until("stopped", { withinMs });
      const { term } = await standby.until("started", { withinMs });
      await pause(quick.leaseDurationMs);
      controllers.a.kill("SIGCONT");
      await renews(standby, 3);
      expect([standby.count("stopped"), leader.count("started")]).toEqual([0, 1]);
      await clusters.bothShow(standby); // it carries again
      standby.signal("SIGTERM");
      const again = await leader.until("started", { after: 1, withinMs });
      expect(again.term).toBeGreaterThan(term);
      await works(leader);
    },
  );

  // Not beside others: all of them are in this etcd.
  test("K-103: etcd away for 5 s: at most one leader throughout, and one again", async () => {
    await using clusters = await TwoClusters.open(pair(), { timing: usual });
    await clusters.startControllers();
    const leader = await clusters.startLeader("a", "ada");
    const standby = await clusters.startStandby("b", "bob");
    const { etcd } = clusters.kube("a").own();
    await renews(leader);
    etcd.stop();
    await pause(5_000);
    etcd.cont();
    await pause(usual.renewDeadlineMs); // by then who has not renewed has stopped
    const leads = ({ reports }: Candidate): boolean =>
      reports.findLast(({ did }) => did === "started" || did === "stopped")?.did === "started";
    await until(
      () => [leader, standby].some(leads),
      () => "one of both leads",
    );
    const [holder] = [leader, standby].filter(leads);
    console.log(`etcd away for 5 s: ${holder === leader ? "the leader stays" : "the other cluster leads"}`);
    await works(holder ?? leader);
    await renews(holder ?? leader, 2);
    expect(await clusters.problems()).toEqual([]);
  });
});

/** Waits until it has renewed so often from now on. */
async function renews(candidate: Candidate, times = 1): Promise<void> {
  const after = candidate.count("renewed") + times - 1;
  await candidate.until("renewed", { after, withinMs: patienceMs });
}
