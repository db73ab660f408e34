import { StorageUnavailableError } from "../../src/errors.ts";
import type { LeaseData, LeaseObject, LeaseStorage } from "../../src/storage/lease-storage.ts";
import type { CallOptions } from "../../src/storage/versioned-storage.ts";

type Disturbance = "loseAnswer" | "refuse" | "hang";

/** One connection to a storage, which logs its requests and can be cut. It heeds neither deadlines nor signals. */
export class DisturbedStorage implements LeaseStorage {
  readonly requests: string[] = [];
  readonly watchLease?: NonNullable<LeaseStorage["watchLease"]>;
  readonly #storage: LeaseStorage;
  #next: Disturbance | undefined;

  constructor(storage: LeaseStorage) {
    this.#storage = storage;
    const watchLease = storage.watchLease?.bind(storage);
    if (watchLease !== undefined) this.watchLease = watchLease;
  }

  /** Happens to the next request; `refuse` and `loseAnswer` wait for a write. */
  disturb(next: Disturbance): void {
    this.#next = next;
  }

  readLease(key: string, options?: CallOptions): Promise<LeaseObject> {
    return this.#send("readLease", () => this.#storage.readLease(key, options));
  }

  createLease(key: string, data: LeaseData, options?: CallOptions): Promise<LeaseObject> {
    return this.#send("createLease", () => this.#storage.createLease(key, data, options));
  }

  writeLease(key: string, data: LeaseData, generation: string, options?: CallOptions): Promise<LeaseObject> {
    return this.#send("writeLease", () => this.#storage.writeLease(key, data, generation, options));
  }

  deleteLease(key: string, options?: CallOptions): Promise<void> {
    return this.#send("deleteLease", () => this.#storage.deleteLease(key, options));
  }

  async #send<T>(operation: string, request: () => Promise<T>): Promise<T> {
    this.requests.push(operation);
    const disturbance = this.#next;
    if (disturbance === undefined || (disturbance !== "hang" && operation === "readLease")) return request();
    this.#next = undefined;
    if (disturbance === "refuse") throw new StorageUnavailableError("too many requests", { applied: "no" });
    if (disturbance === "loseAnswer") await request();
    return new Promise<T>(() => {});
  }
}
