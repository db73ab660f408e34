// Goal: the controller carries signals to the storage and shows what became of them, with few requests, through lost
// races, lost answers and failures. Method: real controllers over a cluster in memory, on a clock that a test moves.
import { describe, expect, test } from "vitest";
import type { LeaseStorage } from "../../src/storage/lease-storage.ts";
import { MemoryData, MemoryStorage } from "../../src/storage/memory.ts";
import { FaultyStorage } from "../../src/testing/faulty-storage.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { Cluster, ref, type Running } from "./cluster.ts";

const key = "leases/default/billing";

function plansOf({ controller }: Running): number {
  const found = controller.metricsText().matchAll(/reconciles_total\{[^}]*\} (\d+)/g);
  return [...found].reduce((sum, [, count]) => sum + Number(count), 0);
}

async function led(): Promise<{
  clock: ManualClock;
  cluster: Cluster;
  storage: MemoryStorage;
  running: ReturnType<Cluster["start"]>;
}> {
  const clock = new ManualClock();
  const cluster = new Cluster(clock);
  const storage = new MemoryStorage({ clock });
  const running = cluster.start(storage);
  await clock.advance(4_000);
  await cluster.confirmed("ada", cluster.signal("ada", { leaseTransitions: 1 }));
  return { clock, cluster, storage, running };
}

describe("one cluster", () => {
  test("a candidate's first signal creates the record, and the status says so", async () => {
    const { cluster, storage, running } = await led();
    const { data } = await storage.readLease(key);
    expect(data).toMatchObject({ holderIdentity: "ada", leaseTransitions: 1, leaseDurationSeconds: 15 });
    expect(cluster.status).toMatchObject({
      globalHolderIdentity: "ada",
      globalRenewTime: data.renewTime,
      observedGeneration: 1,
    });
    expect(cluster.stored?.metadata?.["finalizers"]).toEqual([
      "multiclusterlease.core.cnrm.cloud.google.com/finalizer",
    ]);
    expect(
      ["BackendHealthy", "LockAcquiredInBackend", "LocalCandidateReady"].map((type) => cluster.condition(type)),
    ).toEqual(["True BackendHealthy", "True LockAcquired", "True SignalFresh"]);
    await running.stop();
  });

  test("K-70, K-73: a renewal costs one storage write, no read, and one status write", async () => {
    const { clock, cluster, running } = await led();
    await clock.advance(5_000);
    const text = (): string => running.controller.metricsText();
    const before = text();
    running.client.forget();
    await cluster.confirmed("ada", cluster.signal("ada", { leaseTransitions: 1 }));
    await clock.advance(1_000);
    const patches = running.client.log.filter(({ plural }) => plural === "multiclusterleases");
    expect(patches.map(({ verb }) => verb)).toEqual(["patch"]);
    const value = (of: string, series: string): number => Number(new RegExp(`${series} (\\d+)`).exec(of)?.[1]);
    const writes = 'global_writes_total\\{outcome="written"\\}';
    expect(value(text(), writes) - value(before, writes)).toBe(1);
    for (const outcome of ["record", "absent", "dropped"]) {
      const reads = `global_reads_total\\{outcome="${outcome}"\\}`;
      expect(value(text(), reads)).toBe(value(before, reads));
    }
    await running.stop();
  });

  test("K-64: after a candidate's last signal nothing is written, and the lease runs out for all to see", async () => {
    const { clock, cluster, storage, running } = await led();
    const { generation } = await storage.readLease(key);
    await clock.advance(60_000);
    expect((await storage.readLease(key)).generation).toBe(generation);
    expect(cluster.condition("LockAcquiredInBackend")).toBe("False LeaseExpired");
    expect(cluster.condition("LocalCandidateReady")).toBe("False SignalExpired");
    await running.stop();
  });

  test("a release frees the record within a moment, and the next candidate leads at once", async () => {
    const { clock, cluster, storage, running } = await led();
    cluster.release("ada", { leaseTransitions: 1 });
    await clock.advance(100);
    expect((await storage.readLease(key)).data).toMatchObject({ holderIdentity: "", leaseTransitions: 2 });
    expect(cluster.status).toMatchObject({ globalHolderIdentity: "", globalLeaseTransitions: 2 });
    const ms = await cluster.confirmed("bob", cluster.signal("bob", { leaseTransitions: 3 }));
    expect(ms).toBeLessThan(100);
    expect((await storage.readLease(key)).data).toMatchObject({ holderIdentity: "bob", leaseTransitions: 3 });
    await running.stop();
  });

  test("K-75, #76: a deletion waits for the release, frees the record, and lets the object go", async () => {
    const { clock, cluster, storage, running } = await led();
    cluster.delete();
    await clock.advance(5_000);
    expect(cluster.isGone).toBe(false);
    expect((await storage.readLease(key)).data.holderIdentity).toBe("ada");
    cluster.release("ada", { leaseTransitions: 1 });
    await clock.advance(100);
    expect((await storage.readLease(key)).data.holderIdentity).toBe("");
    expect(cluster.isGone).toBe(true);
    await running.stop();
  });

  test("K-75: without a release the object goes when the lease has run out", async () => {
    const { clock, cluster, storage, running } = await led();
    cluster.delete();
    const ms = await clock.advanceUntil(() => cluster.isGone, 60_000);
    expect(ms).toBeGreaterThan(14_900);
    expect(ms).toBeLessThan(30_000);
    expect((await storage.readLease(key)).data.holderIdentity).toBe("");
    await running.stop();
  });

  test("K-73: a status write that conflicts is made again at once, not at the next requeue", async () => {
    const { clock, cluster, running } = await led();
    await clock.advance(5_000);
    running.client.delay({ requestMs: 50 }, { on: "patch", plural: "multiclusterleases", times: 1 });
    const sent = cluster.signal("ada", { leaseTransitions: 1 });
    await clock.advance(20);
    cluster.api.annotate(ref, { edit: "under way" });
    expect(await cluster.confirmed("ada", sent)).toBeLessThan(500);
    expect(running.controller.metricsText()).toContain('status_writes_total{outcome="conflict"} 1\n');
    await clock.advance(5_000);
    running.client.loseAnswer({ plural: "multiclusterleases" });
    expect(await cluster.confirmed("ada", cluster.signal("ada", { leaseTransitions: 1 }))).toBeLessThan(500);
    await clock.advance(5_000);
    running.client.refuse(500, { on: "patch", plural: "multiclusterleases", times: 3 });
    expect(await cluster.confirmed("ada", cluster.signal("ada", { leaseTransitions: 1 }))).toBeLessThan(2_000);
    await running.stop();
  });

  test("K-79: a flood of label edits makes no write, and at most ten plans a second", async () => {
    const { clock, cluster, storage, running } = await led();
    await clock.advance(3_000);
    const { generation } = await storage.readLease(key);
    const before = plansOf(running);
    for (let edits = 0; edits < 1_000; edits += 1) {
      cluster.api.annotate(ref, { edit: String(edits) });
      await clock.advance(5);
    }
    expect(plansOf(running) - before).toBeLessThan(10); // such an edit tells nothing
    expect((await storage.readLease(key)).generation).toBe(generation);
    await running.stop();
  });

  test("K-79: a flood of signals is planned for ten times a second", async () => {
    const { clock, cluster, running } = await led();
    await clock.advance(3_000);
    const before = plansOf(running);
    for (let signals = 0; signals < 1_000; signals += 1) {
      cluster.signal("ada", { leaseTransitions: 1 });
      await clock.advance(5);
    }
    expect(plansOf(running) - before).toBeLessThanOrEqual(20 + 5 * 10);
    await running.stop();
  });

  test("#78: a hundred edits a second, which conflict with the status writes, keep no renewal from being shown", async () => {
    const { clock, cluster, running } = await led();
    running.client.delay({ requestMs: 4, answerMs: 4 });
    for (let renewals = 0; renewals < 10; renewals += 1) {
      const sent = cluster.signal("ada", { leaseTransitions: 1 });
      const sentMs = clock.monotonicMs();
      while (cluster.status.globalRenewTime !== sent) {
        cluster.api.annotate(ref, { edit: String(clock.monotonicMs()) });
        await clock.advance(10);
        expect(clock.monotonicMs() - sentMs).toBeLessThan(5_000);
      }
      await clock.advance(1_000);
    }
    await running.stop();
  });

  test("K-38: who takes the finalizer away finds it back at the next renewal", async () => {
    const { clock, cluster, running } = await led();
    await clock.advance(5_000);
    const stored = cluster.stored;
    cluster.api.put(ref, { ...stored, metadata: { ...stored?.metadata, finalizers: ["others/finalizer"] } });
    await cluster.confirmed("ada", cluster.signal("ada", { leaseTransitions: 1 }));
    expect(cluster.stored?.metadata?.["finalizers"]).toEqual([
      "others/finalizer",
      "multiclusterlease.core.cnrm.cloud.google.com/finalizer",
    ]);
    await running.stop();
  });

  test("K-87: a stop releases the own lease, writes nothing more, and leaves the workload's lock as it is", async () => {
    const { cluster, storage, running } = await led();
    const { generation } = await storage.readLease(key);
    await running.stop();
    expect((await storage.readLease(key)).generation).toBe(generation);
    const lease = {
      group: "coordination.k8s.io",
      version: "v1",
      plural: "leases",
      namespace: "default",
      name: "tenure-controller",
    };
    expect(cluster.api.stored(lease)).toMatchObject({ spec: { holderIdentity: "" } });
    expect(cluster.api.watchCount).toBe(0);
  });

  test("K-82: events are about the object, once per change", async () => {
    const { clock, cluster, running } = await led();
    cluster.release("ada", { leaseTransitions: 1 });
    await clock.advance(1_000);
    const events = running.client.log.filter(({ plural, verb }) => plural === "events" && verb === "create");
    const told = events.map(({ body }) => Reflect.get(Object(body), "reason") as unknown);
    expect(told).toEqual(["LeaderChanged", "LockReleased"]);
    expect(events[0]?.body).toMatchObject({
      regarding: { kind: "MultiClusterLease", name: "billing", namespace: "default" },
    });
    await running.stop();
  });
});

describe("a storage in trouble", () => {
  test("K-67: a write whose answer is lost is found by reading, and not written twice", async () => {
    const clock = new ManualClock();
    const cluster = new Cluster(clock);
    const storage = new FaultyStorage(new MemoryStorage({ clock }), { clock });
    const running = cluster.start(storage);
    await clock.advance(4_000);
    storage.next({ kind: "answerLost" }, "create");
    const sent = cluster.signal("ada", { leaseTransitions: 1 });
    await cluster.confirmed("ada", sent);
    expect(running.controller.metricsText()).toContain('global_writes_total{outcome="unknown"} 1');
    expect(running.controller.metricsText()).toContain('global_writes_total{outcome="written"} 0');
    await running.stop();
  });

  test("K-67: a lost race is read, and decided once more", async () => {
    const { clock, cluster, storage, running } = await led();
    const { data, generation } = await storage.readLease(key);
    await clock.advance(5_000);
    const writing = storage.writeLease(key, { ...data, unknownFields: { note: "an edit" } }, generation);
    await cluster.confirmed("ada", cluster.signal("ada", { leaseTransitions: 1 }));
    await writing;
    expect((await storage.readLease(key)).data.unknownFields).toEqual({ note: "an edit" });
    await running.stop();
  });

  test("K-78, #77: away for an hour it is asked once in five seconds, and everything is back soon after", async () => {
    const clock = new ManualClock();
    const cluster = new Cluster(clock);
    const data = new MemoryData();
    const inner = new MemoryStorage({ clock, data });
    let isAway = false;
    const storage = new FaultyStorage(inner, { clock, script: () => (isAway ? { kind: "busy" } : undefined) });
    const running = cluster.start(storage);
    await clock.advance(4_000);
    await cluster.confirmed("ada", cluster.signal("ada", { leaseTransitions: 1 }));
    isAway = true;
    const calls = (): number => {
      const outcomes = running.controller
        .metricsText()
        .matchAll(/global_(?:reads|writes)_total\{outcome="failed"\} (\d+)/g);
      return [...outcomes].reduce((sum, [, count]) => sum + Number(count), 0);
    };
    running.client.forget();
    for (let minute = 0; minute < 60; minute += 1) {
      cluster.signal("ada", { leaseTransitions: 1 });
      await clock.advance(60_000);
    }
    expect(calls()).toBeLessThanOrEqual(3_600 / 5 + 6);
    expect(cluster.condition("BackendHealthy")).toBe("False BackendError");
    expect(cluster.condition("LockAcquiredInBackend")).toBe("Unknown BackendError");
    expect(cluster.status.globalHolderIdentity).toBe("ada");
    isAway = false;
    const sent = cluster.signal("bob", { leaseTransitions: 2 });
    expect(await cluster.confirmed("bob", sent)).toBeLessThan(6_000 + 2_000);
    await running.stop();
  });

  test.each(["hints", "polls"])(
    "K-71: without any candidate here, what happens in another cluster is shown all the same, by %s",
    async (by) => {
      const clock = new ManualClock();
      const data = new MemoryData();
      const [here, there] = [new Cluster(clock), new Cluster(clock, 2)];
      const storage = new MemoryStorage({ clock, data });
      const four: LeaseStorage = {
        readLease: (...call) => storage.readLease(...call),
        createLease: (...call) => storage.createLease(...call),
        writeLease: (...call) => storage.writeLease(...call),
        deleteLease: (...call) => storage.deleteLease(...call),
      };
      here.start(by === "hints" ? storage : four);
      there.start(new MemoryStorage({ clock, data }));
      here.write({});
      await clock.advance(4_000);
      const mostMs = by === "hints" ? 500 : 2_200 + 500;
      for (const holder of ["ada", "bob"]) {
        const sent = there.signal(holder);
        expect(await here.confirmed(holder, sent)).toBeLessThanOrEqual(mostMs);
        there.release(holder);
        await clock.advanceUntil(() => here.condition("LockAcquiredInBackend") === "False LockReleased", mostMs);
      }
      expect(here.condition("LocalCandidateReady")).toBe("False NoCandidate");
    },
  );

  test("K-86: a storage call that hangs delays its own lease only", async () => {
    const clock = new ManualClock();
    const cluster = new Cluster(clock);
    const storage = new FaultyStorage(new MemoryStorage({ clock }), { clock });
    const running = cluster.start(storage);
    await clock.advance(4_000);
    await cluster.confirmed("ada", cluster.signal("ada", { leaseTransitions: 1 }));
    await clock.advance(3_000);
    storage.next({ kind: "hang" }, "replace");
    cluster.signal("ada", { leaseTransitions: 1 });
    await clock.advance(1);
    const other = { ...ref, name: "other" };
    const sent = cluster.signal("bob", { leaseTransitions: 1 }, other);
    await clock.advance(100);
    expect(cluster.statusOf(other)).toMatchObject({ globalHolderIdentity: "bob", globalRenewTime: sent });
    expect(cluster.status.observedGeneration).toBe(1);
    await clock.advance(10_000);
    expect(cluster.status.observedGeneration).toBe(2);
    await running.stop();
  });
});
