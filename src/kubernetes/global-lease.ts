import { CallBudget } from "../lock/call-budget.ts";
import type { LeaderElectionRecord } from "../lock/leader-election-record.ts";
import type { LockHint, ObservedRecord } from "../lock/resource-lock.ts";
import type { CallOptions, Version } from "../storage/versioned-storage.ts";
import type { Clock } from "../system/clock.ts";
import { LeaseWrites, type LeaseWritesParts } from "./lease-writes.ts";
import { MultiClusterLeaseView, type MultiClusterLeaseViewParts } from "./multi-cluster-lease-view.ts";
import type { SignalPace } from "./multi-cluster-lease-spec.ts";
import { ReleaseCalls } from "./release-calls.ts";
import { SignalCalls, type SignalOutcome } from "./signal-calls.ts";
import { SignalTrouble } from "./signal-trouble.ts";
import type { TermNames } from "./term-names.ts";

/** What a `GlobalLease` needs. */
export interface GlobalLeaseParts extends MultiClusterLeaseViewParts {
  readonly pace: SignalPace;
}

/** A record, and whether its pair is a signal of this very candidate: others may share the name of its sender. */
export interface GlobalLook {
  readonly observed: ObservedRecord;
  readonly isOwn: boolean;
}

/** The calls of a lock on one MultiClusterLease, and what all of them have seen of it. */
export class GlobalLease {
  readonly #clock: Clock;
  readonly #view: MultiClusterLeaseView;
  readonly #signals: SignalCalls;
  readonly #releases: ReleaseCalls;

  constructor({ pace, ...seen }: GlobalLeaseParts) {
    const { client, ref, sender, clock } = seen;
    const view = new MultiClusterLeaseView(seen);
    const trouble = new SignalTrouble(`${ref.namespace}/${ref.name}`, client.description);
    const parts: LeaseWritesParts = { client, ref, sender, clock, pace, view, trouble };
    const writes = new LeaseWrites(parts);
    this.#clock = clock;
    this.#view = view;
    this.#releases = new ReleaseCalls(parts, writes);
    this.#signals = new SignalCalls(parts, writes, this.#releases);
  }

  /** Under which names it signals. */
  get names(): TermNames {
    return this.#view.names;
  }

  /** Whether a status tells which names were used, as far as is known. */
  get isAnswered(): boolean {
    return this.#view.latest.shown?.status !== undefined;
  }

  /** Whether a record goes on with the term that was confirmed last. */
  renews({ leaderTransitions }: LeaderElectionRecord): boolean {
    return this.#view.own.holding?.term === leaderTransitions;
  }

  /** Of the resource that was seen last; `undefined` if none was. */
  get uid(): string | undefined {
    return this.#view.latest.shown?.uid;
  }

  /** What the status says; a MultiClusterLease that is being deleted counts as absent. */
  async look(options?: CallOptions): Promise<GlobalLook | undefined> {
    const { timeoutMs, signal } = new CallBudget(this.#clock, options);
    const shown = await this.#view.read({ timeoutMs, ...(signal !== undefined && { signal }) });
    const observed = shown && this.#view.observe(shown);
    if (shown === undefined || observed === undefined) return undefined;
    this.#view.latest.tell(observed.version);
    return { observed, isOwn: this.#view.own.holds(shown) };
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

  /** Hints with the record attached, which the caller then knows. */
  async *watch({ signal }: { readonly signal: AbortSignal }): AsyncGenerator<LockHint, void, undefined> {
    for await (const hint of this.#view.hints(signal)) {
      if (hint.observed !== undefined) this.#view.latest.tell(hint.observed.version);
      yield hint;
    }
  }

  /** Hints without what they carry. */
  async *changes({ signal }: { readonly signal: AbortSignal }): AsyncGenerator<LockHint, void, undefined> {
    for await (const _hint of this.#view.hints(signal)) yield {};
  }

  #told(outcome: SignalOutcome): SignalOutcome {
    if (outcome.written) this.#view.latest.tell(outcome.version);
    return outcome;
  }
}
