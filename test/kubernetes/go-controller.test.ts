// Goal: the double of the Go controller has the flaws of the original, or what passes behind it would prove nothing.
// Method: each flaw that kubernetes.md names, and that the recording shows, as signals written by hand.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { finalizerOf, defaultGroup } from "../../src/kubernetes/multi-cluster-lease.ts";
import { microTime } from "../../src/system/micro-time.ts";
import { FakeKubernetes, ManualClock } from "../../src/testing/index.ts";
import { GoController, type GoBucket } from "./go-controller.ts";
import { leaseRef } from "./scripted-controller.ts";

const ref = leaseRef();
let clock: ManualClock;
let bucket: GoBucket;
let over: AbortController;

beforeEach(() => {
  clock = new ManualClock();
  bucket = { record: undefined, trouble: undefined };
  over = new AbortController();
});
afterEach(() => over.abort());

/** One cluster with its controller, whose clock may be ahead. */
function clusterOf(aheadMs = 0): {
  signal: (holder: string, fields?: object) => Promise<void>;
  cluster: FakeKubernetes;
  status: () => Readonly<Record<string, unknown>>;
  health: () => readonly unknown[];
} {
  const cluster = new FakeKubernetes({ clock });
  new GoController({ client: cluster.connect(), ref, clock, bucket, signal: over.signal, aheadMs });
  const status = (): Readonly<Record<string, unknown>> => Object(cluster.stored(ref)?.["status"]);
  return {
    cluster,
    status,
    health: () => Object(status()["conditions"] ?? []).map(({ status: state, message }: never) => [state, message]),
    async signal(holder, fields = {}) {
      const renewTime = microTime(clock.wallMs() * 1000);
      const spec = { holderIdentity: holder, renewTime, leaseDurationSeconds: 15, retryPeriodSeconds: 2, ...fields };
      const client = cluster.connect();
      const stored = cluster.stored(ref) !== undefined;
      await (stored ? client.patch(ref, { spec }) : client.create(ref, { metadata: { name: ref.name }, spec }));
      await clock.advance(10);
    },
  };
}

describe("K-60: the double of the Go controller", () => {
  it("takes the first candidate in term 1, under its finalizer, and stamps whole seconds of its own clock", async () => {
    const { signal, status, cluster } = clusterOf();
    await signal("a");
    const stamp = "2026-01-01T00:00:00Z";
    expect(status()).toMatchObject({
      ...{ observedGeneration: 1, globalHolderIdentity: "a", globalRenewTime: stamp },
      ...{ globalLeaseDurationSeconds: 15, globalLeaseTransitions: 1 },
    });
    expect(cluster.stored(ref)?.metadata?.["finalizers"]).toEqual([finalizerOf(defaultGroup)]);
  });

  it("renews for a dead candidate for two leases, then shows an error beside its holder", async () => {
    const { signal, status, health } = clusterOf();
    await signal("a");
    await clock.advance(29_000);
    const renewed = bucket.record?.renewMs ?? 0;
    expect(renewed).toBeGreaterThan(clock.wallMs() - 2_100);
    await clock.advance(60_000);
    expect((bucket.record?.renewMs ?? 0) - renewed).toBeLessThan(2_100);
    expect([status()["globalHolderIdentity"], health()[0]]).toEqual([
      ...["a", ["False", "failed to communicate with backend: candidate lease is stale"]],
    ]);
  });

  it("compares wall clocks: one that is 20 s ahead takes over from a living holder", async () => {
    const [first, second] = [clusterOf(), clusterOf(20_000)];
    await first.signal("a");
    await clock.advance(4_000);
    await second.signal("b");
    expect(bucket.record).toMatchObject({ holderIdentity: "b", leaseTransitions: 2 });
  });

  it("waits the challenger's duration, not the holder's", async () => {
    const [first, second] = [clusterOf(), clusterOf()];
    await first.signal("a", { leaseDurationSeconds: 60, retryPeriodSeconds: 10 });
    await clock.advance(3_000);
    await second.signal("b", { leaseDurationSeconds: 1 });
    expect(bucket.record?.holderIdentity).toBe("b");
  });

  it("frees nothing when a signal is taken back: it names nobody, and the record stays", async () => {
    const { signal, status, health } = clusterOf();
    await signal("a");
    await signal("a", { renewTime: null });
    expect(bucket.record?.holderIdentity).toBe("a");
    expect(status()).not.toHaveProperty("globalHolderIdentity");
    expect(status()).not.toHaveProperty("globalRenewTime");
    expect(status()["globalLeaseTransitions"]).toBe(1);
    expect(health()).toEqual([
      ["False", "failed to communicate with backend: candidate has no renew time"],
      ["True", "Lock is held by a"],
    ]);
  });

  it("keeps the term where it takes over a record without a holder", async () => {
    bucket.record = { holderIdentity: "", renewMs: clock.wallMs() - 60_000, leaseTransitions: 7 };
    await clusterOf().signal("a");
    expect(bucket.record).toMatchObject({ holderIdentity: "a", leaseTransitions: 7 });
  });

  it("leaves the generation behind while its storage is away, and lets a deleted object go at once", async () => {
    const { signal, status, cluster } = clusterOf();
    await signal("a");
    bucket.trouble = "503";
    await clock.advance(100);
    await signal("a");
    expect([status()["observedGeneration"], cluster.stored(ref)?.metadata?.["generation"]]).toEqual([1, 2]);
    cluster.remove(ref);
    await clock.advance(10);
    expect([cluster.stored(ref), bucket.record?.holderIdentity]).toEqual([undefined, "a"]);
  });
});
