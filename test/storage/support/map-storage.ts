import { AlreadyExistsError, ConditionalUpdateFailedError, NotFoundError } from "../../../src/errors.ts";
import {
  decodeLease,
  encodeLease,
  type LeaseData,
  type LeaseObject,
  type LeaseStorage,
} from "../../../src/storage/index.ts";

const nobody: LeaseData = { holderIdentity: "", renewTime: "1970-01-01T00:00:00.000000Z", leaseTransitions: 0 };

/** What an author of a storage may forget. */
export type Flaw = "none" | "absent" | "overwrites" | "blind" | "upserts" | "silent delete" | "counts anew" | "forgets";

/** A storage as the seeds would have one written: four calls over a map. */
export class MapStorage implements LeaseStorage {
  readonly #leases = new Map<string, { readonly body: Uint8Array; readonly generation: string }>();
  readonly #flaw: Flaw;
  #count = 0;

  constructor(flaw: Flaw = "none") {
    this.#flaw = flaw;
  }

  async readLease(at: string): Promise<LeaseObject> {
    const found = this.#leases.get(at);
    if (found === undefined && this.#flaw === "absent") return { data: nobody, generation: "0" };
    if (found === undefined) throw new NotFoundError(`there is no lease ${at}`);
    return { ...decodeLease(found.body, { key: at, version: found.generation }), generation: found.generation };
  }

  async createLease(at: string, next: LeaseData): Promise<LeaseObject> {
    if (this.#leases.has(at) && this.#flaw !== "overwrites") throw new AlreadyExistsError(`there is a lease ${at}`);
    return this.#put(at, next);
  }

  async writeLease(at: string, next: LeaseData, expected: string): Promise<LeaseObject> {
    const found = this.#leases.get(at);
    const isRight = found === undefined ? this.#flaw === "upserts" : found.generation === expected;
    if (!isRight && !(this.#flaw === "blind" && found !== undefined))
      throw new ConditionalUpdateFailedError(`${at} has changed`);
    return this.#put(at, next);
  }

  async deleteLease(at: string): Promise<void> {
    if (this.#flaw === "counts anew") this.#count = 0;
    if (!this.#leases.delete(at) && this.#flaw !== "silent delete") throw new NotFoundError(`there is no lease ${at}`);
  }

  #put(at: string, next: LeaseData): LeaseObject {
    const { unknownFields: _unknown, ...known } = next;
    const body = encodeLease(this.#flaw === "forgets" ? known : next);
    const generation = String((this.#count += 1));
    this.#leases.set(at, { body, generation });
    return { data: next, generation };
  }

  /** As a foreign program would. */
  put(at: string, body: Uint8Array): void {
    this.#leases.set(at, { body, generation: String((this.#count += 1)) });
  }
}
