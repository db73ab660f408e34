import type { MultiClusterLeaseStatus } from "../kubernetes/multi-cluster-lease.ts";
import type { LeaseData } from "../storage/lease-storage.ts";
import type { LeaseMemory } from "./lease-view.ts";

/** A conditional write to the storage. */
export interface GlobalWrite {
  readonly kind: "create" | "renew" | "newTerm" | "takeOver" | "free";
  /** The generation that it replaces; absent only for `create`, which names the absence. */
  readonly expected?: string;
  readonly data: LeaseData;
  /** The generation of the spec that it answers. */
  readonly answers: number;
  /** Told once it is applied. */
  readonly event?: EventNote;
}

/** A merge patch of the status, and the status that it makes. */
export interface StatusChange {
  readonly patch: Readonly<Record<string, unknown>>;
  readonly status: MultiClusterLeaseStatus;
}

/** An event about the MultiClusterLease. */
export interface EventNote {
  readonly reason:
    | "LeaderChanged"
    | "LockReleased"
    | "LeaseExpired"
    | "LeftToExpire"
    | "SpecInvalid"
    | "StorageUnhealthy"
    | "OtherController";
  readonly message: string;
}

/** What needs a person's attention. */
export interface PlanAlarm {
  readonly kind: "longLease" | "unreadableRecord" | "termRegression" | "clockOffset";
  readonly message: string;
}

/** What is to be done for one lease now. At most one of `finalizer`, `look` and `write`. */
export interface Plan {
  /** The row of the table that made it; 0: the storage has to be read first. */
  readonly row: number;
  /** `undefined`: the lease is forgotten. */
  readonly memory: LeaseMemory | undefined;
  readonly finalizer?: "add" | "remove";
  /** The resource has to be read before anything is written: the newest event may be an old one. */
  readonly look?: true;
  readonly write?: GlobalWrite;
  readonly status?: StatusChange;
  /** When to plan again, if nothing happens before. */
  readonly wakeAtMs?: number;
  /** Told once `status` is written, so that each change is told once; without a status at once. */
  readonly events: readonly EventNote[];
  /** What holds now; raised when it begins to. */
  readonly alarms: readonly PlanAlarm[];
}
