import type { ResourceLock } from "../lock/resource-lock.ts";
import type { Clock } from "../system/clock.ts";
import { printable, type Logger } from "../system/logger.ts";
import type { Random } from "../system/random.ts";
import type { EventsApi } from "./events.ts";
import type { KubernetesClient } from "./kubernetes-resources.ts";
import { leaseOptionProblems } from "./lease-options.ts";

/** What a `MultiClusterLeaseLock` takes. */
export interface MultiClusterLeaseLockOptions {
  /** The cluster of this candidate; it is not closed by the lock. */
  readonly client: KubernetesClient;
  /** Where the MultiClusterLease is, in this cluster as in every other. */
  readonly namespace: string;
  /** The name of the MultiClusterLease, in this cluster as in every other: it has no other name. */
  readonly name: string;
  /**
   * The readable part of the identity; default: the name of this host. In scope `"cluster"` it has no default, and is
   * the whole identity: the same for all candidates of a cluster, and another one in every cluster. Two clusters of one
   * label are one candidate to their controllers, and may both lead.
   */
  readonly label?: string;
  /**
   * Who is elected; default `"process"`: this candidate among all of all clusters. `"cluster"`: the cluster, in whose
   * name one of its candidates leads, the one that also holds `within`.
   */
  readonly scope?: "process" | "cluster";
  /**
   * For scope `"cluster"`: the lock among the candidates of this cluster, a `LeaseLock` as a rule. It is written before
   * each signal, under its own identity, and released last. It must be watchable, and belongs to this lock alone.
   */
  readonly within?: ResourceLock;
  /** The API group of the resource; default: that of gke-labs/multicluster-leader-election. */
  readonly group?: string;
  /**
   * `renewDeadlineMs` of the elector, in milliseconds: so long a signal is worth acting on, and no call lasts longer.
   * Default: two thirds of the lease duration.
   */
  readonly renewDeadlineMs?: number;
  /**
   * `retryPeriodMs` of the elector, in milliseconds: so often the controller looks by itself. Default: two fifteenths
   * of the lease duration.
   */
  readonly retryPeriodMs?: number;
  /** Where changes of leadership are told; default `"events.k8s.io"`. No election waits for an event. */
  readonly events?: EventsApi | "off";
  readonly random?: Random;
  /** For deadlines, pauses and the watch; default: the real clock. */
  readonly clock?: Clock;
  /** Hears what is wrong with a status, and of events that could not be told. */
  readonly logger?: Logger;
}

const callsOfLock = ["get", "create", "update", "watch"] as const;
const groupOfDns = /^(?=.{3,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$/;

/** Why these options cannot make a `MultiClusterLeaseLock`: everything that is wrong, `[]` if nothing is. */
export function multiClusterLeaseOptionProblems(options: MultiClusterLeaseLockOptions): string[] {
  const { group, renewDeadlineMs, retryPeriodMs } = options;
  const problems = [...leaseOptionProblems(options), ...scopeProblems(options)];
  if (group !== undefined) problems.push(...groupProblems(group));
  for (const [name, value] of Object.entries({ renewDeadlineMs, retryPeriodMs })) {
    if (value === undefined || (Number.isFinite(value) && value >= 1 && value <= 86_400_000)) continue;
    problems.push(`${name} (${String(value)}) must be 1 to 86400000 milliseconds`);
  }
  return problems;
}

/** Why this cannot be an API group, `[]` if it can. */
export function groupProblems(group: unknown): string[] {
  if (typeof group === "string" && groupOfDns.test(group)) return [];
  return [`group (${shown(group)}) must be a DNS name of a-z, 0-9 and "-", with a dot`];
}

function scopeProblems(options: MultiClusterLeaseLockOptions): readonly string[] {
  const { scope = "process", within, label } = options;
  if (scope === "process") return within === undefined ? [] : ['within goes with scope "cluster" alone'];
  if (scope !== "cluster") return [`scope (${shown(scope)}) must be "process" or "cluster"`];
  const problems: string[] = [];
  const lacking = callsOfLock.filter((call) => typeof within?.[call] !== "function");
  if (within === undefined) problems.push('scope "cluster" demands within: the lock among the candidates here');
  else if (lacking.length > 0) problems.push(`within must have the calls ${lacking.join(", ")}`);
  if (label === undefined) {
    problems.push('scope "cluster" demands label: the name of this cluster, which all its candidates share');
  } else if (typeof label === "string" && /~\d+$/.test(label)) {
    problems.push(`label (${shown(label)}) must not end like the name of a later term, "~2"`);
  }
  return problems;
}

function shown(value: unknown): string {
  return typeof value === "string" ? `"${printable(value, 80)}"` : typeof value;
}
