// Goal: an elector that runs for years keeps nothing: no memory, timer, listener or handle of the past. Method: a
// manual clock takes it through very many renewals and terms, and what is left over is counted before and after.
import { getEventListeners } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import type { LeaderElectorOptions } from "../../src/election/settings.ts";
import { StorageLock } from "../../src/lock/storage-lock.ts";
import { FileStorage } from "../../src/storage/file.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { prometheusMetrics } from "../../src/telemetry/prometheus.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void; // cast: what the flag exposes

/** The heap that is really in use: after two forced collections. */
async function heapBytes(): Promise<number> {
  for (let round = 0; round < 2; round += 1) {
    await new Promise((resolve) => setImmediate(resolve)); // lets what is to be finalized go
    collect();
  }
  return process.memoryUsage().heapUsed;
}

/** What a process holds on to besides its heap. */
function holdings(clock: ManualClock, signal: AbortSignal): Readonly<Record<string, number>> {
  return {
    timers: clock.timerCount,
    listenersOfTheSignal: getEventListeners(signal, "abort").length,
    listenersOfTheProcess: process.eventNames().reduce((count, name) => count + process.listenerCount(name), 0),
    watchesOfFiles: process.getActiveResourcesInfo().filter((name) => name === "FSEventWrap").length,
  };
}

interface Stage {
  readonly clock: ManualClock;
  readonly stop: AbortController;
  /** A new candidate for the one lease; every call makes another one. */
  readonly candidate: (options?: Partial<LeaderElectorOptions>) => LeaderElector;
}

function stage(): Stage {
  const clock = new ManualClock();
  const storage = new MemoryStorage({ clock });
  let seed = 0;
  const candidate: Stage["candidate"] = (options) => {
    const random = new SeededRandom((seed += 1));
    const lock = new StorageLock({ storage, namespace: "test", name: "lease", clock, random });
    return new LeaderElector({ lock, clock, random, callbacks: { onStartedLeading: () => {} }, ...options });
  };
  return { clock, stop: new AbortController(), candidate };
}

const mebibyte = 2 ** 20;
/** In CI all that the bar asks for; elsewhere fewer, which still show a leak of 110 bytes a renewal. */
const [renewalCount, termCount] = process.env["CI"] === undefined ? [10_000, 200] : [100_000, 1_000];

test(`${renewalCount} renewals keep no memory, timer or listener, in the leader and in a standby that watches`, async () => {
  const { clock, stop, candidate } = stage();
  const [leader, standby] = [candidate(), candidate()];
  const metrics = prometheusMetrics([leader, standby]);
  let renewals = 0;
  leader.on("renewed", () => (renewals += 1));
  const runs = [leader.run({ signal: stop.signal })];
  await clock.advanceUntil(() => leader.isLeader());
  runs.push(standby.run({ signal: stop.signal }));
  const renew = async (count: number): Promise<void> => {
    const until = renewals + count;
    while (renewals < until) await clock.advance(5_000);
  };
  await renew(5_000); // until the compiler is done, and whatever has a limit has reached it
  const [bytesBefore, before] = [await heapBytes(), holdings(clock, stop.signal)];
  await renew(renewalCount);
  const grown = (await heapBytes()) - bytesBefore;
  expect(holdings(clock, stop.signal)).toEqual(before);
  expect(grown).toBeLessThan(mebibyte);
  expect(leader.isLeader()).toBe(true);
  stop.abort();
  await clock.advance(10_000);
  await Promise.all(runs);
  expect(clock.timerCount).toBe(0);
  metrics.close();
});

test("1,000 terms by resigning keep no memory, timer or listener", async () => {
  const { clock, stop, candidate } = stage();
  const elector = candidate();
  const terms: number[] = [];
  elector.on("elected", ({ term }) => terms.push(term));
  const run = elector.run({ signal: stop.signal });
  const lead = async (count: number): Promise<void> => {
    for (let led = 0; led < count; led += 1) {
      await clock.advanceUntil(() => elector.isLeader());
      await Promise.all([elector.resign(), clock.advance()]);
    }
  };
  await lead(100);
  const [bytesBefore, before] = [await heapBytes(), holdings(clock, stop.signal)];
  await lead(1_000);
  const grown = (await heapBytes()) - bytesBefore;
  expect(holdings(clock, stop.signal)).toEqual(before);
  expect(grown).toBeLessThan(mebibyte);
  expect(terms).toHaveLength(1_100);
  expect(terms).toEqual(terms.toSorted((one, other) => one - other));
  stop.abort();
  await clock.advance(10_000);
  await run;
  expect([clock.timerCount, getEventListeners(stop.signal, "abort").length]).toEqual([0, 0]);
});

test("1,000 terms by acquiring and disposing keep no memory, timer or listener", async () => {
  const { clock, stop, candidate } = stage();
  const elector = candidate();
  const lead = async (count: number): Promise<void> => {
    for (let led = 0; led < count; led += 1) {
      const acquired = elector.acquire({ signal: stop.signal });
      await clock.advanceUntil(() => elector.isLeader());
      await Promise.all([(await acquired)[Symbol.asyncDispose](), clock.advance(100)]);
    }
  };
  await lead(100);
  const [bytesBefore, before] = [await heapBytes(), holdings(clock, stop.signal)];
  await lead(1_000);
  const grown = (await heapBytes()) - bytesBefore;
  expect(holdings(clock, stop.signal)).toEqual(before);
  expect(before).toMatchObject({ timers: 0, listenersOfTheSignal: 0 });
  expect(grown).toBeLessThan(mebibyte);
});

test(`${termCount} terms on file storage, by the real clock, keep no memory, watch of a directory or open file`, async () => {
  const directory = await mkdtemp(join(tmpdir(), "tenure-endurance-"));
  const storage = new FileStorage({ directory, fsync: false });
  const elector = new LeaderElector({ lock: new StorageLock({ storage, namespace: "test", name: "lease" }) });
  const { signal } = new AbortController();
  const openFiles = async (): Promise<number> => (await readdir("/proc/self/fd").catch(() => [])).length;
  const lead = async (count: number): Promise<void> => {
    for (let led = 0; led < count; led += 1) await (await elector.acquire({ signal }))[Symbol.asyncDispose]();
  };
  await lead(50);
  const [bytesBefore, before] = [await heapBytes(), holdings(new ManualClock(), signal)];
  const filesBefore = await openFiles();
  await lead(termCount);
  expect((await heapBytes()) - bytesBefore).toBeLessThan(mebibyte);
  expect(holdings(new ManualClock(), signal)).toEqual(before);
  expect(before).toMatchObject({ watchesOfFiles: 0, listenersOfTheSignal: 0 });
  expect(Math.abs((await openFiles()) - filesBefore)).toBeLessThan(10);
  await storage.close();
  await rm(directory, { recursive: true, force: true });
});
