import {
  ControllerSilentError,
  GlobalStorageUnhealthyError,
  LocalContentionError,
  StorageUnavailableError,
  UnknownOutcomeError,
  type TenureError,
} from "../errors.ts";
import { LeaseTrouble } from "../lock/lease-trouble.ts";
import { printable } from "../system/logger.ts";
import type { OpenVerdict } from "./verdict-wait.ts";

/** Makes the errors of signals that were not answered, or not sent. */
export class SignalTrouble {
  readonly #key: string;
  readonly #cluster: string;

  constructor(key: string, cluster: string) {
    this.#key = key;
    this.#cluster = cluster;
  }

  /** The time is over; `cause` is the last read that failed meanwhile. */
  silent(operation: string, { silence, told }: OpenVerdict, cause: unknown): TenureError {
    const details = { ...this.#details(operation), ...(cause !== undefined && { cause }) };
    const text = printable(told, 200);
    switch (silence) {
      case "CONTROLLER_SILENT":
        return new ControllerSilentError(this.#say(operation, "no controller has answered: does one run?"), details);
      case "GLOBAL_STORAGE_UNHEALTHY":
        return new GlobalStorageUnhealthyError(this.#say(operation, `the controller says: ${text}`), details);
      case "LOCAL_CONTENTION": {
        const who = text === "" ? "another candidate of this cluster" : text;
        return new LocalContentionError(this.#say(operation, `${who} wrote over the signal`), details);
      }
      case "OUTCOME_UNKNOWN": {
        const why = text === "" ? "the controller has neither confirmed nor refused the signal" : text;
        return new UnknownOutcomeError(this.#say(operation, why), details);
      }
    }
  }

  /** The read before a write failed, so nothing was written; the code stays, for it tells the reader what to do. */
  beforeWriting(cause: unknown): TenureError {
    return new LeaseTrouble(this.#key, this.#cluster).beforeWriting(cause);
  }

  unknown(operation: string, why: string): UnknownOutcomeError {
    return new UnknownOutcomeError(this.#say(operation, why), this.#details(operation));
  }

  /** Nothing was sent, or what was sent changes nothing: to be tried again after a pause, not at once. */
  refused(operation: string, why: string): StorageUnavailableError {
    return new StorageUnavailableError(this.#say(operation, why), { ...this.#details(operation), applied: "no" });
  }

  #say(operation: string, why: string): string {
    return `cannot ${operation} multiclusterlease "${printable(this.#key)}" in ${this.#cluster}: ${why}`;
  }

  #details(operation: string): { readonly operation: string; readonly storage: string; readonly key: string } {
    return { operation, storage: this.#cluster, key: this.#key };
  }
}
