import { conditionOf, readStatus, type Condition, type MultiClusterLeaseStatus } from "./multi-cluster-lease.ts";
import type { KubernetesResource } from "./kubernetes-resources.ts";

/** What one look at a MultiClusterLease showed. */
export interface ShownLease {
  readonly uid: string;
  readonly resourceVersion: string;
  /** Grows with each change of the spec, and when the deletion begins. */
  readonly generation: number;
  readonly deleting: boolean;
  /** The signal that stands in the spec. */
  readonly signal: ShownSignal;
  /** Absent if a controller has written none yet; a list if it cannot be read. */
  readonly status: MultiClusterLeaseStatus | undefined;
  readonly problems: readonly string[];
  readonly resource: KubernetesResource;
}

/** The signal in a spec, as far as it is text. */
export interface ShownSignal {
  readonly holder: string;
  readonly renewTime: string;
}

/** Looks at a resource; `undefined` if it lacks what a write has to name. */
export function shownLease(resource: KubernetesResource): ShownLease | undefined {
  const { uid, resourceVersion, generation, deletionTimestamp } = resource.metadata ?? {};
  if (typeof uid !== "string" || uid === "" || typeof resourceVersion !== "string" || resourceVersion === "")
    return undefined;
  if (typeof generation !== "number" || !Number.isSafeInteger(generation) || generation < 0) return undefined;
  const read = readStatus(resource);
  const { status, problems } =
    "status" in read ? { status: read.status, problems: [] } : { status: undefined, ...read };
  const written = resource["status"] !== undefined && resource["status"] !== null;
  return {
    ...{ uid, resourceVersion, generation, resource, problems },
    deleting: typeof deletionTimestamp === "string" && deletionTimestamp !== "",
    signal: { holder: textOf(resource, "holderIdentity"), renewTime: textOf(resource, "renewTime") },
    status: written ? status : undefined,
  };
}

/** Whether a status is that of gke-labs' controller: it writes its own clock, in whole seconds. */
export function isGoStatus({ globalRenewTime }: MultiClusterLeaseStatus): boolean {
  return globalRenewTime !== undefined && !globalRenewTime.includes(".");
}

/** Whether the storage record is free by what the status says, whoever is named. */
export function isFree(status: MultiClusterLeaseStatus): boolean {
  if (status.globalHolderIdentity === "") return true;
  const acquired = conditionOf(status, "LockAcquiredInBackend");
  return acquired?.status === "False" && (acquired.reason === "LeaseExpired" || acquired.reason === "LockReleased");
}

/** The condition that says that the storage could not be asked, if there is one. */
export function unhealthy(status: MultiClusterLeaseStatus): Condition | undefined {
  const condition = conditionOf(status, "BackendHealthy");
  return condition?.status === "False" ? condition : undefined;
}

function textOf(resource: KubernetesResource, field: string): string {
  const spec: unknown = resource["spec"];
  const value: unknown = typeof spec === "object" && spec !== null ? Reflect.get(spec, field) : undefined;
  return typeof value === "string" ? value : "";
}
