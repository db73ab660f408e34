import type { LeaseLock } from "../src/kubernetes/lease-lock.ts";
import type { LeaderElectionRecord } from "../src/lock/leader-election-record.ts";
import type { Version } from "../src/storage/versioned-storage.ts";
import { microTime } from "../src/system/micro-time.ts";

/** The beginning of 2026. */
const firstUs = 1_767_225_600_000_000;

/** One renewal after the other by a lock, without an elector. */
export async function renewing(lock: LeaseLock): Promise<() => Promise<void>> {
  const record: LeaderElectionRecord = {
    holderIdentity: lock.identity,
    leaseDurationSeconds: 15,
    acquireTime: microTime(firstUs),
    renewTime: microTime(firstUs),
    leaderTransitions: 3,
  };
  const stored = await lock.get();
  if (stored === undefined) throw new Error("the server has no Lease");
  let version: Version = stored.version;
  let us = firstUs;
  return async () => {
    us += 1;
    const outcome = await lock.update({ ...record, renewTime: microTime(us) }, version);
    if (!outcome.written) throw new Error("a renewal was refused");
    version = outcome.version;
  };
}
