import { InvalidSettingsError, UnsupportedError, ValueTooLargeError } from "../errors.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { printable } from "../system/logger.ts";
import { linkSignals } from "../system/signals.ts";
import { assertKey, assertPrefix } from "./keys.ts";
import { createLease, defaultTimeoutMs, deleteLease, readLease, watchLease, writeLease } from "./lease-calls.ts";
import type { LeaseData, LeaseObject, LeaseStorage } from "./lease-storage.ts";
import { storageCall, type WriteProgress } from "./storage-call.ts";
import type {
  CallOptions,
  Change,
  Health,
  Hint,
  StorageCapabilities,
  Stored,
  Version,
  VersionedStorage,
  WriteOutcome,
} from "./versioned-storage.ts";

/** What a driver tells about itself. */
export interface DriverParts {
  /** For people; must hold no secret. */
  readonly description: string;
  readonly capabilities: StorageCapabilities;
  readonly clock?: Clock | undefined;
  /** The deadline of calls that name none, in milliseconds; default 10 000. One page of a list has three times that. */
  readonly timeoutMs?: number | undefined;
}

/** What one attempt has to respect. */
export interface Attempt {
  /** Falls at the deadline, at the caller's abort and at `close()`; destroy the socket or process then. */
  readonly signal: AbortSignal;
  /** For limits that a server can keep, in milliseconds. */
  readonly timeoutMs: number;
  /** Only where `capabilities.expiry` is true. */
  readonly expiresInMs?: number;
  /**
   * For a write: say here how far it has come, so that a deadline before anything was sent proves that nothing
   * happened.
   */
  readonly progress: WriteProgress;
}

/** One entry of a list. */
export interface ListedKey {
  readonly key: string;
  readonly version: Version;
}

/**
 * What every driver extends: it becomes a `VersionedStorage` and a `LeaseStorage` by saying how one attempt of each
 * call is made. Kept here, once: key and size checks before anything is sent, a copy of the caller's bytes, deadlines,
 * the three outcomes for trouble that the driver did not name (`storageCall`), `CLOSED` after `close()`, and the typed
 * lease calls.
 *
 * An attempt makes one request, never repeats a write, and throws errors of ours for what it knows. It returns bytes
 * that nobody else changes.
 */
export abstract class VersionedLeaseStorage implements VersionedStorage, LeaseStorage {
  readonly description: string;
  readonly capabilities: StorageCapabilities;
  /** Present if `capabilities.watch` is not `"none"`. */
  readonly watch?: NonNullable<VersionedStorage["watch"]>;
  /** Present if `capabilities.transact`. */
  readonly transact?: NonNullable<VersionedStorage["transact"]>;
  /** Present if `capabilities.watch` is not `"none"`. */
  readonly watchLease?: NonNullable<LeaseStorage["watchLease"]>;
  /** The clock of this connection, for the driver's own pauses. */
  protected readonly clock: Clock;
  readonly #timeoutMs: number;
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;

  constructor({ description, capabilities, clock = systemClock, timeoutMs = defaultTimeoutMs }: DriverParts) {
    this.description = description;
    this.capabilities = capabilities;
    this.clock = clock;
    this.#timeoutMs = timeoutMs;
    if (capabilities.watch !== "none") {
      this.watch = (key, options) => this.#watch(key, options.signal);
      this.watchLease = (key, options) => watchLease(this, key, options);
    }
    if (capabilities.transact) this.transact = (changes, options) => this.#transact(changes, options);
  }

  /** The value now, never from a cache or a lagging replica. */
  protected abstract readOnce(key: string, attempt: Attempt): Promise<Stored | undefined>;
  protected abstract createOnce(key: string, value: Uint8Array, attempt: Attempt): Promise<WriteOutcome>;
  protected abstract replaceOnce(
    key: string,
    { value, expected }: { readonly value: Uint8Array; readonly expected: Version },
    attempt: Attempt,
  ): Promise<WriteOutcome>;
  protected abstract removeOnce(key: string, expected: Version, attempt: Attempt): Promise<WriteOutcome>;
  /** Pages of keys; each page has a deadline of its own, and `signal` falls when the list is over. */
  protected abstract listPages(prefix: string, signal: AbortSignal): AsyncIterable<readonly ListedKey[]>;
  /** Why the storage is not healthy, `[]` if it is; what it throws means unhealthy. Writes nothing. */
  protected abstract healthOnce(attempt: Attempt): Promise<readonly string[]>;

  /** Hints until `signal` falls, by the caller's abort or at `close()`. */
  protected watchOnce(_key: string, _signal: AbortSignal): AsyncIterable<Hint> {
    throw new UnsupportedError(`${this.description} cannot watch`, { operation: "watch", storage: this.description });
  }

  protected transactOnce(_changes: readonly Change[], _attempt: Attempt): Promise<WriteOutcome> {
    const details = { operation: "transact", storage: this.description, applied: "no" } as const;
    return Promise.reject(new UnsupportedError(`${this.description} cannot transact`, details));
  }

  /** Ends what the driver started itself; calls under way have been cut before. Called once. */
  protected closeOnce(): Promise<void> {
    return Promise.resolve();
  }

  async read(key: string, options?: CallOptions): Promise<Stored | undefined> {
    return this.#call({ operation: "read", key, writes: false }, options, (attempt) => this.readOnce(key, attempt));
  }

  async create(key: string, value: Uint8Array, options?: CallOptions): Promise<WriteOutcome> {
    const bytes = this.#copy("create", key, value);
    return this.#call({ operation: "create", key, writes: true }, options, (attempt) =>
      this.createOnce(key, bytes, attempt),
    );
  }

  async replace(key: string, value: Uint8Array, expected: Version, options?: CallOptions): Promise<WriteOutcome> {
    const bytes = this.#copy("replace", key, value);
    this.#demandVersion("replace", key, expected);
    return this.#call({ operation: "replace", key, writes: true }, options, (attempt) =>
      this.replaceOnce(key, { value: bytes, expected }, attempt),
    );
  }

  async remove(key: string, expected: Version, options?: CallOptions): Promise<WriteOutcome> {
    this.#demandVersion("remove", key, expected);
    return this.#call({ operation: "remove", key, writes: true }, options, (attempt) =>
      this.removeOnce(key, expected, attempt),
    );
  }

  async *list(prefix: string, options: CallOptions = {}): AsyncGenerator<ListedKey, void, undefined> {
    const { signal, timeoutMs = 3 * this.#timeoutMs } = options;
    const over = linkSignals(signal, this.#closing.signal);
    const place = { operation: "list", key: prefix, writes: false };
    let pages: AsyncIterator<readonly ListedKey[]> | undefined;
    try {
      for (;;) {
        const page = await this.#call(place, { timeoutMs, ...(signal && { signal }) }, () => {
          pages ??= this.listPages(prefix, over.signal)[Symbol.asyncIterator]();
          return pages.next();
        });
        if (page.done) return;
        yield* page.value;
      }
    } finally {
      over.abort(new Error("the list is over"));
      over.unlink();
      // Not awaited: an iterator that hangs in next() would hang here too. Its end is told already, so a late error
      // says nothing.
      void Promise.resolve(pages?.return?.()).catch(() => undefined);
    }
  }

  async health(options?: CallOptions): Promise<Health> {
    const sentMs = this.clock.monotonicMs();
    const latency = (): number => this.clock.monotonicMs() - sentMs;
    try {
      const reasons = await this.#call({ operation: "check", writes: false }, options, (attempt) =>
        this.healthOnce(attempt),
      );
      return { status: reasons.length === 0 ? "healthy" : "degraded", reasons, latencyMs: latency() };
    } catch (error) {
      const reason = error instanceof Error ? error.message : "the call was aborted";
      return { status: "unhealthy", reasons: [reason], latencyMs: latency() };
    }
  }

  close(): Promise<void> {
    if (this.#closed === undefined) {
      this.#closing.abort();
      this.#closed = this.closeOnce();
    }
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  readLease(key: string, options?: CallOptions): Promise<LeaseObject> {
    return readLease(this, key, options);
  }

  createLease(key: string, data: LeaseData, options?: CallOptions): Promise<LeaseObject> {
    return createLease(this, { key, data }, options);
  }

  writeLease(key: string, data: LeaseData, generation: string, options?: CallOptions): Promise<LeaseObject> {
    return writeLease(this, { key, data, generation }, options);
  }

  deleteLease(key: string, options?: CallOptions): Promise<void> {
    return deleteLease(this, { key, clock: this.clock }, options);
  }

  async *#watch(key: string, signal: AbortSignal): AsyncGenerator<Hint, void, undefined> {
    const check = (): Promise<void> =>
      this.#call({ operation: "watch", key, writes: false }, {}, () => Promise.resolve());
    await check();
    const over = linkSignals(signal, this.#closing.signal);
    try {
      if (!signal.aborted) yield* this.watchOnce(key, over.signal);
    } finally {
      over.abort(new Error("the watch is over"));
      over.unlink();
    }
    // Ended by close(), not by the caller: then the caller learns why.
    if (!signal.aborted && this.#closing.signal.aborted) await check();
  }

  async #transact(changes: readonly Change[], options?: CallOptions): Promise<WriteOutcome> {
    const where = { operation: "transact", storage: this.description, applied: "no" } as const;
    const problems: string[] = [];
    if (changes.length < 1 || changes.length > 100) problems.push(`changes (${changes.length}) must be 1 to 100`);
    if (new Set(changes.map(({ key }) => key)).size < changes.length) problems.push("changes must name distinct keys");
    if (problems.length > 0) throw new InvalidSettingsError(problems, where);
    const copies = changes.map((change) => {
      assertKey(change.key, where);
      if (change.kind !== "create") this.#demandVersion("transact", change.key, change.expected);
      return "value" in change ? { ...change, value: this.#copy("transact", change.key, change.value) } : { ...change };
    });
    return this.#call({ operation: "transact", writes: true }, options, (attempt) =>
      this.transactOnce(copies, attempt),
    );
  }

  /**
   * From JavaScript, `stored?.version` of an absent key may arrive here: it must never pass for "absent" in a driver.
   */
  #demandVersion(operation: string, key: string, expected: unknown): void {
    if (typeof expected === "string") return;
    const where = { operation, storage: this.description, key, applied: "no" } as const;
    throw new InvalidSettingsError(["expected must be a version"], where);
  }

  /** Copies before anything is awaited: the caller's buffer is free once the call has returned its promise. */
  #copy(operation: string, key: string, value: Uint8Array): Uint8Array {
    const where = { operation, storage: this.description, key, applied: "no" } as const;
    assertKey(key, where);
    if (!ArrayBuffer.isView(value)) throw new InvalidSettingsError(["value must be a Uint8Array"], where);
    const limit = this.capabilities.maxValueBytes;
    if (value.byteLength > limit) {
      const message = `cannot ${operation} "${printable(key)}" in ${this.description}: ${value.byteLength} bytes`;
      throw new ValueTooLargeError(`${message}, ${limit} are allowed`, { ...where, limit });
    }
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice();
  }

  async #call<T>(
    { operation, key, writes }: { readonly operation: string; readonly key?: string; readonly writes: boolean },
    options: CallOptions = {},
    once: (attempt: Attempt) => Promise<T>,
  ): Promise<T> {
    const closing = this.#closing.signal;
    const { signal, timeoutMs = this.#timeoutMs, expiresInMs } = options;
    const { clock, description: storage } = this;
    const progress: WriteProgress = { applied: "unknown" };
    return storageCall({ operation, storage, key, writes, progress, clock, timeoutMs, signal, closing }, (ended) => {
      const where = { operation, storage, ...(writes && ({ applied: "no" } as const)) };
      if (operation === "list") assertPrefix(key ?? "", where);
      else if (key !== undefined) assertKey(key, where);
      if (expiresInMs === undefined) return once({ signal: ended, timeoutMs, progress });
      if (!this.capabilities.expiry) throw new UnsupportedError(`${storage} cannot drop values by itself`, where);
      return once({ signal: ended, timeoutMs, progress, expiresInMs });
    });
  }
}
