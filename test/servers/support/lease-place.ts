import type { KubeConfig } from "@kubernetes/client-node";
import type { LeaderElectionRecord } from "../../../src/lock/leader-election-record.ts";
import type { ResourceLock } from "../../../src/lock/resource-lock.ts";
import {
  LeaseLock,
  type KubernetesClient,
  type LeaseLockOptions,
  type ResourceRef,
} from "../../../src/kubernetes/index.ts";
import { renamed, rulesOf } from "./deploy-rules.ts";
import type { KubeAnswer } from "./kube-ask.ts";
import type { KubeServer, PolicyRule } from "./kube-server.ts";

const name = "billing";

/** What a candidate needs that may create any Lease, and tells events: one rule for each. */
export const leaseRights: readonly PolicyRule[] = [
  { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["get", "create", "update", "watch"] },
  { apiGroups: ["events.k8s.io"], resources: ["events"], verbs: ["create", "patch"] },
];

/** Exactly what a candidate is given by `deploy/` that may create its Lease, and tells events. */
const deployedRights = renamed(
  rulesOf("lease-rbac.yaml", "invoices-candidate", "invoices-candidate-events", "lease-creator"),
  { leases: [name] },
);

/** What differs from a lock of the administrator. */
export type PlaceLock = Partial<Omit<LeaseLockOptions, "namespace">> & { readonly kubeConfig?: KubeConfig };

/** One Lease of a namespace of its own, that nobody has written yet. */
export class LeasePlace {
  readonly namespace: string;
  readonly name = name;
  readonly #kube: KubeServer;

  private constructor(kube: KubeServer, namespace: string) {
    this.#kube = kube;
    this.namespace = namespace;
  }

  static async make(kube: KubeServer): Promise<LeasePlace> {
    return new LeasePlace(kube, await kube.namespace());
  }

  get ref(): ResourceRef {
    const { namespace, name } = this;
    return { group: "coordination.k8s.io", version: "v1", plural: "leases", namespace, name };
  }

  /** Of the Lease in the API. */
  get path(): string {
    return `${this.paths}/${this.name}`;
  }

  /** Of all Leases of the namespace. */
  get paths(): string {
    return `/apis/coordination.k8s.io/v1/namespaces/${this.namespace}/leases`;
  }

  /** The kubeconfig of a fresh candidate, by default with the rights of `deploy/` and no more (K-94). */
  candidate(rules: readonly PolicyRule[] = deployedRights): Promise<KubeConfig> {
    return this.#kube.candidate(this.namespace, rules);
  }

  /** A lock over a client of its own. */
  async lock({ kubeConfig, client, ...options }: PlaceLock = {}): Promise<LeaseLock> {
    const { namespace, name } = this;
    const own: KubernetesClient = client ?? (await this.#kube.client(kubeConfig));
    return new LeaseLock({ namespace, name, label: "candidate", events: "off", ...options, client: own });
  }

  /** The Lease as the server has it, by a request that is not ours. */
  async stored(): Promise<KubeAnswer["body"]> {
    return (await this.#kube.ask("GET", this.path)).body;
  }

  /** Creates it as a foreign program would. */
  put(body: object): Promise<KubeAnswer["body"]> {
    const metadata = { name: this.name, namespace: this.namespace };
    return this.#kube.make(this.paths, { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata, ...body });
  }
}

let written = 0;

/** A record by which this candidate holds the lease; no two have the same time. */
export function heldBy({ identity }: ResourceLock, leaderTransitions = 1): LeaderElectionRecord {
  const acquireTime = "2026-11-21T09:32:44.921366Z";
  const renewTime = `2026-11-21T09:33:00.${String((written += 1)).padStart(6, "0")}Z`;
  return { holderIdentity: identity, leaseDurationSeconds: 15, acquireTime, renewTime, leaderTransitions };
}
