/** The brand that keeps plain strings out of `Version`. */
declare const brand: unique symbol;

/**
 * A storage's opaque answer to "is it unchanged?". Compare with `===` and nothing else. It never repeats for a key: not
 * for equal bytes, not after a removal and a new creation, not after a restart.
 */
export type Version = string & { readonly [brand]: true };

/** What every call takes. */
export interface CallOptions {
  /** Ends the call; it rejects with `signal.reason`. A write that was already sent may still happen. */
  readonly signal?: AbortSignal;
  /**
   * The deadline of the call in milliseconds; default 10 000 (30 000 for one page of a list). It settles within 1.5
   * times that.
   */
  readonly timeoutMs?: number;
  /** Caches only (`capabilities.expiry`): the storage may drop the value after this many milliseconds. */
  readonly expiresInMs?: number;
}

/** A value and the version that it was read with. */
export interface Stored {
  readonly value: Uint8Array;
  readonly version: Version;
}

/** "Look again." `seen` is attached only where the push carries it anyway; an absence is never attached. */
export interface Hint {
  readonly seen?: Stored;
}

/**
 * What became of a conditional write. `written: false`: the condition was refused, nothing changed. Trouble is
 * thrown.
 */
export type WriteOutcome = { readonly written: true; readonly version: Version } | { readonly written: false };

/** One part of a `transact`. */
export type Change =
  | { readonly kind: "create"; readonly key: string; readonly value: Uint8Array }
  | { readonly kind: "replace"; readonly key: string; readonly value: Uint8Array; readonly expected: Version }
  | { readonly kind: "remove"; readonly key: string; readonly expected: Version }
  | { readonly kind: "check"; readonly key: string; readonly expected: Version | "absent" };

/** Where storages differ, as plain facts; nothing else asks which storage it is. */
export interface StorageCapabilities {
  readonly watch: "push" | "poll" | "none";
  readonly transact: boolean;
  readonly expiry: boolean;
  /** In bytes. */
  readonly maxValueBytes: number;
  /**
   * The least time between two writes of one key in milliseconds; 0: no limit known. Callers pace themselves, a
   * driver never queues a write.
   */
  readonly minWriteIntervalMs: number;
  /** What an acknowledged write survives; `may-lose`: a failover can undo it. */
  readonly durability: "process" | "machine" | "may-lose" | "durable";
  /** Who can meet here. */
  readonly reach: "process" | "machine" | "network";
}

/** How a storage is. */
export interface Health {
  readonly status: "healthy" | "degraded" | "unhealthy";
  readonly reasons: readonly string[];
  readonly latencyMs: number;
}

/**
 * A document store with compare-and-swap: the one thing that a technology has to offer.
 *
 * Every call has a deadline, makes one attempt, and settles one of three ways for a write: it returns `written: true`,
 * it returns `written: false` (lost the race, nothing changed), or it throws an error that says in `applied` whether
 * the write may have happened (`"no"` only if that is proved).
 *
 * @throws {InvalidKeyError} and {ValueTooLargeError} before anything is sent.
 * @throws {StorageUnavailableError} for a failed read, or a write that provably had no effect.
 * @throws {UnknownOutcomeError} for a write that was sent and whose end is not known.
 */
export interface VersionedStorage {
  /** For people, like `gs://bucket/prefix`; holds no secret. */
  readonly description: string;
  readonly capabilities: StorageCapabilities;
  /**
   * The value and its version, or `undefined` if the key is absent. Reflects every write acknowledged before the
   * call.
   */
  read(key: string, options?: CallOptions): Promise<Stored | undefined>;
  /** Writes exactly if the key is absent. */
  create(key: string, value: Uint8Array, options?: CallOptions): Promise<WriteOutcome>;
  /** Writes exactly if the key's version is `expected`; never creates. */
  replace(key: string, value: Uint8Array, expected: Version, options?: CallOptions): Promise<WriteOutcome>;
  /**
   * Removes exactly if the key's version is `expected`; the returned version names the removal and can never be read.
   */
  remove(key: string, expected: Version, options?: CallOptions): Promise<WriteOutcome>;
  /** Each key below `prefix` (`""`, or a key plus `/`) once, in any order. */
  list(prefix: string, options?: CallOptions): AsyncIterable<{ readonly key: string; readonly version: Version }>;
  /**
   * Hints: one when established and after every reconnect, then at least one after each change, until `signal` aborts
   * (it then ends without an error). Hints may be merged, doubled or spurious; nothing may rely on them.
   */
  watch?(key: string, options: { readonly signal: AbortSignal }): AsyncIterable<Hint>;
  /** 1 to 100 changes of distinct keys, all or nothing; one version for all written keys. */
  transact?(changes: readonly Change[], options?: CallOptions): Promise<WriteOutcome>;
  /** Always answers within its deadline; never throws, never writes. */
  health(options?: CallOptions): Promise<Health>;
  /** Ends what the storage started itself; twice is fine. Never closes a client that was passed in. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
