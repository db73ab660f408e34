import {
  AccessDeniedError,
  InvalidSettingsError,
  StorageUnavailableError,
  UnknownOutcomeError,
  type ErrorDetails,
  type TenureError,
} from "../errors.ts";
import { printable } from "../system/logger.ts";
import { causeNamed, fieldsOf, statusOf, type ApiStatus } from "./api-status.ts";
import { explainFailure, type ApiFailure } from "./api-failure.ts";
import type { ResourceKind, WatchQuery } from "./kubernetes-resources.ts";

/** One call to a cluster: what it is, for messages and for the table of answers. */
export interface ApiCall {
  readonly operation: "read" | "create" | "replace" | "patch" | "list" | "watch";
  /** The description of the client. */
  readonly cluster: string;
  readonly kind: ResourceKind;
  /** Of a watch the one name that it is limited to; `undefined` for a list, and where the server chooses the name. */
  readonly name?: string | undefined;
  readonly subresource?: "status" | undefined;
}

/** An answer that is no success. */
export interface ApiAnswer {
  readonly status: number;
  readonly retryAfter?: string | undefined;
  /** Its body, whole; `undefined` if it was too long. */
  readonly text?: string | undefined;
}

/** `"absent"`: the resource is not there. `"lost"`: the condition of the write was refused. Else what is thrown. */
export type ApiVerdict = "absent" | "lost" | TenureError;

/**
 * The table of answers: what an answer that is no success, or the failure to get one, means for its call. Only what is
 * known to prove that nothing was changed becomes `"lost"` or `applied: "no"`; all else leaves a write unknown.
 *
 * What it makes of an answer has `status` and `reason` as properties, and no text of the server but names.
 */
export function apiError(call: ApiCall, trouble: ApiFailure): TenureError;
export function apiError(call: ApiCall, trouble: ApiAnswer): ApiVerdict;
export function apiError(call: ApiCall, trouble: ApiAnswer | ApiFailure): ApiVerdict {
  if ("failure" in trouble) return failed(call, trouble);
  const status = statusOf(trouble.text);
  const verdict = judge(call, trouble, status);
  if (typeof verdict === "string") return verdict;
  const reason = status?.isAhead === true ? "ResourceVersionTooLarge" : status?.reason;
  return Object.assign(verdict, { status: trouble.status, reason: reason ?? "" });
}

/** The one name that a watch is limited to: rights are granted by name then. */
export function nameWatched({ fieldSelector = "" }: WatchQuery): string | undefined {
  return /^metadata\.name=([^,=!]+)$/.exec(fieldSelector)?.[1];
}

/** Whether a call changes something. */
export function isWrite({ operation }: ApiCall): boolean {
  return operation === "create" || operation === "replace" || operation === "patch";
}

/** Whether a list asked for history that is gone (410): list anew. */
export function isExpired(error: unknown): boolean {
  return Reflect.get(Object(error), "status") === 410;
}

/** Whether a list asked for a version that the server has not seen yet: repeating it does not help. */
export function isAhead(error: unknown): boolean {
  return Reflect.get(Object(error), "reason") === "ResourceVersionTooLarge";
}

function judge(call: ApiCall, answer: ApiAnswer, status: ApiStatus | undefined): ApiVerdict {
  switch (answer.status) {
    case 400:
    case 413:
      return invalid(call, answer, refusedBody(status));
    case 401:
      return new AccessDeniedError(said(call, answer, "the credentials are refused"), unchanged(call));
    case 403:
      return forbidden(call, answer, status);
    case 404:
      return missing(call, answer, status);
    case 409:
      return isLost(call, status) ? "lost" : doubtful(call, answer, status);
    case 422:
      if (call.operation === "patch" && fieldsOf(status).includes("metadata.uid")) return "lost";
      return invalid(call, answer, refusedBody(status));
    case 429: {
      const details = { ...unchanged(call), ...retryAfter(answer, status) };
      return new StorageUnavailableError(said(call, answer, "it asks to be left alone"), details);
    }
    default:
      return doubtful(call, answer, status);
  }
}

function isLost({ operation }: ApiCall, status: ApiStatus | undefined): boolean {
  // A label edit makes a conflict, too: it says that somebody wrote, not that leadership is lost.
  if (operation === "create") return status?.reason === "AlreadyExists";
  return (operation === "replace" || operation === "patch") && status?.reason === "Conflict";
}

function missing(call: ApiCall, answer: ApiAnswer, status: ApiStatus | undefined): ApiVerdict {
  const { kind, name } = call;
  const named = status?.details;
  if (named?.kind === "namespaces" && kind.plural !== "namespaces") {
    return invalid(call, answer, `the namespace "${printable(kind.namespace)}" does not exist: create it`);
  }
  if (named?.name === undefined && named?.kind === undefined) {
    const what = `${kind.plural} of ${kind.group === "" ? kind.version : `${kind.group}/${kind.version}`}`;
    return invalid(call, answer, `the server does not serve ${printable(what)}: apply their definition (CRD) first`);
  }
  const isThis = name !== undefined && named.name === name && (named.kind ?? kind.plural) === kind.plural;
  if (!isThis || call.operation === "create" || call.operation === "watch") return doubtful(call, answer, status);
  return isWrite(call) ? "lost" : "absent";
}

function forbidden(call: ApiCall, answer: ApiAnswer, status: ApiStatus | undefined): TenureError {
  if (causeNamed(status, "NamespaceTerminating")) return invalid(call, answer, "the namespace is being deleted");
  return new AccessDeniedError(said(call, answer, `add the rule ${ruleFor(call)}`), unchanged(call));
}

const verbs = {
  read: "get",
  create: "create",
  replace: "update",
  patch: "patch",
  list: "list",
  watch: "watch",
} as const;

/** As a Role has it. No rule for a creation can be limited by name. */
function ruleFor({ operation, kind, name, subresource }: ApiCall): string {
  const resource = printable(subresource === undefined ? kind.plural : `${kind.plural}/${subresource}`);
  const limit = name === undefined || operation === "create" ? [] : [`resourceNames: ["${printable(name)}"]`];
  const what = [`apiGroups: ["${printable(kind.group)}"]`, `resources: ["${resource}"]`];
  return `{ ${[...what, `verbs: ["${verbs[operation]}"]`, ...limit].join(", ")} }`;
}

function refusedBody(status: ApiStatus | undefined): string {
  const fields = fieldsOf(status).slice(0, 3);
  const at = fields.length === 0 ? "" : ` at ${fields.map((field) => printable(field, 100)).join(", ")}`;
  return `what was sent is refused${at}`;
}

function invalid(call: ApiCall, answer: ApiAnswer, why: string): TenureError {
  return new InvalidSettingsError([said(call, answer, why)], unchanged(call));
}

/** Nobody knows what became of a write; a read is repeated later. */
function doubtful(call: ApiCall, answer: ApiAnswer, status: ApiStatus | undefined): TenureError {
  const why = answer.status < 300 ? "the answer is not what was asked for" : undefined;
  if (isWrite(call)) return new UnknownOutcomeError(said(call, answer, why), whereOf(call));
  return new StorageUnavailableError(said(call, answer, why), { ...whereOf(call), ...retryAfter(answer, status) });
}

function failed(call: ApiCall, failure: ApiFailure): TenureError {
  const { text, sent, cause } = explainFailure(failure);
  const details = { ...whereOf(call), ...(cause !== undefined && { cause }) };
  if (isWrite(call) && sent) return new UnknownOutcomeError(describe(call, text), details);
  return new StorageUnavailableError(describe(call, text), { ...details, ...(isWrite(call) && { applied: "no" }) });
}

function retryAfter({ retryAfter: header }: ApiAnswer, status: ApiStatus | undefined): { retryAfterMs?: number } {
  const seconds =
    header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) : status?.details?.retryAfterSeconds;
  return seconds === undefined ? {} : { retryAfterMs: seconds * 1000 };
}

function said(call: ApiCall, { status, text }: ApiAnswer, why?: string): string {
  const reason = statusOf(text)?.reason ?? "";
  return describe(
    call,
    [`${status}${reason === "" ? "" : ` ${reason}`}`, ...(why === undefined ? [] : [why])].join(": "),
  );
}

/** What, where, why, as each message of a client begins. */
export function describe(call: ApiCall, why: string): string {
  const { operation, kind, subresource, cluster } = call;
  const what = subresource === undefined ? kind.plural : `${kind.plural}/${subresource}`;
  return `cannot ${operation} ${printable(what)} "${printable(keyOf(call))}" in ${cluster}: ${why}`;
}

/** What every error of a call carries. */
export function whereOf(call: ApiCall): ErrorDetails {
  return { operation: call.operation, storage: call.cluster, key: keyOf(call) };
}

function unchanged(call: ApiCall): ErrorDetails {
  return { ...whereOf(call), ...(isWrite(call) && { applied: "no" }) };
}

function keyOf({ kind: { namespace }, name }: ApiCall): string {
  return [namespace, name].filter((part) => part !== undefined && part !== "").join("/");
}
