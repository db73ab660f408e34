import assert from "node:assert/strict";
import { appliedOf } from "../errors.ts";
import type { LeaderElectionRecord } from "../lock/leader-election-record.ts";
import type { LockOutcome, ObservedRecord, ResourceLock } from "../lock/resource-lock.ts";
import type { Version } from "../storage/versioned-storage.ts";
import type { LockFaults } from "./lock-suite.ts";

const acquireTime = "2026-03-01T09:12:44.100001Z";
const renewTime = "2026-03-01T09:30:00.000123Z";
/** A later time than that of `recordOf`. */
export const laterTime: string = "2026-03-01T09:30:05.000124Z";

/** A record by which `lock`'s candidate holds the lease. */
export function recordOf(lock: ResourceLock, leaderTransitions = 1): LeaderElectionRecord {
  return { holderIdentity: lock.identity, leaseDurationSeconds: 15, acquireTime, renewTime, leaderTransitions };
}

/** The version of a write that has to have succeeded. */
export function written(outcome: LockOutcome): Version {
  assert.ok(outcome.written, "the write lost the race");
  return outcome.version;
}

/** Without a prototype of its own, so that only fields are compared. */
export function plain<T extends object>(record: T | undefined): T | undefined {
  return record && { ...record };
}

/** What was read is this record, under this version. */
export function assertSame(seen: ObservedRecord | undefined, expected: ObservedRecord): void {
  assert.deepEqual(plain(seen?.record), expected.record);
  assert.equal(seen?.version, expected.version);
}

/** Losers lost, or could not tell; a write that throws must not have won, or the case could not name the winner. */
export async function settled(writes: readonly Promise<LockOutcome>[]): Promise<readonly boolean[]> {
  const outcomes = await Promise.allSettled(writes);
  return outcomes.map((outcome) => outcome.status === "fulfilled" && outcome.value.written);
}

/** What is there after a race that exactly one candidate has to have won. */
export async function soleWinner(locks: readonly ResourceLock[], won: readonly boolean[]): Promise<ObservedRecord> {
  assert.equal(won.filter(Boolean).length, 1, "not exactly one candidate has written");
  const winner = locks[won.indexOf(true)];
  const seen = await winner?.get();
  assert.ok(seen, "the record is not there");
  assert.equal(seen.record.holderIdentity, winner?.identity);
  return seen;
}

/** The call throws, and says of its effect what it has to; its deadline passes meanwhile. */
export async function assertThrown(
  faults: LockFaults | undefined,
  call: () => Promise<unknown>,
  applied?: "no" | "unknown",
): Promise<unknown> {
  const outcome = call().then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  await faults?.elapse(200);
  const settledAs = await outcome;
  if (!("error" in settledAs)) assert.fail(`no error, but ${JSON.stringify(settledAs.value)}`);
  if (applied !== undefined) assert.equal(appliedOf(settledAs.error), applied);
  return settledAs.error;
}

/** What a hint carries, if it carries anything, is what was written. */
export function assertHint(
  result: IteratorResult<{ readonly observed?: ObservedRecord }, unknown>,
  holder: string,
): void {
  assert.equal(result.done ?? false, false, "the watch has ended");
  const hint = result.done ? {} : result.value;
  if (hint.observed !== undefined) assert.equal(hint.observed.record.holderIdentity, holder);
}
