import { InvalidSettingsError } from "../errors.ts";
import type { LeaderElectionRecord } from "../lock/leader-election-record.ts";
import type { LockHint, ObservedRecord, ResourceLock } from "../lock/resource-lock.ts";
import type { CallOptions, Version } from "../storage/versioned-storage.ts";
import { systemClock } from "../system/clock.ts";
import { hostName } from "../system/host-name.ts";
import { silentLogger } from "../system/logger.ts";
import { systemRandom } from "../system/random.ts";
import { ClusterScope } from "./cluster-scope.ts";
import { LeaseEvents } from "./events.ts";
import { GlobalLease } from "./global-lease.ts";
import type { ResourceRef } from "./kubernetes-resources.ts";
import { multiClusterLeaseKind, multiClusterLeaseNames } from "./multi-cluster-lease.ts";
import { multiClusterLeaseOptionProblems, type MultiClusterLeaseLockOptions } from "./multi-cluster-lease-options.ts";
import { signalIntervalMs, type SignalOutcome } from "./signal-calls.ts";

/**
 * One lease across many clusters, for one candidate. It signals by one write to the spec of a MultiClusterLease of its
 * own cluster, and waits until the controller of that cluster has carried the signal to the storage which all clusters
 * share, and says so in the status. It needs no access to that storage.
 *
 * A call that gets no answer in time throws `ControllerSilentError`, `GlobalStorageUnhealthyError`,
 * `LocalContentionError` or `UnknownOutcomeError`; its outcome is unknown, and its validity counts from its sending,
 * never from its answer. The version is `<uid>/<generation>`: writes are conditional on the spec, and status writes
 * lose them no race. It needs the rights `get`, `patch`, `create` unless the resource exists, and `watch`; without the
 * last it polls. It never writes a status.
 *
 * Behind a controller of gke-labs/multicluster-leader-election it confirms only what that controller has written again,
 * gives each term a name of its own (`<identity>~2`, …), and cannot make it release: see `docs/multi-cluster.md`.
 *
 * Scope `"cluster"` elects clusters: their candidates share a name, and a lock `within` the cluster says which of them
 * signals. To lead means to hold both. A neighbour follows a candidate that dies before another cluster does, since
 * those wait for three retry periods longer.
 *
 * @throws {InvalidSettingsError} naming every option that is wrong.
 */
export class MultiClusterLeaseLock implements ResourceLock {
  /** `<label>_<uuid>`, new for each instance; in scope `"cluster"` the label, which candidates of a cluster share. */
  readonly identity: string;
  /** `multiclusterlease/<namespace>/<name>`. */
  readonly description: string;
  /** A signal a second, or less often where the lock `within` the cluster demands it. */
  readonly minWriteIntervalMs: number;
  readonly #global: GlobalLease;
  readonly #cluster: ClusterScope | undefined;
  readonly #events: LeaseEvents | undefined;
  readonly #ref: ResourceRef;

  constructor(options: MultiClusterLeaseLockOptions) {
    const problems = multiClusterLeaseOptionProblems(options);
    if (problems.length > 0) throw new InvalidSettingsError(problems);
    const { client, namespace, name, label = hostName(), random = systemRandom, clock = systemClock } = options;
    const { group, within, events = "events.k8s.io", logger = silentLogger } = options;
    const isShared = within !== undefined;
    const identity = isShared ? label : `${label}_${random.uuid()}`;
    const ref = { ...multiClusterLeaseKind({ namespace, ...(group !== undefined && { group }) }), name };
    const { renewDeadlineMs, retryPeriodMs } = options;
    const pace = { renewDeadlineMs, retryPeriodMs, headStart: isShared };
    const global = new GlobalLease({ client, ref, sender: { identity, isShared }, clock, random, logger, pace });
    const description = `multiclusterlease/${namespace}/${name}`;
    this.identity = identity;
    this.description = description;
    this.minWriteIntervalMs = Math.max(signalIntervalMs, within?.minWriteIntervalMs ?? 0);
    this.#global = global;
    this.#ref = ref;
    if (isShared) this.#cluster = new ClusterScope({ label, within, global, clock, description });
    const reporter = { client, clock, random, logger, instance: within?.identity ?? identity };
    if (events !== "off") this.#events = new LeaseEvents({ ...reporter, api: events });
  }

  /**
   * What the status says; a MultiClusterLease that is being deleted counts as absent. In scope `"cluster"` with what
   * the lock `within` the cluster says: a neighbour that holds it is named by its identity there.
   */
  async get(options?: CallOptions): Promise<ObservedRecord | undefined> {
    return this.#cluster === undefined
      ? (await this.#global.look(options))?.observed
      : await this.#cluster.get(options);
  }

  /** Makes the resource with the first signal, and waits for its answer. */
  create(record: LeaderElectionRecord, options?: CallOptions): Promise<SignalOutcome> {
    return (this.#cluster ?? this.#global).create(record, options);
  }

  /** Signals over the spec that was seen with `expected`, and waits for the answer; without a holder it releases. */
  update(record: LeaderElectionRecord, expected: Version, options?: CallOptions): Promise<SignalOutcome> {
    return (this.#cluster ?? this.#global).update(record, expected, options);
  }

  /**
   * Hints each time that the record or the spec has changed, with the record attached unless it is one of two. Ends
   * when the server ends it, when history is gone, and after two minutes of silence; then it is to be opened again.
   */
  watch(options: { readonly signal: AbortSignal }): AsyncIterable<LockHint> {
    return (this.#cluster ?? this.#global).watch(options);
  }

  /** Tells an event about the MultiClusterLease, in the background; never throws. */
  recordEvent(message: string): void {
    const { group, namespace, name } = this.#ref;
    const { version, kind } = multiClusterLeaseNames;
    const { uid } = this.#global;
    const subject = { kind, apiVersion: `${group}/${version}`, namespace, name, ...(uid !== undefined && { uid }) };
    this.#events?.tell(subject, `${this.identity} ${message}`);
  }
}
