import { compareWireTimes, parseWireTime } from "./micro-time.ts";
import type { MultiClusterLeaseStatus } from "./multi-cluster-lease.ts";
import { ownName, ownNumber } from "./own-names.ts";
import { isFree, isGoStatus, unhealthy, type ShownLease } from "./shown-lease.ts";

/** A signal that was sent, and what the answer to its write told. */
export interface SentSignal {
  /** Who sent it, without a number. */
  readonly identity: string;
  /** Which name of its sender it bears. */
  readonly number: number;
  /** Its text. */
  readonly renewTime: string;
  /** The term that is asked for, or held. */
  readonly term: number;
  readonly uid: string;
  /** Of the spec that this write made. */
  readonly generation: number;
  /** `globalRenewTime` as it was at that instant. */
  readonly stampBefore: string | undefined;
  /** Whether a text is a signal of the same sender that was sent after this one. */
  readonly isLater: (renewTime: string) => boolean;
}

/** Why there is no answer yet: the code of the error that is thrown when the time is over. */
export type Silence = "CONTROLLER_SILENT" | "GLOBAL_STORAGE_UNHEALTHY" | "LOCAL_CONTENTION" | "OUTCOME_UNKNOWN";

/** What one look says about a signal, and by which row of the table. */
export type Verdict =
  | { readonly row: 2 | 7; readonly is: "confirmed"; readonly term: number }
  | { readonly row: 1; readonly is: "lost"; readonly holder?: undefined }
  | { readonly row: 5; readonly is: "lost" | "refused"; readonly holder: string }
  | { readonly row: 3; readonly is: "superseded" }
  | {
      readonly row: 4 | 6 | 8 | 9 | 10;
      readonly is: "wait";
      readonly silence: Silence;
      /** Who else wrote the spec, or what the controller says of its storage. */
      readonly told: string;
      /** Whether another signal may help. */
      readonly again?: true;
    };

/**
 * The verdict on a signal by one look at its MultiClusterLease (`undefined`: there is none). The first row that matches
 * counts. Only what proves that this very signal, or a later one, reached the storage confirms it.
 */
export function confirmationOf(signal: SentSignal, shown: ShownLease | undefined): Verdict {
  if (shown === undefined || shown.uid !== signal.uid || shown.deleting) return { row: 1, is: "lost" };
  const { status } = shown;
  if (shown.problems.length > 0) return waiting(10, "OUTCOME_UNKNOWN", shown.problems.join("; "));
  if (status === undefined) return waiting(4, "CONTROLLER_SILENT");
  const { globalHolderIdentity: holder, globalRenewTime: stamp, globalLeaseTransitions: term } = status;
  const mine = holder === ownName(signal.identity, signal.number);
  if (mine && stamp === signal.renewTime && term !== undefined) return { row: 2, is: "confirmed", term };
  if (mine && stamp !== undefined && signal.isLater(stamp)) return { row: 3, is: "superseded" };
  const sick = sickness(signal, status);
  if (!(status.observedGeneration !== undefined && status.observedGeneration >= signal.generation)) {
    return sick === undefined ? waiting(4, "CONTROLLER_SILENT") : { ...sick, row: 4 };
  }
  if (!mine) {
    const foreign = judgeForeign(signal, status);
    if (foreign !== undefined) return foreign;
  }
  if (!isOwnSpec(signal, shown)) return waiting(6, "LOCAL_CONTENTION", shown.signal.holder);
  if (mine && isGoStatus(status)) return judgeGoStatus(signal, status, sick);
  return sick ?? waiting(10, "OUTCOME_UNKNOWN");
}

/** Row 5: the holder is somebody else, or nobody, with a term that is not below the one that was asked for. */
function judgeForeign(signal: SentSignal, status: MultiClusterLeaseStatus): Verdict | undefined {
  const { globalHolderIdentity: holder, globalLeaseTransitions: term = 0 } = status;
  const number = ownNumber(signal.identity, holder);
  if (number !== undefined) {
    // Another name of mine: of an earlier term, or of a later call.
    return number < signal.number ? { row: 5, is: "refused", holder } : { row: 3, is: "superseded" };
  }
  if (holder !== "" || term >= signal.term) return { row: 5, is: "lost", holder };
  return undefined;
}

/** Rows 7 and 8. A Go controller stamps its own clock, so only a stamp that moved shows that it wrote. */
function judgeGoStatus(signal: SentSignal, status: MultiClusterLeaseStatus, sick: WaitVerdict | undefined): Verdict {
  const { globalRenewTime: stamp = "", globalLeaseTransitions: term } = status;
  // It tells a stamp beside an error, too: of the record that it could not, or did not want to renew.
  if (sick === undefined && term !== undefined && isAfter(stamp, signal.stampBefore)) {
    return { row: 7, is: "confirmed", term };
  }
  return { ...(sick ?? waiting(8, "OUTCOME_UNKNOWN")), row: 8, again: true };
}

/** Row 9, for a condition that is about this very spec or a later one. */
function sickness({ generation }: SentSignal, status: MultiClusterLeaseStatus): WaitVerdict | undefined {
  const condition = unhealthy(status);
  if (condition === undefined || !((condition.observedGeneration ?? -1) >= generation)) return undefined;
  return waiting(9, "GLOBAL_STORAGE_UNHEALTHY", condition.message);
}

function isOwnSpec(signal: SentSignal, { signal: found }: ShownLease): boolean {
  if (ownNumber(signal.identity, found.holder) === undefined) return false;
  return found.renewTime === signal.renewTime || signal.isLater(found.renewTime);
}

function isAfter(stamp: string, before: string | undefined): boolean {
  const [now, then] = [parseWireTime(stamp), parseWireTime(before ?? "")];
  return now !== undefined && (then === undefined || compareWireTimes(now, then) > 0);
}

type WaitVerdict = Extract<Verdict, { readonly is: "wait" }>;

function waiting(row: WaitVerdict["row"], silence: Silence, told = ""): WaitVerdict {
  return { row, is: "wait", silence, told };
}

/** What became of a release, by one look. */
export type ReleaseVerdict =
  | { readonly is: "released" | "gone" | "unproven" }
  | { readonly is: "wait"; readonly silence: Silence; readonly told: string };

/**
 * The verdict on a release by one look: released only if a controller that could ask its storage names somebody else,
 * or nobody.
 */
export function releaseConfirmationOf(release: SentSignal, shown: ShownLease | undefined): ReleaseVerdict {
  if (shown === undefined || shown.uid !== release.uid) return { is: "gone" };
  const { status } = shown;
  if (shown.problems.length > 0) return { is: "wait", silence: "OUTCOME_UNKNOWN", told: shown.problems.join("; ") };
  const sick = status && sickness(release, status);
  if (!(status?.observedGeneration !== undefined && status.observedGeneration >= release.generation)) {
    return sick ?? { is: "wait", silence: "CONTROLLER_SILENT", told: "" };
  }
  if (isFree(status) || ownNumber(release.identity, status.globalHolderIdentity) === undefined) {
    // A Go controller names nobody when a signal is taken back, and lets the lease run out.
    return unhealthy(status) === undefined ? { is: "released" } : { is: "unproven" };
  }
  const overwritten = ownNumber(release.identity, shown.signal.holder) === undefined;
  if (overwritten) return { is: "wait", silence: "LOCAL_CONTENTION", told: shown.signal.holder };
  return sick ?? { is: "wait", silence: "OUTCOME_UNKNOWN", told: "" };
}
