// Goal: our controller and that of the Go original on one storage read, honour and succeed each other (K-80), and what
// the original really wrote is read as what it was. Method: a double of the original over the bytes of our storage, and
// its recorded bucket writes.
import { describe, expect, test } from "vitest";
import { MemoryData, MemoryStorage } from "../../src/storage/memory.ts";
import { microTime } from "../../src/system/micro-time.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { GoController, type GoBucket } from "../kubernetes/go-controller.ts";
import { recordedLeases } from "../kubernetes/recorded-leases.ts";
import { Cluster, ref } from "./cluster.ts";

const key = "leases/default/billing";

/** The bucket of the double, kept in our storage: its three fields, and nanoseconds as Go has them. */
class SharedBucket implements GoBucket {
  trouble: string | undefined;
  readonly #data: MemoryData;
  readonly #clock: ManualClock;

  constructor(data: MemoryData, clock: ManualClock) {
    this.#data = data;
    this.#clock = clock;
  }

  get record(): GoBucket["record"] {
    const stored = this.#data.look(key, this.#clock.monotonicMs());
    if (stored === undefined) return undefined;
    const read = JSON.parse(new TextDecoder().decode(stored.value)) as Record<string, never>;
    const { holderIdentity, renewTime, leaseTransitions } = read as unknown as {
      holderIdentity: string;
      renewTime: string;
      leaseTransitions: number;
    };
    return { holderIdentity, renewMs: Date.parse(renewTime), leaseTransitions };
  }

  set record(written: GoBucket["record"]) {
    if (written === undefined) return;
    const { holderIdentity, renewMs, leaseTransitions } = written;
    const renewTime = microTime(renewMs * 1000).replace("Z", "321Z");
    const value = new TextEncoder().encode(JSON.stringify({ holderIdentity, renewTime, leaseTransitions }));
    this.#data.apply([{ kind: "create", key, value }], Infinity);
  }
}

describe("a Go controller in the other cluster", () => {
  function mixed(): { clock: ManualClock; ours: Cluster; theirs: Cluster; close(): void; storage: MemoryStorage } {
    const clock = new ManualClock();
    const [ours, theirs] = [new Cluster(clock, 1), new Cluster(clock, 2)];
    const data = new MemoryData();
    const storage = new MemoryStorage({ clock, data });
    const over = new AbortController();
    const client = theirs.api.connect();
    new GoController({ client, ref, clock, bucket: new SharedBucket(data, clock), signal: over.signal });
    const running = ours.start(storage);
    const close = (): void => {
      over.abort(new Error("over"));
      running.kill();
    };
    return { clock, ours, theirs, storage, close };
  }

  test("K-80: ours waits for a Go leader, and succeeds it once its record was not seen to change", async () => {
    const { clock, ours, theirs, close } = mixed();
    await clock.advance(4_000);
    theirs.signal("gopher");
    await clock.advance(1_000);
    for (let second = 0; second < 40; second += 1) {
      if (second % 2 === 0) theirs.signal("gopher");
      if (second % 5 === 0) ours.signal("ada", { leaseTransitions: 2 });
      await clock.advance(1_000);
      expect(ours.status.globalHolderIdentity).toBe("gopher");
    }
    expect(ours.status.globalRenewTime).toMatch(/\.\d{6}Z$/);
    const silentMs = clock.monotonicMs();
    while (ours.status.globalHolderIdentity !== "ada" && clock.monotonicMs() - silentMs < 90_000) {
      ours.signal("ada", { leaseTransitions: (ours.status.globalLeaseTransitions ?? 0) + 1 });
      await clock.advance(2_000);
    }
    // A Go controller renews a dead candidate for two leases.
    expect(clock.monotonicMs() - silentMs).toBeGreaterThan(15_000);
    expect(clock.monotonicMs() - silentMs).toBeLessThan(3 * 15_000 + 6_000);
    close();
  });

  test("K-80: a Go controller waits for ours, and takes a released lock at its next try, with the term that it finds", async () => {
    const { clock, ours, theirs, storage, close } = mixed();
    await clock.advance(4_000);
    ours.signal("ada", { leaseTransitions: 1 });
    await clock.advance(100);
    for (let second = 0; second < 30; second += 1) {
      if (second % 5 === 0) ours.signal("ada", { leaseTransitions: 1 });
      if (second % 2 === 0) theirs.signal("gopher");
      await clock.advance(1_000);
      expect(theirs.status.globalHolderIdentity).toBe("ada");
    }
    ours.release("ada", { leaseTransitions: 1 });
    await clock.advance(100);
    expect((await storage.readLease(key)).data).toMatchObject({ holderIdentity: "", leaseTransitions: 2 });
    theirs.signal("gopher");
    await clock.advance(3_000);
    expect((await storage.readLease(key)).data).toMatchObject({ holderIdentity: "gopher", leaseTransitions: 2 });
    expect(ours.status).toMatchObject({ globalHolderIdentity: "gopher", globalLeaseTransitions: 2 });
    close();
  });
});

describe("what the original wrote into its bucket", () => {
  const writes = recordedLeases().filter(({ source, event }) => source === "bucket" && event === "WRITTEN");

  test("each recorded write is shown as it is, and its holder is waited for, in another cluster with our controller", async () => {
    expect(writes.length).toBeGreaterThan(20);
    const clock = new ManualClock();
    const cluster = new Cluster(clock);
    const data = new MemoryData();
    const running = cluster.start(new MemoryStorage({ clock, data }));
    await clock.advance(4_000);
    cluster.write({ holderIdentity: "" });
    let lastMs = writes[0]?.atMs ?? 0;
    for (const { atMs, body = "" } of writes) {
      await clock.advance(atMs - lastMs);
      lastMs = atMs;
      data.apply([{ kind: "create", key, value: new TextEncoder().encode(body) }], Infinity);
      await clock.advance(100);
      lastMs += 100;
      const { holderIdentity, leaseTransitions } = JSON.parse(body) as {
        holderIdentity: string;
        leaseTransitions: number;
      };
      expect(cluster.status).toMatchObject({
        globalHolderIdentity: holderIdentity,
        globalLeaseTransitions: leaseTransitions,
      });
      expect(cluster.condition("LockAcquiredInBackend")).toBe("True LockAcquired");
    }
    const holder = cluster.status.globalHolderIdentity;
    const fromMs = clock.monotonicMs();
    while (cluster.status.globalHolderIdentity === holder && clock.monotonicMs() - fromMs < 60_000) {
      cluster.signal("ada");
      await clock.advance(1_000);
    }
    expect(clock.monotonicMs() - fromMs).toBeGreaterThanOrEqual(14_000);
    expect(clock.monotonicMs() - fromMs).toBeLessThan(17_000);
    expect(cluster.status.globalHolderIdentity).toBe("ada");
    running.kill();
  });
});
