import {
  AccessDeniedError,
  CorruptDataError,
  errorCode,
  StorageUnavailableError,
  TenureError,
  UnknownOutcomeError,
  UnsafeStorageError,
  type Applied,
} from "../errors.ts";
import { printable } from "../system/logger.ts";
import { UnreadableFileError } from "./file-system.ts";

/** Which call failed. */
export interface FailedCall {
  readonly operation: string;
  readonly storage: string;
  readonly key?: string;
  /** For a write only. */
  readonly applied?: Applied;
}

const denied = ["EACCES", "EPERM"];
/** Something else stands where a directory or a version belongs. */
const misplaced = ["ENOTDIR", "ELOOP", "EISDIR"];
/** No hard links here, or the temporaries lie on another file system: then there is no compare-and-swap. */
const unlinkable = ["ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EXDEV"];

/**
 * Turns the failure of a step into the error that callers see; the only place that does. What is not known here is
 * unavailable for a read, and for a write as `applied` says.
 */
export function fileError(error: unknown, call: FailedCall): unknown {
  if (error instanceof TenureError) return error;
  const code = errorCode(error) ?? "";
  const systemCall: unknown = error instanceof Error ? Reflect.get(error, "syscall") : undefined;
  const step = typeof systemCall === "string" ? systemCall : call.operation;
  const details = { ...call, cause: error };
  const say = (why: string): string =>
    `cannot ${call.operation}${call.key === undefined ? "" : ` "${printable(call.key)}"`} in ${call.storage}: ${why}`;
  if (call.applied === "unknown") return new UnknownOutcomeError(say(named(error, code)), details);
  if (error instanceof UnreadableFileError) return new CorruptDataError(say(error.message), details);
  if (misplaced.includes(code)) {
    return new CorruptDataError(say(`${code}, something else stands where a directory belongs`), details);
  }
  if (unlinkable.includes(code) || (step === "link" && code === "EPERM")) {
    return new UnsafeStorageError(say(`${code}, this file system makes no hard links`), details);
  }
  if (denied.includes(code)) {
    return new AccessDeniedError(say(`${code}, this user may not ${step} there`), details);
  }
  return new StorageUnavailableError(say(named(error, code)), details);
}

function named(error: unknown, code: string): string {
  if (code !== "") return code;
  return error instanceof Error ? error.message : "the step was ended";
}
