import {
  AccessDeniedError,
  CorruptDataError,
  InvalidSettingsError,
  StorageUnavailableError,
  UnknownOutcomeError,
  UnsupportedError,
  type Applied,
  type TenureError,
} from "../errors.ts";
import { printable } from "../system/logger.ts";
import { RedisConnectionError, RedisErrorReply } from "./redis-client.ts";

/** Which call failed. */
export interface FailedRedisCall {
  readonly operation: string;
  readonly storage: string;
  readonly key?: string;
  /** For a write only: what is known without looking at the error. */
  readonly applied?: Applied;
  /** For the rule that grants what is missing. */
  readonly prefix: string;
}

/** Said before a command is executed, so nothing was changed; waiting may help. */
const unavailable: Readonly<Record<string, string>> = {
  OOM: "it has no memory left",
  READONLY: "it is a replica",
  NOREPLICAS: "too few replicas are connected to it",
  LOADING: "it is still loading its data",
  MASTERDOWN: "it is a replica without its primary",
  BUSY: "another script runs on it",
  MISCONF: "it cannot write to its disk",
  CLUSTERDOWN: "its cluster is down",
  TRYAGAIN: "its cluster is moving the keys",
  ASK: "its cluster is moving the keys",
};

const denied: readonly string[] = ["NOAUTH", "WRONGPASS", "NOPERM"];

const untrusted: readonly string[] = [
  "CERT_HAS_EXPIRED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
];

/** All commands that a candidate needs, as Redis itself writes rights. */
export const redisRights: string =
  "+eval +hmget +exists +sadd +hset +del +srem +sscan +publish +subscribe +unsubscribe +ping +role";

/**
 * Turns an answer or a failed connection into the error that callers see; the only place that does. Nothing of Redis's
 * own text is shown but the first word, for the rest may quote what was sent.
 */
export function redisError(error: unknown, call: FailedRedisCall): unknown {
  if (error instanceof RedisErrorReply) return replyError(error, call);
  if (!(error instanceof RedisConnectionError)) return error;
  const why = connectionTrouble(error, call.storage);
  const details = { ...where(call, call.applied), cause: error };
  if (call.applied === "unknown") return new UnknownOutcomeError(message(call, why), details);
  return new StorageUnavailableError(message(call, why), details);
}

function replyError(reply: RedisErrorReply, call: FailedRedisCall): TenureError {
  const word = reply.message;
  const none = where(call, "no");
  const waiting = Object.hasOwn(unavailable, word) ? unavailable[word] : undefined;
  if (waiting !== undefined) return new StorageUnavailableError(message(call, `${word}, ${waiting}`), none);
  // What a command in a script may not do is told by an ERR, up to 7.0.
  if (denied.includes(word) || reply.match(/^ERR The user executing the script/)) {
    return new AccessDeniedError(message(call, accessTrouble(reply, call)), none);
  }
  if (word === "WRONGTYPE") {
    return new CorruptDataError(message(call, "WRONGTYPE, something else than ours is stored there"), none);
  }
  if (word === "MOVED") {
    const why = "MOVED, this is a node of a Redis Cluster; say cluster=on";
    return new InvalidSettingsError([message(call, why)], none);
  }
  if (reply.match(/^ERR (DB index is out of range|invalid DB index|SELECT is not allowed)/)) {
    return new InvalidSettingsError([message(call, "there is no such database; name one that exists")], none);
  }
  if (reply.match(/^ERR max number of clients/)) {
    return new StorageUnavailableError(message(call, "it takes no more clients; raise maxclients"), none);
  }
  if (reply.match(/^ERR unknown command/i)) {
    return new UnsupportedError(message(call, "it lacks a command that tenure needs: EVAL, HMGET, ROLE"), none);
  }
  const details = { ...where(call, call.applied), cause: reply };
  if (call.applied === undefined) return new StorageUnavailableError(message(call, `it answered ${word}`), details);
  // A proxy in between answers errors as well; only what is listed above proves anything.
  if (call.applied === "unknown") return new UnknownOutcomeError(message(call, `it answered ${word}`), details);
  return new StorageUnavailableError(message(call, `it answered ${word}`), details);
}

function accessTrouble(reply: RedisErrorReply, { prefix }: FailedRedisCall): string {
  const word = reply.message;
  if (word === "WRONGPASS") return "WRONGPASS, user or password are wrong, or the user is off";
  if (word === "NOAUTH") return "NOAUTH, it wants a password: name user and password in the URL or in the client";
  const [, command] = reply.match(/(?:to run the|run) '([a-z|]{2,40})'/i) ?? [];
  const missing = command === undefined ? "a right is missing" : `the right to ${command} is missing`;
  return `${word}, ${missing}; grant: ~{${prefix}}:* &{${prefix}}:* ${redisRights}`;
}

function connectionTrouble({ message: text, code = "" }: RedisConnectionError, storage: string): string {
  if (untrusted.includes(code)) {
    const repair = "make Node trust its authority by NODE_EXTRA_CA_CERTS, or pass a client that does";
    return `its certificate is not trusted (${code}): ${repair}`;
  }
  if (code === "EPROTO" || code.startsWith("ERR_SSL_")) {
    return `it does not speak TLS there (${code}): use redis:, or the port that speaks TLS`;
  }
  const isSecure = storage.startsWith("rediss:");
  if (code === "ETIMEDOUT" && isSecure) return `${text}; check that its port speaks TLS`;
  if (code === "EHANDSHAKE" && !isSecure) return `${text}; if its port speaks TLS, use rediss:`;
  if (code === "REPLICA") return `${text}: name the primary, or an address that follows it`;
  if (code === "ECONNREFUSED") return "nobody listens there (ECONNREFUSED): check host and port, and start Redis";
  if (code === "ENOTFOUND") return "its name cannot be resolved (ENOTFOUND): check the host in the URL";
  return text;
}

function where(
  { operation, storage, key }: FailedRedisCall,
  applied: Applied | undefined,
): { operation: string; storage: string; key?: string; applied?: Applied } {
  return { operation, storage, ...(key !== undefined && { key }), ...(applied !== undefined && { applied }) };
}

function message({ operation, storage, key }: FailedRedisCall, why: string): string {
  return `cannot ${operation}${key === undefined ? "" : ` "${printable(key)}"`} in ${storage}: ${why}`;
}
