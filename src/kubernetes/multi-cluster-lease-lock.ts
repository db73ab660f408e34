import { InvalidSettingsError } from "../errors.ts";
import { CallBudget } from "../lock/call-budget.ts";
import type { LeaderElectionRecord } from "../lock/leader-election-record.ts";
import type { LockHint, ObservedRecord, ResourceLock } from "../lock/resource-lock.ts";
import type { CallOptions, Version } from "../storage/versioned-storage.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { hostName } from "../system/host-name.ts";
import { silentLogger } from "../system/logger.ts";
import { systemRandom } from "../system/random.ts";
import { LeaseEvents } from "./events.ts";
import type { ResourceRef } from "./kubernetes-resources.ts";
import { LeaseWrites } from "./lease-writes.ts";
import { multiClusterLeaseKind, multiClusterLeaseNames } from "./multi-cluster-lease.ts";
import { multiClusterLeaseOptionProblems, type MultiClusterLeaseLockOptions } from "./multi-cluster-lease-options.ts";
import { MultiClusterLeaseView } from "./multi-cluster-lease-view.ts";
import { ReleaseCalls } from "./release-calls.ts";
import { SignalCalls, signalIntervalMs, type SignalOutcome } from "./signal-calls.ts";
import { SignalTrouble } from "./signal-trouble.ts";

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
 * @throws {InvalidSettingsError} naming every option that is wrong.
 */
export class MultiClusterLeaseLock implements ResourceLock {
  /** `<label>_<uuid>`, new for each instance. */
  readonly identity: string;
  /** `multiclusterlease/<namespace>/<name>`. */
  readonly description: string;
  /** A signal a second. */
  readonly minWriteIntervalMs: number = signalIntervalMs;
  readonly #clock: Clock;
  readonly #view: MultiClusterLeaseView;
  readonly #signals: SignalCalls;
  readonly #releases: ReleaseCalls;
  readonly #events: LeaseEvents | undefined;
  readonly #ref: ResourceRef;

  constructor(options: MultiClusterLeaseLockOptions) {
    const problems = multiClusterLeaseOptionProblems(options);
    if (problems.length > 0) throw new InvalidSettingsError(problems);
    const { client, namespace, name, label = hostName(), random = systemRandom, clock = systemClock } = options;
    const { group, events = "events.k8s.io", logger = silentLogger } = options;
    const identity = `${label}_${random.uuid()}`;
    const ref = { ...multiClusterLeaseKind({ namespace, ...(group !== undefined && { group }) }), name };
    const sender = { identity };
    const view = new MultiClusterLeaseView({ client, ref, sender, clock, random, logger });
    const trouble = new SignalTrouble(`${namespace}/${name}`, client.description);
    const pace = { renewDeadlineMs: options.renewDeadlineMs, retryPeriodMs: options.retryPeriodMs };
    const parts = { client, ref, sender, clock, pace, view, trouble };
    const writes = new LeaseWrites(parts);
    this.identity = identity;
    this.description = `multiclusterlease/${namespace}/${name}`;
    this.#clock = clock;
    this.#view = view;
    this.#ref = ref;
    this.#releases = new ReleaseCalls(parts, writes);
    this.#signals = new SignalCalls(parts, writes, this.#releases);
    const reporter = { client, clock, random, logger, instance: identity };
    if (events !== "off") this.#events = new LeaseEvents({ ...reporter, api: events });
  }

  /** What the status says; a MultiClusterLease that is being deleted counts as absent. */
  async get(options?: CallOptions): Promise<ObservedRecord | undefined> {
    const { timeoutMs, signal } = new CallBudget(this.#clock, options);
    const shown = await this.#view.read({ timeoutMs, ...(signal !== undefined && { signal }) });
    const observed = shown && this.#view.observe(shown);
    if (observed !== undefined) this.#view.latest.tell(observed.version);
    return observed;
  }

  /** Makes the resource with the first signal, and waits for its answer. */
  async create(record: LeaderElectionRecord, options?: CallOptions): Promise<SignalOutcome> {
    return this.#told(await this.#signals.create(record, options));
  }

  /** Signals over the spec that was seen with `expected`, and waits for the answer; without a holder it releases. */
  async update(record: LeaderElectionRecord, expected: Version, options?: CallOptions): Promise<SignalOutcome> {
    const calls = record.holderIdentity === "" ? this.#releases : this.#signals;
    return this.#told(await calls.update(record, expected, options));
  }

  /**
   * Hints with the record attached, each time that the record or the spec has changed. Ends when the server ends it,
   * when history is gone, and after two minutes of silence; then it is to be opened again.
   */
  async *watch({ signal }: { readonly signal: AbortSignal }): AsyncGenerator<LockHint, void, undefined> {
    for await (const hint of this.#view.hints(signal)) {
      if (hint.observed !== undefined) this.#view.latest.tell(hint.observed.version);
      yield hint;
    }
  }

  /** Tells an event about the MultiClusterLease, in the background; never throws. */
  recordEvent(message: string): void {
    const { group, namespace, name } = this.#ref;
    const { version, kind } = multiClusterLeaseNames;
    const uid = this.#view.latest.shown?.uid;
    const subject = { kind, apiVersion: `${group}/${version}`, namespace, name, ...(uid !== undefined && { uid }) };
    this.#events?.tell(subject, `${this.identity} ${message}`);
  }

  #told(outcome: SignalOutcome): SignalOutcome {
    if (outcome.written) this.#view.latest.tell(outcome.version);
    return outcome;
  }
}
