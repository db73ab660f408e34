// Goal: whatever a cluster and its network do, a Lease has at most one leader, terms grow, and somebody leads again
// once all is well. Method: three electors on a fake cluster, ten minutes of seeded troubles, looked at every 100 ms.
import { expect, it } from "vitest";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import { LeaseLock } from "../../src/kubernetes/lease-lock.ts";
import { FakeKubernetes, ManualClock, SeededRandom, type FakeKubernetesClient } from "../../src/testing/index.ts";

const place = { namespace: "default", name: "billing" };
const ref = { group: "coordination.k8s.io", version: "v1", plural: "leases", ...place };
const stepMs = 100;

type Trouble = (client: FakeKubernetesClient, cluster: FakeKubernetes, ms: number) => void;

const troubles: Readonly<Record<string, Trouble>> = {
  lostAnswer: (client) => client.loseAnswer({ plural: "leases" }),
  hanging: (client) => client.hang({ times: 3 }),
  hangingButApplied: (client) => client.hang({ on: "write", times: 1, applied: true }),
  silence: (client) => (client.hang(), client.hang({ on: "watch" })),
  late: (client, _cluster, ms) => client.delay({ requestMs: ms / 2, answerMs: ms }),
  throttled: (client) => client.refuse(429, { retryAfterSeconds: 2, times: 5 }),
  failing: (client) => client.refuse(500, { times: 4 }),
  unwatchable: (client) => client.refuse(403, { on: "watch", times: 1 }),
  healed: (client) => client.heal(),
  cutWatches: (_client, cluster) => cluster.endWatches(new Error("reset")),
  restart: (_client, cluster) => (cluster.compact(), cluster.endWatches()),
  mutedWatches: (_client, cluster) => cluster.muteWatches(),
  annotation: (_client, cluster) => cluster.annotate(ref),
  others: (_client, cluster) => cluster.changeElsewhere(),
};

async function tenMinutes(seed: number): Promise<{ ledShare: number; terms: number[] }> {
  const clock = new ManualClock();
  const random = new SeededRandom(seed);
  const cluster = new FakeKubernetes({ clock, random });
  const clients = ["a", "b", "c"].map(() => cluster.connect());
  const terms: number[] = [];
  const electors = clients.map((client, at) => {
    const lock = new LeaseLock({ ...place, client, clock, random, label: "abc"[at] ?? "" });
    const onStartedLeading = ({ term }: { term: number }): void => void terms.push(term);
    const elector = new LeaderElector({ lock, clock, random, callbacks: { onStartedLeading } });
    void elector.run();
    return elector;
  });
  const leaders = (): number => electors.filter((elector) => elector.isLeader()).length;
  let led = 0;
  const names = Object.keys(troubles);
  for (let steps = 0; steps < 6_000; steps += 1) {
    if (random.next() < 0.03) {
      const name = names[Math.floor(random.next() * names.length)] ?? "";
      const client = clients[Math.floor(random.next() * clients.length)];
      if (client !== undefined) troubles[name]?.(client, cluster, random.next() * 3_000);
    }
    if (random.next() < 0.005) for (const client of clients) client.heal();
    await clock.advance(stepMs);
    expect(leaders(), `seed ${seed} at ${clock.monotonicMs()} ms`).toBeLessThanOrEqual(1);
    led += leaders();
  }
  for (const client of clients) client.heal();
  await clock.advanceUntil(() => leaders() === 1, 60_000);
  for (const elector of electors) void elector.stop();
  await clock.advance(60_000);
  return { ledShare: led / 6_000, terms };
}

it.each(Array.from({ length: 20 }, (_, seed) => seed + 1))(
  "seed %i: one leader at most, terms that grow",
  async (seed) => {
    const { ledShare, terms } = await tenMinutes(seed);
    expect(terms).toEqual([...new Set(terms)].sort((first, second) => first - second));
    expect(ledShare).toBeGreaterThan(0.5);
  },
);
