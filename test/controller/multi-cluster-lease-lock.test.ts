// Goal: what our lock signals is, to the letter, what our controller stores and tells, so that one pair means one
// thing in spec, storage and status. Method: the real lock and the real controller on a fake cluster; bytes are read.
import { beforeEach, describe, expect, test } from "vitest";
import { MultiClusterLeaseLock } from "../../src/kubernetes/multi-cluster-lease-lock.ts";
import { StorageLock } from "../../src/lock/storage-lock.ts";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import type { LockOutcome } from "../../src/lock/resource-lock.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import type { Version } from "../../src/storage/versioned-storage.ts";
import { microTime } from "../../src/system/micro-time.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { Cluster } from "./cluster.ts";

const key = "leases/default/billing";
const place = { namespace: "default", name: "billing" };

let clock: ManualClock;
let cluster: Cluster;
let storage: MemoryStorage;
let lock: MultiClusterLeaseLock;

beforeEach(async () => {
  clock = new ManualClock();
  cluster = new Cluster(clock);
  storage = new MemoryStorage({ clock });
  cluster.start(storage);
  await clock.advance(4_000);
  const over = new AbortController();
  lock = new MultiClusterLeaseLock({ ...place, client: cluster.api.connect(), clock, label: "a", events: "off" });
  void (async () => {
    for await (const _hint of lock.watch({ signal: over.signal }));
  })();
  await clock.advance(1_000);
});

function record(fields: Partial<LeaderElectionRecord> = {}): LeaderElectionRecord {
  const renewTime = microTime(clock.wallMs() * 1000);
  const times = { acquireTime: renewTime, renewTime };
  return { holderIdentity: lock.identity, leaseDurationSeconds: 15, ...times, leaderTransitions: 1, ...fields };
}

async function written(call: Promise<LockOutcome>): Promise<Version> {
  let settled = false;
  const watched = call.finally(() => (settled = true));
  watched.catch(() => {}); // it is awaited below
  await clock.advanceUntil(() => settled, 10_000);
  const outcome = await watched;
  if (!outcome.written) throw new Error("the write lost the race");
  return outcome.version;
}

async function stored(): Promise<unknown> {
  const found = await storage.read(key);
  return found === undefined ? undefined : JSON.parse(new TextDecoder().decode(found.value));
}

describe("K-40: the global record", () => {
  test("holds the signals as they were sent: that which began the term, and the last one", async () => {
    const first = record();
    const version = await written(lock.create(first));
    const held = { holderIdentity: lock.identity, leaseDurationSeconds: 15, leaseTransitions: 1 };
    expect(await stored()).toEqual({ ...held, renewTime: first.renewTime, acquireTime: first.renewTime });
    await clock.advance(5_000);
    const second = record({ acquireTime: first.acquireTime });
    await written(lock.update(second, version));
    expect(await stored()).toEqual({ ...held, renewTime: second.renewTime, acquireTime: first.renewTime });
    expect((await lock.get())?.record).toEqual(second);
  });

  test("is the same to a candidate that has the storage itself, and that is followed across", async () => {
    const direct = new StorageLock({ ...place, storage, clock });
    const first = record();
    await written(lock.create(first));
    expect((await direct.get())?.record).toEqual(first);
    await clock.advance(1_000);
    const seen = await direct.get();
    const theirs = { ...record({ leaderTransitions: 2 }), holderIdentity: direct.identity };
    await written(direct.update(theirs, seen?.version ?? ("" as Version))); // cast: it is there
    await clock.advance(3_000);
    expect((await lock.get())?.record).toEqual(theirs);
  });

  test("keeps the fields of others, and that of a Go writer has no duration: ours stands in for it", async () => {
    const go = '{"holderIdentity":"go","renewTime":"2026-01-01T00:00:05.175864915Z","leaseTransitions":3,"x":{"y":1}}';
    await storage.create(key, new TextEncoder().encode(go));
    await clock.advance(3_000);
    const lost = lock.create(record({ leaderTransitions: 4 }));
    await clock.advance(3_000);
    expect(await lost).toEqual({ written: false, heldBy: "go" });
    expect((await lock.get())?.record).toMatchObject({ holderIdentity: "go", leaseDurationSeconds: 15 });
    await clock.advance(16_000);
    const version = (await lock.get())?.version ?? ("" as Version); // cast: it is there
    const mine = record({ leaderTransitions: 4 });
    await written(lock.update(mine, version));
    expect(await stored()).toMatchObject({ holderIdentity: lock.identity, renewTime: mine.renewTime, x: { y: 1 } });
  });

  test("of a release names nobody, and a term above the one that ended", async () => {
    const version = await written(lock.create(record()));
    await clock.advance(2_000);
    const release = { ...record(), holderIdentity: "", leaseDurationSeconds: 1 };
    await written(lock.update(release, version));
    expect(await stored()).toMatchObject({ holderIdentity: "", leaseTransitions: 2, leaseDurationSeconds: 1 });
    expect((await lock.get())?.record).toMatchObject({ holderIdentity: "", leaderTransitions: 2 });
  });
});
