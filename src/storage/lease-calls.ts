import {
  AlreadyExistsError,
  ConditionalUpdateFailedError,
  errorCode,
  NotFoundError,
  StorageUnavailableError,
  type ErrorDetails,
} from "../errors.ts";
import { sleep, type Clock } from "../system/clock.ts";
import { printable } from "../system/logger.ts";
import { decodeLease, encodeLease } from "./lease-codec.ts";
import type { LeaseData, LeaseObject } from "./lease-storage.ts";
import type { CallOptions, Stored, Version, VersionedStorage } from "./versioned-storage.ts";

/** The deadline of a call that names none. */
export const defaultTimeoutMs: number = 10_000;
/** Between two attempts of a deletion that lost its race, so that a stale answer makes no busy loop. */
const deletePauseMs = 20;

/** `LeaseStorage.readLease` over any storage. */
export async function readLease(storage: VersionedStorage, key: string, options?: CallOptions): Promise<LeaseObject> {
  const stored = await storage.read(key, options);
  if (stored === undefined) throw notFound(storage, "readLease", key);
  return leaseObject(where(storage, "readLease", key), stored);
}

/** `LeaseStorage.createLease` over any storage. */
export async function createLease(
  storage: VersionedStorage,
  { key, data }: { readonly key: string; readonly data: LeaseData },
  options?: CallOptions,
): Promise<LeaseObject> {
  const details = where(storage, "createLease", key);
  const outcome = await storage.create(key, encodeLease(data, details), options);
  if (!outcome.written) throw new AlreadyExistsError(`${place(storage, key)} exists already`, details);
  return { data, generation: outcome.version };
}

/** `LeaseStorage.writeLease` over any storage. */
export async function writeLease(
  storage: VersionedStorage,
  { key, data, generation }: { readonly key: string; readonly data: LeaseData; readonly generation: string },
  options?: CallOptions,
): Promise<LeaseObject> {
  const details = where(storage, "writeLease", key);
  const expected = generation as Version; // cast: a generation is the version that this layer has handed out
  const outcome = await storage.replace(key, encodeLease(data, details), expected, options);
  if (!outcome.written) {
    throw new ConditionalUpdateFailedError(`${place(storage, key)} has another generation, or is gone`, details);
  }
  return { data, generation: outcome.version };
}

/**
 * `LeaseStorage.deleteLease` over any storage: read, remove, and again while the race is lost and the deadline
 * allows.
 */
export async function deleteLease(
  storage: VersionedStorage,
  { key, clock }: { readonly key: string; readonly clock: Clock },
  options: CallOptions = {},
): Promise<void> {
  const { signal, timeoutMs = defaultTimeoutMs } = options;
  const untilMs = clock.monotonicMs() + timeoutMs;
  const left = (): CallOptions => ({ timeoutMs: untilMs - clock.monotonicMs(), ...(signal && { signal }) });
  for (;;) {
    const stored = await storage.read(key, left());
    if (stored === undefined) throw notFound(storage, "deleteLease", key);
    const outcome = await storage.remove(key, stored.version, left());
    if (outcome.written) return;
    if (clock.monotonicMs() + deletePauseMs >= untilMs) {
      const details: ErrorDetails = { ...where(storage, "deleteLease", key), applied: "no" };
      throw new StorageUnavailableError(`cannot delete ${place(storage, key)}: others write it all the time`, details);
    }
    await sleep(clock, deletePauseMs, signal);
  }
}

/**
 * `LeaseStorage.watchLease` over any storage that watches. What cannot be read travels as a bare hint: the next read
 * tells.
 */
export async function* watchLease(
  storage: VersionedStorage,
  key: string,
  options: { readonly signal: AbortSignal },
): AsyncGenerator<{ readonly seen?: LeaseObject }, void, undefined> {
  for await (const { seen } of storage.watch?.(key, options) ?? []) {
    const lease = seen && decodable(storage, key, seen);
    yield lease === undefined ? {} : { seen: lease };
  }
}

function decodable(storage: VersionedStorage, key: string, seen: Stored): LeaseObject | undefined {
  try {
    return leaseObject(where(storage, "watchLease", key), seen);
  } catch (error) {
    if (errorCode(error) === "CORRUPT_DATA") return undefined;
    throw error;
  }
}

function leaseObject(details: ErrorDetails, { value, version }: Stored): LeaseObject {
  const { data, problems } = decodeLease(value, { ...details, version });
  return { data, generation: version, ...(problems.length > 0 && { problems }) };
}

function notFound(storage: VersionedStorage, operation: string, key: string): NotFoundError {
  const writes = operation === "deleteLease" && ({ applied: "no" } as const);
  return new NotFoundError(`${place(storage, key)} does not exist`, { ...where(storage, operation, key), ...writes });
}

function where(
  storage: VersionedStorage,
  operation: string,
  key: string,
): { operation: string; storage: string; key: string } {
  return { operation, storage: storage.description, key };
}

function place(storage: VersionedStorage, key: string): string {
  return `lease "${printable(key)}" in ${storage.description}`;
}
