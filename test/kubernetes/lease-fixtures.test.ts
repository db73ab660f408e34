// Goal: what others write into a Lease is understood, and given back as it was. Method: traffic that client-go has left
// on a real server goes through our codec both ways, and electors decide on Leases as others leave them.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import type { KubernetesResource } from "../../src/kubernetes/kubernetes-resources.ts";
import { LeaseLock } from "../../src/kubernetes/lease-lock.ts";
import { leaseToRecord, recordToLease } from "../../src/kubernetes/lease-record.ts";
import { FakeKubernetes, ManualClock } from "../../src/testing/index.ts";

interface RecordedLine {
  readonly source: string;
  readonly event: string;
  readonly object?: KubernetesResource;
}

// kube-apiserver 1.36.3 and client-go 0.36.3: create, renew, release, crash.
const recorded = readFileSync(new URL("./fixtures/lease.jsonl", import.meta.url), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as RecordedLine); // cast: the form of the recording
const leases = recorded.flatMap(({ object }) => (object === undefined ? [] : [object]));

const place = { namespace: "default", name: "demo" };
const ref = { group: "coordination.k8s.io", version: "v1", plural: "leases", ...place };
const source = { storage: "the recording" };
const time = "2026-11-21T09:32:44.921366Z";

describe("K-30: the traffic that client-go has left on a real server", () => {
  it("is all there: creation, renewals, a release and two takeovers", () => {
    expect(leases).toHaveLength(28);
    const others = recorded.filter(({ object }) => object === undefined).map(({ source: from }) => from);
    expect(others).toEqual(Array.from({ length: recorded.length - 28 }, () => "script")); // what was done to it
    const specs = leases.map((lease) => leaseToRecord(lease, source).record);
    expect(new Set(specs.map((spec) => spec.leaderTransitions))).toEqual(new Set([0, 1, 2]));
    expect(specs.filter((spec) => spec.holderIdentity === "")).toHaveLength(1);
  });

  it("passes through our codec unchanged, to the last byte", () => {
    for (const lease of leases) {
      const { record, problems } = leaseToRecord(lease, source);
      expect(problems).toEqual([]);
      expect(JSON.stringify(recordToLease(record, lease, {}))).toBe(JSON.stringify(lease));
      expect(recordToLease(record, {}, {})["spec"]).toEqual(lease["spec"]);
    }
  });

  it("passes through a lock, a server and its checks unchanged", async () => {
    const clock = new ManualClock();
    const cluster = new FakeKubernetes({ clock });
    const lock = new LeaseLock({ ...place, client: cluster.connect(), clock });
    for (const lease of leases) {
      const seen = leaseToRecord(lease, source).record;
      const there = await lock.get();
      if (there === undefined) await lock.create(seen);
      else await lock.update(seen, there.version);
      expect(cluster.stored(ref)?.["spec"]).toEqual(lease["spec"]);
      expect((await lock.get())?.record).toEqual(seen);
    }
  });

  it("a candidate of ours that watches it learns of each holder, and of none too many", async () => {
    const clock = new ManualClock();
    const cluster = new FakeKubernetes({ clock });
    const over = new AbortController();
    const holders: unknown[] = [];
    const lock = new LeaseLock({ ...place, client: cluster.connect(), clock });
    const reading = (async () => {
      for await (const { observed } of lock.watch({ signal: over.signal }))
        holders.push(observed?.record.holderIdentity);
    })();
    for (const lease of leases) {
      cluster.put(ref, lease);
      await clock.advance();
    }
    over.abort();
    await reading;
    expect(holders).toEqual(leases.map((lease) => leaseToRecord(lease, source).record.holderIdentity));
  });
});

interface Fixture {
  readonly what: string;
  readonly spec: object;
  /** When a candidate of ours, with a lease of 15 s, leads. */
  readonly leadsAfterMs: number;
  readonly alarms?: readonly string[];
}

const held = { holderIdentity: "b", leaseDurationSeconds: 15, acquireTime: time, renewTime: time, leaseTransitions: 3 };
const { leaseDurationSeconds: _none, ...withoutDuration } = held;

const fixtures: readonly Fixture[] = [
  { what: "created by client-go", spec: leases[0]?.["spec"] ?? {}, leadsAfterMs: 15_000 },
  { what: "renewed by client-go", spec: leases[1]?.["spec"] ?? {}, leadsAfterMs: 15_000 },
  {
    what: "released by client-go",
    spec: leases.find((lease) => leaseToRecord(lease, source).record.holderIdentity === "")?.["spec"] ?? {},
    leadsAfterMs: 0,
  },
  { what: "free by a null holder (fabric8)", spec: { ...held, holderIdentity: null }, leadsAfterMs: 0 },
  { what: "free by an absent holder (kubert)", spec: { leaseTransitions: 3 }, leadsAfterMs: 0 },
  { what: "without anything", spec: {}, leadsAfterMs: 0 },
  { what: "of a longer lease than ours", spec: { ...held, leaseDurationSeconds: 40 }, leadsAfterMs: 40_000 },
  { what: "of a shorter lease than ours", spec: { ...held, leaseDurationSeconds: 3 }, leadsAfterMs: 15_000 },
  { what: "without a duration", spec: withoutDuration, leadsAfterMs: 15_000, alarms: ["hostileDuration"] },
  { what: "with three digits", spec: { ...held, renewTime: "2026-11-21T09:32:44.921Z" }, leadsAfterMs: 15_000 },
  { what: "with nine digits", spec: { ...held, renewTime: "2026-11-21T09:32:44.921366123Z" }, leadsAfterMs: 15_000 },
  { what: "with an offset", spec: { ...held, renewTime: "2026-11-21T18:32:44.921366+09:00" }, leadsAfterMs: 15_000 },
];

describe("K-30: a Lease as others leave it is read without an error, and decided on", () => {
  it.each(fixtures)("$what: ours leads after $leadsAfterMs ms", async ({ spec, leadsAfterMs, alarms = [] }) => {
    const clock = new ManualClock();
    const cluster = new FakeKubernetes({ clock });
    cluster.put(ref, { kind: "Lease", spec });
    const errors: unknown[] = [];
    const heard: string[] = [];
    const elector = new LeaderElector({
      ...{ lock: new LeaseLock({ ...place, client: cluster.connect(), clock }), clock },
      random: { next: () => 0, uuid: () => "uuid" },
      onError: (error) => void errors.push(error),
      callbacks: { onStartedLeading: () => {} },
    });
    elector.on("alarm", ({ kind }) => void heard.push(kind));
    void elector.run();
    const tookMs = await clock.advanceUntil(() => elector.isLeader(), 60_000);
    expect(tookMs).toBeGreaterThanOrEqual(leadsAfterMs);
    expect(tookMs).toBeLessThanOrEqual(leadsAfterMs + 50);
    expect(heard).toEqual(alarms);
    expect(errors).toEqual([]);
    const before: unknown = Reflect.get(spec, "leaseTransitions");
    expect(Reflect.get(cluster.stored(ref)?.["spec"] ?? {}, "leaseTransitions")).toBe(Number(before ?? 0) + 1);
    void elector.stop();
    await clock.advance();
  });
});
