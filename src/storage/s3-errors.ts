import {
  AccessDeniedError,
  InvalidSettingsError,
  StorageUnavailableError,
  TenureError,
  UnknownOutcomeError,
  UnsupportedError,
} from "../errors.ts";
import { printable } from "../system/logger.ts";

/** Which call failed, and how. */
export interface S3Call {
  readonly operation: string;
  /** The description of the storage. */
  readonly storage: string;
  readonly key?: string;
  /** For a write: `"no"` as long as nothing was sent that could change anything. */
  readonly applied?: "no" | "unknown";
}

/** What an error of the client says, as far as it may be shown: never a message, a header or a body. */
interface Facts {
  /** The code of S3, or the name of the client's own error. */
  readonly name: string;
  /** The code of Node, of a socket or of TLS. */
  readonly code: string;
  readonly status: number | undefined;
  readonly requestId: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly region: string | undefined;
}

/** What the error means, and what to do about it. */
interface Verdict {
  readonly kind: "denied" | "settings" | "unavailable" | "unsupported";
  readonly why: string;
}

const badKeys = "the credentials are wrong or have expired; correct them";
const elsewhere = "the bucket is in another region; correct region=";
const slowDown = "it asks for fewer requests";
const busy = "another conditional write of this object is under way";
const untrusted = "its certificate is not trusted; let NODE_EXTRA_CA_CERTS name its CA, or correct the endpoint";

/** Codes of S3 that prove that nothing was done. Whatever is not listed here proves nothing. */
const verdicts: Readonly<Record<string, Verdict>> = {
  AccessDenied: { kind: "denied", why: "" }, // the missing right is named below
  AllAccessDisabled: { kind: "denied", why: "all access to the bucket is disabled" },
  AccountProblem: { kind: "denied", why: "there is a problem with the account" },
  InvalidAccessKeyId: { kind: "denied", why: badKeys },
  SignatureDoesNotMatch: { kind: "denied", why: badKeys },
  InvalidSecurity: { kind: "denied", why: badKeys },
  XAdminUserNotFound: { kind: "denied", why: badKeys }, // versitygw, with status 404
  ExpiredToken: { kind: "denied", why: badKeys },
  InvalidToken: { kind: "denied", why: badKeys },
  TokenRefreshRequired: { kind: "denied", why: badKeys },
  NotSignedUp: { kind: "denied", why: "the account is not signed up for S3" },
  CredentialsProviderError: { kind: "denied", why: "the client found no credentials; give it a role or a profile" },
  NoSuchBucket: { kind: "settings", why: "there is no such bucket; create it, or correct the URL" },
  InvalidBucketName: { kind: "settings", why: "the bucket cannot have that name; correct the URL" },
  PermanentRedirect: { kind: "settings", why: elsewhere },
  AuthorizationHeaderMalformed: { kind: "settings", why: elsewhere },
  IllegalLocationConstraintException: { kind: "settings", why: elsewhere },
  SlowDown: { kind: "unavailable", why: slowDown },
  SlowDownRead: { kind: "unavailable", why: slowDown },
  SlowDownWrite: { kind: "unavailable", why: slowDown },
  RequestLimitExceeded: { kind: "unavailable", why: slowDown },
  TooManyRequests: { kind: "unavailable", why: slowDown },
  ThrottlingException: { kind: "unavailable", why: slowDown },
  RequestTimeTooSkewed: { kind: "unavailable", why: "the clock of this host is wrong by more than 15 minutes" },
  NotImplemented: {
    kind: "unsupported",
    why: "it does not know conditional writes, or no encryption at rest; for the latter say sse=none",
  },
  KeyTooLongError: { kind: "unsupported", why: "it does not take names that long" },
  ObjectParentIsFile: { kind: "unsupported", why: "it keeps files, and cannot have a key beside one below it" },
  ExistingObjectIsDirectory: { kind: "unsupported", why: "it keeps files, and cannot have a key beside one below it" },
};

/** Nothing was sent: nobody listens, or no address is known, or no handshake took place. */
const neverSent: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nobody listens there",
  ENOTFOUND: "its host name is not known; correct the endpoint",
  EAI_AGAIN: "its host name cannot be looked up now",
  ENETUNREACH: "there is no way to its network",
  EHOSTUNREACH: "there is no way to its host",
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name; correct the endpoint",
};

/** Any other doubt about a certificate; it is judged before the request is written. */
const certificate = /^(?:CERT_|ERR_TLS_CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA)/;

/** What proves nothing, and yet may be known. */
const doubts: Readonly<Record<string, string>> = {
  EPROTO: "TLS failed; if it always does, it does not speak TLS: correct the endpoint",
};

/** The right that an operation needs first. */
const rights: Readonly<Record<string, string>> = {
  read: "s3:GetObject, and s3:ListBucket, without which S3 denies what is only missing",
  watch: "s3:GetObject, and s3:ListBucket, without which S3 denies what is only missing",
  create: "s3:PutObject, and s3:GetObject for its condition",
  replace: "s3:PutObject, and s3:GetObject for its condition",
  remove: "s3:PutObject, and s3:GetObject for its condition",
  list: "s3:ListBucket",
  check: "s3:ListBucket",
  sweep: "s3:DeleteObject and s3:ListBucket",
  "check the settings": "s3:GetLifecycleConfiguration",
};

/** Turns the failure of a request into the error that callers see; the only place that does. */
export function s3Error(error: unknown, call: S3Call): Error {
  if (error instanceof TenureError) return error;
  const facts = factsOf(error);
  const verdict = verdictOf(facts, call);
  const { operation, storage, key } = call;
  const where = { operation, storage, ...(key !== undefined && { key }), cause: causeOf(facts) };
  const say = (why: string): string => sayS3(call, `${why} (${summaryOf(facts)})`);
  if (verdict === undefined && call.applied === "unknown") {
    return new UnknownOutcomeError(say(doubts[facts.code] ?? "no answer that says what was done"), where);
  }
  const details = { ...where, ...(call.applied !== undefined && ({ applied: "no" } as const)) };
  const { kind, why } = verdict ?? { kind: "unavailable", why: doubts[facts.code] ?? "it failed" };
  if (kind === "denied") return new AccessDeniedError(say(why), details);
  if (kind === "settings") return new InvalidSettingsError([say(why)], details);
  if (kind === "unsupported") return new UnsupportedError(say(why), details);
  const { retryAfterMs } = facts;
  return new StorageUnavailableError(say(why), { ...details, ...(retryAfterMs !== undefined && { retryAfterMs }) });
}

/** What cannot be done, where, and why. */
export function sayS3({ operation, storage, key }: Omit<S3Call, "applied">, why: string): string {
  return `cannot ${operation}${key === undefined ? "" : ` "${printable(key)}"`} in ${storage}: ${why}`;
}

/** Whether a condition was refused: 412, or no such object if the condition names the version of one. */
export function isRefused(error: unknown, namesVersion: boolean): boolean {
  const { name, status } = factsOf(error);
  return status === 412 || (namesVersion && name === "NoSuchKey");
}

/** Whether there is no such object. Only `NoSuchKey` says that; a missing bucket is a 404 as well. */
export function isMissing(error: unknown): boolean {
  return factsOf(error).name === "NoSuchKey";
}

/** The status of an answer that the client threw, as it does with 304. */
export function statusOf(error: unknown): number | undefined {
  return factsOf(error).status;
}

function verdictOf(facts: Facts, { operation }: S3Call): Verdict | undefined {
  const { name, code, status, region } = facts;
  // 409 as well for other reasons (a parent that is a file, a bucket in the wrong state): only these two are "busy"
  if (name === "ConditionalRequestConflict" || name === "OperationAborted") return { kind: "unavailable", why: busy };
  const known = Object.hasOwn(verdicts, name) ? verdicts[name] : undefined;
  const denied = `the right ${rights[operation] ?? operation} is missing`;
  if (known !== undefined) {
    if (known.why === "") return { kind: "denied", why: denied };
    return known.why === elsewhere && region !== undefined ? { ...known, why: `${elsewhere}${region}` } : known;
  }
  if (name.startsWith("KMS.")) return { kind: "settings", why: "the key of KMS cannot be used; correct kmsKeyId=" };
  if (status === 401 || status === 403) return { kind: "denied", why: denied };
  if (status === 429) return { kind: "unavailable", why: slowDown };
  if (status !== undefined) return undefined;
  if (Object.hasOwn(neverSent, code)) return { kind: "unavailable", why: neverSent[code] ?? "" };
  return certificate.test(code) ? { kind: "unavailable", why: untrusted } : undefined;
}

function factsOf(error: unknown): Facts {
  const thrown = Object(error) as Readonly<Record<string, unknown>>; // cast: an object; every field is looked at
  const metadata = Object(thrown["$metadata"]) as Readonly<Record<string, unknown>>; // cast: as above
  const status = metadata["httpStatusCode"];
  const requestId = metadata["requestId"];
  const retryAfter = Number(headerOf(thrown, "retry-after") ?? NaN);
  const region = headerOf(thrown, "x-amz-bucket-region") ?? thrown["Region"];
  return {
    name: typeof thrown["name"] === "string" ? thrown["name"] : "",
    code: codeOf(thrown),
    status: typeof status === "number" ? status : undefined,
    requestId: typeof requestId === "string" ? requestId.split(",")[0] : undefined, // versitygw says it twice
    retryAfterMs: retryAfter >= 0 && retryAfter < 1e6 ? Math.round(retryAfter * 1000) : undefined,
    region: typeof region === "string" && /^[a-z0-9-]{1,40}$/.test(region) ? region : undefined,
  };
}

function headerOf(thrown: Readonly<Record<string, unknown>>, name: string): unknown {
  const headers: unknown = Reflect.get(Object(thrown["$response"]), "headers");
  return Reflect.get(Object(headers), name);
}

/** A name with two addresses is refused only if each of them is: then the error is an `AggregateError`. */
function codeOf(thrown: Readonly<Record<string, unknown>>): string {
  const { errors } = thrown;
  if (Array.isArray(errors) && errors.length > 0) {
    const codes = new Set(errors.map((each: unknown) => codeOf(Object(each) as Record<string, unknown>))); // cast: same
    return codes.size === 1 ? ([...codes][0] ?? "") : "";
  }
  return typeof thrown["code"] === "string" ? thrown["code"] : "";
}

/** A reset is *named* `TimeoutError` by the client, so that its code goes first. */
function summaryOf({ name, code, status, requestId }: Facts): string {
  const what = code === "" ? name || "no error" : code;
  const rest = [
    ...(status === undefined ? [] : [`status ${status}`]),
    ...(requestId === undefined ? [] : [`request ${requestId}`]),
  ];
  return printable([what, ...rest].join(", "), 120);
}

/** The original holds the request with its signed headers, so only what may be shown travels on. */
function causeOf(facts: Facts): Error {
  const cause = new Error(summaryOf(facts));
  cause.name = printable(facts.name || "Error", 60);
  return cause;
}
