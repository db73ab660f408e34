import { asksTooMuch, leaseMsOf, pickCandidate, type Candidate, type CandidateQuestion } from "./candidates.ts";
import { storedMs, storedWaitMs } from "./global-view.ts";
import { isSettled } from "./generations.ts";
import type { GlobalRecord, LeaseView, ReconcileSettings, ReconcileView } from "./lease-view.ts";
import type { EventNote, GlobalWrite } from "./plan.ts";

/** A record that names a holder. */
export type HeldRecord = Extract<GlobalRecord, { kind: "record" }>;

/** A view, and what all rows of the table ask of it. */
export interface Situation {
  readonly view: ReconcileView;
  readonly settings: ReconcileSettings;
  readonly cluster: LeaseView;
  readonly question: CandidateQuestion;
  /** Whom this cluster contends for. */
  readonly candidate: Candidate | undefined;
  /** Why nobody can be acted for: of the spec, or of the term that it asks for. */
  readonly problems: readonly string[];
  /** Whether what is known of the storage is good enough to write upon. */
  readonly isKnown: boolean;
  /** The record in hand, if it names a holder. */
  readonly held: HeldRecord | undefined;
  /** When the lease in hand has run out for everybody: its pair was not seen to change for its wait. */
  readonly expiresAtMs: number;
}

/** What a row of the table makes of a situation. */
export interface Step {
  readonly row: number;
  /** Whether the newest spec has its outcome. */
  readonly answered: boolean;
  readonly write?: GlobalWrite;
  readonly finalizer?: "add" | "remove";
  /** The resource has to be read first. */
  readonly look?: true;
  readonly wakeAtMs?: number;
  readonly events?: readonly EventNote[];
}

/** Reads a view once for all rows. */
export function situationOf(view: ReconcileView, cluster: LeaseView, settings: ReconcileSettings): Situation {
  const { record, stale } = view.global;
  const held = record.kind === "record" && record.data.holderIdentity !== "" ? record : undefined;
  const question: CandidateQuestion = {
    nowMs: view.nowMs,
    holder: held?.data.holderIdentity ?? "",
    storedRenewTime: held?.data.renewTime,
    storedTerm: record.kind === "record" ? record.data.leaseTransitions : 0,
    highestTerm: view.memory.highest.term,
    spent: view.memory.spent,
    isSettled: (candidate) => isSettled(view.memory, candidate),
    defaultLeaseMs: settings.goLeaseDurationMs,
  };
  return {
    ...{ view, settings, cluster, question, held },
    candidate: pickCandidate(view.memory.candidates, question),
    problems: [...cluster.specProblems, ...termProblems(cluster, question)],
    isKnown: (record.kind === "record" || record.kind === "absent") && !stale,
    expiresAtMs:
      held === undefined || isTooLong(held, settings) ? Infinity : held.receivedMs + storedWaitMs(held.data, settings),
  };
}

/** Whether the lease is longer than what is ever waited for. */
export function isTooLong({ data }: HeldRecord, { maxHonouredLeaseMs }: ReconcileSettings): boolean {
  return (storedMs(data) ?? 0) > maxHonouredLeaseMs;
}

/** How long a candidate waits for another's lease: the longer of both durations, never its own alone, and the grace. */
export function ownWaitMs(candidate: Candidate, lastWaitMs: number, settings: ReconcileSettings): number {
  return Math.max(lastWaitMs, leaseMsOf(candidate, settings.goLeaseDurationMs) + settings.holderGraceMs);
}

/** Whether the holder's newest event is a release of the term that the record has: an earlier one's comes late. */
export function isReleased({ view, held }: Situation): boolean {
  const newest = view.memory.candidates.find(({ identity }) => identity === held?.data.holderIdentity);
  if (held === undefined || newest === undefined || newest.renewTime !== undefined) return false;
  return newest.term === undefined || newest.term === held.data.leaseTransitions;
}

function termProblems({ signal }: LeaseView, question: CandidateQuestion): readonly string[] {
  if (signal === undefined || !asksTooMuch(signal, question)) return [];
  const highest = Math.max(question.storedTerm, question.highestTerm);
  return [`leaseTransitions (${signal.term ?? ""}) lies more than 1000000 above the term of the lease (${highest})`];
}
