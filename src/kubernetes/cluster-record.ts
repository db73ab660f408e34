import type { LeaderElectionRecord } from "../lock/leader-election-record.ts";
import { joinedVersion } from "../lock/joined-version.ts";
import { unknownHolder } from "../lock/multi-lock.ts";
import type { ObservedRecord } from "../lock/resource-lock.ts";
import type { GlobalLook } from "./global-lease.ts";

/** Whose eyes the two records are read with. */
export interface ClusterReader {
  /** The name of the cluster: the holder in the global record, and this candidate where it leads. */
  readonly label: string;
  /** This candidate in the lock of its cluster. */
  readonly self: string;
  /** What this candidate let go of: none of its signals up to this text is a holding. */
  readonly letGo: string;
}

/** What both records say together. */
export interface ClusterLook extends ObservedRecord {
  /** Whether this candidate holds both. */
  readonly isMine: boolean;
}

/**
 * What the lock of a cluster and the global one say together, to one candidate of that cluster. It holds both, or
 * somebody does whom it has to wait for, or both are free to be tried:
 *
 * - A neighbour in the lock of the cluster is waited for by its own record there, not by the global one: the neighbours
 *   of a candidate that dies come first. While another cluster holds the global one, a change of either starts the wait
 *   anew.
 * - The global record names this cluster, but nobody holds the lock of the cluster, or this candidate does: its holder
 *   was waited out, or has let go. The next signal makes a term of its own.
 * - The same without any record of the lock of the cluster: a hand has deleted it, and its holder may lead.
 */
export function clusterRecord(
  local: ObservedRecord | undefined,
  global: GlobalLook | undefined,
  reader: ClusterReader,
): ClusterLook | undefined {
  const version = joinedVersion(local?.version, global?.observed.version);
  const shown = (record: LeaderElectionRecord, foreign?: boolean): ClusterLook => ({
    ...{ record, version, isMine: false },
    ...(foreign === true && { foreign }),
  });
  if (local === undefined) return global && shown(unguarded(global.observed.record, reader));
  const here = local.record;
  const term = global === undefined ? here.leaderTransitions : global.observed.record.leaderTransitions;
  const there = global?.observed.record ?? { ...free(here), leaderTransitions: term };
  const isAway = there.holderIdentity !== "" && there.holderIdentity !== reader.label;
  if (here.holderIdentity !== "" && here.holderIdentity !== reader.self) {
    return shown(isAway ? both(here, there) : { ...here, leaderTransitions: term }, local.foreign);
  }
  if (isAway) return shown(there);
  const isHeld = there.holderIdentity !== "" && global?.isOwn === true && here.holderIdentity === reader.self;
  if (!isHeld || older(here, there) <= reader.letGo) return shown(free(there));
  // A renewal that reached one of the two is none. Times of one candidate are text of equal length, and grow.
  return { ...shown({ ...there, renewTime: older(here, there) }), isMine: true };
}

function older(here: LeaderElectionRecord, there: LeaderElectionRecord): string {
  return here.renewTime < there.renewTime ? here.renewTime : there.renewTime;
}

function free(record: LeaderElectionRecord): LeaderElectionRecord {
  return { ...record, holderIdentity: "" };
}

function unguarded(there: LeaderElectionRecord, { label }: ClusterReader): LeaderElectionRecord {
  return there.holderIdentity === label ? { ...there, holderIdentity: unknownHolder } : there;
}

/** Held by another cluster, while a neighbour is about to contend: both have to be waited out. */
function both(here: LeaderElectionRecord, there: LeaderElectionRecord): LeaderElectionRecord {
  const [hereSeconds = 0, thereSeconds = 0] = [here.leaseDurationSeconds, there.leaseDurationSeconds];
  const seconds = Math.max(hereSeconds, thereSeconds);
  return {
    ...there,
    ...(seconds > 0 && { leaseDurationSeconds: seconds }),
    renewTime: JSON.stringify([there.renewTime, here.holderIdentity, here.renewTime]),
  };
}
