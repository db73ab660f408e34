import { errorCode, StorageUnavailableError, UnknownOutcomeError } from "../errors.ts";
import type { CallOptions, Version } from "../storage/versioned-storage.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { withDeadline } from "../system/signals.ts";
import { CallBudget } from "./call-budget.ts";
import type { LeaderElectionRecord } from "./leader-election-record.ts";
import { mergedHints } from "./merged-hints.ts";
import type { LockHint, LockOutcome, ObservedRecord, ResourceLock } from "./resource-lock.ts";

/** The holder that a `MultiLock` shows while its two locks name different ones; nobody has this identity. */
export const unknownHolder: string = "leaderelection.k8s.io/unknown";

/** What a `MultiLock` takes beside its two locks. */
export interface MultiLockOptions {
  /** For the deadline that both requests of a call share; default: the real clock. */
  readonly clock?: Clock;
}

/**
 * Two locks as one: to lead means to hold both, so it excludes the candidates of either. It moves an election from one
 * lock to another in three roll-outs: the old lock, both, the new lock.
 *
 * The identity is that of `primary`. A write goes to the primary, then to the secondary, which is created if it is
 * absent. It is applied only if both are; if one of the two is, it throws `UnknownOutcomeError`.
 *
 * @see kubernetes/client-go tools/leaderelection/resourcelock/multilock.go
 */
export class MultiLock implements ResourceLock {
  readonly identity: string;
  /** Both descriptions. */
  readonly description: string;
  readonly minWriteIntervalMs?: number;
  /** Present if both locks can watch: changes of the other one would go unnoticed. The hints are bare. */
  readonly watch?: (options: { readonly signal: AbortSignal }) => AsyncIterable<LockHint>;
  readonly #primary: ResourceLock;
  readonly #secondary: ResourceLock;
  readonly #clock: Clock;
  /** My own write whose primary is written and whose secondary is not answered yet. */
  #halfWritten: Promise<unknown> | undefined;
  /** What a look at my last write showed while it was half done. */
  #lastHalf: Version | undefined;

  constructor(primary: ResourceLock, secondary: ResourceLock, options: MultiLockOptions = {}) {
    this.#primary = primary;
    this.#secondary = secondary;
    this.#clock = options.clock ?? systemClock;
    this.identity = primary.identity;
    this.description = `${primary.description} and ${secondary.description}`;
    const minWriteIntervalMs = Math.max(primary.minWriteIntervalMs ?? 0, secondary.minWriteIntervalMs ?? 0);
    if (minWriteIntervalMs > 0) this.minWriteIntervalMs = minWriteIntervalMs;
    const watches = [primary.watch?.bind(primary), secondary.watch?.bind(secondary)].filter(
      (watch) => watch !== undefined,
    );
    if (watches.length === 2) this.watch = ({ signal }) => mergedHints(watches, signal);
  }

  async get(options?: CallOptions): Promise<ObservedRecord | undefined> {
    const budget = new CallBudget(this.#clock, options);
    const first = await this.#primary.get(budget.next());
    const second = await this.#secondary.get(budget.next());
    if (first === undefined && second === undefined) return undefined;
    const foreign = first?.foreign === true || second?.foreign === true;
    return {
      record: this.#merged(first?.record, second?.record),
      version: joined(first?.version, second?.version),
      ...(foreign && { foreign }),
    };
  }

  async create(record: LeaderElectionRecord, options?: CallOptions): Promise<LockOutcome> {
    return this.#write(record, {}, new CallBudget(this.#clock, options));
  }

  async update(record: LeaderElectionRecord, expected: Version, options?: CallOptions): Promise<LockOutcome> {
    const budget = new CallBudget(this.#clock, options);
    const versions = split(expected);
    const isLost = versions === undefined || expected === this.#lastHalf; // that half is whole: both have moved on
    return isLost ? { written: false } : this.#write(record, versions, budget);
  }

  recordEvent(message: string): void {
    this.#primary.recordEvent?.(message);
  }

  /** What both records together say; at least one of them is there. */
  #merged(first: LeaderElectionRecord | undefined, second: LeaderElectionRecord | undefined): LeaderElectionRecord {
    // Not yet held by anybody who knows both; half of my own creation is nobody's until both are there.
    if (first !== undefined && second === undefined && first.holderIdentity !== this.identity) return first;
    const leaderTransitions = Math.max(first?.leaderTransitions ?? 0, second?.leaderTransitions ?? 0);
    const seconds = longer(first?.leaseDurationSeconds, second?.leaseDurationSeconds);
    const duration = seconds === undefined ? {} : { leaseDurationSeconds: seconds };
    if (first !== undefined && second !== undefined && this.#isOneHold(first, second)) {
      // A renewal that reached one of the two is none. Times of one holder are text of equal length, and grow.
      const older = second.renewTime < first.renewTime ? second : first;
      return { ...older, ...duration, leaderTransitions };
    }
    return {
      holderIdentity: unknownHolder,
      ...duration,
      acquireTime: "",
      // No time, but what an observer waits for: it has to change with each change of either.
      renewTime: JSON.stringify([pairOf(first), pairOf(second)]),
      leaderTransitions,
    };
  }

  /**
   * Two terms of another holder are half of its acquisition: as its older pair, which may have been waited out long
   * ago, it would be taken over at once.
   */
  #isOneHold(first: LeaderElectionRecord, second: LeaderElectionRecord): boolean {
    const { holderIdentity: holder } = first;
    if (holder !== second.holderIdentity) return false;
    return first.leaderTransitions === second.leaderTransitions || holder === "" || holder === this.identity;
  }

  async #write(record: LeaderElectionRecord, versions: Versions, budget: CallBudget): Promise<LockOutcome> {
    this.#demandWhole();
    const first = await put(this.#primary, { record, expected: versions.first }, budget.next());
    if (!first.written) return { written: false };
    let second: LockOutcome;
    try {
      const write = () => put(this.#secondary, { record, expected: versions.second }, budget.next());
      second = await this.#complete(write, budget);
    } catch (error) {
      budget.signal?.throwIfAborted();
      throw this.#half(`its secondary failed (${errorCode(error) ?? "an error without a code"})`, error);
    }
    if (!second.written) throw this.#half("its secondary lost the race");
    this.#lastHalf = joined(first.version, versions.second);
    const term = longer(first.term, second.term);
    return { written: true, version: joined(first.version, second.version), ...(term !== undefined && { term }) };
  }

  /**
   * Refuses while a write of mine is half done. Else a second one, sent in doubt of the first, would name the first
   * one's primary and take its secondary away from it: where writes are slow, each would stay a half. It is not kept
   * for later either: by then its term may have ended.
   */
  #demandWhole(): void {
    if (this.#halfWritten === undefined) return;
    const message = `cannot write ${this.description}: an earlier write of its own is not answered yet`;
    throw new StorageUnavailableError(message, { operation: "write", storage: this.description, applied: "no" });
  }

  async #complete(write: () => Promise<LockOutcome>, { signal, leftMs }: CallBudget): Promise<LockOutcome> {
    const written = write();
    // Not for longer than its deadline: a lock that never answers must not hold up all later writes.
    const half = withDeadline({ clock: this.#clock, timeoutMs: leftMs, signal }, () => written);
    this.#halfWritten = half;
    const end = (): void => {
      if (this.#halfWritten === half) this.#halfWritten = undefined;
    };
    half.then(end, end);
    return written;
  }

  #half(why: string, cause?: unknown): UnknownOutcomeError {
    return new UnknownOutcomeError(`cannot write ${this.description}: its primary was written, ${why}`, {
      operation: "write",
      storage: this.description,
      ...(cause !== undefined && { cause }),
    });
  }
}

/** The versions that a write names; an absent one means that the record must be absent. */
interface Versions {
  readonly first?: Version;
  readonly second?: Version;
}

/** Writes one of both: creates it where the version says that it was absent. */
function put(
  lock: ResourceLock,
  { record, expected }: { readonly record: LeaderElectionRecord; readonly expected: Version | undefined },
  options: CallOptions,
): Promise<LockOutcome> {
  return expected === undefined ? lock.create(record, options) : lock.update(record, expected, options);
}

function joined(first: Version | undefined, second: Version | undefined): Version {
  return JSON.stringify([first ?? null, second ?? null]) as Version; // cast: the brand of a version of both
}

/** The reverse of `joined`; `undefined` for what is no version of ours, which no record can have. */
function split(version: Version): Versions | undefined {
  let parts: unknown;
  try {
    parts = JSON.parse(version);
  } catch {
    return undefined; // no version of ours: a lost race, like any other unknown version
  }
  if (!Array.isArray(parts) || parts.length !== 2) return undefined;
  const [first, second] = parts as readonly unknown[]; // cast: an array holds unknown values
  if (!isPart(first) || !isPart(second) || (first === null && second === null)) return undefined;
  return { ...(first !== null && { first }), ...(second !== null && { second }) };
}

function isPart(part: unknown): part is Version | null {
  return part === null || typeof part === "string";
}

function pairOf(record: LeaderElectionRecord | undefined): readonly string[] {
  return record === undefined ? [] : [record.holderIdentity, record.renewTime];
}

function longer(first: number | undefined, second: number | undefined): number | undefined {
  return first === undefined || second === undefined ? (first ?? second) : Math.max(first, second);
}
