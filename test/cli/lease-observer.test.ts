// Goal: a look from outside judges a lease by its changes alone, as a standby would, and never takes an absence of
// news for life or death too early. Method: records written to a storage in memory while a manual clock moves.
import { describe, expect, it } from "vitest";
import { LeaseObserver, type LeaseView } from "../../src/cli/lease-observer.ts";
import { leaseDocument } from "../../src/cli/lease-report.ts";
import { StorageUnavailableError } from "../../src/errors.ts";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import type { ObservedRecord, ResourceLock } from "../../src/lock/resource-lock.ts";
import { StorageLock } from "../../src/lock/storage-lock.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";

const time = (second: number): string => `2026-01-01T00:00:${String(second).padStart(2, "0")}.000000Z`;

function record(
  holderIdentity: string,
  second: number,
  more: Partial<LeaderElectionRecord> = {},
): LeaderElectionRecord {
  return {
    holderIdentity,
    renewTime: time(second),
    acquireTime: time(0),
    leaseDurationSeconds: 3,
    leaderTransitions: 1,
    ...more,
  };
}

interface Stage {
  readonly clock: ManualClock;
  readonly storage: MemoryStorage;
  readonly observer: LeaseObserver;
  write(next: LeaderElectionRecord): Promise<void>;
  /** What was yielded so far, as `state holder`. */
  readonly seen: string[];
  readonly views: LeaseView[];
  follow(): void;
  stop(): Promise<void>;
}

function stage(change: (lock: ResourceLock) => ResourceLock = (lock) => lock): Stage {
  const clock = new ManualClock();
  const storage = new MemoryStorage({ clock });
  const random = new SeededRandom(1);
  const lock = new StorageLock({ storage, namespace: "default", name: "job", clock, random });
  const writer = new StorageLock({ storage, namespace: "default", name: "job", clock, random });
  const told: Error[] = [];
  const observer = new LeaseObserver({
    ...{ name: "job", lock: change(lock), clock, random, leaseDurationMs: 15_000, pollMs: 2000 },
    onTrouble: (error) => told.push(error),
  });
  const [seen, views]: [string[], LeaseView[]] = [[], []];
  const stopping = new AbortController();
  let following: Promise<void> = Promise.resolve();
  return {
    ...{ clock, storage, observer, seen, views },
    async write(next) {
      const current: ObservedRecord | undefined = await writer.get();
      const outcome = await (current === undefined ? writer.create(next) : writer.update(next, current.version));
      expect(outcome.written).toBe(true);
    },
    follow() {
      following = (async () => {
        for await (const view of observer.follow(stopping.signal)) {
          views.push(view);
          seen.push(`${view.state} ${view.observed?.record.holderIdentity ?? "-"}`);
        }
      })();
    },
    async stop() {
      stopping.abort(new Error("enough"));
      await clock.advance(0);
      await following;
      expect(clock.timerCount, "no timer is left").toBe(0);
    },
  };
}

await import("p-retry"); // loaded by the first failed read, from the disk, which a manual clock does not wait for

describe("a lease", () => {
  it("is absent, free or held at the first look", async () => {
    const { observer, write } = stage();
    expect((await observer.look()).state).toBe("absent");
    await write(record("", 0));
    expect((await observer.look()).state).toBe("free");
    const { observer: other, write: writeOther } = stage();
    await writeOther(record("ada", 1));
    expect((await other.look()).state).toBe("held");
  });

  it("is live once its record changed while we looked, at the hint and not at the next poll", async () => {
    const { clock, write, follow, seen, stop } = stage();
    await write(record("ada", 1));
    follow();
    await clock.advance(500);
    await write(record("ada", 2));
    await clock.advance(1);
    expect(seen).toEqual(["held ada", "live ada"]);
    await stop();
  });

  it("is watched again when the watch has ended by itself, after a pause", async () => {
    let opened = 0;
    const { clock, write, follow, stop, seen } = stage((lock) => ({
      identity: lock.identity,
      description: lock.description,
      get: () => lock.get(),
      create: (next) => lock.create(next),
      update: (next, version) => lock.update(next, version),
      async *watch({ signal }) {
        opened += 1;
        if (opened === 2) throw new StorageUnavailableError("away");
        for await (const hint of lock.watch?.({ signal }) ?? []) {
          yield hint;
          if (opened < 4) return; // as a server ends it
        }
      },
    }));
    await write(record("ada", 1));
    follow();
    await clock.advance(100);
    expect(opened).toBe(1);
    for (let second = 2; second < 13; second += 1) {
      await write(record("ada", second));
      await clock.advance(1000);
    }
    expect(opened).toBe(4);
    await write(record("bob", 13, { leaderTransitions: 2 }));
    await clock.advance(1);
    expect(seen.at(-1)).toBe("live bob"); // by a hint, not at the next poll
    await stop();
  });

  it("is expired exactly when the duration that its holder stored went by without a change", async () => {
    const { clock, write, follow, seen, stop } = stage();
    await write(record("ada", 1));
    follow();
    await clock.advance(2999);
    expect(seen).toEqual(["held ada"]);
    await clock.advance(1);
    expect(seen).toEqual(["held ada", "expired ada"]);
    await stop();
  });

  it("counts with the duration of the flags where none is stored", async () => {
    const { clock, write, follow, seen, stop } = stage();
    const { leaseDurationSeconds: _, ...bare } = record("ada", 1);
    await write(bare);
    follow();
    await clock.advance(14_999);
    expect(seen).toEqual(["held ada"]);
    await clock.advance(1);
    expect(seen.at(-1)).toBe("expired ada");
    await stop();
  });

  it("is judged by no clock of another host: a time in the future or long ago says nothing", async () => {
    const { observer, write, clock } = stage();
    await write(record("ada", 1, { renewTime: "2999-01-01T00:00:00.000000Z" }));
    expect((await observer.look()).state).toBe("held");
    await clock.advance(3000);
    expect((await observer.look()).state).toBe("expired");
  });

  it("goes through takeover, release and return, one line for each", async () => {
    const { clock, write, follow, seen, stop } = stage();
    await write(record("ada", 1));
    follow();
    await clock.advance(3000);
    await write(record("bob", 5, { leaderTransitions: 2 }));
    await clock.advance(1);
    await write(record("bob", 6, { leaderTransitions: 2 }));
    await clock.advance(1);
    await write(record("", 7, { leaderTransitions: 2 }));
    await clock.advance(1);
    await write(record("bob", 8, { leaderTransitions: 4 }));
    await clock.advance(1);
    expect(seen).toEqual(["held ada", "expired ada", "live bob", "free ", "live bob"]);
    await stop();
  });

  it("that is unreadable says why and which version, and comes back when it is repaired", async () => {
    const { clock, storage, write, follow, views, stop } = stage();
    await storage.create("leases/default/job", new TextEncoder().encode("{"));
    follow();
    await clock.advance(1);
    expect(views[0]).toMatchObject({ state: "unreadable" });
    expect(views[0]?.version).toBeTruthy();
    expect(views[0]?.problem).toContain("JSON");
    const stored = await storage.read("leases/default/job");
    if (stored === undefined) throw new Error("gone");
    expect(stored.version).toBe(views[0]?.version);
    await storage.remove("leases/default/job", stored.version);
    await write(record("ada", 1));
    await clock.advance(1);
    expect(views.map(({ state }) => state).at(-1)).toBe("live");
    await stop();
  });

  it("that cannot be read is told once, looked at again at each poll, and followed on", async () => {
    let broken = true;
    const { clock, write, follow, seen, stop } = stage((lock) => ({
      identity: lock.identity,
      description: lock.description,
      create: (next) => lock.create(next),
      update: (next, version) => lock.update(next, version),
      get: async () => {
        if (broken) throw new StorageUnavailableError("away");
        return lock.get();
      },
    }));
    await write(record("ada", 1));
    follow();
    await clock.advance(10_000);
    expect(seen).toEqual([]);
    broken = false;
    await clock.advance(2500);
    expect(seen).toEqual(["held ada"]);
    await stop();
  });
});

describe("the document of a lease", () => {
  it("has every field, null where nothing is known", async () => {
    const { observer, clock, write } = stage();
    const absent = leaseDocument(await observer.look(), clock);
    await write(record("ada", 1, { preferredHolder: "bob" }));
    await clock.advance(100);
    const held = leaseDocument(await observer.look(), clock);
    expect(Object.keys(absent)).toEqual(Object.keys(held));
    expect(absent).toMatchObject({
      name: "job",
      state: "absent",
      holder: null,
      term: null,
      ageMs: null,
      version: null,
    });
    expect(held).toMatchObject({
      ...{ state: "live", holder: "ada", term: 1, ageMs: 0, ageIsLeast: false, leaseDurationMs: 3000 },
      ...{ preferredHolder: "bob", renewTime: time(1), acquireTime: time(0), problem: null },
    });
  });
});
