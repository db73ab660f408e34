import { InvalidSettingsError, isAlreadyExists, isConditionalUpdateFailed, isNotFound } from "../errors.ts";
import type { LeaseData, LeaseObject, LeaseStorage } from "../storage/lease-storage.ts";
import type { CallOptions, Version } from "../storage/versioned-storage.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { hostName } from "../system/host-name.ts";
import { printable, silentLogger, type Logger } from "../system/logger.ts";
import { systemRandom, type Random } from "../system/random.ts";
import { TimeoutError, withDeadline } from "../system/signals.ts";
import { CallBudget } from "./call-budget.ts";
import { CarriedFields } from "./carried-fields.ts";
import type { LeaderElectionRecord } from "./leader-election-record.ts";
import { leasePlace, segmentProblems } from "./lease-place.ts";
import { LeaseTrouble } from "./lease-trouble.ts";
import { leaseDataToRecord, recordToLeaseData } from "./record-codec.ts";
import type { LockHint, LockOutcome, ObservedRecord, ResourceLock } from "./resource-lock.ts";

/** What a `StorageLock` takes. */
export interface StorageLockOptions {
  /** Where the lease is kept: one of the drivers, or four calls written by hand. */
  readonly storage: LeaseStorage;
  /** One segment of a key: text without `/`. The lease is kept at `leases/<namespace>/<name>`. */
  readonly namespace: string;
  /** One segment of a key: text without `/`. */
  readonly name: string;
  /** The readable part of the identity; default: the name of this host. */
  readonly label?: string;
  readonly random?: Random;
  /** For the deadlines of calls; default: the real clock. */
  readonly clock?: Clock;
  /**
   * Hears, once per version, which optional fields of a stored lease were out of range, and the events of the elector.
   */
  readonly logger?: Logger;
}

/**
 * One lease in any `LeaseStorage`, for one candidate. Its identity, `<label>_<uuid>`, is new for each instance.
 *
 * Fields of others survive its writes: it carries on what it read with the version that a write names. Nothing else is
 * remembered between calls; if the version is not one of the last eight that it saw, it reads before it writes.
 *
 * @throws {InvalidSettingsError} naming every option that is wrong.
 */
export class StorageLock implements ResourceLock {
  readonly identity: string;
  /** `<namespace>/<name>`. */
  readonly description: string;
  readonly minWriteIntervalMs?: number;
  /** Present if the storage has `watchLease`. */
  readonly watch?: (options: { readonly signal: AbortSignal }) => AsyncIterable<LockHint>;
  readonly #storage: LeaseStorage;
  readonly #key: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #trouble: LeaseTrouble;
  readonly #carried = new CarriedFields();

  constructor(options: StorageLockOptions) {
    const problems = optionProblems(options);
    if (problems.length > 0) throw new InvalidSettingsError(problems);
    const { storage, namespace, name, label = hostName(), random = systemRandom } = options;
    this.#storage = storage;
    this.#key = leasePlace(namespace, name);
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
    this.#trouble = new LeaseTrouble(this.#key, storage.description ?? "a storage without a description");
    this.identity = `${label}_${random.uuid()}`;
    this.description = `${namespace}/${name}`;
    const minWriteIntervalMs = storage.capabilities?.minWriteIntervalMs ?? 0;
    if (minWriteIntervalMs > 0) this.minWriteIntervalMs = minWriteIntervalMs;
    const watchLease = storage.watchLease?.bind(storage);
    if (watchLease !== undefined) this.watch = ({ signal }) => this.#hints(watchLease(this.#key, { signal }));
  }

  async get(options?: CallOptions): Promise<ObservedRecord | undefined> {
    const lease = await this.#read(new CallBudget(this.#clock, options));
    return lease && this.#observe(lease);
  }

  async create(record: LeaderElectionRecord, options?: CallOptions): Promise<LockOutcome> {
    const budget = new CallBudget(this.#clock, options);
    return this.#write("create", recordToLeaseData(record), budget, (data, next) =>
      this.#storage.createLease(this.#key, data, next),
    );
  }

  async update(record: LeaderElectionRecord, expected: Version, options?: CallOptions): Promise<LockOutcome> {
    const budget = new CallBudget(this.#clock, options);
    if (!this.#carried.has(expected) && !(await this.#isStored(expected, budget))) return { written: false };
    const data = recordToLeaseData(record, this.#carried.get(expected));
    return this.#write("update", data, budget, (changed, next) =>
      this.#storage.writeLease(this.#key, changed, expected, next),
    );
  }

  /** A storage has no place for events: they go to the logger. */
  recordEvent(message: string): void {
    this.#tell("info", `${this.identity} ${message}`, { lock: this.description });
  }

  async #read(budget: CallBudget): Promise<LeaseObject | undefined> {
    let lease: LeaseObject;
    try {
      lease = await this.#inTime(budget, (next) => this.#storage.readLease(this.#key, next));
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error instanceof TimeoutError ? this.#trouble.readOverdue(error) : error;
    }
    if (typeof lease !== "object" || lease === null) throw this.#trouble.noGeneration();
    return lease;
  }

  /** Whether this version is there now; then its fields are known. */
  async #isStored(version: Version, budget: CallBudget): Promise<boolean> {
    try {
      const lease = await this.#read(budget);
      if (lease?.generation !== version) return false;
      this.#observe(lease); // throws if it cannot be read: what is damaged is never overwritten
    } catch (error) {
      budget.signal?.throwIfAborted();
      throw this.#trouble.beforeWriting(error);
    }
    if (budget.leftMs === 0) throw this.#trouble.beforeWriting(new TimeoutError("no time is left for the write"));
    return true;
  }

  async #write(
    operation: "create" | "update",
    data: LeaseData,
    budget: CallBudget,
    send: (data: LeaseData, options: CallOptions) => Promise<LeaseObject>,
  ): Promise<LockOutcome> {
    let version: unknown;
    try {
      version = (await this.#inTime(budget, (next) => send(data, next))).generation;
    } catch (error) {
      if (isConditionalUpdateFailed(error) || isAlreadyExists(error)) return { written: false };
      throw error instanceof TimeoutError ? this.#trouble.unknown(operation, error) : error;
    }
    // A success that cannot be read is unknown: without a version there is nothing to renew.
    if (!isVersion(version)) throw this.#trouble.unknown(operation);
    this.#carried.remember(version, data.unknownFields);
    return { written: true, version };
  }

  /**
   * Storages keep the deadline themselves, and know more when it passes; this one is for those written by hand that do
   * not. It falls later, so that it never hides their answer.
   */
  #inTime<T>(budget: CallBudget, call: (options: CallOptions) => Promise<T>): Promise<T> {
    const { signal, leftMs } = budget;
    return withDeadline({ clock: this.#clock, timeoutMs: 1.5 * leftMs, signal }, (ended) =>
      call({ timeoutMs: leftMs, signal: ended }),
    );
  }

  #observe(lease: LeaseObject): ObservedRecord {
    const { data, generation } = lease;
    if (!isVersion(generation)) throw this.#trouble.noGeneration();
    const { record, problems } = leaseDataToRecord(data, this.#trouble.source(generation));
    if (!this.#carried.has(generation)) this.#report([...(lease.problems ?? []), ...problems], generation);
    this.#carried.remember(generation, data.unknownFields);
    return { record, version: generation };
  }

  #report(problems: readonly string[], version: string): void {
    if (problems.length === 0) return;
    this.#tell("warn", `${this.description}: the stored lease has fields out of range`, { problems, version });
  }

  #tell(level: "info" | "warn", message: string, fields: Readonly<Record<string, unknown>>): void {
    try {
      this.#logger[level](message, fields);
    } catch {
      // Log lines are for people; a logger that fails must not end a term.
    }
  }

  async *#hints(seen: AsyncIterable<{ readonly seen?: LeaseObject }>): AsyncGenerator<LockHint, void, undefined> {
    for await (const hint of seen) {
      const observed = hint.seen && this.#observeIfReadable(hint.seen);
      yield observed === undefined ? {} : { observed };
    }
  }

  #observeIfReadable(lease: LeaseObject): ObservedRecord | undefined {
    try {
      return this.#observe(lease);
    } catch {
      return undefined; // the read that a bare hint asks for tells what is wrong with it
    }
  }
}

/** The generation of a storage is what the lock calls a version. */
function isVersion(generation: unknown): generation is Version {
  return typeof generation === "string" && generation !== "";
}

function optionProblems(options: StorageLockOptions): string[] {
  const { storage, namespace, name, label } = options;
  const problems: string[] = [];
  for (const call of ["readLease", "createLease", "writeLease", "deleteLease"] as const) {
    if (typeof storage?.[call] !== "function") problems.push(`storage must have the call ${call}`);
  }
  problems.push(...segmentProblems("namespace", namespace), ...segmentProblems("name", name));
  if (label !== undefined && (typeof label !== "string" || !/^[^\p{Cc}]{1,200}$/u.test(label))) {
    problems.push(`label ("${printable(String(label), 80)}") must be 1 to 200 characters without control characters`);
  }
  return problems;
}
