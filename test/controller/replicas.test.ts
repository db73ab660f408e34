// Goal: two replicas in one cluster, and two clusters over one storage, never make two leaders, and lose none when a
// replica dies. Method: real controllers over clusters in memory and one storage, on a clock that a test moves.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { MemoryData, MemoryStorage } from "../../src/storage/memory.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { Cluster, type Running } from "./cluster.ts";

const key = "leases/default/billing";
const started: Running[] = [];

afterEach(async () => {
  for (const running of started.splice(0)) running.kill();
});

describe("two replicas", () => {
  async function twoReplicas(): Promise<{
    clock: ManualClock;
    cluster: Cluster;
    storage: MemoryStorage;
    leading: Running;
    standby: Running;
  }> {
    const clock = new ManualClock();
    const cluster = new Cluster(clock);
    const data = new MemoryData();
    const storage = new MemoryStorage({ clock, data });
    const replicas = [cluster.start(storage), cluster.start(new MemoryStorage({ clock, data }))];
    started.push(...replicas);
    await clock.advance(5_000);
    const [leading, standby] = replicas.sort(
      (one, other) => Number(other.controller.isLeader) - Number(one.controller.isLeader),
    );
    if (leading === undefined || standby === undefined) throw new Error("there are two");
    expect([leading.controller.isLeader, standby.controller.isLeader]).toEqual([true, false]);
    return { clock, cluster, storage, leading, standby };
  }

  test("K-85: only the leading one writes; the standby lists and watches", async () => {
    const { clock, cluster, leading, standby } = await twoReplicas();
    await cluster.confirmed("ada", cluster.signal("ada", { leaseTransitions: 1 }));
    await clock.advance(30_000);
    expect(
      standby.client.log.filter(
        ({ plural, verb }) => plural === "multiclusterleases" && verb !== "list" && verb !== "watch",
      ),
    ).toEqual([]);
    expect(standby.controller.leaseCount).toBe(1);
    expect(leading.controller.leaseCount).toBe(1);
  });

  test("K-85: SIGKILL of the leading replica deposes no 15/10/2 workload", async () => {
    const { clock, cluster, leading } = await twoReplicas();
    await cluster.confirmed("ada", cluster.signal("ada", { leaseTransitions: 1 }));
    await clock.advance(5_000);
    const sentMs = clock.monotonicMs();
    const sent = cluster.signal("ada", { leaseTransitions: 1 });
    leading.kill(); // before it has seen the signal
    await cluster.confirmed("ada", sent, 9_000);
    expect(clock.monotonicMs() - sentMs).toBeLessThan(5_000);
    expect(cluster.status.globalLeaseTransitions).toBe(1);
  });

  test("K-85: in 100 of 100 crashes of the leading replica, at any instant, the workload keeps its term", async () => {
    const [clock, random] = [new ManualClock(), new SeededRandom(85)];
    const cluster = new Cluster(clock);
    const data = new MemoryData();
    const start = (): Running => cluster.start(new MemoryStorage({ clock, data }));
    const replicas = [start(), start()];
    await clock.advance(5_000);
    let [sent, sentMs] = [cluster.signal("ada", { leaseTransitions: 1 }), clock.monotonicMs()];
    /** The validity of the workload: counted from the sending of the last signal that was confirmed. */
    let confirmedMs = sentMs;
    const pass = async (ms: number): Promise<void> => {
      for (let passed = 0; passed < ms; passed += 100) {
        if (clock.monotonicMs() - sentMs >= 5_000) {
          [sent, sentMs] = [cluster.signal("ada", { leaseTransitions: 1 }), clock.monotonicMs()];
        }
        await clock.advance(100);
        if (cluster.status.globalRenewTime === sent) confirmedMs = sentMs;
        expect(clock.monotonicMs() - confirmedMs).toBeLessThan(10_000);
      }
    };
    for (let crash = 0; crash < 100; crash += 1) {
      await pass(4_000 + Math.floor(random.next() * 5_000));
      const index = replicas.findIndex(({ controller }) => controller.isLeader);
      replicas.splice(index, 1)[0]?.kill();
      replicas.push(start());
    }
    await pass(5_000);
    expect(cluster.status).toMatchObject({ globalHolderIdentity: "ada", globalLeaseTransitions: 1 });
    started.push(...replicas);
  }, 30_000);

  test("K-64, K-65: the replica that takes over writes no stored signal again", async () => {
    const { clock, cluster, storage, leading, standby } = await twoReplicas();
    await cluster.confirmed("ada", cluster.signal("ada", { leaseTransitions: 1 }));
    const { generation } = await storage.readLease(key);
    leading.kill();
    await clock.advanceUntil(() => standby.controller.isLeader, 10_000);
    await clock.advance(5_000);
    expect((await storage.readLease(key)).generation).toBe(generation);
  });

  test("#74: a replica dies between the global write and the status: its successor shows what is stored, and writes nothing", async () => {
    const { clock, cluster, storage, leading } = await twoReplicas();
    await cluster.confirmed("ada", cluster.signal("ada", { leaseTransitions: 1 }));
    await clock.advance(5_000);
    leading.client.hang({ on: "patch" });
    const sent = cluster.signal("ada", { leaseTransitions: 1 });
    await clock.advance(10);
    const { data, generation } = await storage.readLease(key);
    expect(data.renewTime).toBe(sent);
    expect(cluster.status.globalRenewTime).not.toBe(sent);
    leading.kill();
    await cluster.confirmed("ada", sent, 5_000);
    expect((await storage.readLease(key)).generation).toBe(generation);
  });

  test("K-85: a new leader waits no second time for a lease that ran out while it stood by", async () => {
    const { clock, cluster, leading, storage } = await twoReplicas();
    await cluster.confirmed("ada", cluster.signal("ada", { leaseTransitions: 1 }));
    for (let second = 1; second <= 13; second += 1) {
      await clock.advance(1_000);
      if (second % 5 === 0) cluster.signal("bob", { leaseTransitions: 2 });
    }
    leading.kill();
    const ms = await clock.advanceUntil(() => cluster.status.globalHolderIdentity === "bob", 20_000);
    expect(ms).toBeLessThan(5_500); // not another 15 s
    expect((await storage.readLease(key)).data.leaseTransitions).toBe(2);
  });

  test("K-80: two controllers in one cluster that do not elect one are found, with an event and an alarm", async () => {
    const clock = new ManualClock();
    const cluster = new Cluster(clock);
    const data = new MemoryData();
    const one = cluster.start(new MemoryStorage({ clock, data }));
    const elsewhere = new MemoryStorage({ clock });
    const eve = { holderIdentity: "eve", renewTime: "2026-01-01T00:00:00.000000Z", leaseTransitions: 7 };
    await elsewhere.createLease(key, { ...eve, leaseDurationSeconds: 3_600 });
    const other = cluster.start(elsewhere, { leaseName: "another-controller" });
    started.push(one, other);
    await clock.advance(4_000);
    for (let signals = 0; signals < 5; signals += 1) {
      cluster.signal("ada", { leaseTransitions: 1 });
      await clock.advance(5_000);
    }
    const alarms = [one, other].map(({ controller }) =>
      controller.metricsText().includes('alarms_total{kind="otherController"} 1'),
    );
    expect(alarms).toEqual([true, true]);
  });
});

describe("two clusters over one storage", () => {
  for (const kind of ["memory", "file"] as const) {
    test(`#76: on ${kind}, a release in one cluster is followed by a leader in the other within P + 2 s`, async () => {
      const world = await twoClusters(kind);
      const { clock, west, east } = world;
      west.signal("ada", { leaseTransitions: 1 });
      await world.until(() => west.status.globalHolderIdentity === "ada");
      for (let turn = 0; turn < 4; turn += 1) {
        east.signal("bob", { leaseTransitions: 2 });
        await world.pass(5_000);
        west.signal("ada", { leaseTransitions: 1 });
        await world.pass(100);
        expect([west.status.globalHolderIdentity, east.status.globalHolderIdentity]).toEqual(["ada", "ada"]);
      }
      const releasedMs = clock.monotonicMs();
      west.release("ada", { leaseTransitions: 1 });
      await world.until(() => east.status.globalHolderIdentity === "");
      east.signal("bob", { leaseTransitions: (east.status.globalLeaseTransitions ?? 0) + 1 });
      await world.until(() => east.status.globalHolderIdentity === "bob");
      expect(clock.monotonicMs() - releasedMs).toBeLessThan(4_000);
      await world.until(() => west.status.globalHolderIdentity === "bob");
      await world.close();
    });
  }

  test("#71: controllers whose wall clocks are five minutes apart take nothing over early", async () => {
    const world = await twoClusters("memory", 300_000);
    const { clock, west, east } = world;
    await west.confirmed("ada", west.signal("ada", { leaseTransitions: 1 }));
    const holders = new Set<string>();
    for (let turn = 0; turn < 24; turn += 1) {
      if (turn % 2 === 0) west.signal("ada", { leaseTransitions: 1 });
      east.signal("bob", { leaseTransitions: 2 });
      await clock.advance(2_500);
      holders.add(east.status.globalHolderIdentity);
    }
    expect([...holders]).toEqual(["ada"]);
    await world.close();
  });

  test("#72: a challenger that declares one second waits for the holder's sixty", async () => {
    const world = await twoClusters("memory");
    const { clock, west, east } = world;
    await west.confirmed(
      "ada",
      west.signal("ada", { leaseTransitions: 1, leaseDurationSeconds: 60, renewDeadlineSeconds: 50 }),
    );
    const fromMs = clock.monotonicMs();
    while (east.status.globalHolderIdentity !== "bob" && clock.monotonicMs() - fromMs < 90_000) {
      east.signal("bob", {
        leaseTransitions: 2,
        leaseDurationSeconds: 1,
        renewDeadlineSeconds: 1,
        retryPeriodSeconds: 1,
      });
      await clock.advance(500);
    }
    expect(clock.monotonicMs() - fromMs).toBeGreaterThanOrEqual(60_000);
    expect(clock.monotonicMs() - fromMs).toBeLessThan(62_000);
    await world.close();
  });

  test("#75: a candidate dies with its controller, which is back in 3 s: the other cluster leads by L + P + 2 s", async () => {
    const world = await twoClusters("memory");
    const { clock, west, east } = world;
    await west.confirmed("ada", west.signal("ada", { leaseTransitions: 1 }));
    const diedMs = clock.monotonicMs();
    world.controllers[0]?.kill();
    await clock.advance(3_000);
    started.push(west.start(world.storageOf()));
    let sentMs = -Infinity;
    await world.until(() => {
      if (clock.monotonicMs() - sentMs < 2_000) return east.status.globalHolderIdentity === "bob";
      sentMs = clock.monotonicMs();
      east.signal("bob", { leaseTransitions: 2 });
      return false;
    });
    expect(clock.monotonicMs() - diedMs).toBeLessThan(15_000 + 2_000 + 2_000);
    await world.close();
  });

  test("#75: a leader whose only controller restarts within 3 s stays", async () => {
    const world = await twoClusters("memory");
    const { clock, west, east } = world;
    await west.confirmed("ada", west.signal("ada", { leaseTransitions: 1 }));
    await clock.advance(4_900);
    world.controllers[0]?.kill();
    await clock.advance(100);
    const sentMs = clock.monotonicMs();
    const sent = west.signal("ada", { leaseTransitions: 1 });
    started.push(west.start(world.storageOf())); // its predecessor's own lease has to run out first
    await west.confirmed("ada", sent, 9_000);
    expect(clock.monotonicMs() - sentMs).toBeLessThan(5_000);
    expect((await world.storageOf().readLease(key)).data).toMatchObject({ holderIdentity: "ada", leaseTransitions: 1 });
    expect(east.stored).toBeUndefined();
    await world.close();
  });

  test("#78: a signal from the future extends nothing", async () => {
    const world = await twoClusters("memory");
    const { clock, west, east } = world;
    await west
      .confirmed("ada", west.signal("ada", { leaseTransitions: 1, renewTime: "2199-01-01T00:00:00.000000Z" }), 5_000)
      .catch(() => {});
    const fromMs = clock.monotonicMs();
    expect(west.status.globalHolderIdentity).toBe("ada");
    while (east.status.globalHolderIdentity !== "bob" && clock.monotonicMs() - fromMs < 60_000) {
      east.signal("bob", { leaseTransitions: 2 });
      await clock.advance(1_000);
    }
    expect(clock.monotonicMs() - fromMs).toBeLessThan(17_000);
    await world.close();
  });
});

interface World {
  readonly clock: ManualClock;
  readonly west: Cluster;
  readonly east: Cluster;
  readonly controllers: readonly Running[];
  storageOf(): MemoryStorage;
  pass(ms: number): Promise<void>;
  until(condition: () => boolean): Promise<void>;
  close(): Promise<void>;
}

async function twoClusters(kind: "memory" | "file", eastIsAheadMs = 0): Promise<World> {
  const clock = new ManualClock();
  const [west, east] = [new Cluster(clock, 1), new Cluster(clock, 2, eastIsAheadMs)];
  const data = new MemoryData();
  const folder = await mkdtemp(join(tmpdir(), "tenure-controller-"));
  const { FileStorage } = await import("../../src/storage/file.ts");
  const storageOf = (): MemoryStorage => new MemoryStorage({ clock, data });
  const open = (): MemoryStorage | InstanceType<typeof FileStorage> =>
    kind === "memory" ? storageOf() : new FileStorage({ directory: folder, clock });
  const storages = [open(), open()];
  const controllers = [west, east].map((cluster, index) => cluster.start(storages[index] ?? storageOf()));
  started.push(...controllers);
  /** Files are read in real time, so the manual clock moves in small steps. */
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 50) {
      await clock.advance(Math.min(left, 50));
      if (kind === "file") await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  await pass(4_000);
  return {
    ...{ clock, west, east, controllers, storageOf, pass },
    until: async (condition) => {
      for (let steps = 0; !condition(); steps += 1) {
        if (steps > 1_000) throw new Error("the condition does not come about");
        await pass(50);
      }
    },
    close: async () => {
      for (const controller of controllers) controller.kill();
      for (const storage of storages) await storage.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
