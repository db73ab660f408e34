import { StorageUnavailableError, UnknownOutcomeError } from "../errors.ts";
import type { LeaderElectionRecord } from "../lock/leader-election-record.ts";
import { checkRecord } from "../lock/record-codec.ts";
import type { LockHint, LockOutcome, ObservedRecord, ResourceLock } from "../lock/resource-lock.ts";
import type { CallOptions, Version } from "../storage/versioned-storage.ts";
import { sleep, systemClock, type Clock } from "../system/clock.ts";
import { microTime } from "../system/micro-time.ts";
import { systemRandom, type Random } from "../system/random.ts";
import { TimeoutError, withDeadline } from "../system/signals.ts";
import { FakeFaults, type FakeOperation, type Fault, type FaultOptions } from "./fake-faults.ts";
import { FakeRecord } from "./fake-record.ts";
import { FakeWatches } from "./fake-watches.ts";

/** How a `FakeLock` starts. */
export interface FakeLockOptions {
  /** Default: `fake_` and a fresh uuid. */
  readonly identity?: string;
  /** What is stored at the start; default: nothing. Any value may stand here, also one that is no record. */
  readonly record?: unknown;
  /** At the start another candidate of this identity holds the lease, in term 1; not beside `record`. */
  readonly heldBy?: string;
  /** What is competed for; default: a new one. `forCandidate()` passes it on. */
  readonly shared?: FakeRecord;
  /**
   * Whether there is a `watch`, and whether its hints carry what they saw; default `"none"`, so that every look is a
   * `get`.
   */
  readonly watch?: "none" | "bare" | "records";
  /** What the lock says about itself, in milliseconds; default: nothing. It is not enforced. */
  readonly minWriteIntervalMs?: number;
  /** For deadlines and delays; give the elector the same one. */
  readonly clock?: Clock;
  readonly random?: Random;
  /** Called at the start of each call, for a test that acts at the n-th one. */
  readonly onCall?: (call: FakeCall) => void;
  /** Plays a server that chooses the term itself: what it returns is stored, and told in the outcome. */
  readonly chooseTerm?: (record: LeaderElectionRecord) => number;
}

/** One call that a `FakeLock` received. */
export interface FakeCall {
  readonly operation: FakeOperation;
  /** When it arrived, by the monotonic clock. */
  readonly atMs: number;
  readonly record?: LeaderElectionRecord;
  readonly expected?: Version;
}

/**
 * A `ResourceLock` over a record in memory, for tests of one's own callbacks and of electors. It keeps a log of its
 * calls, and a test decides who holds the lease and what goes wrong. `forCandidate()` gives another candidate a lock
 * over the same record.
 *
 * ```ts
 * const lock = new FakeLock({ heldBy: "somebody" });
 * const elector = new LeaderElector({ lock, callbacks });
 * void elector.run({ signal });
 * lock.grant(); // elected
 * lock.takeAway(); // lost
 * ```
 */
export class FakeLock implements ResourceLock {
  readonly identity: string;
  readonly description = "fake/lock";
  readonly minWriteIntervalMs?: number;
  readonly watch?: (options: { readonly signal: AbortSignal }) => AsyncIterable<LockHint>;
  /** The calls with their details, oldest first. */
  readonly log: FakeCall[] = [];
  /** What `recordEvent` was told. */
  readonly events: string[] = [];
  readonly #options: FakeLockOptions;
  readonly #shared: FakeRecord;
  readonly #faults = new FakeFaults();
  readonly #watches: FakeWatches;
  readonly #clock: Clock;

  constructor(options: FakeLockOptions = {}) {
    const shared = options.shared ?? new FakeRecord();
    this.#options = options;
    this.#shared = shared;
    this.#clock = options.clock ?? systemClock;
    this.identity = options.identity ?? `fake_${(options.random ?? systemRandom).uuid()}`;
    if (options.minWriteIntervalMs !== undefined) this.minWriteIntervalMs = options.minWriteIntervalMs;
    this.#watches = new FakeWatches(shared, options.watch === "records" ? () => this.#observed() : undefined);
    if (options.watch === "bare" || options.watch === "records")
      this.watch = ({ signal }) => this.#watches.open(signal);
    if (options.record !== undefined) shared.put(options.record);
    else if (options.heldBy !== undefined) this.takeAway(options.heldBy);
  }

  /** The calls so far: `["get", "create", "update"]`. A release is an update. */
  get calls(): FakeOperation[] {
    return this.log.map((call) => call.operation);
  }

  /** What is stored, or `undefined` if there is nothing, or nothing that can be read. Does not count as a call. */
  get record(): LeaderElectionRecord | undefined {
    try {
      return this.#observed()?.record;
    } catch {
      return undefined; // damaged; `get` tells how
    }
  }

  get(options?: CallOptions): Promise<ObservedRecord | undefined> {
    return this.#call({ operation: "get" }, options, () => this.#observed());
  }

  create(record: LeaderElectionRecord, options?: CallOptions): Promise<LockOutcome> {
    return this.#call({ operation: "create", record }, options, () => this.#write(record, undefined));
  }

  update(record: LeaderElectionRecord, expected: Version, options?: CallOptions): Promise<LockOutcome> {
    return this.#call({ operation: "update", record, expected }, options, () => this.#write(record, expected));
  }

  recordEvent(message: string): void {
    this.events.push(message);
  }

  /** A lock of another candidate over the same record, with the same clock and watch, and without this one's faults. */
  forCandidate(identity?: string, options: FakeLockOptions = {}): FakeLock {
    const { record: _record, heldBy: _heldBy, identity: _identity, onCall: _onCall, ...common } = this.#options;
    return new FakeLock({ ...common, ...options, ...(identity !== undefined && { identity }), shared: this.#shared });
  }

  /** Frees the lease if another candidate holds it, so that this one may take it over at once. The term is kept. */
  grant(): void {
    const record = this.record;
    if (record === undefined || record.holderIdentity === this.identity || record.holderIdentity === "")
      return this.hint();
    const { preferredHolder: _preferredHolder, ...kept } = record;
    this.#shared.put({ ...kept, holderIdentity: "", leaseDurationSeconds: 1, renewTime: this.#now() });
  }

  /** Another candidate takes the lease over, whoever holds it, as if it had expired: a new term, a new pair. */
  takeAway(identity = "somebody-else_00000000-0000-4000-8000-000000000000"): void {
    const record = this.record;
    const now = this.#now();
    this.#shared.put({
      holderIdentity: identity,
      leaseDurationSeconds: record?.leaseDurationSeconds ?? 15,
      acquireTime: now,
      renewTime: now,
      leaderTransitions: (record?.leaderTransitions ?? 0) + 1,
    } satisfies LeaderElectionRecord);
  }

  /** Stores any value, record or not, under a new version. */
  put(raw: unknown): void {
    this.#shared.put(raw);
  }

  /** Gives what is stored a new version and changes nothing, as an edit of labels does. */
  touch(): void {
    const stored = this.#shared.stored;
    if (stored !== undefined) this.#shared.put(stored.raw);
  }

  /** Deletes the record. */
  erase(): void {
    this.#shared.erase();
  }

  /** Calls throw `error`, by default all of them until `heal()`; with `applied`, a write has happened all the same. */
  fail(error: unknown, options: FaultOptions & { readonly applied?: boolean } = {}): void {
    this.#faults.plan({ kind: "fail", error, applied: options.applied ?? false }, options);
  }

  /** Calls are never answered, by default all of them until `heal()`; they end at their deadline or signal. */
  hang(options: FaultOptions & { readonly applied?: boolean } = {}): void {
    this.#faults.plan({ kind: "hang", applied: options.applied ?? false }, options);
  }

  /** The next write is refused, as if somebody else had written; nothing changes. */
  loseRace(options: FaultOptions = {}): void {
    this.#faults.plan({ kind: "loseRace" }, { on: "write", times: 1, ...options });
  }

  /** The next write is applied, and its answer is lost: it throws `UnknownOutcomeError`. */
  loseAnswer(options: FaultOptions = {}): void {
    const error = new UnknownOutcomeError(`the answer of ${this.description} was lost`, { storage: this.description });
    this.fail(error, { on: "write", times: 1, ...options, applied: true });
  }

  /**
   * Requests arrive, and answers come back, that much later; by default all of them until `heal()`. No abort recalls a
   * request.
   */
  delay(ms: { readonly requestMs?: number; readonly answerMs?: number }, options: FaultOptions = {}): void {
    this.#faults.plan({ kind: "delay", requestMs: ms.requestMs ?? 0, answerMs: ms.answerMs ?? 0 }, options);
  }

  /** The next read returns this instead of what is stored: a lagging replica. */
  answerWith(observed: ObservedRecord | undefined, options: FaultOptions = {}): void {
    this.#faults.plan({ kind: "stale", observed }, { times: 1, ...options, on: "get" });
  }

  /** Ends all faults. Calls that hang already go on hanging. */
  heal(): void {
    this.#faults.clear();
  }

  /** Gives every watcher of the record a hint, without a change. */
  hint(): void {
    this.#shared.tell();
  }

  /** Ends this lock's watches: with `error`, or as if the server had closed them. */
  breakWatch(error?: unknown): void {
    this.#watches.breakAll(error);
  }

  /** When the fault has not decided otherwise, `act` is what the server does, in one step. */
  async #call<T>(details: Omit<FakeCall, "atMs">, options: CallOptions | undefined, act: () => T): Promise<T> {
    options?.signal?.throwIfAborted();
    const call: FakeCall = { ...details, atMs: this.#clock.monotonicMs() };
    this.log.push(call);
    this.#options.onCall?.(call);
    const fault = this.#faults.take(details.operation);
    const deadline = { clock: this.#clock, timeoutMs: options?.timeoutMs ?? 10_000, signal: options?.signal };
    try {
      return await withDeadline(deadline, () => this.#answer(fault, act));
    } catch (error) {
      throw error instanceof TimeoutError ? this.#overdue(details.operation, error) : error;
    }
  }

  async #answer<T>(fault: Fault | undefined, act: () => T): Promise<T> {
    if (fault === undefined) return act();
    if (fault.kind === "delay") {
      if (fault.requestMs > 0) await sleep(this.#clock, fault.requestMs);
      const answer = act();
      if (fault.answerMs > 0) await sleep(this.#clock, fault.answerMs);
      return answer;
    }
    // cast: it is planned for writes, whose T is LockOutcome
    if (fault.kind === "loseRace") return { written: false } as T;
    if (fault.kind === "stale") return fault.observed as T; // cast: it is planned for reads only
    if (fault.applied) act();
    if (fault.kind === "fail") throw fault.error;
    return new Promise<T>(() => {});
  }

  #overdue(operation: FakeOperation, cause: TimeoutError): Error {
    const details = { operation, storage: this.description, cause };
    const message = `cannot ${operation} ${this.description}: ${cause.message}`;
    return operation === "get"
      ? new StorageUnavailableError(message, details)
      : new UnknownOutcomeError(message, details);
  }

  #observed(): ObservedRecord | undefined {
    const stored = this.#shared.stored;
    if (stored === undefined) return undefined;
    const source = { storage: this.description, version: stored.version };
    return { record: checkRecord(stored.raw, source).record, version: stored.version };
  }

  #write(record: LeaderElectionRecord, expected: Version | undefined): LockOutcome {
    if (this.#shared.stored?.version !== expected) return { written: false };
    const term = this.#options.chooseTerm?.(record);
    if (term === undefined) return { written: true, version: this.#shared.put(record) };
    return { written: true, version: this.#shared.put({ ...record, leaderTransitions: term }), term };
  }

  /** A time that no other write of this record carries. */
  #now(): string {
    return microTime(this.#clock.wallMs() * 1000 + this.#shared.nextMicrosecond());
  }
}
