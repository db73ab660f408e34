import { releasedLease } from "../storage/lease-codec.ts";
import type { LeaseData } from "../storage/lease-storage.ts";
import { leaseMsOf, type Candidate } from "./candidates.ts";
import type { GlobalWrite } from "./plan.ts";
import type { HeldRecord, Situation } from "./situation.ts";

/** The next signal of the holder, within its term. Fields that we do not know are kept. */
export function renewalWrite(situation: Situation, held: HeldRecord, candidate: Candidate): GlobalWrite {
  const data = { ...held.data, ...signalOf(candidate, situation) };
  return { kind: "renew", expected: held.generation, data, answers: candidate.generation };
}

/** A term that begins over this record: of the holder itself, or of another. */
export function acquisitionWrite(
  situation: Situation,
  replaced: HeldRecord,
  { candidate, term }: { readonly candidate: Candidate; readonly term: number },
): GlobalWrite {
  const isHolder = replaced.data.holderIdentity === candidate.identity;
  const { preferredHolder: _preferred, ...kept } = replaced.data;
  const data = { ...kept, ...signalOf(candidate, situation), ...termOf(candidate, term) };
  return {
    kind: isHolder ? "newTerm" : "takeOver",
    expected: replaced.generation,
    data,
    answers: candidate.generation,
  };
}

/** The first record. */
export function creationWrite(situation: Situation, candidate: Candidate, term: number): GlobalWrite {
  const data = { ...signalOf(candidate, situation), ...termOf(candidate, term) };
  return { kind: "create", data, answers: candidate.generation };
}

/**
 * Frees the lease: no holder, a renewal time long ago, and one transition more than was ever seen, because a successor
 * in Go takes over with the number that it finds.
 */
export function freeingWrite({ view, cluster }: Situation, held: HeldRecord): GlobalWrite {
  const leaseTransitions = Math.max(held.data.leaseTransitions, view.memory.highest.term) + 1;
  const data = { ...releasedLease(held.data), leaseTransitions };
  return { kind: "free", expected: held.generation, data, answers: cluster.generation };
}

function signalOf(
  candidate: Candidate,
  { settings }: Situation,
): { readonly renewTime: string; readonly leaseDurationSeconds: number } {
  const leaseMs = leaseMsOf(candidate, settings.goLeaseDurationMs);
  // Up: others wait longer, never shorter.
  return { renewTime: candidate.renewTime ?? "", leaseDurationSeconds: Math.max(Math.ceil(leaseMs / 1000), 1) };
}

function termOf(
  { identity, renewTime }: Candidate,
  term: number,
): Pick<LeaseData, "holderIdentity" | "leaseTransitions" | "acquireTime"> {
  return {
    holderIdentity: identity,
    leaseTransitions: term,
    ...(renewTime !== undefined && { acquireTime: renewTime }),
  };
}
