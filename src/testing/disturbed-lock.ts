import { UnknownOutcomeError } from "../errors.ts";
import type { LeaderElectionRecord } from "../lock/leader-election-record.ts";
import type { LockHint, LockOutcome, ObservedRecord, ResourceLock } from "../lock/resource-lock.ts";
import type { CallOptions, Version } from "../storage/versioned-storage.ts";
import { sleep, type Clock } from "../system/clock.ts";
import { FakeFaults, type FakeOperation, type Fault, type FaultOptions } from "./fake-faults.ts";

/** One call that a `DisturbedLock` received. */
export interface DisturbedCall {
  readonly operation: FakeOperation;
  readonly atMs: number;
  readonly record?: LeaderElectionRecord;
  readonly expected?: Version;
  readonly signal?: AbortSignal | undefined;
}

/** How a `DisturbedLock` differs from the lock behind it. */
export interface DisturbedLockOptions {
  readonly clock: Clock;
  /** Instead of the lock's own. */
  readonly identity?: string;
  /**
   * Whether there is a `watch`: `true` for one whose hints come from `hint()` alone, and are bare; `"through"` for that
   * of the lock behind. Default false.
   */
  readonly watched?: boolean | "through";
}

const mostCallsAtOnce = 1_000;

/**
 * Any lock, with a log of its calls and with the troubles of a network between it and its user. It has no deadline of
 * its own and heeds no abort: a call that hangs hangs for ever, a request that is late is applied all the same.
 */
export class DisturbedLock implements ResourceLock {
  readonly identity: string;
  readonly description: string;
  readonly minWriteIntervalMs?: number;
  readonly watch?: (options: { readonly signal: AbortSignal }) => AsyncIterable<LockHint>;
  /** Oldest first. */
  readonly log: DisturbedCall[] = [];
  /** What `recordEvent` was told. */
  readonly events: string[] = [];
  /** Called at the start of each call. */
  onCall: ((call: DisturbedCall) => void) | undefined;
  /** How many bare hints its watches have told. */
  hints = 0;
  readonly #inner: ResourceLock;
  readonly #clock: Clock;
  readonly #faults = new FakeFaults();
  readonly #watchers = new Set<() => void>();
  readonly #breaks = new Set<(error: Error) => void>();

  constructor(inner: ResourceLock, { clock, identity = inner.identity, watched = false }: DisturbedLockOptions) {
    this.#inner = inner;
    this.#clock = clock;
    this.identity = identity;
    this.description = inner.description;
    if (inner.minWriteIntervalMs !== undefined) this.minWriteIntervalMs = inner.minWriteIntervalMs;
    if (watched === true) this.watch = ({ signal }) => this.#hintsUntil(signal);
    const watch = inner.watch?.bind(inner);
    if (watched === "through" && watch !== undefined) this.watch = ({ signal }) => this.#breakable(watch, signal);
  }

  /** The calls so far: `["get", "create", "update"]`. A release is an update. */
  get calls(): FakeOperation[] {
    return this.log.map(({ operation }) => operation);
  }

  get(_options?: CallOptions): Promise<ObservedRecord | undefined> {
    return this.#call({ operation: "get", signal: _options?.signal }, () => this.#inner.get());
  }

  create(record: LeaderElectionRecord, options?: CallOptions): Promise<LockOutcome> {
    return this.#call({ operation: "create", record, signal: options?.signal }, () => this.#inner.create(record));
  }

  update(record: LeaderElectionRecord, expected: Version, options?: CallOptions): Promise<LockOutcome> {
    const details = { operation: "update", record, expected, signal: options?.signal } as const;
    return this.#call(details, () => this.#inner.update(record, expected));
  }

  recordEvent(message: string): void {
    this.events.push(message);
  }

  /** Forgets the calls so far. */
  forget(): void {
    this.log.length = 0;
  }

  /** Calls throw `error`, by default all of them until `heal()`; with `applied`, a write has happened all the same. */
  fail(error: unknown, options: FaultOptions & { readonly applied?: boolean } = {}): void {
    this.#faults.plan({ kind: "fail", error, applied: options.applied ?? false }, options);
  }

  /** Calls are never answered, by default all of them until `heal()`. */
  hang(options: FaultOptions & { readonly applied?: boolean } = {}): void {
    this.#faults.plan({ kind: "hang", applied: options.applied ?? false }, options);
  }

  /** The next write is refused, as if somebody else had written; nothing changes. */
  loseRace(options: FaultOptions = {}): void {
    this.#faults.plan({ kind: "loseRace" }, { on: "write", times: 1, ...options });
  }

  /** The next write is applied, and its answer is lost. */
  loseAnswer(options: FaultOptions = {}): void {
    this.fail(new UnknownOutcomeError("the answer was lost"), { on: "write", times: 1, ...options, applied: true });
  }

  /** Requests arrive, and answers come back, that much later; by default all of them until `heal()`. */
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

  /** A bare hint for the watch, if there is one. */
  hint(): void {
    this.hints += 1;
    for (const wake of this.#watchers) wake();
  }

  /** Ends the watches with this error. */
  breakWatch(error: Error): void {
    for (const broken of this.#breaks) broken(error);
  }

  async *#breakable(
    watch: NonNullable<ResourceLock["watch"]>,
    signal: AbortSignal,
  ): AsyncGenerator<LockHint, void, void> {
    let breakNow = (_error: Error): void => {};
    const broken = new Promise<never>((_resolve, reject) => (breakNow = reject));
    broken.catch(() => {}); // whoever reads the hints hears of it
    this.#breaks.add(breakNow);
    const hints = watch({ signal })[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await Promise.race([hints.next(), broken]);
        if (next.done === true) return;
        if (next.value.observed === undefined) this.hints += 1;
        yield next.value;
      }
    } finally {
      this.#breaks.delete(breakNow);
    }
  }

  async #call<T>(details: Omit<DisturbedCall, "atMs">, act: () => Promise<T>): Promise<T> {
    const call: DisturbedCall = { ...details, atMs: this.#clock.monotonicMs() };
    this.log.push(call);
    this.onCall?.(call);
    if (this.#isRunaway(call.atMs)) return new Promise<T>(() => {});
    const fault = this.#faults.take(details.operation);
    return fault === undefined ? act() : this.#disturbed(fault, act);
  }

  /** A loop without a pause would never let a test fail: from here on nothing is answered, and its log shows why. */
  #isRunaway(atMs: number): boolean {
    return this.log.at(-mostCallsAtOnce)?.atMs === atMs;
  }

  async #disturbed<T>(fault: Fault, act: () => Promise<T>): Promise<T> {
    if (fault.kind === "delay") {
      if (fault.requestMs > 0) await sleep(this.#clock, fault.requestMs);
      const answer = await act();
      if (fault.answerMs > 0) await sleep(this.#clock, fault.answerMs);
      return answer;
    }
    // cast: it is planned for writes, whose T is LockOutcome
    if (fault.kind === "loseRace") return { written: false } as T;
    if (fault.kind === "stale") return fault.observed as T; // cast: it is planned for reads only
    if (fault.applied) await act();
    if (fault.kind === "fail") throw fault.error;
    return new Promise<T>(() => {});
  }

  /** One hint at once, as every watch gives, then those of `hint()`. */
  async *#hintsUntil(signal: AbortSignal): AsyncGenerator<LockHint, void, void> {
    let pending = 1;
    this.hints += 1;
    let wake = (): void => {};
    const hinted = (): void => {
      pending += 1;
      wake();
    };
    const ended = (): void => wake();
    this.#watchers.add(hinted);
    signal.addEventListener("abort", ended, { once: true });
    try {
      while (!signal.aborted) {
        if (pending === 0) await new Promise<void>((resolve) => (wake = resolve));
        for (; pending > 0 && !signal.aborted; pending -= 1) yield {};
      }
    } finally {
      this.#watchers.delete(hinted);
      signal.removeEventListener("abort", ended);
    }
  }
}
