// Goal: a MultiLock holds a lease only if it holds both, so it excludes the candidates of either lock.
// Method: the published lock suite over two fake locks, then half-written states and races, made one at a time.
import { describe, expect, test } from "vitest";
import { StorageUnavailableError, UnknownOutcomeError } from "../../src/errors.ts";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import { mergedHints } from "../../src/lock/merged-hints.ts";
import { MultiLock, unknownHolder } from "../../src/lock/multi-lock.ts";
import type { LockHint, LockOutcome, ResourceLock } from "../../src/lock/resource-lock.ts";
import { StorageLock } from "../../src/lock/storage-lock.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import type { Version } from "../../src/storage/versioned-storage.ts";
import {
  FakeLock,
  ManualClock,
  runLockSuite,
  type FakeLockOptions,
  type LockSuiteContext,
} from "../../src/testing/index.ts";

function leases(): LockSuiteContext {
  const clock = new ManualClock();
  const places = [new FakeLock({ clock, watch: "records" }), new FakeLock({ clock, watch: "records" })] as const;
  const parts = new Map<ResourceLock, readonly [FakeLock, FakeLock]>();
  const partsOf = (lock: ResourceLock): readonly [FakeLock, FakeLock] => parts.get(lock) ?? expect.unreachable();
  return {
    description: "fake/lock and fake/lock",
    connect() {
      const pair = [places[0].forCandidate(), places[1].forCandidate()] as const;
      const lock = new MultiLock(...pair, { clock });
      parts.set(lock, pair);
      return lock;
    },
    faults: {
      loseAnswer: (lock) => partsOf(lock)[1].loseAnswer(),
      refuse(lock) {
        partsOf(lock)[0].fail(new StorageUnavailableError("busy", { applied: "no" }), { on: "write", times: 1 });
      },
      hang: (lock) => partsOf(lock)[0].hang({ times: 1 }),
      elapse: (ms) => clock.advance(ms),
    },
  };
}

describe("over two fake locks", () => runLockSuite(test, { open: leases }));

const me = "me_1";
const record = (holderIdentity: string, second = 0, leaderTransitions = 1): LeaderElectionRecord => ({
  holderIdentity,
  leaseDurationSeconds: 15,
  acquireTime: "2026-03-01T09:00:00.000000Z",
  renewTime: `2026-03-01T09:30:0${second}.000000Z`,
  leaderTransitions,
});

function multi(first?: LeaderElectionRecord, second?: LeaderElectionRecord, options: FakeLockOptions = {}) {
  const clock = new ManualClock();
  const primary = new FakeLock({ clock, identity: me, record: first, ...options });
  const secondary = new FakeLock({ clock, identity: "another", record: second, ...options });
  return { clock, primary, secondary, lock: new MultiLock(primary, secondary, { clock }) };
}

const versionOf = (outcome: LockOutcome): Version => (outcome.written ? outcome.version : expect.unreachable());

async function seenBy(lock: ResourceLock) {
  return (await lock.get()) ?? expect.unreachable("there is a record");
}

test("MultiLock: the identity is that of the primary; the slower of both sets the pace; events go to the primary", () => {
  const primary = new FakeLock({ identity: me, minWriteIntervalMs: 200 });
  const secondary = new FakeLock({ identity: "another", minWriteIntervalMs: 1_000 });
  const lock = new MultiLock(primary, secondary);
  expect([lock.identity, lock.minWriteIntervalMs]).toEqual([me, 1_000]);
  expect(new MultiLock(new FakeLock(), new FakeLock()).minWriteIntervalMs).toBeUndefined();
  lock.recordEvent("became leader");
  expect([primary.events, secondary.events]).toEqual([["became leader"], []]);
});

test("MultiLock: both absent is absent; a creation writes both, primary first", async () => {
  const { lock, primary, secondary } = multi();
  expect(await lock.get()).toBeUndefined();
  const version = versionOf(await lock.create(record(me)));
  expect([primary.record, secondary.record]).toEqual([record(me), record(me)]);
  expect(await seenBy(lock)).toEqual({ record: record(me), version });
});

test("MultiLock: held in the primary by another candidate, with no secondary yet, is held by that candidate", async () => {
  const { lock, secondary } = multi(record("old-only", 1, 6));
  const seen = await seenBy(lock);
  expect(seen.record).toEqual(record("old-only", 1, 6));
  versionOf(await lock.update(record(me, 5, 7), seen.version));
  expect(secondary.calls).toEqual(["get", "create"]);
  expect(secondary.record).toEqual(record(me, 5, 7));
});

test("MultiLock: half of my own creation is held by nobody known, and never by me", async () => {
  const { lock } = multi(record(me));
  expect((await seenBy(lock)).record).toMatchObject({ holderIdentity: unknownHolder, leaderTransitions: 1 });
});

test("MultiLock: a secondary alone is held by nobody known, also if it is free, and a takeover creates the primary", async () => {
  for (const holder of ["new-only", ""]) {
    const { lock, primary } = multi(undefined, record(holder, 1, 9));
    const seen = await seenBy(lock);
    expect(seen.record).toMatchObject({
      holderIdentity: unknownHolder,
      leaderTransitions: 9,
      leaseDurationSeconds: 15,
    });
    versionOf(await lock.update(record(me, 5, 10), seen.version));
    expect(primary.calls).toEqual(["get", "create"]);
  }
});

test("MultiLock: different holders are nobody known; a change of either one is a new pair and a new version", async () => {
  const { lock, primary, secondary } = multi(record("a", 1, 3), record("b", 2, 8));
  const pairs = new Set<string>();
  const versions = new Set<string>();
  const look = async (): Promise<void> => {
    const seen = await seenBy(lock);
    expect(seen.record).toMatchObject({ holderIdentity: unknownHolder, leaderTransitions: 8 });
    pairs.add(seen.record.renewTime);
    versions.add(seen.version);
  };
  await look();
  await look();
  expect([pairs.size, versions.size]).toEqual([1, 1]);
  primary.put(record("a", 3, 3));
  await look();
  secondary.put(record("b", 4, 8));
  await look();
  secondary.put(record("c", 4, 8));
  await look();
  expect([pairs.size, versions.size]).toEqual([4, 4]);
  primary.touch();
  await look();
  expect([pairs.size, versions.size]).toEqual([4, 5]);
});

test("MultiLock: free in one and held in the other is not free", async () => {
  for (const [first, second] of [
    ["", "new-only"],
    ["old-only", ""],
  ] as const) {
    expect((await seenBy(multi(record(first), record(second)).lock)).record.holderIdentity).toBe(unknownHolder);
  }
  expect((await seenBy(multi(record(""), record("")).lock)).record.holderIdentity).toBe("");
});

test("MultiLock: of one holder's two pairs the older one counts, with the larger term and the longer duration", async () => {
  const longer = { ...record(me, 2, 5), leaseDurationSeconds: 30 };
  const { leaseDurationSeconds: _duration, ...without } = record(me, 1, 4);
  for (const [first, second] of [
    [longer, without],
    [without, longer],
  ] as const) {
    expect((await seenBy(multi(first, second).lock)).record).toEqual({
      ...record(me, 1, 5),
      leaseDurationSeconds: 30,
    });
  }
  expect((await seenBy(multi(without, without).lock)).record).not.toHaveProperty("leaseDurationSeconds");
});

test("MultiLock: a renewal that reached the primary only is unknown; read again, it shows the confirmed pair and can be repeated", async () => {
  const { lock, secondary } = multi();
  const version = versionOf(await lock.create(record(me, 1)));
  secondary.fail(new StorageUnavailableError("busy", { applied: "no" }), { on: "update", times: 1 });
  const half = lock.update(record(me, 2), version);
  await expect(half).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown" });
  const seen = await seenBy(lock);
  expect(seen.record).toEqual(record(me, 1));
  expect(seen.version).not.toBe(version);
  versionOf(await lock.update(record(me, 3), seen.version));
  expect((await seenBy(lock)).record).toEqual(record(me, 3));
});

test("MultiLock: two terms of another holder are half of its acquisition, a new pair that is held by nobody known", async () => {
  const { lock, secondary } = multi(record("other", 5, 16), record("other", 1, 14));
  const half = await seenBy(lock);
  expect(half.record).toMatchObject({ holderIdentity: unknownHolder, leaderTransitions: 16 });
  secondary.put(record("other", 5, 16));
  expect((await seenBy(lock)).record).toEqual(record("other", 5, 16));
  expect((await seenBy(multi(record("", 5, 16), record("", 1, 14)).lock)).record.holderIdentity).toBe("");
});

/** A write whose primary is done and whose secondary is not, and what a read shows meanwhile. */
async function halfDone(disturb: (secondary: FakeLock) => void) {
  const parts = multi();
  const { clock, lock, primary, secondary } = parts;
  const version = versionOf(await lock.create(record(me, 1)));
  disturb(secondary);
  const first = lock.update(record(me, 2), version, { timeoutMs: 1_000 });
  const firstEnd = first.catch((error: unknown) => error); // looked at by each test when its time has come
  await clock.advance(300);
  expect([primary.record, secondary.record]).toEqual([record(me, 2), record(me, 1)]);
  const updates = (): number => primary.calls.filter((call) => call === "update").length;
  return { ...parts, firstEnd, half: await seenBy(lock), updates };
}

test("MultiLock: a write in doubt of one that is half done is refused unsent, and lost once that is whole", async () => {
  const { clock, lock, firstEnd, half, updates } = await halfDone((secondary) =>
    secondary.delay({ requestMs: 600 }, { on: "update", times: 1 }),
  );
  expect(half.record).toEqual(record(me, 1));
  const early = lock.update(record(me, 3), half.version);
  await expect(early).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
  await clock.advance(400);
  expect(await firstEnd).toMatchObject({ written: true });
  expect(updates()).toBe(1);
  expect((await seenBy(lock)).record).toEqual(record(me, 2));
  expect(await lock.update(record(me, 3), half.version)).toEqual({ written: false });
});

test("MultiLock: a write passes once the half stays a half, and not before the deadline of one that hangs", async () => {
  const { clock, lock, firstEnd, half, updates } = await halfDone((secondary) =>
    secondary.hang({ on: "update", times: 1 }),
  );
  await clock.advance(600);
  const early = lock.update(record(me, 3), half.version);
  await expect(early).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
  expect(updates()).toBe(1);
  await clock.advance(200);
  expect(await firstEnd).toMatchObject({ code: "OUTCOME_UNKNOWN" });
  expect(await lock.update(record(me, 4), half.version)).toMatchObject({ written: true });
  expect((await seenBy(lock)).record).toEqual(record(me, 4));
});

test("MultiLock: a primary that loses the race, or fails, keeps the secondary untouched", async () => {
  const { lock, primary, secondary } = multi();
  const version = versionOf(await lock.create(record(me, 1)));
  primary.loseRace();
  expect(await lock.update(record(me, 2), version)).toEqual({ written: false });
  const refused = new StorageUnavailableError("busy", { applied: "no" });
  primary.fail(refused, { on: "write", times: 1 });
  await expect(lock.update(record(me, 2), version)).rejects.toBe(refused);
  expect(secondary.record).toEqual(record(me, 1));
  expect(secondary.calls).toEqual(["create"]);
});

test("MultiLock: a secondary that loses the race makes the outcome unknown, for the primary was written", async () => {
  const { lock, secondary } = multi();
  const version = versionOf(await lock.create(record(me, 1)));
  secondary.takeAway("new-only");
  await expect(lock.update(record(me, 2), version)).rejects.toBeInstanceOf(UnknownOutcomeError);
  expect((await seenBy(lock)).record.holderIdentity).toBe(unknownHolder);
  const { lock: creating, secondary: taken } = multi();
  taken.loseRace();
  await expect(creating.create(record(me))).rejects.toBeInstanceOf(UnknownOutcomeError);
});

test("MultiLock: an abort while the secondary is written rejects with the caller's reason", async () => {
  const { lock, secondary } = multi();
  secondary.hang({ on: "create" });
  const over = new AbortController();
  const pending = lock.create(record(me), { signal: over.signal }).catch((error: unknown) => error);
  await expect.poll(() => secondary.calls).toEqual(["create"]);
  over.abort("enough");
  expect(await pending).toBe("enough");
});

test("MultiLock: both requests share one deadline", async () => {
  const { clock, lock, primary, secondary } = multi();
  primary.delay({ answerMs: 600 }, { on: "create" });
  secondary.hang({ on: "create" });
  const creating = lock.create(record(me), { timeoutMs: 1_000 });
  creating.catch(() => undefined); // looked at below; until then it may not count as unhandled
  await clock.advance(1_000);
  await expect(creating).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
  expect(clock.monotonicMs()).toBe(1_000);
});

test("MultiLock: what is no version of both is a lost race, and nothing is sent", async () => {
  const { lock, primary, secondary } = multi(record(me), record(me));
  for (const version of ["v1", "[]", "null", "[1,2]", '["v1"]', "[null,null]", '["v1","v1","v1"]', '{"first":"v1"}']) {
    expect(await lock.update(record(me, 1), version as Version)).toEqual({ written: false }); // cast: foreign versions
  }
  expect([primary.calls, secondary.calls]).toEqual([[], []]);
});

test("MultiLock: the term that either server chose is told, the larger of both", async () => {
  const chooses = (term: number): FakeLock => new FakeLock({ chooseTerm: () => term });
  for (const [first, second] of [
    [chooses(12), chooses(9)],
    [new FakeLock(), chooses(12)],
    [chooses(12), new FakeLock()],
  ] as const) {
    expect(await new MultiLock(first, second).create(record(me))).toMatchObject({ written: true, term: 12 });
  }
});

test("MultiLock: candidates of the old lock, of both and of the new one exclude each other, roll-out by roll-out", async () => {
  const [oldStorage, newStorage] = [new MemoryStorage(), new MemoryStorage()];
  const place = { namespace: "default", name: "billing" };
  const oldOnly = new StorageLock({ storage: oldStorage, ...place });
  const newOnly = new StorageLock({ storage: newStorage, ...place });
  const both = new MultiLock(
    new StorageLock({ storage: oldStorage, ...place }),
    new StorageLock({ storage: newStorage, ...place }),
  );
  await oldOnly.create(record(oldOnly.identity, 0, 1));
  const underOld = await seenBy(both);
  expect(underOld.record.holderIdentity).toBe(oldOnly.identity);
  versionOf(await both.update(record(both.identity, 1, 2), underOld.version));
  expect((await seenBy(oldOnly)).record.holderIdentity).toBe(both.identity);
  const underBoth = await seenBy(newOnly);
  expect(underBoth.record.holderIdentity).toBe(both.identity);
  versionOf(await newOnly.update(record(newOnly.identity, 2, 3), underBoth.version));
  expect((await seenBy(both)).record).toMatchObject({ holderIdentity: unknownHolder, leaderTransitions: 3 });
});

test("MultiLock: a release frees both, and is read as free by everybody", async () => {
  const { lock, primary, secondary } = multi();
  const version = versionOf(await lock.create(record(me, 1, 4)));
  versionOf(await lock.update({ ...record("", 2, 4), preferredHolder: "next" }, version));
  for (const reader of [lock, primary, secondary]) {
    expect((await seenBy(reader)).record).toMatchObject({ holderIdentity: "", preferredHolder: "next" });
  }
});

test("MultiLock: a failing read of either lock is a failing read", async () => {
  const { lock, secondary } = multi(record(me), record(me));
  secondary.fail(new StorageUnavailableError("down"), { on: "get", times: 1 });
  await expect(lock.get()).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE" });
  secondary.put("damaged");
  await expect(lock.get()).rejects.toMatchObject({ code: "CORRUPT_DATA" });
});

test("MultiLock: it watches only if both can, with bare hints of both", async () => {
  const { clock, lock, primary, secondary } = multi(record(me), record(me), { watch: "records" });
  expect(new MultiLock(primary, new FakeLock()).watch).toBeUndefined();
  expect(new MultiLock(new FakeLock(), primary).watch).toBeUndefined();
  const over = new AbortController();
  const hints: LockHint[] = [];
  const watching = (async () => {
    for await (const hint of lock.watch?.({ signal: over.signal }) ?? []) hints.push(hint);
  })();
  await clock.advance();
  const first = hints.length;
  expect(first).toBeGreaterThan(0);
  primary.touch();
  await clock.advance();
  secondary.touch();
  await clock.advance();
  expect(hints.length).toBe(first + 2);
  expect(hints.every((hint) => hint.observed === undefined)).toBe(true);
  over.abort();
  await expect(watching).resolves.toBeUndefined();
});

test("merged hints end when one of both ends, or with its error, and let go of the other", async () => {
  const clock = new ManualClock();
  for (const error of [undefined, new Error("access denied")]) {
    const ended: string[] = [];
    const [left, right] = [new FakeLock({ clock, watch: "bare" }), new FakeLock({ clock, watch: "bare" })];
    const watch = (lock: FakeLock, name: string) =>
      async function* ({ signal }: { readonly signal: AbortSignal }): AsyncGenerator<LockHint> {
        yield* lock.watch?.({ signal }) ?? [];
        ended.push(name);
      };
    const { signal } = new AbortController();
    const reading = (async () => {
      for await (const hint of mergedHints([watch(left, "left"), watch(right, "right")], signal))
        expect(hint).toEqual({});
    })().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    await clock.advance();
    left.breakWatch(error);
    await clock.advance();
    expect(await reading).toBe(error);
    expect(ended).toContain("right");
  }
});
