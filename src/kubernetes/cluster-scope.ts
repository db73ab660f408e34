import { appliedOf } from "../errors.ts";
import { CallBudget } from "../lock/call-budget.ts";
import { HalfWrites, putHalf } from "../lock/half-writes.ts";
import { joinedVersion, splitVersion, type JoinedVersions } from "../lock/joined-version.ts";
import type { LeaderElectionRecord } from "../lock/leader-election-record.ts";
import { mergedHints } from "../lock/merged-hints.ts";
import type { LockHint, LockOutcome, ObservedRecord, ResourceLock } from "../lock/resource-lock.ts";
import type { CallOptions, Version } from "../storage/versioned-storage.ts";
import type { Clock } from "../system/clock.ts";
import { clusterRecord } from "./cluster-record.ts";
import type { GlobalLease } from "./global-lease.ts";
import type { SignalOutcome } from "./signal-calls.ts";

/** What a `ClusterScope` joins. */
export interface ClusterScopeParts {
  /** The name that the candidates of the cluster share. */
  readonly label: string;
  /** The lock among the candidates of the cluster. */
  readonly within: ResourceLock;
  readonly global: GlobalLease;
  readonly clock: Clock;
  readonly description: string;
}

/** Terms that were asked for in vain; a controller refuses what lies a million above its own. */
const mostTermsAhead = 100_000;

/**
 * Two locks as one, for a candidate that contends in the name of its cluster: to lead means to hold the lock of the
 * cluster and the global one. The first keeps the neighbours apart, which the second cannot tell from each other.
 *
 * A write goes to the cluster's lock first, so that nobody signals who does not hold it, and is applied only if both
 * are. A release goes the other way.
 */
export class ClusterScope {
  readonly #parts: ClusterScopeParts;
  readonly #halves: HalfWrites;
  /** How often a look has shown that this candidate holds both. */
  #shownMine = 0;
  #letGo = "";
  /** The largest term that the lock of the cluster has shown: what a neighbour has asked for, or held. */
  #highest = 0;

  constructor(parts: ClusterScopeParts) {
    this.#parts = parts;
    this.#halves = new HalfWrites(parts.description, parts.clock);
  }

  async get(options?: CallOptions): Promise<ObservedRecord | undefined> {
    const { label, within, global, clock } = this.#parts;
    const budget = new CallBudget(clock, options);
    const next = budget.next();
    const [local, look] = await Promise.all([within.get(next), global.look(next)]);
    this.#highest = Math.max(this.#highest, local?.record.leaderTransitions ?? 0);
    const found = clusterRecord(local, look, { label, self: within.identity, letGo: this.#letGo });
    if (found === undefined) return undefined;
    const { isMine, ...observed } = found;
    if (isMine) this.#shownMine += 1;
    return observed;
  }

  async create(record: LeaderElectionRecord, options?: CallOptions): Promise<SignalOutcome> {
    return this.#write(record, {}, new CallBudget(this.#parts.clock, options));
  }

  async update(record: LeaderElectionRecord, expected: Version, options?: CallOptions): Promise<SignalOutcome> {
    const budget = new CallBudget(this.#parts.clock, options);
    const versions = splitVersion(expected);
    if (versions === undefined || this.#halves.wasHalf(expected)) return { written: false };
    return record.holderIdentity === ""
      ? this.#release(record, versions, budget)
      : this.#write(record, versions, budget);
  }

  watch({ signal }: { readonly signal: AbortSignal }): AsyncIterable<LockHint> {
    const { within, global } = this.#parts;
    const watches = [within.watch?.bind(within), global.changes.bind(global)].filter((watch) => watch !== undefined);
    return mergedHints(watches, signal);
  }

  async #write(record: LeaderElectionRecord, versions: JoinedVersions, budget: CallBudget): Promise<SignalOutcome> {
    const { label, within, global } = this.#parts;
    this.#halves.demandWhole();
    const shownBefore = this.#shownMine;
    const isNew = !global.renews(record);
    const leaderTransitions = isNew ? this.#termOf(record) : record.leaderTransitions;
    const asked = { ...record, leaderTransitions };
    const local = { record: { ...asked, holderIdentity: within.identity }, expected: versions.first };
    const first = await putHalf(within, local, budget.next());
    if (!first.written) return { written: false };
    const signal = { record: { ...asked, holderIdentity: label }, expected: versions.second };
    const tried = await this.#signal(() => putHalf(global, signal, budget.next()), budget);
    if ("written" in tried && tried.written) {
      this.#halves.completed(joinedVersion(first.version, versions.second));
      const version = joinedVersion(first.version, tried.version);
      const { term = leaderTransitions } = tried;
      return { written: true, version, ...(term !== record.leaderTransitions && { term }) };
    }
    // A term that goes on keeps its neighbours away until it has ended; so does one that a look has begun meanwhile.
    const begins = isNew && this.#shownMine === shownBefore;
    // A Go controller goes on with a signal that stands, and may carry it later: it is kept, for a look to begin it.
    if (begins && (global.names.isGo || !(await this.#giveBack(asked, first.version, budget)))) {
      throw this.#halves.unknown("the lock of the cluster was written, and the signal was not", causeOf(tried));
    }
    if ("error" in tried) throw begins ? tried.error : this.#halves.unknown("the signal was refused", tried.error);
    return tried;
  }

  /**
   * The term to ask for: none that a neighbour may have had, though the resource that would tell it was made anew. The
   * lock of the cluster knows, for it is written first.
   */
  #termOf({ leaderTransitions }: LeaderElectionRecord): number {
    const { global } = this.#parts;
    if (!global.isAnswered) global.names.noteUsed(this.#highest);
    const next = Math.max(this.#highest, global.names.highest) + 1;
    return Math.max(leaderTransitions, Math.min(next, leaderTransitions + mostTermsAhead));
  }

  /** The outcome of a signal, or why nothing has come of it; what is not known is thrown. */
  async #signal(send: () => Promise<LockOutcome>, budget: CallBudget): Promise<LockOutcome | { error: unknown }> {
    try {
      return await this.#halves.complete(send, budget);
    } catch (error) {
      budget.signal?.throwIfAborted();
      if (appliedOf(error) === "no") return { error };
      throw error;
    }
  }

  /** Whether the lock of the cluster is free again, after a signal that came to nothing: the next one may try. */
  async #giveBack(record: LeaderElectionRecord, version: Version, budget: CallBudget): Promise<boolean> {
    const { within } = this.#parts;
    this.#letGo = record.renewTime; // before it is sent: from then on a neighbour may come
    const { renewTime } = record;
    const freed = { ...record, holderIdentity: "", leaseDurationSeconds: 1, acquireTime: renewTime, renewTime };
    try {
      return (await within.update(freed, version, budget.next())).written;
    } catch {
      return false; // it runs out by itself; the caller is told that it is not known
    }
  }

  /** The global one first: a neighbour that follows at once finds nobody in its way. */
  async #release(record: LeaderElectionRecord, versions: JoinedVersions, budget: CallBudget): Promise<SignalOutcome> {
    const { within, global } = this.#parts;
    const { first, second } = versions;
    const freed = second === undefined ? undefined : await global.update(record, second, budget.next());
    if (freed?.written === false) return freed;
    if (first === undefined) return freed ?? { written: false };
    this.#letGo = record.renewTime; // before it is sent: from then on a neighbour may come
    const local = await within.update(record, first, budget.next());
    const last = local.written ? local : await this.#releaseAgain(record, budget);
    return last.written ? { written: true, version: joinedVersion(last.version, freed?.version) } : last;
  }

  /** An edit of the lock of the cluster has lost the release the race. */
  async #releaseAgain(record: LeaderElectionRecord, budget: CallBudget): Promise<LockOutcome> {
    const { within } = this.#parts;
    const found = await within.get(budget.next());
    if (found?.record.holderIdentity !== within.identity) return { written: false };
    return await within.update(record, found.version, budget.next());
  }
}

function causeOf(tried: LockOutcome | { readonly error: unknown }): unknown {
  return "error" in tried ? tried.error : undefined;
}
