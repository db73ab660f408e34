// Goal: behind a controller of Go the lock asks only when that helps, under names that the controller can count, and
// knows its own holding again. Method: single calls of locks on a fake cluster with the double of that controller.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { appliedOf } from "../../src/errors.ts";
import { MultiClusterLeaseLock } from "../../src/kubernetes/multi-cluster-lease-lock.ts";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import type { LockOutcome } from "../../src/lock/resource-lock.ts";
import type { Version } from "../../src/storage/versioned-storage.ts";
import { microTime } from "../../src/system/micro-time.ts";
import { FakeKubernetes, ManualClock, type FakeKubernetesClient } from "../../src/testing/index.ts";
import { GoController, type GoBucket } from "./go-controller.ts";
import { leaseRef } from "./scripted-controller.ts";

const ref = leaseRef();
const prunedFields = { multiclusterleases: ["spec.leaseTransitions", "status.globalAcquireTime"] };

let clock: ManualClock;
let cluster: FakeKubernetes;
let client: FakeKubernetesClient;
let bucket: GoBucket;
let over: AbortController;
let lock: MultiClusterLeaseLock;

beforeEach(() => {
  clock = new ManualClock();
  cluster = new FakeKubernetes({ clock, prunedFields });
  client = cluster.connect();
  bucket = { record: undefined, trouble: undefined };
  over = new AbortController();
  new GoController({ client: cluster.connect(), ref, clock, bucket, signal: over.signal });
  const place = { namespace: "default", name: "billing", label: "a", events: "off" } as const;
  lock = new MultiClusterLeaseLock({ ...place, client, clock });
});

/** Follows, as an elector does: this controller writes a status each two seconds, and an unseen one loses a race. */
function follow(): void {
  void (async () => {
    for await (const _hint of lock.watch({ signal: over.signal }));
  })();
}
afterEach(() => over.abort());

function record(fields: Partial<LeaderElectionRecord> = {}): LeaderElectionRecord {
  const renewTime = microTime(clock.wallMs() * 1000);
  const times = { acquireTime: renewTime, renewTime };
  return { holderIdentity: lock.identity, leaseDurationSeconds: 15, ...times, leaderTransitions: 1, ...fields };
}

async function ended<T>(call: Promise<T>): Promise<T> {
  let settled = false;
  const watched = call.finally(() => (settled = true));
  watched.catch(() => {}); // it is awaited below
  await clock.advanceUntil(() => settled, 30_000);
  return await watched;
}

const failed = (call: Promise<unknown>): Promise<unknown> =>
  ended(
    call.then(
      (value) => ({ value }),
      (error: unknown) => error,
    ),
  );

function written(outcome: LockOutcome): Version {
  if (!outcome.written) throw new Error("the write lost the race");
  return outcome.version;
}

const holderInSpec = (): unknown => Object(cluster.stored(ref)?.["spec"]).holderIdentity;

describe("K-49: what is read behind a Go controller", () => {
  it("one's own holding carries the signal that was confirmed last, and its name is the identity", async () => {
    const first = record();
    await ended(lock.create(first));
    expect((await lock.get())?.record).toMatchObject({ holderIdentity: lock.identity, renewTime: first.renewTime });
    await clock.advance(6_000); // it stamps on by itself
    expect((await lock.get())?.record).toMatchObject({ renewTime: first.renewTime, acquireTime: "" });
  });

  it("a signal whose answer was lost is found again, once the controller has written for it", async () => {
    const first = record();
    client.loseAnswer();
    expect(appliedOf(await failed(lock.create(first)))).toBe("unknown");
    await lock.get();
    await clock.advance(3_000);
    expect((await lock.get())?.record).toMatchObject({ holderIdentity: lock.identity, renewTime: first.renewTime });
  });

  it("another's holding carries the controller's stamp", async () => {
    await ended(lock.create(record()));
    const other = new MultiClusterLeaseLock({
      namespace: "default",
      name: "billing",
      client: cluster.connect(),
      clock,
    });
    expect((await other.get())?.record).toMatchObject({
      holderIdentity: lock.identity,
      renewTime: "2026-01-01T00:00:00Z",
    });
  });
});

describe("row 8", () => {
  it("K-52: a renewal within the second of the last stamp signals once more, and keeps the caller's text", async () => {
    const version = written(await ended(lock.create(record())));
    client.forget();
    await clock.advance(10);
    const renewal = record();
    const outcome = await ended(lock.update(renewal, version));
    expect(clock.monotonicMs()).toBeLessThanOrEqual(2_100);
    expect(client.calls.filter((call) => call.startsWith("patch"))).toHaveLength(2);
    const seen = await lock.get();
    expect(seen?.record.renewTime).toBe(renewal.renewTime);
    expect(seen?.version).toBe(written(outcome));
  });
});

describe("K-55: names", () => {
  it("a new term has the next name after the one that a status named, and renewals keep it", async () => {
    follow();
    const first = written(await ended(lock.create(record())));
    await clock.advance(2_000);
    // An ask while its own last name holds the lease is refused: the controller takes it for somebody else.
    const error = await failed(lock.update(record({ leaderTransitions: 2 }), first));
    expect([holderInSpec(), appliedOf(error)]).toEqual([`${lock.identity}~2`, "no"]);
    await clock.advance(16_000);
    const seen = await lock.get();
    const second = await ended(lock.update(record({ leaderTransitions: 2 }), seen?.version ?? first));
    expect(second).toMatchObject({ written: true });
    expect(holderInSpec()).toBe(`${lock.identity}~2`); // no status had named it, so it was not used up
    expect((await lock.get())?.record).toMatchObject({ holderIdentity: lock.identity, leaderTransitions: 2 });
    await clock.advance(2_000);
    await ended(lock.update(record({ leaderTransitions: 2 }), written(second)));
    expect([holderInSpec(), bucket.record?.leaseTransitions]).toEqual([`${lock.identity}~2`, 2]);
  });
});

describe("K-58: a release behind a Go controller", () => {
  async function release(): Promise<Version> {
    follow();
    const version = written(await ended(lock.create(record())));
    await clock.advance(2_000);
    const error = await failed(lock.update(record({ holderIdentity: "", leaseDurationSeconds: 1 }), version));
    expect(error).toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown" });
    return (await lock.get())?.version ?? version;
  }

  it("is unknown at once: the controller names nobody, and frees nothing", async () => {
    await release();
    expect(clock.monotonicMs()).toBeLessThan(3_000);
    expect(bucket.record?.holderIdentity).toBe(lock.identity);
    expect((await lock.get())?.record.holderIdentity).toBe("");
  });

  it("lets this candidate ask for nothing during L + P, for the controller would go on with it", async () => {
    const version = await release();
    client.forget();
    for (let count = 0; count < 8; count += 1) {
      expect(appliedOf(await failed(lock.update(record({ leaderTransitions: 2 }), version)))).toBe("no");
      await clock.advance(2_000);
    }
    expect(client.calls).toEqual([]);
    await clock.advance(1_500);
    expect(await ended(lock.update(record({ leaderTransitions: 2 }), version))).toMatchObject({ written: true });
    expect(bucket.record).toMatchObject({ holderIdentity: `${lock.identity}~2`, leaseTransitions: 2 });
  });
});
