import {
  AccessDeniedError,
  ClosedError,
  CorruptDataError,
  StorageUnavailableError,
  UnknownOutcomeError,
  errorCode,
  type TenureError,
} from "../errors.ts";
import { printable } from "../system/logger.ts";
import type { TimeoutError } from "../system/signals.ts";
import type { RecordSource } from "./record-codec.ts";

/** Makes the errors of one lease's lock. */
export class LeaseTrouble {
  readonly #key: string;
  readonly #storage: string;

  constructor(key: string, storage: string) {
    this.#key = key;
    this.#storage = storage;
  }

  /** Where a record was read, for messages. */
  source(version: unknown): RecordSource {
    const place = { storage: this.#storage, key: this.#key };
    return typeof version === "string" ? { ...place, version } : place;
  }

  readOverdue(cause: TimeoutError): StorageUnavailableError {
    return new StorageUnavailableError(`cannot read ${this.#place()}: ${cause.message}`, this.#details("read", cause));
  }

  /** A read that returned something, but nothing that a write could name. */
  noGeneration(): CorruptDataError {
    return new CorruptDataError(`cannot read ${this.#place()}: it has no generation`, this.#details("read", undefined));
  }

  /** A write that was sent, and whose answer did not come (`cause`) or told no generation. */
  unknown(operation: string, cause?: TimeoutError): UnknownOutcomeError {
    const why = cause?.message ?? "the answer holds no generation";
    return new UnknownOutcomeError(`cannot ${operation} ${this.#place()}: ${why}`, this.#details(operation, cause));
  }

  /** The read before a write failed, so nothing was written; the code stays, for it tells the reader what to do. */
  beforeWriting(cause: unknown): TenureError {
    const message = `cannot update ${this.#place()}: the read before the write failed`;
    const details = { ...this.#details("update", cause), applied: "no" } as const;
    const code = errorCode(cause);
    if (code === "ACCESS_DENIED") return new AccessDeniedError(message, details);
    if (code === "CORRUPT_DATA") return new CorruptDataError(message, details);
    if (code === "CLOSED") return new ClosedError(message, details);
    const asked: unknown = code === undefined ? undefined : Reflect.get(Object(cause), "retryAfterMs");
    return new StorageUnavailableError(message, {
      ...details,
      ...(typeof asked === "number" && { retryAfterMs: asked }),
    });
  }

  #place(): string {
    return `lease "${printable(this.#key)}" in ${this.#storage}`;
  }

  #details(operation: string, cause: unknown): { operation: string; storage: string; key: string; cause?: unknown } {
    const details = { operation, storage: this.#storage, key: this.#key };
    return cause === undefined ? details : { ...details, cause };
  }
}
