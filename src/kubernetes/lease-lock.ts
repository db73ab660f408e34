import { isDeepStrictEqual } from "node:util";
import { InvalidSettingsError } from "../errors.ts";
import { CallBudget } from "../lock/call-budget.ts";
import { CarriedFields } from "../lock/carried-fields.ts";
import type { LeaderElectionRecord } from "../lock/leader-election-record.ts";
import { LeaseTrouble } from "../lock/lease-trouble.ts";
import type { LockHint, LockOutcome, ObservedRecord, ResourceLock } from "../lock/resource-lock.ts";
import type { CallOptions, Version } from "../storage/versioned-storage.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { hostName } from "../system/host-name.ts";
import { silentLogger, type Logger } from "../system/logger.ts";
import { systemRandom, type Random } from "../system/random.ts";
import { TimeoutError, withDeadline } from "../system/signals.ts";
import { LeaseEvents, type EventsApi } from "./events.ts";
import type { KubernetesClient, KubernetesResource, ResourceRef, WriteAnswer } from "./kubernetes-resources.ts";
import { leaseOptionProblems } from "./lease-options.ts";
import { leaseToRecord, leaseVersion, recordToLease, rewritten } from "./lease-record.ts";
import { LeaseWatch } from "./lease-watch.ts";
import { isWrittenByOthers } from "./lease-writer.ts";

/** What a `LeaseLock` takes. */
export interface LeaseLockOptions {
  /** The cluster; it is not closed by the lock. */
  readonly client: KubernetesClient;
  /** Where the Lease is; it has to exist. */
  readonly namespace: string;
  /** The name of the Lease. */
  readonly name: string;
  /** The readable part of the identity; default: the name of this host. */
  readonly label?: string;
  /** Labels of the Lease, restored by each write; those of others are kept. */
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * Where changes of leadership are told; default `"events.k8s.io"`. Without the right for it `"core"` is tried, then
   * nothing. No election waits for an event.
   */
  readonly events?: EventsApi | "off";
  readonly random?: Random;
  /** For deadlines and the watch; default: the real clock. */
  readonly clock?: Clock;
  /** Hears which optional fields of a Lease were out of range, and of events that could not be told. */
  readonly logger?: Logger;
}

/**
 * One Lease of `coordination.k8s.io/v1`, for one candidate; candidates that run client-go may share it. Its identity,
 * `<label>_<uuid>`, is new for each instance.
 *
 * The version is `<uid>/<resourceVersion>`, and each write names both: a Lease that was deleted and created again is
 * never written by who knew the old one, and never created by an update. Fields, labels and annotations of others
 * survive its writes. It needs the rights `get` and `update`, `create` unless the Lease exists, `watch` if it shall
 * follow without requests; it never deletes, patches or lists Leases.
 *
 * @throws {InvalidSettingsError} naming every option that is wrong.
 */
export class LeaseLock implements ResourceLock {
  readonly identity: string;
  /** `<namespace>/<name>`. */
  readonly description: string;
  readonly #client: KubernetesClient;
  readonly #ref: ResourceRef;
  readonly #labels: Readonly<Record<string, string>>;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #trouble: LeaseTrouble;
  readonly #carried = new CarriedFields();
  readonly #watch: LeaseWatch;
  readonly #events: LeaseEvents | undefined;
  #uid: string | undefined;

  constructor(options: LeaseLockOptions) {
    const problems = leaseOptionProblems(options);
    if (problems.length > 0) throw new InvalidSettingsError(problems);
    const { client, namespace, name, label = hostName(), random = systemRandom, clock = systemClock } = options;
    const { events = "events.k8s.io", logger = silentLogger } = options;
    this.identity = `${label}_${random.uuid()}`;
    this.description = `${namespace}/${name}`;
    this.#client = client;
    this.#ref = { group: "coordination.k8s.io", version: "v1", plural: "leases", namespace, name };
    this.#labels = { ...options.labels };
    this.#clock = clock;
    this.#logger = logger;
    this.#trouble = new LeaseTrouble(this.description, client.description);
    this.#watch = new LeaseWatch({ client, ref: this.#ref, clock, random, observe: (lease) => this.#observe(lease) });
    const reporter = { client, clock, random, logger, instance: this.identity };
    if (events !== "off") this.#events = new LeaseEvents({ ...reporter, api: events });
  }

  async get(options?: CallOptions): Promise<ObservedRecord | undefined> {
    const lease = await this.#read(new CallBudget(this.#clock, options));
    return lease && this.#observe(lease);
  }

  async create(record: LeaderElectionRecord, options?: CallOptions): Promise<LockOutcome> {
    const { namespace, name } = this.#ref;
    const empty = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name, namespace } };
    const body = recordToLease(record, empty, this.#labels);
    const budget = new CallBudget(this.#clock, options);
    return this.#write("create", budget, (next) => this.#client.create(this.#ref, body, next));
  }

  async update(record: LeaderElectionRecord, expected: Version, options?: CallOptions): Promise<LockOutcome> {
    const budget = new CallBudget(this.#clock, options);
    if (!this.#carried.has(expected) && !(await this.#isStored(expected, budget))) return { written: false };
    const known = (this.#carried.get(expected) ?? {}) as KubernetesResource; // cast: only resources are put in there
    const lease = recordToLease(record, known, this.#labels);
    const body = isSame(lease, known) ? rewritten(lease, expected) : lease;
    return this.#write("update", budget, (next) => this.#client.replace(this.#ref, body, next));
  }

  /**
   * Hints with the record attached, each time that the record or the existence of the Lease has changed. Ends when the
   * server ends it, when history is gone, and after two minutes of silence; then it is to be opened again.
   */
  watch({ signal }: { readonly signal: AbortSignal }): AsyncIterable<LockHint> {
    return this.#watch.hints(signal);
  }

  /** Tells an event about the Lease, in the background; never throws. */
  recordEvent(message: string): void {
    const { namespace, name } = this.#ref;
    const subject = { namespace, name, ...(this.#uid !== undefined && { uid: this.#uid }) };
    this.#events?.tell(subject, `${this.identity} ${message}`);
  }

  async #read(budget: CallBudget): Promise<KubernetesResource | undefined> {
    try {
      return await this.#inTime(budget, (next) => this.#client.read(this.#ref, next));
    } catch (error) {
      throw error instanceof TimeoutError ? this.#trouble.readOverdue(error) : error;
    }
  }

  /** Whether this version is there now; then its fields are known. */
  async #isStored(version: Version, budget: CallBudget): Promise<boolean> {
    try {
      const lease = await this.#read(budget);
      // What cannot be read throws: what is damaged is never overwritten.
      if (lease === undefined || this.#observe(lease).version !== version) return false;
    } catch (error) {
      budget.signal?.throwIfAborted();
      throw this.#trouble.beforeWriting(error);
    }
    if (budget.leftMs === 0) throw this.#trouble.beforeWriting(new TimeoutError("no time is left for the write"));
    return true;
  }

  async #write(
    operation: "create" | "update",
    budget: CallBudget,
    send: (options: CallOptions) => Promise<WriteAnswer>,
  ): Promise<LockOutcome> {
    let answer: WriteAnswer;
    try {
      answer = await this.#inTime(budget, send);
    } catch (error) {
      throw error instanceof TimeoutError ? this.#trouble.unknown(operation, error) : error;
    }
    if (!answer.written) return { written: false };
    // A success that names no version is unknown: there is nothing to renew.
    const version = leaseVersion(answer.resource);
    if (version === undefined) throw this.#trouble.unknown(operation);
    this.#remember(version, answer.resource);
    return { written: true, version };
  }

  /** Clients keep the deadline themselves, and know more when it passes; this one is for those that do not. */
  #inTime<T>(budget: CallBudget, call: (options: CallOptions) => Promise<T>): Promise<T> {
    const { signal, leftMs } = budget;
    return withDeadline({ clock: this.#clock, timeoutMs: 1.5 * leftMs, signal }, (ended) =>
      call({ timeoutMs: leftMs, signal: ended }),
    );
  }

  #observe(lease: KubernetesResource): ObservedRecord {
    const version = leaseVersion(lease);
    if (version === undefined) throw this.#trouble.noGeneration();
    const { record, problems } = leaseToRecord(lease, this.#trouble.source(version));
    if (problems.length > 0 && !this.#carried.has(version)) this.#warn(problems, version);
    this.#remember(version, lease);
    return { record, version, ...(isWrittenByOthers(lease) && { foreign: true }) };
  }

  #remember(version: Version, lease: KubernetesResource): void {
    this.#uid = lease.metadata?.uid;
    this.#carried.remember(version, lease);
  }

  #warn(problems: readonly string[], version: string): void {
    try {
      this.#logger.warn(`${this.description}: the stored lease has fields out of range`, { problems, version });
    } catch {
      // Log lines are for people; a logger that fails must not end a term.
    }
  }
}

/** Whether a write would change nothing; a renewal has another time, and that is found out at once. */
function isSame(lease: KubernetesResource, known: KubernetesResource): boolean {
  const { renewTime } = Object(known.spec) as { renewTime?: unknown }; // cast: Object() gives an object
  return Reflect.get(Object(lease.spec), "renewTime") === renewTime && isDeepStrictEqual(lease, known);
}
