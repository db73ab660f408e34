/** What became of the write behind an error: `"no"` is proved to have had no effect; anything else is `"unknown"`. */
export type Applied = "no" | "unknown";

/**
 * The closed list of error codes; each one tells the reader to do something different. Part of the API, unlike
 * messages.
 */
export type TenureErrorCode =
  | "INVALID_SETTINGS"
  | "INVALID_KEY"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "CONDITIONAL_UPDATE_FAILED"
  | "STORAGE_UNAVAILABLE"
  | "OUTCOME_UNKNOWN"
  | "ACCESS_DENIED"
  | "UNSAFE_STORAGE"
  | "UNSUPPORTED"
  | "CORRUPT_DATA"
  | "VALUE_TOO_LARGE"
  | "PACKAGE_MISSING"
  | "LEADERSHIP_LOST"
  | "STALE_TERM"
  | "WORK_OVERRUN"
  | "ALREADY_RUNNING"
  | "CLOSED"
  | "CONTROLLER_SILENT"
  | "GLOBAL_STORAGE_UNHEALTHY"
  | "LOCAL_CONTENTION";

/** Where an error happened. */
export interface ErrorDetails {
  /** What was tried: `"read"`, `"replace"`, … */
  readonly operation?: string;
  /** The description of the storage or lock; holds no secret. */
  readonly storage?: string;
  readonly key?: string;
  /** For a write: whether it may have happened. */
  readonly applied?: Applied;
  readonly cause?: unknown;
}

/**
 * The base of every error that tenure throws by itself. Compare `code`: it also works across two copies of the package.
 */
export class TenureError extends Error {
  readonly code: TenureErrorCode;
  readonly operation?: string;
  readonly storage?: string;
  readonly key?: string;
  /** Set on errors of writes: `"no"` when it is proved that nothing was changed, `"unknown"` otherwise. */
  readonly applied?: Applied;

  constructor(code: TenureErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = code;
    if (details.operation !== undefined) this.operation = details.operation;
    if (details.storage !== undefined) this.storage = details.storage;
    if (details.key !== undefined) this.key = details.key;
    if (details.applied !== undefined) this.applied = details.applied;
  }
}

/** Settings, options or a URL are wrong. Fix the call; retrying cannot help. */
export class InvalidSettingsError extends TenureError {
  /** Every problem that was found, each naming the option, its value and the bound. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[], details: ErrorDetails = {}) {
    super("INVALID_SETTINGS", problems.join("; "), details);
    this.problems = [...problems];
  }
}

/** A key lies outside the grammar. Nothing was sent. */
export class InvalidKeyError extends TenureError {
  constructor(message: string, details: ErrorDetails = {}) {
    super("INVALID_KEY", message, { ...details, applied: "no" });
  }
}

/** The lease does not exist. Thrown by the typed layers only; a `VersionedStorage` returns `undefined`. */
export class NotFoundError extends TenureError {
  constructor(message: string, details: ErrorDetails = {}) {
    super("NOT_FOUND", message, details);
  }
}

/** The lease exists already. Read again, decide again. */
export class AlreadyExistsError extends TenureError {
  constructor(message: string, details: ErrorDetails = {}) {
    super("ALREADY_EXISTS", message, { ...details, applied: "no" });
  }
}

/** Somebody else wrote in between (or removed the lease). Read again, decide again. */
export class ConditionalUpdateFailedError extends TenureError {
  constructor(message: string, details: ErrorDetails = {}) {
    super("CONDITIONAL_UPDATE_FAILED", message, { ...details, applied: "no" });
  }
}

/** A read failed, or a write is proved to have had no effect. Nothing was changed: try later. */
export class StorageUnavailableError extends TenureError {
  /** How long the storage asked to be left alone, in milliseconds, where it said so. */
  readonly retryAfterMs?: number;

  constructor(message: string, details: ErrorDetails & { readonly retryAfterMs?: number } = {}) {
    super("STORAGE_UNAVAILABLE", message, details);
    if (details.retryAfterMs !== undefined) this.retryAfterMs = details.retryAfterMs;
  }
}

/** A write was sent and its end is not known. It may have happened, or may still happen: read before anything else. */
export class UnknownOutcomeError extends TenureError {
  constructor(message: string, details: ErrorDetails = {}) {
    super("OUTCOME_UNKNOWN", message, { ...details, applied: "unknown" });
  }
}

/** The storage refuses these credentials. Grant the right that the message names. */
export class AccessDeniedError extends TenureError {
  constructor(message: string, details: ErrorDetails = {}) {
    super("ACCESS_DENIED", message, details);
  }
}

/**
 * The storage does not do what an election needs (it ignores conditions, repeats versions, …). Choose another place.
 */
export class UnsafeStorageError extends TenureError {
  /** What the probe found; `undefined` where the verdict comes from a setting. */
  readonly report?: unknown;

  constructor(message: string, details: ErrorDetails & { readonly report?: unknown } = {}) {
    super("UNSAFE_STORAGE", message, details);
    if (details.report !== undefined) this.report = details.report;
  }
}

/** The storage or platform lacks a capability. Check `capabilities` first. */
export class UnsupportedError extends TenureError {
  constructor(message: string, details: ErrorDetails = {}) {
    super("UNSUPPORTED", message, details);
  }
}

/** What is stored is damaged, or is not ours. Nothing was overwritten, nobody takes over; a person must look. */
export class CorruptDataError extends TenureError {
  /** The version of what could not be read, where the storage told it. */
  readonly version?: string;

  constructor(message: string, details: ErrorDetails & { readonly version?: string } = {}) {
    super("CORRUPT_DATA", message, details);
    if (details.version !== undefined) this.version = details.version;
  }
}

/** The value is larger than the storage takes. Nothing was sent. */
export class ValueTooLargeError extends TenureError {
  /** The greatest size, in bytes. */
  readonly limit: number;

  constructor(message: string, details: ErrorDetails & { readonly limit: number }) {
    super("VALUE_TOO_LARGE", message, { ...details, applied: "no" });
    this.limit = details.limit;
  }
}

/** A client package is not installed. Install the package that the message names. */
export class PackageMissingError extends TenureError {
  constructor(message: string, details: ErrorDetails = {}) {
    super("PACKAGE_MISSING", message, details);
  }
}

/** The term is over. Stop the work; the elector campaigns again by itself. */
export class LeadershipLostError extends TenureError {
  /** Why the term ended: `"expired"`, `"taken"`, `"resigned"`, … */
  readonly reason: string;
  /**
   * `"refused"`: the step did not start. `"outlasted"`: it ended after the term did, so its effect may have come too
   * late.
   */
  readonly phase: "refused" | "outlasted";
  /** With `"outlasted"`: what the step resolved with. */
  readonly value?: unknown;

  constructor(
    message: string,
    details: ErrorDetails & {
      readonly reason: string;
      readonly phase: "refused" | "outlasted";
      readonly value?: unknown;
    },
  ) {
    super("LEADERSHIP_LOST", message, details);
    this.reason = details.reason;
    this.phase = details.phase;
    if ("value" in details) this.value = details.value;
  }
}

/** A guarded resource has already accepted a larger term. Thrown inside the work, it ends the term as `fenced`. */
export class StaleTermError extends TenureError {
  /** The highest term that the resource has accepted. */
  readonly acceptedTerm: number;

  constructor(message: string, details: ErrorDetails & { readonly acceptedTerm: number }) {
    super("STALE_TERM", message, { applied: "no", ...details });
    this.acceptedTerm = details.acceptedTerm;
  }
}

/** The work did not end within `drainTimeoutMs`, so the lease is left to run out. Make the work heed its signal. */
export class WorkOverrunError extends TenureError {
  constructor(message: string, details: ErrorDetails = {}) {
    super("WORK_OVERRUN", message, details);
  }
}

/** The elector campaigns already, or its lock serves another elector. Fix the order of calls. */
export class AlreadyRunningError extends TenureError {
  constructor(message: string, details: ErrorDetails = {}) {
    super("ALREADY_RUNNING", message, details);
  }
}

/** The storage was closed. Open it again. */
export class ClosedError extends TenureError {
  constructor(message: string, details: ErrorDetails = {}) {
    super("CLOSED", message, details);
  }
}

/** No controller answered the signal of a `MultiClusterLeaseLock` in time: look at the controller of this cluster. */
export class ControllerSilentError extends TenureError {
  constructor(message: string, details: ErrorDetails = {}) {
    super("CONTROLLER_SILENT", message, { ...details, applied: "unknown" });
  }
}

/** The controller could not ask its storage in time: look at that storage, and at the controller's access to it. */
export class GlobalStorageUnhealthyError extends TenureError {
  constructor(message: string, details: ErrorDetails = {}) {
    super("GLOBAL_STORAGE_UNHEALTHY", message, { ...details, applied: "unknown" });
  }
}

/** Another candidate of this cluster wrote over the signal before it was answered: look at that one. */
export class LocalContentionError extends TenureError {
  constructor(message: string, details: ErrorDetails = {}) {
    super("LOCAL_CONTENTION", message, { ...details, applied: "unknown" });
  }
}

/** The code of an error, of this copy of the package or of another one; `undefined` for anything else. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const code: unknown = Reflect.get(error, "code");
  return typeof code === "string" ? code : undefined;
}

/** Whether the lease was not there. Works across two copies of the package, and through wrappers without a code. */
export function isNotFound(error: unknown): boolean {
  return firstCode(error) === "NOT_FOUND";
}

/** Whether a lease that was to be created exists already. Looks as `isNotFound` does. */
export function isAlreadyExists(error: unknown): boolean {
  return firstCode(error) === "ALREADY_EXISTS";
}

/** Whether a conditional write was refused. Looks as `isNotFound` does. */
export function isConditionalUpdateFailed(error: unknown): boolean {
  return firstCode(error) === "CONDITIONAL_UPDATE_FAILED";
}

/**
 * Past wrappers that say nothing themselves, and no further than the first code: a write of unknown outcome may have a
 * refusal as its cause, and proves none.
 */
function firstCode(error: unknown): string | undefined {
  let inner = error;
  for (let depth = 0; depth < 16 && typeof inner === "object" && inner !== null; depth += 1) {
    const code = errorCode(inner);
    if (code !== undefined) return code;
    inner = Reflect.get(inner, "cause");
  }
  return undefined;
}

/**
 * Whether a thrown write may have happened. Only an error that says `applied: "no"` proves that it did not; whatever is
 * not one of ours counts as unknown.
 */
export function appliedOf(error: unknown): Applied {
  return typeof error === "object" && error !== null && Reflect.get(error, "applied") === "no" ? "no" : "unknown";
}
