import type { MultiClusterLeaseStatus } from "../kubernetes/multi-cluster-lease.ts";
import type { LeaseData } from "../storage/lease-storage.ts";
import type { Candidate, Signal } from "./candidates.ts";
import type { GenerationReceipt } from "./generations.ts";
import type { SpentSignal } from "./spent-signals.ts";

/** One MultiClusterLease as this cluster has it. */
export interface LeaseView {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation: number;
  /** Whether it has a `deletionTimestamp`. */
  readonly deleting: boolean;
  /** Whether our finalizer is on it. */
  readonly finalizer: boolean;
  /** Why its spec cannot be acted on, for people; empty if it can. */
  readonly specProblems: readonly string[];
  /** Who asks by the spec as it is now; absent: nobody, or nobody can tell. */
  readonly signal?: Signal | undefined;
  readonly status: MultiClusterLeaseStatus;
}

/** What the storage holds under the lease's key, as it was received last. */
export type GlobalRecord =
  /** Nothing was received yet. */
  | { readonly kind: "nothing" }
  | {
      readonly kind: "record";
      readonly data: LeaseData;
      readonly generation: string;
      /** The first receipt of its pair (holder, renewTime), by the monotonic clock: ages count from here. */
      readonly receivedMs: number;
      /** Drawn with the pair, in [0, 1): spreads those who wait for the same expiry. */
      readonly share: number;
    }
  | {
      readonly kind: "absent";
      /** The first receipt of this absence. An absence has no version, so a gap between two looks starts it again. */
      readonly sinceMs: number;
      readonly lastMs: number;
    }
  /** Held by nobody known, and never taken over. */
  | { readonly kind: "unreadable"; readonly problem: string };

/** The storage as this process knows it, for one lease. */
export interface GlobalView {
  readonly record: GlobalRecord;
  /** What is known has to be read again before anything is written: a lost race, an unknown outcome, a new leader. */
  readonly stale: boolean;
  /** Set while the storage fails; the message is that of the first failure. */
  readonly away?: { readonly sinceMs: number; readonly message: string } | undefined;
  /** No write before this: the storage's pace, what it asked for, or the pause after a failure. */
  readonly notBeforeMs: number;
}

/** What a process remembers of one lease between two plans. */
export interface LeaseMemory {
  readonly candidates: readonly Candidate[];
  /** The highest term that was ever seen, in the storage or in the status, and who held it; `""`: nobody. */
  readonly highest: { readonly term: number; readonly holder: string };
  /** How long the last holder that was seen has to be waited for once its record is gone; 0 if there was none. */
  readonly lastWaitMs: number;
  /** The pairs that the status showed lately, and when: a standby has received a pair with the event that shows it. */
  readonly shown: readonly PairReceipt[];
  /** Of each candidate the newest signal that was seen in the storage: none is written again. */
  readonly spent: readonly SpentSignal[];
  /** When the generations of the resource were first seen, lowest first: no signal is younger than a later one. */
  readonly generations: readonly GenerationReceipt[];
  /** The last answer that showed the resource as it was when it was asked for. */
  readonly looked?: { readonly sentMs: number; readonly receivedMs: number } | undefined;
  /** The signal that was written last: a record of a Go controller does not say which one it confirms. */
  readonly written?: { readonly identity: string; readonly renewTime: string } | undefined;
  /** The generation of the newest spec that has its outcome. */
  readonly answered: number;
  /** Whether a record without a duration was seen: a Go controller writes this lease as well. */
  readonly goWriter: boolean;
  readonly deletingSinceMs?: number | undefined;
  /** When this process first saw the lease. */
  readonly knownSinceMs: number;
}

/** A pair and its first receipt. */
export interface PairReceipt {
  readonly holder: string;
  readonly renewTime: string;
  readonly receivedMs: number;
}

/** Everything that a plan is made of. */
export interface ReconcileView {
  readonly nowMs: number;
  /** For `lastTransitionTime`, and for nothing else. */
  readonly wallMs: number;
  /** `undefined`: the MultiClusterLease is gone. */
  readonly cluster: LeaseView | undefined;
  readonly global: GlobalView;
  readonly memory: LeaseMemory;
}

/** The settings of plans. */
export interface ReconcileSettings {
  /** Extra wait before a holder is replaced. */
  readonly holderGraceMs: number;
  /** Stands in for the duration that a Go controller does not write. */
  readonly goLeaseDurationMs: number;
  /** A longer lease is never taken over. */
  readonly maxHonouredLeaseMs: number;
  /** Between two looks at an absence, so that it counts as one. */
  readonly absenceGapMs: number;
}
