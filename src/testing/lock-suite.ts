import assert from "node:assert/strict";
import { errorCode } from "../errors.ts";
import type { LeaderElectionRecord } from "../lock/leader-election-record.ts";
import type { ResourceLock } from "../lock/resource-lock.ts";
import type { Version } from "../storage/versioned-storage.ts";
import {
  assertHint,
  assertSame,
  assertThrown,
  laterTime,
  plain,
  recordOf,
  settled,
  soleWinner,
  written,
} from "./lock-assertions.ts";

/** What a case of the lock suite cannot do without. */
export type LockNeed = "faults" | "watch";

/** How a harness disturbs the next write of one of its locks, or its next call. */
export interface LockFaults {
  /** The next write is applied, and its answer never comes back. */
  loseAnswer(lock: ResourceLock): void;
  /** The next write provably has no effect: the storage refuses to look at it. */
  refuse(lock: ResourceLock): void;
  /** The next call is never answered. */
  hang(lock: ResourceLock): void;
  /** Lets that much time pass on the clock of the locks. */
  elapse(ms: number): Promise<void>;
}

/** What a case of the lock suite is given: a lease of its own, which nobody has written yet. */
export interface LockSuiteContext {
  /** A lock of a new candidate over this lease. */
  connect(): ResourceLock | Promise<ResourceLock>;
  /** What every lock must describe itself as, for example `default/billing`. */
  readonly description: string;
  readonly faults?: LockFaults;
}

/** One promise of `ResourceLock`, as data for any test runner. */
export interface LockCase {
  /** `LL…` and `RT1` are client-go's cases; `O…` are about the three outcomes, `W…` about watches. */
  readonly id: string;
  /** A sentence about behaviour. */
  readonly name: string;
  readonly needs?: readonly LockNeed[];
  /** Rejects if the lock breaks the promise. */
  run(context: LockSuiteContext): Promise<void>;
}

/**
 * What every `ResourceLock` promises, as cases over two candidates; hand it to `runSuite`, with a harness for your own
 * lock.
 */
export const lockSuite: readonly LockCase[] = [
  {
    id: "LL1",
    name: "a lease that nobody has written is absent, and that is no error",
    async run({ connect }) {
      assert.equal(await (await connect()).get(), undefined);
    },
  },
  {
    id: "LL2",
    name: "what was just created is read back with all its fields, under the version that the write returned",
    async run({ connect }) {
      const [lock, other] = [await connect(), await connect()];
      const record = recordOf(lock);
      const version = written(await lock.create(record));
      for (const reader of [lock, other]) assertSame(await reader.get(), { record, version });
    },
  },
  {
    id: "LL5",
    name: "to create what exists already is a lost race, and changes nothing",
    async run({ connect }) {
      const [lock, other] = [await connect(), await connect()];
      const record = recordOf(lock);
      const version = written(await lock.create(record));
      for (const late of [other, lock]) assert.deepEqual(await late.create(recordOf(late)), { written: false });
      assertSame(await other.get(), { record, version });
    },
  },
  {
    id: "LL6",
    name: "an update that names a version which nobody read is a lost race, and creates nothing",
    async run({ connect }) {
      const [lock, other] = [await connect(), await connect()];
      const never = "never-read" as Version; // cast: a version out of nowhere is what this is about
      assert.deepEqual(await lock.update(recordOf(lock), never), { written: false });
      assert.equal(await lock.get(), undefined);
      const record = recordOf(lock);
      const version = written(await lock.create(record));
      assert.deepEqual(await other.update(recordOf(other), never), { written: false });
      assertSame(await lock.get(), { record, version });
    },
  },
  {
    id: "LL7",
    name: "a lock describes where its lease is, and each candidate has an identity of its own",
    async run({ connect, description }) {
      const [lock, other] = [await connect(), await connect()];
      assert.equal(lock.description, description);
      assert.equal(other.description, description);
      assert.notEqual(lock.identity, "");
      assert.notEqual(lock.identity, other.identity);
      lock.recordEvent?.("became leader"); // must not throw
    },
  },
  {
    id: "RT1",
    name: "a full record survives the way there and back: seven fields, microseconds, a term near the end",
    async run({ connect }) {
      const [lock, other] = [await connect(), await connect()];
      const full: LeaderElectionRecord = {
        ...recordOf(lock, 2 ** 31 - 10 ** 6),
        leaseDurationSeconds: 2 ** 31 - 1,
        strategy: "OldestEmulationVersion",
        preferredHolder: other.identity,
      };
      const version = written(await lock.create(full));
      assertSame(await other.get(), { record: full, version });
    },
  },
  {
    id: "O1",
    name: "a written update is what everybody reads next, and another lock may name the version that it read",
    async run({ connect }) {
      const [lock, other] = [await connect(), await connect()];
      await lock.create(recordOf(lock));
      const seen = await other.get();
      assert.ok(seen, "the record is not there");
      const record = recordOf(other, 2);
      const version = written(await other.update(record, seen.version));
      for (const reader of [lock, other]) assertSame(await reader.get(), { record, version });
    },
  },
  {
    id: "O2",
    name: "an update that names an earlier version is a lost race: a former leader changes nothing",
    async run({ connect }) {
      const [former, next] = [await connect(), await connect()];
      const first = written(await former.create(recordOf(former)));
      const record = recordOf(next, 2);
      const version = written(await next.update(record, first));
      assert.deepEqual(await former.update(recordOf(former), first), { written: false });
      const release = { ...recordOf(former), holderIdentity: "" };
      assert.deepEqual(await former.update(release, first), { written: false });
      assertSame(await next.get(), { record, version });
    },
  },
  {
    id: "O3",
    name: "an update with an equal record has a new version all the same, and the earlier one no longer matches",
    async run({ connect }) {
      const lock = await connect();
      const record = recordOf(lock);
      const first = written(await lock.create(record));
      const second = written(await lock.update(record, first));
      assert.notEqual(second, first);
      assert.deepEqual(await lock.update(record, first), { written: false });
    },
  },
  {
    id: "O4",
    name: "of candidates that write at once, exactly one has written, and its record is there",
    async run({ connect }) {
      const locks = [await connect(), await connect(), await connect(), await connect()];
      const created = await settled(locks.map((lock) => lock.create(recordOf(lock))));
      const seen = await soleWinner(locks, created);
      const updated = await settled(locks.map((lock) => lock.update(recordOf(lock, 2), seen.version)));
      await soleWinner(locks, updated);
    },
  },
  {
    id: "O5",
    name: "a release frees the lease, keeps the term or raises it, and says who is preferred",
    async run({ connect }) {
      const [lock, other] = [await connect(), await connect()];
      const held = written(await lock.create(recordOf(lock, 7)));
      const release = {
        ...recordOf(lock, 7),
        holderIdentity: "",
        leaseDurationSeconds: 1,
        preferredHolder: other.identity,
      };
      const version = written(await lock.update(release, held));
      const seen = await other.get();
      assert.equal(seen?.version, version);
      assert.equal(seen.record.holderIdentity, "");
      assert.equal(seen.record.leaseDurationSeconds, 1);
      assert.equal(seen.record.preferredHolder, other.identity);
      assert.ok([7, 8].includes(seen.record.leaderTransitions), `the term is ${seen.record.leaderTransitions}`);
      written(await other.update(recordOf(other, 9), version));
    },
  },
  {
    id: "O6",
    name: "a call whose signal has fallen before it begins rejects with the reason, and nothing happens",
    async run({ connect }) {
      const lock = await connect();
      const reason = new Error("the caller has had enough");
      const options = { signal: AbortSignal.abort(reason) };
      const isReason = (error: unknown): boolean => error === reason;
      await assert.rejects(lock.create(recordOf(lock), options), isReason);
      await assert.rejects(lock.get(options), isReason);
      assert.equal(await lock.get(), undefined);
      const record = recordOf(lock);
      const version = written(await lock.create(record));
      await assert.rejects(lock.update(recordOf(lock, 2), version, options), isReason);
      assertSame(await lock.get(), { record, version });
    },
  },
  {
    id: "O7",
    name: "a write whose answer is lost is unknown, and is found by reading; it was sent once",
    needs: ["faults"],
    async run({ connect, faults }) {
      const lock = await connect();
      faults?.loseAnswer(lock);
      const creation = recordOf(lock);
      await assertThrown(faults, () => lock.create(creation, { timeoutMs: 100 }), "unknown");
      const created = await lock.get();
      assert.deepEqual(created && plain(created.record), creation);
      faults?.loseAnswer(lock);
      const renewal = { ...creation, renewTime: laterTime };
      const version = created?.version ?? ("" as Version); // cast: asserted above to be there
      await assertThrown(faults, () => lock.update(renewal, version, { timeoutMs: 100 }), "unknown");
      assert.deepEqual(plain((await lock.get())?.record), renewal);
      assert.deepEqual(await lock.update(renewal, version), { written: false });
    },
  },
  {
    id: "O8",
    name: "a write that was refused before it had any effect says so, and changes nothing",
    needs: ["faults"],
    async run({ connect, faults }) {
      const lock = await connect();
      faults?.refuse(lock);
      await assertThrown(faults, () => lock.create(recordOf(lock)), "no");
      assert.equal(await lock.get(), undefined);
      const record = recordOf(lock);
      const version = written(await lock.create(record));
      faults?.refuse(lock);
      await assertThrown(faults, () => lock.update(recordOf(lock, 2), version), "no");
      assertSame(await lock.get(), { record, version });
    },
  },
  {
    id: "O9",
    name: "a call that is never answered ends at its deadline: a read failed, a write is unknown",
    needs: ["faults"],
    async run({ connect, faults }) {
      const lock = await connect();
      const version = written(await lock.create(recordOf(lock)));
      faults?.hang(lock);
      await assertThrown(faults, () => lock.update(recordOf(lock, 2), version, { timeoutMs: 100 }), "unknown");
      faults?.hang(lock);
      const read = await assertThrown(faults, () => lock.get({ timeoutMs: 100 }));
      assert.equal(errorCode(read), "STORAGE_UNAVAILABLE");
    },
  },
  {
    id: "W1",
    name: "a watch gives a hint at once and after each change, and ends without an error on abort",
    needs: ["watch"],
    async run({ connect }) {
      const [lock, other] = [await connect(), await connect()];
      const over = new AbortController();
      const hints = lock.watch?.({ signal: over.signal })[Symbol.asyncIterator]();
      assert.ok(hints, "the lock cannot watch");
      assert.equal((await hints.next()).done, false);
      const version = written(await other.create(recordOf(other)));
      assertHint(await hints.next(), other.identity);
      written(await other.update({ ...recordOf(other), renewTime: laterTime }, version));
      assertHint(await hints.next(), other.identity);
      const last = hints.next();
      over.abort();
      // A spurious hint may still be under way.
      assert.ok((await last).done || (await hints.next()).done, "the watch goes on after abort");
    },
  },
];
