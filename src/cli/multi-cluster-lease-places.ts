import { UnsupportedError } from "../errors.ts";
import { openKubernetesClient } from "../kubernetes/kubernetes-client.ts";
import { multiClusterLeaseKind } from "../kubernetes/multi-cluster-lease.ts";
import { MultiClusterLeaseLock } from "../kubernetes/multi-cluster-lease-lock.ts";
import { clusterOf, namesIn } from "./lease-places.ts";
import type { Place, PlaceKind, PlaceOptions } from "./place.ts";

/** MultiClusterLeases in one namespace of the cluster that the kubeconfig names. */
export const multiClusterLeasePlaces: PlaceKind = {
  open: openMultiClusterLeasePlace,
  check: async (options) => (await import("./multi-cluster-lease-checks.ts")).checkMultiClusterLeases(options),
};

async function openMultiClusterLeasePlace({ url: text, flags, clock, logger }: PlaceOptions): Promise<Place> {
  const { url, ...cluster } = await clusterOf(text, flags);
  const { namespace, events, group } = url;
  const client = await openKubernetesClient({ ...cluster, clock });
  const renewDeadlineMs = flags.durationMs("renew-deadline");
  const retryPeriodMs = flags.durationMs("retry-period");
  const kind = { namespace, ...(group !== undefined && { group }) };
  const shared = {
    ...{ client, events, clock, logger, ...kind },
    ...(renewDeadlineMs !== undefined && { renewDeadlineMs }),
    ...(retryPeriodMs !== undefined && { retryPeriodMs }),
  };
  return {
    description: `multiclusterlease://${namespace} at ${client.description}`,
    lock: (name, label) => new MultiClusterLeaseLock({ ...shared, name, ...(label !== undefined && { label }) }),
    names: (signal) => namesIn(client, multiClusterLeaseKind(kind), signal),
    // The spec is the signal of a live candidate, and the record is in the storage of the controllers.
    notFreed: "a MultiClusterLease is freed by its holder alone; that of a dead one runs out by itself",
    blank: () => Promise.reject(new UnsupportedError("the record is in the storage that the controllers share")),
    [Symbol.asyncDispose]: () => client.close(),
  };
}
