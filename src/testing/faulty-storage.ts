import { AccessDeniedError, StorageUnavailableError, UnknownOutcomeError } from "../errors.ts";
import { sleep, type Clock } from "../system/clock.ts";
import { linkSignals } from "../system/signals.ts";
import { VersionedLeaseStorage, type Attempt, type ListedKey } from "../storage/versioned-lease-storage.ts";
import type { Change, Hint, Stored, Version, VersionedStorage, WriteOutcome } from "../storage/versioned-storage.ts";
import type { StorageFault, StorageFaults, StorageOperation } from "./storage-faults.ts";

/** One call that a `FaultyStorage` was asked to pass on. */
export interface FaultyCall {
  readonly operation: StorageOperation;
  readonly key?: string;
  readonly fault?: StorageFault;
}

/** How a `FaultyStorage` is made. */
export interface FaultyStorageOptions {
  readonly clock?: Clock;
  /** The deadline of calls that name none, in milliseconds; default 10 000. */
  readonly timeoutMs?: number;
  /** Asked for the fault of each call that `next` has none for. */
  readonly script?: (call: FaultyCall) => StorageFault | undefined;
}

/**
 * Any storage, behind a network that misbehaves as told: `next` for single calls, `script` for all. It counts the
 * requests, and keeps the promises of deadline and abort itself, so that a call can hang.
 */
export class FaultyStorage extends VersionedLeaseStorage implements StorageFaults<FaultyStorage> {
  /** Every call so far, with the fault that it met. */
  readonly calls: FaultyCall[] = [];
  readonly #inner: VersionedStorage;
  readonly #script: (call: FaultyCall) => StorageFault | undefined;
  readonly #queue: { readonly fault: StorageFault; readonly on: StorageOperation | undefined }[] = [];
  /** What was last seen of each key, and what before that. */
  readonly #seen = new Map<string, readonly (Stored | undefined)[]>();
  readonly #watches = new Set<() => void>();
  #open = 0;

  constructor(inner: VersionedStorage, { clock, timeoutMs, script = () => undefined }: FaultyStorageOptions = {}) {
    super({ description: inner.description, capabilities: inner.capabilities, clock, timeoutMs });
    this.#inner = inner;
    this.#script = script;
  }

  get connection(): FaultyStorage {
    return this;
  }

  get requests(): number {
    return this.calls.length;
  }

  get open(): number {
    return this.#open;
  }

  next(fault: StorageFault, on?: StorageOperation): void {
    this.#queue.push({ fault, on });
  }

  cutWatches(): void {
    for (const cut of this.#watches) cut();
  }

  protected override readOnce(key: string, attempt: Attempt): Promise<Stored | undefined> {
    const apply = async (): Promise<Stored | undefined> => this.#see(key, await this.#inner.read(key, attempt));
    const stale = (): Promise<Stored | undefined> => {
      const [, before] = this.#seen.get(key) ?? [];
      return (this.#seen.get(key)?.length ?? 0) < 2 ? apply() : Promise.resolve(before);
    };
    return this.#meet({ operation: "read", key }, attempt, { apply, odd: stale });
  }

  protected override createOnce(key: string, value: Uint8Array, attempt: Attempt): Promise<WriteOutcome> {
    return this.#write({ kind: "create", key, value }, attempt, () => this.#inner.create(key, value, attempt));
  }

  protected override replaceOnce(
    key: string,
    { value, expected }: { readonly value: Uint8Array; readonly expected: Version },
    attempt: Attempt,
  ): Promise<WriteOutcome> {
    const apply = (): Promise<WriteOutcome> => this.#inner.replace(key, value, expected, attempt);
    return this.#write({ kind: "replace", key, value, expected }, attempt, apply);
  }

  protected override removeOnce(key: string, expected: Version, attempt: Attempt): Promise<WriteOutcome> {
    const apply = (): Promise<WriteOutcome> => this.#inner.remove(key, expected, attempt);
    return this.#write({ kind: "remove", key, expected }, attempt, apply);
  }

  protected override transactOnce(changes: readonly Change[], attempt: Attempt): Promise<WriteOutcome> {
    const { transact } = this.#inner;
    if (transact === undefined) return super.transactOnce(changes, attempt);
    const apply = (): Promise<WriteOutcome> => transact.call(this.#inner, changes, attempt);
    return this.#meet({ operation: "transact" }, attempt, { apply });
  }

  protected override async *listPages(prefix: string, signal: AbortSignal): AsyncGenerator<readonly ListedKey[]> {
    const page = async (): Promise<readonly ListedKey[]> => {
      const keys: ListedKey[] = [];
      for await (const key of this.#inner.list(prefix, { signal })) keys.push(key);
      return keys;
    };
    yield await this.#meet({ operation: "list", key: prefix }, { signal }, { apply: page });
  }

  protected override async healthOnce(attempt: Attempt): Promise<readonly string[]> {
    const { status, reasons } = await this.#meet({ operation: "health" }, attempt, {
      apply: () => this.#inner.health(attempt),
    });
    if (status === "unhealthy") throw new StorageUnavailableError(reasons.join("; "));
    return reasons;
  }

  protected override async *watchOnce(key: string, signal: AbortSignal): AsyncGenerator<Hint, void, undefined> {
    while (!signal.aborted) {
      const linked = linkSignals(signal);
      const cut = (): void => linked.abort(new Error("cut"));
      this.#watches.add(cut);
      try {
        yield* this.#inner.watch?.(key, { signal: linked.signal }) ?? [];
      } finally {
        this.#watches.delete(cut);
        linked.unlink();
      }
    }
  }

  #write(
    change: Exclude<Change, { kind: "check" }>,
    attempt: Attempt,
    send: () => Promise<WriteOutcome>,
  ): Promise<WriteOutcome> {
    const { kind: operation, key } = change;
    const apply = async (): Promise<WriteOutcome> => {
      const outcome = await send();
      if (!outcome.written) return outcome;
      this.#see(key, "value" in change ? { value: change.value, version: outcome.version } : undefined);
      return outcome;
    };
    return this.#meet({ operation, key }, attempt, { apply, odd: () => force(this.#inner, change, attempt) });
  }

  #see(key: string, stored: Stored | undefined): Stored | undefined {
    const seen = this.#seen.get(key) ?? [];
    if (seen.length === 0 || seen[0]?.version !== stored?.version) this.#seen.set(key, [stored, ...seen.slice(0, 1)]);
    return stored;
  }

  async #meet<T>(call: FaultyCall, { signal }: { readonly signal: AbortSignal }, steps: Steps<T>): Promise<T> {
    const fault = this.#faultOf(call);
    this.calls.push(fault === undefined ? call : { ...call, fault });
    this.#open += 1;
    try {
      return fault === undefined ? await steps.apply() : await this.#suffer(fault, call, { steps, signal });
    } finally {
      this.#open -= 1;
    }
  }

  async #suffer<T>(
    fault: StorageFault,
    call: FaultyCall,
    { steps, signal }: { readonly steps: Steps<T>; readonly signal: AbortSignal },
  ): Promise<T> {
    const { beforeMs = 0, afterMs = 0 } = fault;
    switch (fault.kind) {
      case "requestLost":
        throw this.#broken(call);
      case "answerLost":
        await steps.apply();
        throw this.#broken(call);
      case "hang":
        return untilAborted(signal);
      case "hangAfter":
        await steps.apply();
        return untilAborted(signal);
      case "delay": {
        if (beforeMs > 0) await sleep(this.clock, beforeMs, signal);
        const answer = await steps.apply();
        if (afterMs > 0) await sleep(this.clock, afterMs, signal);
        return answer;
      }
      case "doubled": {
        const answers = [await steps.apply(), await steps.apply()] as const;
        return fault.answer === 2 ? answers[1] : answers[0];
      }
      case "stale":
      case "unconditional":
        return (steps.odd ?? steps.apply)();
      case "throttled":
      case "busy":
      case "denied":
        throw this.#refused(fault, call);
    }
  }

  #faultOf(call: FaultyCall): StorageFault | undefined {
    const index = this.#queue.findIndex(({ on }) => on === undefined || on === call.operation);
    return index < 0 ? this.#script(call) : this.#queue.splice(index, 1)[0]?.fault;
  }

  #broken(call: FaultyCall): Error {
    const text = `cannot ${call.operation} in ${this.description}: the connection was reset`;
    const where = this.#where(call);
    return isWrite(call) ? new UnknownOutcomeError(text, where) : new StorageUnavailableError(text, where);
  }

  #refused({ kind, retryAfterMs }: StorageFault, call: FaultyCall): Error {
    const details = { ...this.#where(call), ...(isWrite(call) && ({ applied: "no" } as const)) };
    const text = `cannot ${call.operation} in ${this.description}`;
    if (kind === "denied") return new AccessDeniedError(`${text}: the right to ${call.operation} is missing`, details);
    if (kind === "busy") return new StorageUnavailableError(`${text}: another conditional write is under way`, details);
    return new StorageUnavailableError(`${text}: too many requests`, {
      ...details,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });
  }

  #where({ operation, key }: FaultyCall): { operation: string; storage: string; key?: string } {
    return { operation, storage: this.description, ...(key !== undefined && { key }) };
  }
}

interface Steps<T> {
  readonly apply: () => Promise<T>;
  /** What a lying storage does instead. */
  readonly odd?: () => Promise<T>;
}

function isWrite({ operation }: FaultyCall): boolean {
  return operation !== "read" && operation !== "list" && operation !== "health";
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = (): void => reject(signal.reason as Error); // cast: the reason travels untouched
    if (signal.aborted) fail();
    else signal.addEventListener("abort", fail, { once: true });
  });
}

/** Writes whatever the condition says, as a storage does that ignores conditions. */
export async function force(
  storage: VersionedStorage,
  change: Exclude<Change, { kind: "check" }>,
  { signal }: { readonly signal: AbortSignal },
): Promise<WriteOutcome> {
  for (;;) {
    const stored = await storage.read(change.key, { signal });
    if (stored === undefined && change.kind === "remove") return { written: false };
    const outcome = await over(storage, change, { stored, signal });
    if (outcome.written) return outcome;
  }
}

function over(
  storage: VersionedStorage,
  change: Exclude<Change, { kind: "check" }>,
  { stored, signal }: { readonly stored: Stored | undefined; readonly signal: AbortSignal },
): Promise<WriteOutcome> {
  const { key } = change;
  if (stored === undefined) return storage.create(key, "value" in change ? change.value : new Uint8Array(), { signal });
  if (change.kind === "remove") return storage.remove(key, stored.version, { signal });
  return storage.replace(key, change.value, stored.version, { signal });
}
