import { systemClock, type Clock } from "../system/clock.ts";
import { createLease, deleteLease, readLease, watchLease, writeLease } from "./lease-calls.ts";
import type { LeaseData, LeaseObject, LeaseStorage } from "./lease-storage.ts";
import type {
  CallOptions,
  Health,
  StorageCapabilities,
  Stored,
  Version,
  VersionedStorage,
  WriteOutcome,
} from "./versioned-storage.ts";

/** A connection that is both: documents and leases. */
export type StorageConnection = VersionedStorage & LeaseStorage;

/** What wraps a storage. */
export interface WrapOptions {
  readonly clock?: Clock | undefined;
  /** Added to every answer of `health()`, which is then at most `degraded`. */
  readonly warning?: string;
}

/** Any `VersionedStorage` with the four lease calls on top. Returned as it is if it has them already. */
export function leaseStorage(storage: VersionedStorage, options: WrapOptions = {}): StorageConnection {
  return options.warning === undefined && hasLeaseCalls(storage) ? storage : new WrappedLeaseStorage(storage, options);
}

function hasLeaseCalls(storage: VersionedStorage): storage is StorageConnection {
  return ["readLease", "createLease", "writeLease", "deleteLease"].every(
    (name) => typeof Reflect.get(storage, name) === "function",
  );
}

/** Passes every call on, and adds the typed lease calls. */
class WrappedLeaseStorage implements VersionedStorage, LeaseStorage {
  readonly watch?: NonNullable<VersionedStorage["watch"]>;
  readonly transact?: NonNullable<VersionedStorage["transact"]>;
  readonly watchLease?: NonNullable<LeaseStorage["watchLease"]>;
  readonly #storage: VersionedStorage;
  readonly #clock: Clock;
  readonly #warning: string | undefined;

  constructor(storage: VersionedStorage, { clock = systemClock, warning }: WrapOptions) {
    this.#storage = storage;
    this.#clock = clock;
    this.#warning = warning;
    const { watch, transact } = storage;
    if (watch !== undefined) {
      this.watch = (key, options) => watch.call(storage, key, options);
      this.watchLease = (key, options) => watchLease(storage, key, options);
    }
    if (transact !== undefined) this.transact = (changes, options) => transact.call(storage, changes, options);
  }

  get description(): string {
    return this.#storage.description;
  }

  get capabilities(): StorageCapabilities {
    return this.#storage.capabilities;
  }

  read(key: string, options?: CallOptions): Promise<Stored | undefined> {
    return this.#storage.read(key, options);
  }

  create(key: string, value: Uint8Array, options?: CallOptions): Promise<WriteOutcome> {
    return this.#storage.create(key, value, options);
  }

  replace(key: string, value: Uint8Array, expected: Version, options?: CallOptions): Promise<WriteOutcome> {
    return this.#storage.replace(key, value, expected, options);
  }

  remove(key: string, expected: Version, options?: CallOptions): Promise<WriteOutcome> {
    return this.#storage.remove(key, expected, options);
  }

  list(prefix: string, options?: CallOptions): AsyncIterable<{ readonly key: string; readonly version: Version }> {
    return this.#storage.list(prefix, options);
  }

  async health(options?: CallOptions): Promise<Health> {
    const health = await this.#storage.health(options);
    if (this.#warning === undefined) return health;
    const status = health.status === "healthy" ? "degraded" : health.status;
    return { ...health, status, reasons: [this.#warning, ...health.reasons] };
  }

  close(): Promise<void> {
    return this.#storage.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  readLease(key: string, options?: CallOptions): Promise<LeaseObject> {
    return readLease(this.#storage, key, options);
  }

  createLease(key: string, data: LeaseData, options?: CallOptions): Promise<LeaseObject> {
    return createLease(this.#storage, { key, data }, options);
  }

  writeLease(key: string, data: LeaseData, generation: string, options?: CallOptions): Promise<LeaseObject> {
    return writeLease(this.#storage, { key, data, generation }, options);
  }

  deleteLease(key: string, options?: CallOptions): Promise<void> {
    return deleteLease(this.#storage, { key, clock: this.#clock }, options);
  }
}
