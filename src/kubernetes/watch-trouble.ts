import { errorCode, StorageUnavailableError } from "../errors.ts";
import { printable } from "../system/logger.ts";
import { isAhead, isExpired } from "./api-error.ts";
import { readStatus } from "./api-status.ts";

/** What went wrong with a list or a watch, as far as it matters for what follows. */
export interface WatchTrouble {
  /**
   * `expired`: history is gone (410). `ahead`: the server has not got that far. `throttled`: 429. `forbidden`: 403.
   * `refused`: what was asked for is not understood (400, 422). `malformed`: a line that may hide a change. `tooLarge`:
   * a page above its bound. `sink`: the sink, not the server. `failed`: all else.
   */
  readonly kind:
    "expired" | "ahead" | "throttled" | "forbidden" | "refused" | "malformed" | "tooLarge" | "sink" | "failed";
  /** The pause that the server asked for; 0 if it did not. */
  readonly toldMs: number;
}

/** A sink that throws must not be taken for a server that does. */
export class SinkError extends Error {
  override readonly name: string = "SinkError";

  constructor(cause: unknown) {
    super("the sink failed", { cause });
  }
}

/** What marks the error of a line that is too long, cut, or no event. */
export const malformedReason: string = "MalformedLine";

/** Judges what a list or a watch threw. */
export function troubleOf(error: unknown): WatchTrouble {
  const asked: unknown = Reflect.get(Object(error), "retryAfterMs");
  const toldMs = typeof asked === "number" && asked > 0 ? asked : 0;
  return { kind: kindOf(error), toldMs };
}

function kindOf(error: unknown): WatchTrouble["kind"] {
  if (error instanceof SinkError) return "sink";
  if (isAhead(error)) return "ahead"; // before the status: it comes as 504, and as 410 from some
  if (isExpired(error)) return "expired";
  const [status, reason]: unknown[] = [Reflect.get(Object(error), "status"), Reflect.get(Object(error), "reason")];
  if (status === 429) return "throttled";
  if (status === 403) return "forbidden";
  if (status === 400 || status === 422) return "refused";
  if (reason === malformedReason) return "malformed";
  if (errorCode(error) === "UNSUPPORTED") return "refused";
  return errorCode(error) === "CORRUPT_DATA" ? "tooLarge" : "failed";
}

/** What an `ERROR` event says, as an error with the fields that one of an answer has. */
export function statusError(object: object): StorageUnavailableError {
  const status = readStatus(object);
  const code = Number(Reflect.get(object, "code"));
  const reason = status?.isAhead === true ? "ResourceVersionTooLarge" : (status?.reason ?? "");
  const seconds = status?.details?.retryAfterSeconds;
  const details = { operation: "watch", ...(seconds !== undefined && { retryAfterMs: seconds * 1000 }) };
  const error = new StorageUnavailableError(`the server ended the watch: ${code} ${printable(reason, 60)}`, details);
  return Object.assign(error, { status: code, reason });
}
