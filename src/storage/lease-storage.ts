import type { CallOptions, StorageCapabilities } from "./versioned-storage.ts";

/** The lease information that is stored: the seeds' three fields, and optional ones of ours. */
export interface LeaseData {
  /** `""` means that the lease is free. */
  readonly holderIdentity: string;
  /** The stored text, RFC 3339 in UTC; ours has six fractional digits. */
  readonly renewTime: string;
  /** 0 to 2³¹−1; the term. */
  readonly leaseTransitions: number;
  readonly leaseDurationSeconds?: number;
  readonly acquireTime?: string;
  readonly strategy?: string;
  readonly preferredHolder?: string;
  /** Everything else that was stored, carried through by read, then write. */
  readonly unknownFields?: Readonly<Record<string, unknown>>;
}

/** A lease and its generation. */
export interface LeaseObject {
  readonly data: LeaseData;
  /** The version, for optimistic locking; opaque. */
  readonly generation: string;
  /** Optional fields that were out of range and count as absent, one text each. Report them once per generation. */
  readonly problems?: readonly string[];
}

/**
 * The seeds' storage abstraction, over any `VersionedStorage` (`leaseStorage()`), or written by hand for a technology
 * of your own: the four calls are enough for an election by `StorageLock`.
 */
export interface LeaseStorage {
  /**
   * @throws {NotFoundError} if there is none.
   * @throws {CorruptDataError} if what is stored is no lease; its `version` is the generation by which a person can
   * replace it.
   */
  readLease(key: string, options?: CallOptions): Promise<LeaseObject>;
  /** @throws {AlreadyExistsError} if there is one. */
  createLease(key: string, data: LeaseData, options?: CallOptions): Promise<LeaseObject>;
  /** @throws {ConditionalUpdateFailedError} if the lease's generation is another one, or the lease is gone. */
  writeLease(key: string, data: LeaseData, generation: string, options?: CallOptions): Promise<LeaseObject>;
  /** Unconditional. @throws {NotFoundError} if there is none. */
  deleteLease(key: string, options?: CallOptions): Promise<void>;
  /** Hints until `signal` aborts; `seen` where the storage has the lease in hand. */
  watchLease?(key: string, options: { readonly signal: AbortSignal }): AsyncIterable<{ readonly seen?: LeaseObject }>;
  readonly capabilities?: StorageCapabilities;
  readonly description?: string;
}
