import { microTimeInUtc } from "../kubernetes/micro-time.ts";
import {
  finalizerOf,
  readSpec,
  readStatus,
  type MultiClusterLease,
  type MultiClusterLeaseSpec,
  type MultiClusterLeaseStatus,
  type Unreadable,
} from "../kubernetes/multi-cluster-lease.ts";
import type { Signal } from "./candidates.ts";
import type { LeaseView } from "./lease-view.ts";

const emptyStatus: MultiClusterLeaseStatus = { globalHolderIdentity: "", conditions: [] };

/** Reads a MultiClusterLease, whose spec anybody may have written. `undefined` for what names no version. */
export function readLeaseView(resource: MultiClusterLease, group: string): LeaseView | undefined {
  const { uid, resourceVersion, generation, finalizers, deletionTimestamp } = resource.metadata ?? {};
  if (typeof uid !== "string" || typeof resourceVersion !== "string") return undefined;
  const specRead = readSpec(resource);
  const statusRead = readStatus(resource);
  const spec = "spec" in specRead ? asking(specRead.spec) : specRead;
  return {
    ...{ uid, resourceVersion },
    generation: typeof generation === "number" ? generation : 0,
    deleting: typeof deletionTimestamp === "string",
    finalizer: Array.isArray(finalizers) && finalizers.includes(finalizerOf(group)),
    specProblems: "problems" in spec ? spec.problems : [],
    ...("signal" in spec && { signal: spec.signal }),
    status: "status" in statusRead ? statusRead.status : emptyStatus,
  };
}

/** Without a signal: nobody asks. */
function asking(spec: MultiClusterLeaseSpec): { readonly signal?: Signal } | Unreadable {
  if (spec.holderIdentity === "") return {};
  // A record has its times in UTC; a signal of ours, and of a Go lock, is there already.
  const renewTime = spec.renewTime === undefined ? undefined : microTimeInUtc(spec.renewTime);
  if (spec.renewTime !== undefined && renewTime === undefined) {
    return { problems: [`spec.renewTime (${spec.renewTime}) lies outside of the years 0 to 9999`] };
  }
  const ms = (seconds: number | undefined): number | undefined => (seconds === undefined ? undefined : seconds * 1000);
  return {
    signal: {
      identity: spec.holderIdentity,
      renewTime,
      term: spec.leaseTransitions,
      leaseDurationMs: ms(spec.leaseDurationSeconds),
      renewDeadlineMs: ms(spec.renewDeadlineSeconds),
      retryPeriodMs: ms(spec.retryPeriodSeconds),
    },
  };
}
