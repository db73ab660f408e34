import { AlreadyExistsError, ConditionalUpdateFailedError, NotFoundError } from "../../src/errors.ts";
import type { LeaseData, LeaseObject, LeaseStorage } from "../../src/storage/lease-storage.ts";

/**
 * What somebody may write by hand for a technology of their own: four calls, no watch, no deadlines, no capabilities.
 */
export class FourCalls implements LeaseStorage {
  readonly leases = new Map<string, LeaseObject>();
  #writes = 0;

  async readLease(key: string): Promise<LeaseObject> {
    const lease = this.leases.get(key);
    if (lease === undefined) throw new NotFoundError(`${key} does not exist`);
    return lease;
  }

  async createLease(key: string, data: LeaseData): Promise<LeaseObject> {
    if (this.leases.has(key)) throw new AlreadyExistsError(`${key} exists`);
    return this.put(key, data);
  }

  async writeLease(key: string, data: LeaseData, generation: string): Promise<LeaseObject> {
    if (this.leases.get(key)?.generation !== generation) throw new ConditionalUpdateFailedError(`${key} has changed`);
    return this.put(key, data);
  }

  async deleteLease(key: string): Promise<void> {
    if (!this.leases.delete(key)) throw new NotFoundError(`${key} does not exist`);
  }

  /** Writes unconditionally, as an outsider does. */
  put(key: string, data: LeaseData): LeaseObject {
    this.#writes += 1;
    const lease = { data: { ...data }, generation: `generation ${this.#writes}` };
    this.leases.set(key, lease);
    return lease;
  }
}
