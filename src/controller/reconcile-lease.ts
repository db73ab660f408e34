import { conditionOf } from "../kubernetes/multi-cluster-lease.ts";
import { isLater } from "../kubernetes/micro-time.ts";
import { maxReadableTerm } from "../lock/record-codec.ts";
import type { Candidate } from "./candidates.ts";
import { acquisitionWrite, creationWrite, freeingWrite, renewalWrite } from "./global-writes.ts";
import { isConfirmed } from "./generations.ts";
import type { GlobalWrite } from "./plan.ts";
import { storedWaitMs } from "./global-view.ts";
import { isReleased, isTooLong, ownWaitMs, type HeldRecord, type Situation, type Step } from "./situation.ts";

/** Those who wait for the same expiry spread over this much. */
const herdMs = 50;

/** The rows 4 and 6 to 13: a lease that stays. The first that matches wins. */
export function reconcileLease(situation: Situation): Step {
  const { view, problems, isKnown, held, candidate } = situation;
  const { record } = view.global;
  if (problems.length > 0 || record.kind === "unreadable") return { row: 4, answered: true };
  if (!isKnown) return { row: 0, answered: false };
  // Its term is compared: a replica whose watch lags sees the release of an earlier term of today's leader.
  if (held !== undefined && isReleased(situation))
    return { row: 6, answered: false, write: freeingWrite(situation, held) };
  if (candidate === undefined) return { row: 7, answered: true };
  if (held?.data.holderIdentity === candidate.identity) return reconcileHolder(situation, held, candidate);
  if (candidate.term !== undefined && candidate.term <= view.memory.highest.term) return { row: 10, answered: true };
  if (record.kind === "absent") return reconcileAbsent(situation, record, candidate);
  return record.kind === "record" ? reconcileOther(situation, record, candidate) : { row: 0, answered: false };
}

/** Rows 8 and 9: the candidate holds the lease already. */
function reconcileHolder(situation: Situation, held: HeldRecord, candidate: Candidate): Step {
  const { highest } = situation.view.memory;
  const stored = held.data.leaseTransitions;
  const asked = candidate.term ?? stored;
  if (asked < stored) return { row: 9, answered: true }; // a late signal of an earlier term
  if (!isNewSignal(situation, held, candidate)) return { row: asked > stored ? 9 : 8, answered: true };
  if (asked > stored) {
    // Under a record that went back, its own term of before may go on; nobody else's is given twice.
    const isNext = asked > highest.term || (asked === highest.term && highest.holder === candidate.identity);
    return isNext ? begin(9, situation, acquisitionWrite(situation, held, { candidate, term: asked })) : tell;
  }
  if (stored < highest.term) return tell;
  return { row: 8, answered: false, write: renewalWrite(situation, held, candidate) };
}

/** Row 10: the status says which term to ask for. */
const tell: Step = { row: 10, answered: true };

/** Row 11: there is no record; who was seen to hold it is waited for. */
function reconcileAbsent(
  situation: Situation,
  absent: { readonly sinceMs: number; readonly lastMs: number },
  candidate: Candidate,
): Step {
  const { view, settings } = situation;
  const { highest, lastWaitMs } = view.memory;
  const dueMs = lastWaitMs === 0 ? -Infinity : absent.sinceMs + ownWaitMs(candidate, lastWaitMs, settings);
  if (view.nowMs < dueMs) return { row: 13, answered: true, wakeAtMs: dueMs };
  // Only looks in short succession show that nobody came and went meanwhile.
  if (lastWaitMs > 0 && view.nowMs - absent.lastMs > settings.absenceGapMs) return { row: 0, answered: false };
  return begin(11, situation, creationWrite(situation, candidate, candidate.term ?? highest.term + 1));
}

/** Rows 12 and 13: a record that is free, or names another. */
function reconcileOther(situation: Situation, record: HeldRecord, candidate: Candidate): Step {
  const { view, settings, cluster } = situation;
  const term = candidate.term ?? view.memory.highest.term + 1;
  const write = acquisitionWrite(situation, record, { candidate, term });
  if (record.data.holderIdentity === "") return begin(12, situation, write);
  if (isTooLong(record, settings)) return { row: 13, answered: true };
  const waitMs = ownWaitMs(candidate, storedWaitMs(record.data, settings), settings);
  const dueMs = record.receivedMs + waitMs + record.share * herdMs;
  if (view.nowMs < dueMs) return { row: 13, answered: true, wakeAtMs: dueMs };
  if (conditionOf(cluster.status, "LockAcquiredInBackend")?.reason === "LeaseExpired")
    return begin(12, situation, write);
  const message = `the lease of "${record.data.holderIdentity}" ran out`;
  return begin(12, situation, { ...write, event: { reason: "LeaseExpired", message } });
}

/** A term that nobody could read would end all elections. Nobody is woken by an event that may be an old one. */
function begin(row: number, { view, candidate }: Situation, write: GlobalWrite): Step {
  const fits = write.data.leaseTransitions <= maxReadableTerm && write.data.leaseTransitions > 0;
  const falls = write.data.leaseTransitions < view.memory.highest.term;
  if (!fits || falls) return { row, answered: true };
  const isNews = candidate !== undefined && isConfirmed(view.memory, candidate, view.nowMs);
  return isNews ? { row, answered: false, write } : { row, answered: false, look: true };
}

/** Whether the signal is still to be written. A Go controller's record does not say which one it confirms. */
function isNewSignal({ view }: Situation, { data }: HeldRecord, { identity, renewTime }: Candidate): boolean {
  if (data.leaseDurationSeconds !== undefined) return isLater(renewTime, data.renewTime);
  const { written } = view.memory;
  return written?.identity !== identity || isLater(renewTime, written.renewTime);
}
