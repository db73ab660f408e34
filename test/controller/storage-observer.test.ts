// Goal: what other clusters do to a lease is seen whether or not anybody asks for it here, at a price that is known
// (K-71). Method: an observer over a storage in memory, with its hints, without them, or with broken ones; a manual
// clock; looks are counted.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { StorageObserver } from "../../src/controller/storage-observer.ts";
import type { LeaseObject, LeaseStorage } from "../../src/storage/lease-storage.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { at, record } from "./scene.ts";

const key = "leases/default/billing";
const pollIntervalMs = 2_000;

let clock: ManualClock;
let memory: MemoryStorage;
let looks: number[];
let seen: LeaseObject[];
let isAbsent: boolean;
let started: StorageObserver[];

beforeEach(async () => {
  clock = new ManualClock();
  memory = new MemoryStorage({ clock });
  await memory.createLease(key, record("ada", at(0)));
  [looks, seen, started, isAbsent] = [[], [], [], false];
});
afterEach(() => {
  for (const observer of started) observer.stop();
});

type Watch = NonNullable<LeaseStorage["watchLease"]>;

function observe(mode: "lead" | "follow", watchLease?: Watch): StorageObserver {
  const { readLease, createLease, writeLease, deleteLease } = memory; // an observer looks by its caller
  const bare: LeaseStorage = { readLease, createLease, writeLease, deleteLease };
  const observer = new StorageObserver(key, {
    storage: { ...bare, ...(watchLease !== undefined && { watchLease }) },
    ...{ clock, random: new SeededRandom(3), pollIntervalMs },
    look: () => void looks.push(clock.monotonicMs()),
    see: (lease) => void seen.push(lease),
    isAbsent: () => isAbsent,
  });
  observer.start(mode);
  started.push(observer);
  return observer;
}

const pushed: Watch = (...call) => memory.watchLease?.(...call) ?? expect.unreachable("memory gives hints");
const pauses = (): readonly number[] => looks.map((atMs, index) => atMs - (looks[index - 1] ?? 0));

describe("K-71: without hints", () => {
  test("it looks each poll interval, give or take a tenth, for as long as it is asked to", async () => {
    const observer = observe("lead");
    await clock.advance(60_000);
    expect(looks.length).toBeGreaterThanOrEqual(60 / 2.2);
    expect(looks.length).toBeLessThanOrEqual(60 / 1.8);
    for (const pauseMs of pauses()) {
      expect(pauseMs).toBeGreaterThanOrEqual(1_800);
      expect(pauseMs).toBeLessThanOrEqual(2_200);
    }
    expect(new Set(pauses()).size).toBeGreaterThan(20); // clusters must not fall into step
    observer.stop();
    looks = [];
    await clock.advance(60_000);
    expect(looks).toEqual([]);
  });

  test("a standby replica looks each 30 s", async () => {
    observe("follow", pushed);
    await clock.advance(300_000);
    expect(looks.length).toBeGreaterThanOrEqual(9);
    expect(looks.length).toBeLessThanOrEqual(11);
    expect(seen).toEqual([]);
  });
});

describe("K-71: with hints", () => {
  test("a change is seen at once, and nothing but a net of a look each 30 s is asked for beside", async () => {
    observe("lead", pushed);
    await clock.advance(100);
    const before = seen.length;
    const { generation } = await memory.readLease(key);
    await memory.writeLease(key, record("bob", at(1)), generation);
    await clock.advance(1);
    expect(seen.slice(before).map(({ data }) => data.holderIdentity)).toEqual(["bob"]);
    looks = [];
    await clock.advance(300_000);
    expect(looks.length).toBeGreaterThanOrEqual(8);
    expect(looks.length).toBeLessThanOrEqual(10);
  });

  test("until the first hint has come, and while there is no record, it looks closely", async () => {
    observe("lead", async function* silent(_key, { signal }) {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      yield* [];
    });
    await clock.advance(20_000);
    expect(looks.length).toBeGreaterThanOrEqual(9);
    observe("lead", pushed);
    isAbsent = true;
    looks = [];
    await clock.advance(20_000);
    expect(looks.length).toBeGreaterThanOrEqual(18); // two observers
  });

  test("hints that end are opened again with growing pauses, a look after each end; polling goes on", async () => {
    let opened = 0;
    observe("lead", async function* broken() {
      opened += 1;
      yield {};
      throw new Error("the connection is gone");
    });
    await clock.advance(60_000);
    expect(opened).toBeGreaterThanOrEqual(5);
    expect(opened).toBeLessThanOrEqual(10); // 1, 2, 4, 8 … s, half of it at the least
    expect(looks.length).toBeGreaterThanOrEqual(60 / 2.2 + opened);
  });

  test("what comes after the stop is not heard", async () => {
    const observer = observe("lead", pushed);
    await clock.advance(100);
    observer.stop();
    const before = seen.length;
    const { generation } = await memory.readLease(key);
    await memory.writeLease(key, record("bob", at(1)), generation);
    await clock.advance(60_000);
    expect([seen.length, looks]).toEqual([before, []]);
  });
});
