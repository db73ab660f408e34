// Goal: the fake lock is a real ResourceLock, and a test can decide who holds the lease and what goes wrong.
// Method: the published lock suite with the fake's own faults, then each knob by itself on a manual clock.
import { describe, expect, test } from "vitest";
import { StorageUnavailableError } from "../../src/errors.ts";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import type { LockHint, LockOutcome, ResourceLock } from "../../src/lock/resource-lock.ts";
import type { Version } from "../../src/storage/versioned-storage.ts";
import {
  FakeLock,
  ManualClock,
  runLockSuite,
  SeededRandom,
  type FakeLockOptions,
  type LockSuiteContext,
} from "../../src/testing/index.ts";

function fakeOf(lock: ResourceLock): FakeLock {
  return lock instanceof FakeLock ? lock : expect.unreachable("no fake lock");
}

function lease(watch: "none" | "bare" | "records"): LockSuiteContext {
  const clock = new ManualClock();
  const first = new FakeLock({ clock, watch });
  return {
    description: "fake/lock",
    connect: () => first.forCandidate(),
    faults: {
      loseAnswer: (lock) => fakeOf(lock).loseAnswer(),
      refuse(lock) {
        const error = new StorageUnavailableError("busy", { applied: "no" });
        fakeOf(lock).fail(error, { on: "write", times: 1 });
      },
      hang: (lock) => fakeOf(lock).hang({ times: 1 }),
      elapse: (ms) => clock.advance(ms),
    },
  };
}

for (const watch of ["none", "bare", "records"] as const) {
  describe(`with hints: ${watch}`, () => {
    runLockSuite(test, { open: () => lease(watch), lacks: watch === "none" ? ["watch"] : [] });
  });
}

const record: LeaderElectionRecord = {
  holderIdentity: "me",
  leaseDurationSeconds: 15,
  acquireTime: "2026-03-01T09:30:00.000000Z",
  renewTime: "2026-03-01T09:30:00.000000Z",
  leaderTransitions: 4,
};

async function holding(options: FakeLockOptions = {}) {
  const clock = new ManualClock();
  const lock = new FakeLock({ clock, identity: "me", record, ...options });
  const version = (await lock.get())?.version ?? expect.unreachable();
  lock.log.length = 0;
  return { clock, lock, version };
}

const versionOf = (outcome: LockOutcome): Version => (outcome.written ? outcome.version : expect.unreachable());

test("the identity is given, or new for each lock, from the random that is given", () => {
  expect(new FakeLock({ identity: "me" }).identity).toBe("me");
  expect(new FakeLock({ random: new SeededRandom(1) }).identity).toBe(`fake_${new SeededRandom(1).uuid()}`);
  expect(new FakeLock().identity).not.toBe(new FakeLock().identity);
});

test("calls are logged in order, with their details, also those that fail; an aborted one was never made", async () => {
  const { clock, lock, version } = await holding();
  await clock.advance(5);
  await lock.get();
  await lock.create(record);
  lock.fail(new Error("down"), { times: 1 });
  await expect(lock.update(record, version)).rejects.toThrow("down");
  await expect(lock.get({ signal: AbortSignal.abort() })).rejects.toThrow();
  expect(lock.calls).toEqual(["get", "create", "update"]);
  expect(lock.log[2]).toEqual({ operation: "update", atMs: 5, record, expected: version });
});

test("onCall hears of a call before anything happens to it", async () => {
  const seen: string[] = [];
  const lock = new FakeLock({ onCall: ({ operation }) => seen.push(`${operation} ${lock.record?.holderIdentity}`) });
  await lock.create(record);
  expect(seen).toEqual(["create undefined"]);
});

test("grant frees what another candidate holds, keeps the term, and leaves alone what is free or one's own", async () => {
  const clock = new ManualClock();
  const lock = new FakeLock({ clock, identity: "me", heldBy: "they" });
  const before = (await lock.get())?.version;
  lock.grant();
  expect(lock.record).toMatchObject({ holderIdentity: "", leaderTransitions: 1 });
  const freed = await lock.get();
  expect(freed?.version).not.toBe(before);
  lock.grant();
  expect((await lock.get())?.version).toBe(freed?.version);
  await lock.update(record, freed?.version ?? expect.unreachable());
  lock.grant();
  expect(lock.record).toEqual(record);
});

test("takeAway gives the lease to another candidate: a new holder, a new pair, a larger term", async () => {
  const { lock, version } = await holding();
  lock.takeAway();
  const first = lock.record;
  expect(first).toMatchObject({ leaderTransitions: 5, leaseDurationSeconds: 15 });
  expect(first?.holderIdentity).toMatch(/^somebody-else_/);
  expect(await lock.update(record, version)).toEqual({ written: false });
  lock.takeAway("third");
  expect(lock.record).toMatchObject({ holderIdentity: "third", leaderTransitions: 6 });
  expect(lock.record?.renewTime).not.toBe(first?.renewTime);
  expect(lock.record?.renewTime).toMatch(/\.\d{6}Z$/);
});

test("erase deletes, touch changes the version only, put stores anything; no version ever repeats", async () => {
  const { lock, version } = await holding();
  lock.touch();
  const touched = await lock.get();
  expect(touched?.record).toEqual(record);
  lock.erase();
  lock.touch();
  expect(await lock.get()).toBeUndefined();
  expect(await lock.update(record, touched?.version ?? version)).toEqual({ written: false });
  const created = versionOf(await lock.create(record));
  expect(new Set([version, touched?.version, created]).size).toBe(3);
  lock.put({ holderIdentity: 5 });
  expect(lock.record).toBeUndefined();
  await expect(lock.get()).rejects.toMatchObject({ code: "CORRUPT_DATA" });
  lock.takeAway("after the damage");
  expect(lock.record?.holderIdentity).toBe("after the damage");
});

test("what was written belongs to the lock: later changes of the caller's object do not show", async () => {
  const lock = new FakeLock();
  const mutable = { ...record };
  await lock.create(mutable);
  mutable.holderIdentity = "changed";
  expect(lock.record?.holderIdentity).toBe("me");
});

test("fail lasts until heal, or for a number of calls, and may let some pass first", async () => {
  const { lock } = await holding();
  const outcomes = async (calls: number): Promise<string> => {
    let seen = "";
    for (let call = 0; call < calls; call += 1)
      seen += await lock.get().then(
        () => "+",
        () => "-",
      );
    return seen;
  };
  lock.fail(new Error("down"));
  expect(await outcomes(3)).toBe("---");
  lock.heal();
  lock.fail(new Error("down"), { times: 2, skip: 1 });
  expect(await outcomes(5)).toBe("+--++");
  lock.fail(new Error("no writes"), { on: "write" });
  expect(await outcomes(2)).toBe("++");
});

test("counted faults come first, in order; of the lasting ones the latest counts", async () => {
  const { lock, version } = await holding();
  lock.fail(new Error("lasting"));
  lock.fail(new Error("later"));
  lock.loseRace();
  lock.fail(new Error("counted"), { times: 1 });
  expect(await lock.update(record, version)).toEqual({ written: false });
  await expect(lock.update(record, version)).rejects.toThrow("counted");
  await expect(lock.update(record, version)).rejects.toThrow("later");
});

test("loseRace refuses one write and changes nothing", async () => {
  const { lock, version } = await holding();
  lock.loseRace();
  await lock.get();
  expect(await lock.update({ ...record, leaderTransitions: 5 }, version)).toEqual({ written: false });
  expect(lock.record).toEqual(record);
  expect(versionOf(await lock.update(record, version))).not.toBe(version);
});

test("an answer may be lost, a failure or a hanging call may have written all the same", async () => {
  const { clock, lock, version } = await holding();
  lock.loseAnswer();
  const lost = lock.update({ ...record, leaderTransitions: 5 }, version);
  await expect(lost).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown" });
  expect(lock.record?.leaderTransitions).toBe(5);
  const next = (await lock.get())?.version ?? expect.unreachable();
  lock.hang({ times: 1, applied: true });
  const hanging = lock.update({ ...record, leaderTransitions: 6 }, next, { timeoutMs: 50 });
  hanging.catch(() => undefined); // looked at below; until then it may not count as unhandled
  await clock.advance(50);
  await expect(hanging).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN", cause: { name: "TimeoutError" } });
  expect(lock.record?.leaderTransitions).toBe(6);
});

test("a hanging call ends at the caller's signal, with its reason", async () => {
  const { lock } = await holding();
  lock.hang();
  const over = new AbortController();
  const pending = lock.get({ signal: over.signal }).catch((error: unknown) => error);
  over.abort("enough");
  expect(await pending).toBe("enough");
});

test("a delayed answer tells of a write that happened when the request arrived", async () => {
  const { clock, lock, version } = await holding();
  lock.delay({ requestMs: 100, answerMs: 200 });
  let answered = false;
  const writing = lock.update({ ...record, leaderTransitions: 5 }, version).finally(() => (answered = true));
  await clock.advance(99);
  expect(lock.record?.leaderTransitions).toBe(4);
  await clock.advance(1);
  expect([lock.record?.leaderTransitions, answered]).toEqual([5, false]);
  await clock.advance(200);
  await expect(writing).resolves.toMatchObject({ written: true });
});

test("no abort recalls a request that is on its way", async () => {
  const { clock, lock, version } = await holding();
  lock.delay({ requestMs: 100 });
  const over = new AbortController();
  const writing = lock.update({ ...record, leaderTransitions: 5 }, version, { signal: over.signal });
  writing.catch(() => undefined); // looked at below; until then it may not count as unhandled
  await clock.advance(50);
  over.abort(new Error("enough"));
  await expect(writing).rejects.toThrow("enough");
  expect(lock.record?.leaderTransitions).toBe(4);
  await clock.advance(50);
  expect(lock.record?.leaderTransitions).toBe(5);
});

test("answerWith plays a lagging replica for one read; writes still see what is there", async () => {
  const { lock, version } = await holding();
  const old = await lock.get();
  versionOf(await lock.update({ ...record, leaderTransitions: 5 }, version));
  lock.answerWith(old);
  expect(await lock.get()).toEqual(old);
  lock.answerWith(undefined);
  expect(await lock.get()).toBeUndefined();
  expect((await lock.get())?.record.leaderTransitions).toBe(5);
  expect(await lock.update(record, version)).toEqual({ written: false });
});

test("a server may choose the term, and the outcome tells which", async () => {
  const lock = new FakeLock({ chooseTerm: ({ leaderTransitions }) => leaderTransitions + 10 });
  expect(await lock.create(record)).toMatchObject({ written: true, term: 14 });
  expect(lock.record?.leaderTransitions).toBe(14);
});

test("candidates compete over one record, each with its own log and its own faults", async () => {
  const first = new FakeLock({ identity: "first" });
  const second = first.forCandidate("second");
  first.fail(new Error("only the first is cut off"));
  await expect(first.get()).rejects.toThrow("cut off");
  await second.create({ ...record, holderIdentity: "second" });
  expect(first.record?.holderIdentity).toBe("second");
  expect([first.calls, second.calls]).toEqual([["get"], ["create"]]);
  first.heal();
  expect((await first.get())?.record.holderIdentity).toBe("second");
  expect(first.forCandidate().identity).not.toBe(first.forCandidate().identity);
});

async function hintsOf(lock: FakeLock, signal: AbortSignal, hints: (LockHint | string)[]): Promise<void> {
  try {
    for await (const hint of lock.watch?.({ signal }) ?? []) hints.push(hint);
    hints.push("ended");
  } catch (error) {
    hints.push(String(error));
  }
}

test("hints come at once and after each change, merged while nobody looks, bare when there is nothing to see", async () => {
  const clock = new ManualClock();
  const lock = new FakeLock({ clock, watch: "records", heldBy: "they" });
  const over = new AbortController();
  const hints: (LockHint | string)[] = [];
  void hintsOf(lock, over.signal, hints);
  await clock.advance();
  lock.touch();
  lock.takeAway("third");
  await clock.advance();
  lock.erase();
  await clock.advance();
  lock.put("damaged");
  await clock.advance();
  lock.hint();
  await clock.advance();
  over.abort();
  await clock.advance();
  expect(hints).toMatchObject([
    { observed: { record: { holderIdentity: "they" } } },
    { observed: { record: { holderIdentity: "third" } } },
    {},
    {},
    {},
    "ended",
  ]);
  expect(hints.slice(2, 5)).toEqual([{}, {}, {}]);
  expect(lock.calls).toEqual([]);
});

test("a watch can break, with an error or without; a lock has none unless asked to", async () => {
  const clock = new ManualClock();
  const lock = new FakeLock({ clock, watch: "bare", record });
  const { signal } = new AbortController();
  const hints: (LockHint | string)[] = [];
  void hintsOf(lock, signal, hints);
  await clock.advance();
  lock.breakWatch(new Error("access denied"));
  await clock.advance();
  void hintsOf(lock, signal, hints);
  await clock.advance();
  lock.breakWatch();
  await clock.advance();
  expect(hints).toEqual([{}, "Error: access denied", {}, "ended"]);
  expect(new FakeLock().watch).toBeUndefined();
});

test("events are kept", () => {
  const lock = new FakeLock();
  lock.recordEvent("became leader");
  expect(lock.events).toEqual(["became leader"]);
});
