import { describe, it } from "vitest";
import { MultiLock } from "../../src/lock/multi-lock.ts";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import { StorageLock } from "../../src/lock/storage-lock.ts";
import { MemoryData, MemoryStorage } from "../../src/storage/memory.ts";
import {
  electorSuite,
  FakeLock,
  ManualClock,
  SeededRandom,
  type ElectorSuiteContext,
} from "../../src/testing/index.ts";

/**
 * What a foreign program stores for a record, bounds or not. A lease on storage always has a time: long ago, if none.
 */
function leaseBytes({ leaderTransitions, renewTime, acquireTime, ...record }: LeaderElectionRecord): Uint8Array {
  const times = { renewTime: renewTime || "1970-01-01T00:00:00.000000Z", acquireTime: acquireTime || undefined };
  return new TextEncoder().encode(JSON.stringify({ ...record, ...times, leaseTransitions: leaderTransitions }));
}

function overFakeLock(): ElectorSuiteContext {
  const clock = new ManualClock();
  const place = new FakeLock({ clock, identity: "nobody" });
  let candidates = 0;
  return {
    clock,
    connect: () => place.forCandidate(`baz_${(candidates += 1)}`),
    put: (record) => (record === undefined ? place.erase() : place.put(record)),
  };
}

function overStorageLock(): ElectorSuiteContext {
  const clock = new ManualClock();
  const data = new MemoryData();
  const random = new SeededRandom(1);
  const place = { namespace: "default", name: "billing" };
  return {
    clock,
    connect: () => new StorageLock({ ...place, storage: new MemoryStorage({ data }), clock, random, label: "baz" }),
    async put(record) {
      const storage = new MemoryStorage({ data });
      const key = "leases/default/billing";
      if (record === undefined) return storage.deleteLease(key);
      const there = await storage.read(key);
      if (there === undefined) await storage.create(key, leaseBytes(record));
      else await storage.replace(key, leaseBytes(record), there.version);
    },
  };
}

/** Two locks that are moved together, as in the second roll-out of a move. */
function overMultiLock(): ElectorSuiteContext {
  const clock = new ManualClock();
  const places = [new FakeLock({ clock, identity: "nobody" }), new FakeLock({ clock, identity: "nobody" })] as const;
  let candidates = 0;
  return {
    clock,
    connect() {
      const identity = `baz_${(candidates += 1)}`;
      return new MultiLock(places[0].forCandidate(identity), places[1].forCandidate(identity), { clock });
    },
    put: (record) => places.forEach((place) => (record === undefined ? place.erase() : place.put(record))),
  };
}

const harnesses = {
  FakeLock: overFakeLock,
  "StorageLock over MemoryStorage": overStorageLock,
  "MultiLock of two": overMultiLock,
};

/** Registers the cases of the elector suite with these ids, over every lock; `list` is their name in the titles. */
export function runElectorCases(list: "client-go" | "trace", ids: readonly string[]): void {
  for (const [name, harness] of Object.entries(harnesses)) {
    describe(`an elector over ${name}`, () => {
      for (const id of ids) {
        const cases = electorSuite.filter((each) => each.id === id);
        if (cases.length === 0) it(`${list} ${id}`, () => Promise.reject(new Error("the suite has no such case")));
        for (const each of cases) it(`${list} ${id}: ${each.name}`, () => each.run(harness()));
      }
    });
  }
}
