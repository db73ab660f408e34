// Goal: K-13: each row of the table of answers, for each call that it concerns. Method: answers as a real API server
// gives them go through apiError; what is looked at is the verdict, `applied`, and what a person is told.
import { describe, expect, it } from "vitest";
import type { StorageUnavailableError, TenureError } from "../../src/errors.ts";
import {
  apiError,
  isAhead,
  isExpired,
  nameWatched,
  type ApiAnswer,
  type ApiCall,
} from "../../src/kubernetes/api-error.ts";
import { TimeoutError } from "../../src/system/signals.ts";
import { leases, statusBody } from "./scripted-server.ts";

const operations = ["read", "create", "replace", "patch", "list", "watch"] as const;
const writes: readonly string[] = ["create", "replace", "patch"];

function call(operation: ApiCall["operation"]): ApiCall {
  const name = operation === "list" || operation === "watch" ? undefined : "billing";
  return { operation, cluster: "https://here", kind: leases, name };
}

function answer(status: number, body?: unknown, retryAfter?: string): ApiAnswer {
  const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  return { status, text, retryAfter };
}

function refusal(status: number, reason: string, details?: object): ApiAnswer {
  return answer(status, statusBody(status, reason, details));
}

/** In a word: the verdict, or code and `applied`. */
function verdict(operation: ApiCall["operation"], trouble: ApiAnswer): string {
  const found = apiError(call(operation), trouble);
  return typeof found === "string" ? found : `${found.code}${found.applied === undefined ? "" : ` ${found.applied}`}`;
}

function error(operation: ApiCall["operation"], trouble: ApiAnswer): TenureError {
  const found = apiError(call(operation), trouble);
  if (typeof found === "string") throw new Error(`a verdict: ${found}`);
  return found;
}

const lost = { read: "STORAGE_UNAVAILABLE", list: "STORAGE_UNAVAILABLE", watch: "STORAGE_UNAVAILABLE" };
const doubtful = { ...lost, create: "OUTCOME_UNKNOWN unknown", replace: "OUTCOME_UNKNOWN unknown" };
const unknown: Record<string, string> = { ...doubtful, patch: "OUTCOME_UNKNOWN unknown" };
const always = (code: string): Record<string, string> =>
  Object.fromEntries(operations.map((operation) => [operation, writes.includes(operation) ? `${code} no` : code]));

const here = { name: "billing", group: "coordination.k8s.io", kind: "leases" };
const uid = { ...here, causes: [{ reason: "FieldValueInvalid", message: "…", field: "metadata.uid" }] };
const time = { ...here, causes: [{ reason: "FieldValueInvalid", field: "spec.renewTime" }, { field: "<nil>" }] };
const dying = { ...here, causes: [{ reason: "NamespaceTerminating", message: "namespace jobs is being terminated" }] };

describe("K-13 the table of answers", () => {
  const rows: readonly (readonly [string, ApiAnswer, Record<string, string>])[] = [
    ["409 AlreadyExists", refusal(409, "AlreadyExists", here), { ...unknown, create: "lost" }],
    ["409 Conflict", refusal(409, "Conflict", here), { ...unknown, replace: "lost", patch: "lost" }],
    ["409 of another reason", refusal(409, "Busy", here), unknown],
    ["409 that is no Status", answer(409, "<html>conflict</html>"), unknown],
    [
      "404 of this resource",
      refusal(404, "NotFound", here),
      { ...unknown, read: "absent", replace: "lost", patch: "lost" },
    ],
    ["404 of another name", refusal(404, "NotFound", { ...here, name: "other" }), unknown],
    ["404 of another kind", refusal(404, "NotFound", { ...here, kind: "pods" }), unknown],
    [
      "404 of the namespace",
      refusal(404, "NotFound", { name: "jobs", kind: "namespaces" }),
      always("INVALID_SETTINGS"),
    ],
    ["404 as text", answer(404, "404 page not found\n"), always("INVALID_SETTINGS")],
    ["404 with empty details", refusal(404, "NotFound", {}), always("INVALID_SETTINGS")],
    ["404 without details", refusal(404, "NotFound"), always("INVALID_SETTINGS")],
    ["422 that names the uid", refusal(422, "Invalid", uid), { ...always("INVALID_SETTINGS"), patch: "lost" }],
    ["422 of the body", refusal(422, "Invalid", time), always("INVALID_SETTINGS")],
    ["400 of the body", refusal(400, "BadRequest"), always("INVALID_SETTINGS")],
    ["413", answer(413, "too large"), always("INVALID_SETTINGS")],
    ["401", refusal(401, "Unauthorized"), always("ACCESS_DENIED")],
    ["401 without a body", answer(401), always("ACCESS_DENIED")],
    ["403", refusal(403, "Forbidden", here), always("ACCESS_DENIED")],
    ["403 in a dying namespace", refusal(403, "Forbidden", dying), always("INVALID_SETTINGS")],
    ["410", refusal(410, "Expired"), unknown],
    ["429", answer(429, "Too many requests, please try again later.\n", "1"), always("STORAGE_UNAVAILABLE")],
    ...[500, 502, 503, 504].map((status) => [String(status), refusal(status, "Timeout"), unknown] as const),
    ["a page of a proxy", answer(502, "<html>"), unknown],
    ["a redirect", answer(302), unknown],
    ["a good status with a bad body", answer(200, "<html>"), unknown],
    ["a Status that is broken", answer(409, '{"kind":"Status","reason":"Confl'), unknown],
    ["a Status of odd types", answer(409, { kind: "Status", reason: 7, details: [null] }), unknown],
  ];

  for (const [name, trouble, expected] of rows) {
    it(`K-13 ${name}`, () => {
      const found = Object.fromEntries(operations.map((operation) => [operation, verdict(operation, trouble)]));
      expect(found).toEqual(expected);
    });
  }

  it("K-13 a missing right names verb, resource, name and the rule to add", () => {
    const { message } = error("replace", refusal(403, "Forbidden", here));
    expect(message).toBe(
      'cannot replace leases "jobs/billing" in https://here: 403 Forbidden: add the rule { apiGroups: ' +
        '["coordination.k8s.io"], resources: ["leases"], verbs: ["update"], resourceNames: ["billing"] }',
    );
    const verb = (operation: ApiCall["operation"]): string | undefined =>
      /verbs: \["(\w+)"\]/.exec(error(operation, answer(403)).message)?.[1];
    expect(operations.map(verb)).toEqual(["get", "create", "update", "patch", "list", "watch"]);
    expect(error("create", answer(403)).message).not.toContain("resourceNames"); // no POST can be limited by name
    const status = apiError({ ...call("patch"), subresource: "status" }, answer(403));
    expect(String(status)).toContain('resources: ["leases/status"]');
  });

  it("K-13 a refused body names the server's fields, and nothing else that the server said", () => {
    const { message } = error("replace", refusal(422, "Invalid", time));
    expect(message).toContain("422 Invalid: what was sent is refused at spec.renewTime, <nil>");
    expect(message).not.toContain("in words");
    expect(error("create", answer(404, "404 page not found")).message).toContain("apply their definition (CRD) first");
    expect(error("create", refusal(404, "", { kind: "namespaces", name: "jobs" })).message).toContain('"jobs"');
    expect(error("create", refusal(403, "Forbidden", dying)).message).toContain("the namespace is being deleted");
  });

  it("K-13 a pause is taken from the header, or from the Status; a date is not read", () => {
    const pause = (trouble: ApiAnswer): unknown => (error("read", trouble) as StorageUnavailableError).retryAfterMs;
    expect(pause(answer(429, "", "2"))).toBe(2_000);
    expect(pause(answer(429))).toBe(undefined);
    expect(pause(answer(503, "", "Wed, 21 Oct 2026 07:28:00 GMT"))).toBe(undefined);
    expect(pause(refusal(504, "Timeout", { retryAfterSeconds: 1 }))).toBe(1_000);
  });

  it("K-13 a list can tell history that is gone, and a version that is not there yet", () => {
    const tooLarge = { causes: [{ reason: "ResourceVersionTooLarge", message: "Too large" }], retryAfterSeconds: 1 };
    expect(isExpired(error("list", refusal(410, "Expired")))).toBe(true);
    expect(isExpired(error("list", refusal(504, "Timeout")))).toBe(false);
    expect(isAhead(error("list", refusal(504, "Timeout", tooLarge)))).toBe(true);
    expect(isAhead(error("list", refusal(504, "Timeout")))).toBe(false);
    expect(error("list", refusal(410, "Expired"))).toMatchObject({ status: 410, reason: "Expired" });
  });
});

describe("K-13 failures without an answer", () => {
  const coded = (code: string, more: object = {}): Error => Object.assign(new Error("secret"), { code }, more);
  const fetchFailed = (cause: Error): Error => new TypeError("fetch failed", { cause });
  const rows: readonly (readonly [string, unknown, boolean | undefined, "no" | "unknown"])[] = [
    ["refused, as fetch hides it", fetchFailed(coded("ECONNREFUSED")), undefined, "no"],
    ["refused, as node-fetch says it", coded("ECONNREFUSED", { errno: "ECONNREFUSED" }), undefined, "no"],
    ["no address", fetchFailed(coded("ENOTFOUND", { syscall: "getaddrinfo" })), undefined, "no"],
    [
      "two addresses, both refused",
      new AggregateError([coded("ECONNREFUSED"), coded("ECONNREFUSED")]),
      undefined,
      "no",
    ],
    [
      "two addresses, one reset",
      new AggregateError([coded("ECONNREFUSED"), coded("ECONNRESET")]),
      undefined,
      "unknown",
    ],
    ["no certificate to trust", fetchFailed(coded("SELF_SIGNED_CERT_IN_CHAIN")), undefined, "no"],
    ["no route at connect", fetchFailed(coded("EHOSTUNREACH", { syscall: "connect" })), undefined, "no"],
    ["no route at a read", fetchFailed(coded("EHOSTUNREACH", { syscall: "read" })), undefined, "unknown"],
    ["reset", fetchFailed(coded("ECONNRESET")), undefined, "unknown"],
    ["an abort", new DOMException("aborted", "AbortError"), undefined, "unknown"],
    ["something else", "text", undefined, "unknown"],
    ["reset before the connection was made", coded("ECONNRESET"), false, "no"],
    ["refused after it was sent", coded("ECONNREFUSED"), true, "unknown"],
    ["our deadline before the sending", new TimeoutError("no answer after 5 ms"), false, "no"],
    ["our deadline after it", new TimeoutError("no answer after 5 ms"), true, "unknown"],
    ["our deadline where nobody knows", new TimeoutError("no answer after 5 ms"), undefined, "unknown"],
  ];
  for (const [name, failure, sent, applied] of rows) {
    it(`K-13 ${name}`, () => {
      const write = apiError(call("replace"), { failure, sent });
      expect(write).toMatchObject({ applied, code: applied === "no" ? "STORAGE_UNAVAILABLE" : "OUTCOME_UNKNOWN" });
      expect(write.message).not.toContain("secret");
      expect(apiError(call("read"), { failure, sent })).toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    });
  }
});

describe("a watch that is limited to one name", () => {
  it.each([
    ["metadata.name=billing", "billing"],
    ["metadata.name!=billing", undefined],
    ["metadata.name=billing,metadata.namespace=jobs", undefined],
    ["", undefined],
  ])("K-13 by %j is of the name %j", (fieldSelector, name) => expect(nameWatched({ fieldSelector })).toBe(name));

  it("K-13 is refused with a rule for that name", () => {
    const denied = apiError({ ...call("watch"), name: "billing" }, refusal(403, "Forbidden", here));
    expect(denied).toMatchObject({
      message: expect.stringContaining('verbs: ["watch"], resourceNames: ["billing"] }'),
    });
    expect(denied).toMatchObject({ message: expect.stringContaining('cannot watch leases "jobs/billing"') });
  });
});
