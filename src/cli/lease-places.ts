import { AccessDeniedError, errorCode, type TenureError } from "../errors.ts";
import { isExpired } from "../kubernetes/api-error.ts";
import { loadKubeConfig } from "../kubernetes/kube-config.ts";
import { openKubernetesClient } from "../kubernetes/kubernetes-client.ts";
import type { KubeConfigLike } from "../kubernetes/kubernetes-credentials.ts";
import type { KubernetesClient, ResourceKind } from "../kubernetes/kubernetes-resources.ts";
import { LeaseLock } from "../kubernetes/lease-lock.ts";
import { leaseVersion, recordToLease } from "../kubernetes/lease-record.ts";
import type { Flags } from "./flags.ts";
import { type LeaseUrl, readLeaseUrl } from "./lease-url.ts";
import type { Place, PlaceKind, PlaceOptions } from "./place.ts";

/** Leases of `coordination.k8s.io`, in one namespace of the cluster that the kubeconfig names. */
export const leasePlaces: PlaceKind = {
  open: openLeasePlace,
  check: async (options) => (await import("./lease-checks.ts")).checkLeases(options),
};

/** Which cluster, as whom, and what the URL says. */
export interface LeaseCluster {
  readonly url: LeaseUrl;
  readonly kubeConfig: KubeConfigLike;
  readonly allowExecCredentials: boolean;
}

/** Reads URL, flags and kubeconfig. @throws {InvalidSettingsError}, {PackageMissingError}: nothing was sent yet. */
export async function clusterOf(text: string, flags: Flags): Promise<LeaseCluster> {
  const url = readLeaseUrl(text, flags);
  const kubeConfig = await loadKubeConfig({ file: flags.text("kubeconfig"), context: flags.text("context") });
  return { url, kubeConfig, allowExecCredentials: flags.on("allow-exec-credentials") };
}

/** Where the Leases of a namespace are. */
export function leaseKind(namespace: string): ResourceKind {
  return { group: "coordination.k8s.io", version: "v1", plural: "leases", namespace };
}

async function openLeasePlace({ url: text, flags, clock, logger }: PlaceOptions): Promise<Place> {
  const { url, ...cluster } = await clusterOf(text, flags);
  const { namespace, events, labels } = url;
  const client = await openKubernetesClient({ ...cluster, clock });
  const kind = leaseKind(namespace);
  return {
    description: `lease://${namespace} at ${client.description}`,
    lock: (name, label) =>
      new LeaseLock({ client, namespace, name, labels, events, clock, logger, ...(label !== undefined && { label }) }),
    names: (signal) => namesIn(client, kind, signal),
    async blank(name, term, version) {
      const lease = await client.read({ ...kind, name });
      if (lease === undefined || leaseVersion(lease) !== version) return { written: false };
      const record = { holderIdentity: "", renewTime: "", acquireTime: "", leaderTransitions: term };
      return client.replace({ ...kind, name }, recordToLease(record, lease, labels));
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}

const pageSize = 500;
/** A list whose history went away under way is begun anew, so often. */
const mostLists = 3;

/** The names of all resources of a kind, in order. */
export async function namesIn(
  client: KubernetesClient,
  kind: ResourceKind,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  for (let lists = 1; ; lists += 1) {
    try {
      return (await pagesOf(client, kind, signal)).sort();
    } catch (error) {
      if (errorCode(error) === "ACCESS_DENIED") throw unlisted(error as TenureError); // cast: it has a code of ours
      if (!isExpired(error) || lists === mostLists) throw error;
    }
  }
}

async function pagesOf(
  client: KubernetesClient,
  kind: ResourceKind,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const names: string[] = [];
  let next: string | undefined;
  do {
    const query = { limit: pageSize, ...(next !== undefined && { continue: next }) };
    const page = await client.list(kind, query, signal && { signal });
    names.push(...page.items.map(({ metadata }) => metadata?.name ?? ""));
    next = page.continue;
  } while (next !== undefined);
  return names;
}

/** No election needs the right to list, so that there is another way. */
function unlisted(error: TenureError): AccessDeniedError {
  const way = "or name the leases instead of --all: that needs no right to list";
  return new AccessDeniedError(`${error.message}; ${way}`, {
    ...(error.operation !== undefined && { operation: error.operation }),
    ...(error.storage !== undefined && { storage: error.storage }),
    ...(error.key !== undefined && { key: error.key }),
    cause: error,
  });
}
