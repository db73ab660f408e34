import {
  AccessDeniedError,
  InvalidSettingsError,
  StorageUnavailableError,
  type TenureError,
  UnknownOutcomeError,
  UnsafeStorageError,
} from "../errors.ts";
import { printable } from "../system/logger.ts";
import type { GCSAnswer } from "./gcs-request.ts";

/** Which call failed. */
export interface FailedGCSCall {
  readonly operation: string;
  readonly storage: string;
  readonly key?: string;
  readonly writes: boolean;
}

/** What an answer that is no success says of itself. */
export interface GCSRefusal {
  /** Like `conditionNotMet`; `""` if it gives none. */
  readonly reason: string;
  readonly message: string;
  /** Not by the storage: the page of a proxy, or nothing that can be read. It proves nothing. */
  readonly isForeign: boolean;
}

/** The rights that a call needs, on the objects below the prefix. */
const rights: Readonly<Record<string, string>> = {
  read: "storage.objects.get and storage.objects.list",
  create: "storage.objects.create",
  replace: "storage.objects.create and storage.objects.delete",
  remove: "storage.objects.delete",
  list: "storage.objects.list",
  watch: "storage.objects.get and storage.objects.list",
  check: "storage.objects.get and storage.objects.list",
  probe: "storage.buckets.get",
};

/** Reasons that come with 403 or 503 as well as with 429, always before the request was looked at. */
const throttled = /^(?:slowDown|(?:usageLimits\.)?(?:rateLimitExceeded|userRateLimitExceeded|quotaExceeded))$/i;
/** A renewal overwrites, which these settings of a bucket forbid. */
const frozen = /^(?:retentionPolicyNotMet|objectUnderActiveHold)$/;

/** Reads the JSON, or the bare text, of an answer that is no success. */
export function refusalOf({ body }: GCSAnswer): GCSRefusal {
  const text = body === undefined ? "<" : new TextDecoder().decode(body).trim();
  if (text.startsWith("<")) return { reason: "", message: "", isForeign: true };
  try {
    const error = field(JSON.parse(text), "error");
    const [reason, message] = [field(field(field(error, "errors"), "0"), "reason"), field(error, "message")];
    return {
      reason: typeof reason === "string" && /^[\w.]{1,60}$/.test(reason) ? reason : "",
      message: typeof message === "string" ? message : "",
      isForeign: false,
    };
  } catch {
    return { reason: "", message: text, isForeign: false }; // media requests are refused in bare text
  }
}

function field(value: unknown, name: string): unknown {
  return Reflect.get(Object(value), name);
}

/** Whether a 404 means that the object is absent, not its bucket. */
export function isObjectMissing(answer: GCSAnswer, creates = false): boolean {
  if (answer.status !== 404 || creates) return false;
  const { message, isForeign } = refusalOf(answer);
  if (isForeign) return false;
  return /^no such object/i.test(message) || !/\bbucket\b/i.test(message);
}

/** Whether the condition of a write was refused, so that the race is lost. */
export function isLost(answer: GCSAnswer, creates: boolean): boolean {
  return (answer.status === 412 && !refusalOf(answer).isForeign) || isObjectMissing(answer, creates);
}

/**
 * The error for an answer that is no success; the only place that judges one. A refusal proves that nothing was changed
 * only if it is listed here and comes from the storage itself; of a write, anything else is unknown.
 */
export function refused(answer: GCSAnswer, call: FailedGCSCall): TenureError {
  const { status } = answer;
  const { reason, message, isForeign } = refusalOf(answer);
  const details = { ...where(call), ...(call.writes && ({ applied: "no" } as const)) };
  const say = (why: string): string => said(call, `${[status, reason].filter(Boolean).join(" ")}, ${why}`);
  if (isForeign) return doubtful(call, `${status}, and the answer is not one of Google Cloud Storage`);
  if (status === 429 || ((status === 403 || status === 503) && throttled.test(reason))) {
    const retryAfterMs = retryAfter(answer);
    const pause = retryAfterMs === undefined ? {} : { retryAfterMs };
    return new StorageUnavailableError(say("too many requests"), { ...details, ...pause });
  }
  if (status === 401) {
    const how = "renew the credentials: gcloud auth application-default login, or a service account that exists";
    return new AccessDeniedError(say(`the credentials are refused; ${how}`), details);
  }
  if (status === 403 && frozen.test(reason)) {
    const how = "use a bucket without retention policy, default hold and object holds";
    return new UnsafeStorageError(say(`the bucket forbids to overwrite objects; ${how}`), details);
  }
  if (status === 403) return new AccessDeniedError(say(missingRight(message, call.operation)), details);
  if (status === 404) {
    return new InvalidSettingsError([say("the bucket does not exist; create it, or correct its name")], details);
  }
  if (status === 400 && /requester pays|user project/i.test(message)) {
    return new InvalidSettingsError([say("the requester pays; name a project with userProject")], details);
  }
  if (status === 400 || status === 413) {
    return new InvalidSettingsError([say("the request is refused; look at bucket, prefix and userProject")], details);
  }
  return doubtful(call, `${[status, reason].filter(Boolean).join(" ")}`);
}

/** The right that the answer names, or those that the call needs. */
function missingRight(message: string, operation: string): string {
  const named = /\bstorage\.(?:objects|buckets)\.[a-zA-Z]{1,30}\b/.exec(message)?.[0];
  const needed = `${operation} needs ${rights[operation] ?? "storage.objects.get"}`;
  if (/serviceusage|user ?project/i.test(message)) return `${needed}, and serviceusage.services.use on userProject`;
  return named === undefined ? `a right is missing; ${needed}` : `the right ${named} is missing; ${needed}`;
}

/** In seconds, as Google sends it; a date would need a clock that both sides share. */
function retryAfter({ headers }: GCSAnswer): number | undefined {
  const text = headers.get("retry-after") ?? "";
  return /^\d{1,9}(?:\.\d{1,3})?$/.test(text) ? Math.round(Number(text) * 1000) : undefined;
}

/** Trouble that proves nothing: unavailable for a read, unknown for a write. */
export function doubtful(call: FailedGCSCall, why: string, cause?: unknown): TenureError {
  const details = { ...where(call), cause };
  if (call.writes) return new UnknownOutcomeError(said(call, why), details);
  return new StorageUnavailableError(said(call, why), details);
}

/** Nothing was sent. */
export function unsent(call: FailedGCSCall, why: string, cause?: unknown): StorageUnavailableError {
  return new StorageUnavailableError(said(call, why), {
    ...where(call),
    ...(call.writes && ({ applied: "no" } as const)),
    cause,
  });
}

/** `cannot replace "billing" in gs://acme-leases: …` */
export function said({ operation, storage, key }: FailedGCSCall, why: string): string {
  return `cannot ${operation}${key === undefined ? "" : ` "${printable(key)}"`} in ${storage}: ${why}`;
}

/** The fields of an error. */
export function where({ operation, storage, key }: FailedGCSCall): {
  readonly operation: string;
  readonly storage: string;
  readonly key?: string;
} {
  return { operation, storage, ...(key !== undefined && { key }) };
}
