import {
  AccessDeniedError,
  errorCode,
  InvalidSettingsError,
  StorageUnavailableError,
  TenureError,
  UnknownOutcomeError,
  type Applied,
} from "../errors.ts";
import { printable } from "../system/logger.ts";

/** Which call failed. */
export interface FailedCall {
  readonly operation: string;
  readonly storage: string;
  readonly key?: string;
  /** For a write only: how far it had come. */
  readonly applied?: Applied;
}

/** The server refused, and has rolled back: provably no effect. */
const refused: Readonly<Record<string, string>> = {
  "40001": "another transaction came first; transactions should be read committed",
  "40P01": "a deadlock was broken",
  "55P03": "the row is locked, and lock_timeout has passed",
  "57014": "the statement was cancelled, or statement_timeout has passed",
  "57P03": "the server is starting or stopping",
  "53300": "the server takes no more connections; lower maxConnections, or raise its max_connections",
  "25006": "the server takes no writes: it is a standby, or default_transaction_read_only is on",
};

const denied: Readonly<Record<string, string>> = {
  "28P01": "the server refuses user and password; correct them",
  "28000": "the server refuses this user from here; pg_hba.conf has to allow it, perhaps only with ssl",
  "42501":
    "the role may not do this; grant SELECT, INSERT, UPDATE and DELETE on the table, and USAGE on its schema " +
    "(CREATE too, if the table is missing)",
};

/** There is no such place, or it is not ours. */
const misplaced: Readonly<Record<string, string>> = {
  "3D000": "there is no such database; create it, or correct the URL",
  "3F000": "there is no such schema; create it, or correct schema=",
  "42P01": "there is no such table; create it, or let create=on do so",
  "42703": "the table is not one of ours; correct table=",
  "42804": "the table is not one of ours; correct table=",
  "42P10": "the table is not one of ours, its key is not unique; correct table=",
  "42883": "the server lacks a function; PostgreSQL 13 is the oldest that has them all",
  "22021": "the encoding of the database is not UTF8",
  "22P05": "the encoding of the database is not UTF8",
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted(),
  SELF_SIGNED_CERT_IN_CHAIN: untrusted(),
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted(),
  UNABLE_TO_GET_ISSUER_CERT: untrusted(),
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted(),
  ERR_TLS_CERT_ALTNAME_INVALID:
    "the certificate of the server has another name; correct the host, or say ssl=verify-ca",
};

/** What `pg` says without a code; these texts never vary, so that they show nothing. */
const said: Readonly<Record<string, string>> = {
  "The server does not support SSL connections": "the server offers no TLS; turn it on there, or say ssl=disable",
};

function untrusted(): string {
  return "the certificate of the server is signed by nobody who is trusted here; name its CA in NODE_EXTRA_CA_CERTS";
}

/**
 * Turns what the client throws into the error that callers see; the only place that does. Only exactly listed codes
 * prove that a statement which was sent had no effect: 57P01, 57P02 and a lost connection do not.
 *
 * The client's own error may quote values and user names, so that only its class and code are kept.
 */
export function postgresError(error: unknown, call: FailedCall): TenureError {
  if (error instanceof TenureError) return error;
  const code = errorCode(error) ?? "";
  const where = { ...call, cause: shownCause(error, code) };
  const without = { ...where, ...(call.applied !== undefined && ({ applied: "no" } as const)) };
  const say = (why: string): string =>
    `cannot ${call.operation}${call.key === undefined ? "" : ` "${printable(call.key)}"`} in ${call.storage}: ${why}`;
  const known = Object.hasOwn(said, messageOf(error)) ? said[messageOf(error)] : undefined;
  const wrong = misplaced[code] ?? known;
  if (wrong !== undefined) return new InvalidSettingsError([say(coded(wrong, code))], without);
  if (denied[code] !== undefined) return new AccessDeniedError(say(coded(denied[code], code)), without);
  if (refused[code] !== undefined) return new StorageUnavailableError(say(coded(refused[code], code)), without);
  const why = coded("the connection failed", code);
  if (call.applied === "unknown") return new UnknownOutcomeError(say(why), where);
  return new StorageUnavailableError(say(why), without);
}

/** Whether the server itself answered: then the session is as good as before, unless it says that it ends. */
export function isStatementError(error: unknown): boolean {
  return typeof error === "object" && error !== null && Reflect.get(error, "severity") === "ERROR";
}

function coded(why: string, code: string): string {
  return code === "" ? why : `${why} (${printable(code, 40)})`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "";
}

function shownCause(error: unknown, code: string): Error {
  const name = error instanceof Error ? error.name : typeof error;
  const cause = new Error(coded(name, code));
  return code === "" ? cause : Object.assign(cause, { code });
}
