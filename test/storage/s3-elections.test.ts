// Goal: what S3 answers on bad days costs an elector no safety, and as little as possible else. Method: electors on the
// in-process double of its REST API, whose switches are turned while they contend; nothing is waited for but answers.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import { StorageLock } from "../../src/lock/storage-lock.ts";
import type { S3Storage } from "../../src/storage/s3.ts";
import { connectS3 } from "./support/s3-connect.ts";
import { S3Double } from "./support/s3-double.ts";

const timing = { leaseDurationMs: 1_200, renewDeadlineMs: 800, retryPeriodMs: 200 } as const;
const lease = "leases/tests/main";

let double: S3Double;
const storages: S3Storage[] = [];
let bucket = "";
let connect: () => S3Storage;

beforeEach(async () => {
  double = await S3Double.start();
  bucket = double.bucket();
  const at = { endpoint: double.endpoint, bucket, pollMs: 50 };
  connect = () => {
    const storage = connectS3(at);
    storages.push(storage);
    return storage;
  };
});
afterEach(async () => {
  for (const storage of storages.splice(0)) await storage.close();
  await double[Symbol.asyncDispose]();
});

function lockOf(label: string): StorageLock {
  return new StorageLock({ storage: connect(), namespace: "tests", name: "main", label });
}

function candidate(label: string): LeaderElector {
  return new LeaderElector({ lock: lockOf(label), ...timing });
}

/** Writes that were answered so. */
function writesWith(status: number): number {
  return double.requests.filter((request) => request.method === "PUT" && request.status === status).length;
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe("an elector on S3", () => {
  test.each(["ConditionalRequestConflict", "OperationAborted"] as const)(
    "#68: 409 %s is a lost race: nobody leads by it, and the campaign goes on",
    async (conflict) => {
      double.switches = { conflict };
      const elector = candidate("a");
      const leading = elector.acquire();
      await until(() => writesWith(409) >= 2);
      expect(elector.isLeader()).toBe(false);
      expect(double.object(bucket, lease)).toBeUndefined();
      double.switches = {};
      const leadership = await leading;
      expect(leadership.isHeld()).toBe(true);
      expect(double.object(bucket, lease)).toBeDefined();
      await leadership[Symbol.asyncDispose]();
    },
  );

  test("#68: 412 is a lost race: of two candidates that write at once one leads, the other stands by", async () => {
    const [one, other] = [candidate("a"), candidate("b")];
    const over = new AbortController();
    const both = [one, other].map((elector) => elector.acquire({ signal: over.signal }));
    const leadership = await Promise.race(both);
    await until(() => one.leader !== undefined && one.leader === other.leader);
    expect([one, other].filter((elector) => elector.isLeader())).toHaveLength(1);
    over.abort(new Error("enough"));
    await leadership[Symbol.asyncDispose]();
    await Promise.allSettled(both);
  });

  test("#68: 412 for one's own applied renewals is recognised by the pair: the term goes on past its deadline", async () => {
    const elector = candidate("a");
    const leadership = await elector.acquire();
    double.switches = { refusesOwnSuccess: true };
    const startedMs = performance.now();
    await until(() => performance.now() - startedMs > 2 * timing.renewDeadlineMs && writesWith(412) >= 3);
    expect(leadership.isHeld()).toBe(true);
    expect(leadership.signal.aborted).toBe(false);
    double.switches = {};
    await leadership[Symbol.asyncDispose]();
  });

  test("#68: a record whose bytes came back is another one: the lock of the past is refused", async () => {
    const lock = lockOf("a");
    const record = {
      ...{ holderIdentity: lock.identity, leaseDurationSeconds: 1, leaderTransitions: 1 },
      ...{ acquireTime: "2026-03-01T09:30:00.000000Z", renewTime: "2026-03-01T09:30:00.000001Z" },
    };
    const created = await lock.create(record);
    if (!created.written) throw new Error("nobody else writes");
    const foreign = connect();
    const first = await foreign.read(lease);
    if (first === undefined) throw new Error("it was written");
    const other = await foreign.replace(lease, new TextEncoder().encode('{"other":1}'), first.version);
    if (!other.written) throw new Error("nobody else writes");
    const back = await foreign.replace(lease, first.value, other.version);
    expect(back).toMatchObject({ written: true });
    expect((await foreign.read(lease))?.value).toEqual(first.value);
    expect(await lock.update(record, created.version)).toEqual({ written: false });
  });

  test("503 SlowDown with a long wait ends the term in time, and the lease goes on after it", async () => {
    const elector = candidate("a");
    const leadership = await elector.acquire();
    const sentMs = performance.now();
    double.switches = { slowDownSeconds: 60 };
    await new Promise((resolve) => leadership.signal.addEventListener("abort", resolve, { once: true }));
    expect(performance.now() - sentMs).toBeLessThan(timing.renewDeadlineMs + 500);
    expect(leadership.isHeld()).toBe(false);
    double.switches = {};
    await leadership[Symbol.asyncDispose]();
  });
});
