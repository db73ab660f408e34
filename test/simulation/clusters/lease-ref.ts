import { multiClusterLeaseKind } from "../../../src/kubernetes/multi-cluster-lease.ts";
import type { ResourceRef } from "../../../src/kubernetes/kubernetes-resources.ts";

/** The one MultiClusterLease that is contended for, in every cluster. */
export const leaseRef: ResourceRef = { ...multiClusterLeaseKind({ namespace: "default" }), name: "billing" };
