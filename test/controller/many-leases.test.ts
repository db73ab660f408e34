// Goal: a replica keeps many leases, and neither a lease nor a call that hangs holds up the others (K-86, K-72).
// Method: a controller over a cluster in memory whose storage and API take their time, on a manual clock.
import { expect, test } from "vitest";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { FaultyStorage } from "../../src/testing/faulty-storage.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { WorkSlots } from "../../src/controller/work-slots.ts";
import { Cluster, ref } from "./cluster.ts";

const writeMs = 20;

test("K-86: at 200 signals a second, as of 1 000 leases, 99 of 100 are shown within two storage writes and 100 ms", async () => {
  const clock = new ManualClock();
  const cluster = new Cluster(clock);
  const inner = new MemoryStorage({ clock });
  const storage = new FaultyStorage(inner, { clock, script: () => ({ kind: "delay", afterMs: writeMs }) });
  const running = cluster.start(storage);
  await clock.advance(4_000);
  const refs = Array.from({ length: 200 }, (_, number) => ({ ...ref, name: `lease-${number}` }));
  const pending = new Map<string, { readonly sent: string; readonly sentMs: number }>();
  const tookMs: number[] = [];
  const look = (): void => {
    for (const [name, { sent, sentMs }] of pending) {
      if (cluster.statusOf({ ...ref, name }).globalRenewTime !== sent) continue;
      pending.delete(name);
      tookMs.push(clock.monotonicMs() - sentMs);
    }
  };
  for (let round = 0; round < 3; round += 1) {
    for (const [index, to] of refs.entries()) {
      const sent = cluster.signal(`ada-${index}`, { leaseTransitions: 1 }, to);
      pending.set(to.name, { sent, sentMs: clock.monotonicMs() });
      await clock.advance(5);
      if (index % 2 === 0) look();
    }
    if (round === 0) tookMs.length = 0; // the first round creates them all
  }
  await clock.advance(1_000);
  look();
  tookMs.sort((one, other) => one - other);
  expect(pending.size).toBe(0);
  expect(tookMs.length).toBeGreaterThanOrEqual(400);
  expect(tookMs[Math.floor(tookMs.length * 0.99)]).toBeLessThanOrEqual(2 * writeMs + 100);
  expect(running.controller.leaseCount).toBe(200);
  await running.stop();
}, 60_000);

test("K-86: at most 32 calls of a kind are at work, in the order in which they came", async () => {
  const slots = new WorkSlots(32);
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const calls = Array.from({ length: 40 }, (_, number) =>
    slots.run(() => {
      begun.push(number);
      return new Promise<void>((resolve) => void ends.push(resolve));
    }),
  );
  await Promise.resolve();
  expect([begun.length, slots.taken]).toEqual([32, 32]);
  ends[5]?.();
  await calls[5];
  await Promise.resolve();
  expect(begun.at(-1)).toBe(32);
  for (let number = 0; number < 40; number += 1) {
    ends[number]?.();
    await Promise.resolve();
    await Promise.resolve();
  }
  await Promise.all(calls);
  expect([begun.length, slots.taken]).toEqual([40, 0]);
});

test("a call that throws gives its slot back", async () => {
  const slots = new WorkSlots(1);
  await expect(slots.run(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(await slots.run(() => Promise.resolve(7))).toBe(7);
});

test("K-72: the looks at 40 equal leases by controllers of 3 clusters spread evenly", async () => {
  const clock = new ManualClock();
  const looks: number[] = [];
  const storages = [1, 2, 3].map((seed) => {
    const cluster = new Cluster(clock, seed);
    const inner = new MemoryStorage({ clock });
    const note = (): undefined => void looks.push(clock.monotonicMs());
    const storage = new FaultyStorage(inner, { clock, script: note });
    const { readLease, createLease, writeLease, deleteLease } = storage;
    const polled = {
      readLease: readLease.bind(storage),
      createLease: createLease.bind(storage),
      writeLease: writeLease.bind(storage),
      deleteLease: deleteLease.bind(storage),
    };
    const running = cluster.start(polled);
    for (let number = 0; number < 40; number += 1) cluster.write({}, { ...ref, name: `lease-${number}` });
    return running;
  });
  await clock.advance(60_000);
  looks.length = 0;
  const fromMs = clock.monotonicMs();
  await clock.advance(10_000);
  const buckets = Array.from({ length: 20 }, () => 0);
  for (const atMs of looks) {
    const bucket = Math.min(Math.floor((atMs - fromMs) / 500), buckets.length - 1);
    buckets[bucket] = (buckets[bucket] ?? 0) + 1;
  }
  const mean = looks.length / 20;
  expect(looks.length).toBeGreaterThan(500); // 120 leases, a look each 2 s
  expect(looks.length).toBeLessThan(700);
  expect(Math.max(...buckets)).toBeLessThan(2.2 * mean);
  expect(Math.min(...buckets)).toBeGreaterThan(0.3 * mean);
  for (const running of storages) running.kill();
});
