// Goal: a candidate or a controller that dies, or stands still and comes back, makes no second leader, and a
// controller's replica that dies no change at all (K-103, K-104). Method: signals to processes, a journal as judge.
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { atMs, type Candidate } from "../process/support/candidate-process.ts";
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
  test.each([5, 30])(
    "K-103: etcd away for %i s: at most one leader, who ends by its own clock, and one by L + P + 5 s after that",
    async (seconds) => {
      await using clusters = await TwoClusters.open(pair(), { timing: usual });
      await clusters.startControllers();
      const leader = await clusters.startLeader("a", "ada");
      const both = [leader, await clusters.startStandby("b", "bob")];
      const { etcd } = clusters.kube("a").own();
      await renews(leader);
      etcd.stop();
      await pause(seconds * 1_000);
      const atItsEnd = both.filter(leads).map(({ label }) => label);
      const before = both.map(signs);
      etcd.cont();
      // Both clusters' controllers have lost their own leases: as after the death of one's leading replica.
      const withinMs = usual.leaseDurationMs + usual.retryPeriodMs + 5_000;
      const tookMs = await until(
        () => both.some((one, index) => leads(one) && signs(one) > (before[index] ?? 0)),
        () => "one of both leads",
        withinMs,
      );
      const [holder = leader] = both.filter(leads);
      const what = holder.count("started") > 1 ? "leads again" : holder === leader ? "has never stopped" : "leads";
      console.log(`etcd away for ${seconds} s: ${holder.label} ${what}, ${Math.round(tookMs)} ms after its return`);
      await works(holder);
      await renews(holder, 2);
      // Longer than its deadline: whoever led is over by then.
      if (seconds * 1_000 > usual.renewDeadlineMs + slackMs) expect(atItsEnd).toEqual([]);
      for (const { atNs, reason } of leader.all("stopped")) {
        const signals = leader.all("renewed").filter((renewed) => atMs(renewed) < atMs({ atNs }));
        const sentMs = Math.max(...signals.map((renewed) => atMs(renewed) - renewed.ms));
        expect(reason).toBe("expired");
        expect(atMs({ atNs }) - sentMs).toBeLessThan(usual.renewDeadlineMs + slackMs);
      }
      expect(await clusters.problems()).toEqual([]);
    },
  );
});

/** What a busy machine may add to an instant that a process tells. */
const slackMs = 1_000;

function leads({ reports }: Candidate): boolean {
  return reports.findLast(({ did }) => did === "started" || did === "stopped")?.did === "started";
}

/** How often its signals have reached the storage, as far as it knows. */
function signs(candidate: Candidate): number {
  return candidate.count("started") + candidate.count("renewed");
}

/** Waits until it has renewed so often from now on. */
async function renews(candidate: Candidate, times = 1): Promise<void> {
  const after = candidate.count("renewed") + times - 1;
  await candidate.until("renewed", { after, withinMs: patienceMs });
}
