import { errorCode } from "../errors.ts";
import type { CallOptions, Version } from "../storage/versioned-storage.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { CallBudget } from "./call-budget.ts";
import { HalfWrites, putHalf } from "./half-writes.ts";
import { joinedVersion, splitVersion, type JoinedVersions } from "./joined-version.ts";
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
  readonly #halves: HalfWrites;

  constructor(primary: ResourceLock, secondary: ResourceLock, options: MultiLockOptions = {}) {
    this.#primary = primary;
    this.#secondary = secondary;
    this.#clock = options.clock ?? systemClock;
    this.identity = primary.identity;
    this.description = `${primary.description} and ${secondary.description}`;
    this.#halves = new HalfWrites(this.description, this.#clock);
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
      version: joinedVersion(first?.version, second?.version),
      ...(foreign && { foreign }),
    };
  }

  async create(record: LeaderElectionRecord, options?: CallOptions): Promise<LockOutcome> {
    return this.#write(record, {}, new CallBudget(this.#clock, options));
  }

  async update(record: LeaderElectionRecord, expected: Version, options?: CallOptions): Promise<LockOutcome> {
    const budget = new CallBudget(this.#clock, options);
    const versions = splitVersion(expected);
    const isLost = versions === undefined || this.#halves.wasHalf(expected);
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

  async #write(record: LeaderElectionRecord, versions: JoinedVersions, budget: CallBudget): Promise<LockOutcome> {
    this.#halves.demandWhole();
    const first = await putHalf(this.#primary, { record, expected: versions.first }, budget.next());
    if (!first.written) return { written: false };
    let second: LockOutcome;
    try {
      const write = () => putHalf(this.#secondary, { record, expected: versions.second }, budget.next());
      second = await this.#halves.complete(write, budget);
    } catch (error) {
      budget.signal?.throwIfAborted();
      const why = `its primary was written, its secondary failed (${errorCode(error) ?? "an error without a code"})`;
      throw this.#halves.unknown(why, error);
    }
    if (!second.written) throw this.#halves.unknown("its primary was written, its secondary lost the race");
    this.#halves.completed(joinedVersion(first.version, versions.second));
    const term = longer(first.term, second.term);
    return {
      written: true,
      version: joinedVersion(first.version, second.version),
      ...(term !== undefined && { term }),
    };
  }
}

function pairOf(record: LeaderElectionRecord | undefined): readonly string[] {
  return record === undefined ? [] : [record.holderIdentity, record.renewTime];
}

function longer(first: number | undefined, second: number | undefined): number | undefined {
  return first === undefined || second === undefined ? (first ?? second) : Math.max(first, second);
}
