import {
  ClosedError,
  InvalidSettingsError,
  StorageUnavailableError,
  TenureError,
  UnknownOutcomeError,
} from "../errors.ts";
import type { Clock } from "../system/clock.ts";
import { printable } from "../system/logger.ts";
import { TimeoutError, withDeadline } from "../system/signals.ts";

/**
 * What the driver knows of a write that is under way. It starts as `"unknown"`; a driver that can stop before it sends
 * says `"no"` first, and `"unknown"` in the step that sends. With `"no"` nothing may be sent once the attempt's signal
 * has fallen.
 */
export interface WriteProgress {
  applied: "no" | "unknown";
}

/** One call to a storage: what it is, and what ends it. */
export interface StorageCall {
  /** `"read"`, `"replace"`, …; for messages: "cannot read". */
  readonly operation: string;
  /** The description of the storage. */
  readonly storage: string;
  readonly key?: string | undefined;
  /**
   * Whether the call changes something: then its own deadline leaves an unknown outcome behind, unless `progress`
   * says "no".
   */
  readonly writes: boolean;
  readonly progress?: WriteProgress | undefined;
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** The caller's signal. */
  readonly signal?: AbortSignal | undefined;
  /** Falls when the storage is closed. */
  readonly closing: AbortSignal;
}

/**
 * Makes one attempt, and settles whatever the storage does: at the deadline with `STORAGE_UNAVAILABLE` (a read) or
 * `OUTCOME_UNKNOWN` (a write) and a `TimeoutError` as cause; at the caller's abort with `signal.reason`, untouched; at
 * `close()` with `CLOSED`. `attempt` gets a signal that falls at each of these and has to destroy what it uses.
 *
 * What `attempt` throws passes if it is one of ours. Anything else is trouble that the driver did not know: unavailable
 * for a
 * read, unknown for a write, never "lost".
 */
export async function storageCall<T>(call: StorageCall, attempt: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { clock, timeoutMs, signal, closing } = call;
  if (closing.aborted) throw closed(call, "no");
  signal?.throwIfAborted();
  if (typeof timeoutMs !== "number" || Number.isNaN(timeoutMs) || timeoutMs === Infinity) {
    throw new InvalidSettingsError(
      [`timeoutMs (${String(timeoutMs)}) must be a number of milliseconds`],
      where(call, "no"),
    );
  }
  if (timeoutMs <= 0) throw new StorageUnavailableError(message(call, "its deadline has passed"), tooLate(call));
  try {
    return await withDeadline({ clock, timeoutMs, signal, closing }, attempt);
  } catch (error) {
    throw explain(call, error);
  }
}

function explain(call: StorageCall, error: unknown): unknown {
  const { signal, closing } = call;
  if (signal?.aborted && error === signal.reason) return error;
  const applied = call.progress?.applied ?? "unknown";
  if (closing.aborted && error === closing.reason) return closed(call, applied);
  if (error instanceof TenureError) return error;
  const text = message(call, error instanceof TimeoutError ? error.message : `it failed (${named(error)})`);
  const details = { ...where(call), cause: error };
  if (call.writes && applied === "unknown") return new UnknownOutcomeError(text, details);
  return new StorageUnavailableError(text, { ...details, ...(call.writes && { applied }) });
}

type Where = {
  readonly operation: string;
  readonly storage: string;
  readonly key?: string;
  readonly applied?: "no" | "unknown";
};

function where(call: StorageCall, applied?: "no" | "unknown"): Where {
  const { operation, storage, key } = call;
  return { operation, storage, ...(key !== undefined && { key }), ...(call.writes && applied && { applied }) };
}

function tooLate(call: StorageCall): Where & { cause: TimeoutError } {
  return { ...where(call, "no"), cause: new TimeoutError("the deadline had passed before anything was sent") };
}

function closed(call: StorageCall, applied: "no" | "unknown"): ClosedError {
  return new ClosedError(message(call, "it was closed"), where(call, applied));
}

function message({ operation, storage, key }: StorageCall, why: string): string {
  return `cannot ${operation}${key === undefined ? "" : ` "${printable(key)}"`} in ${storage}: ${why}`;
}

/** Class and code only: a foreign message may quote what must not be shown. */
function named(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const code: unknown = Reflect.get(error, "code");
  return typeof code === "string" ? `${error.name} ${printable(code, 40)}` : error.name;
}
