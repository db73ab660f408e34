import { AccessDeniedError, errorCode, type TenureError } from "../errors.ts";
import { doubtful, said, unsent, where, type FailedGCSCall } from "./gcs-errors.ts";

/** The name has no address, or nobody answers there: no connection was made. */
const unconnected: readonly string[] = ["ECONNREFUSED", "ENETUNREACH", "EHOSTUNREACH", "EADDRNOTAVAIL"];
const unresolved: readonly string[] = ["ENOTFOUND", "EAI_AGAIN"];
/** A certificate is judged before the request is written. */
const certificate = /^(?:CERT_|ERR_TLS_CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA)/;

/** Turns the failure of a `fetch` into one of ours. Only what proves that nothing was sent is "no". */
export function networkError(error: unknown, call: FailedGCSCall): TenureError {
  const causes = causesOf(error);
  const [first] = causes;
  const code = first === undefined ? "" : (errorCode(first) ?? "");
  // The outer error may quote headers; what the network said does not.
  const cause = code === "" ? undefined : first;
  if (causes.every(isUnconnected)) return unsent(call, `no connection (${code || "no address"})`, cause);
  if (certificate.test(code)) {
    const how = "trust its issuer with NODE_EXTRA_CA_CERTS, or correct apiEndpoint";
    return unsent(call, `the certificate of the server is refused (${code}); ${how}`, cause);
  }
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER") {
    return unsent(call, `the server does not speak TLS (${code}); correct apiEndpoint`, cause);
  }
  return doubtful(call, code === "" ? "the connection failed" : `the connection failed (${code})`, cause);
}

/** Several for a name with several addresses. */
function causesOf(error: unknown): readonly unknown[] {
  const cause: unknown = error instanceof Error ? (error.cause ?? error) : error;
  const errors: unknown = cause instanceof Error ? Reflect.get(cause, "errors") : undefined;
  return Array.isArray(errors) && errors.length > 0 ? errors : [cause];
}

function isUnconnected(cause: unknown): boolean {
  const code = errorCode(cause) ?? "";
  if (code === "UND_ERR_CONNECT_TIMEOUT" || unresolved.includes(code)) return true;
  return unconnected.includes(code) && Reflect.get(Object(cause), "syscall") === "connect";
}

const login = "gcloud auth application-default login";
/** What waiting does not cure, as the token endpoint or the library says it. */
const rejected = /\b(?:invalid_grant|invalid_client|invalid_rapt|unauthorized_client|invalid_scope|access_denied)\b/;

/**
 * Turns the failure to get credentials into one of ours. The original is left out: it holds requests with keys and
 * tokens.
 */
export function credentialError(error: unknown, call: FailedGCSCall): TenureError {
  const text = error instanceof Error ? error.message : "";
  const status: unknown = Reflect.get(Object(Reflect.get(Object(error), "response")), "status");
  const denied = (why: string): TenureError =>
    new AccessDeniedError(said(call, why), { ...where(call), ...(call.writes && ({ applied: "no" } as const)) });
  if (text.includes("default credentials")) {
    return denied(`no credentials were found; ${login}, or GOOGLE_APPLICATION_CREDENTIALS, or a service account`);
  }
  const reason = rejected.exec(text)?.[0];
  if (reason !== undefined || status === 400 || status === 401 || status === 403) {
    return denied(`the credentials are refused (${reason ?? String(status)}); renew them: ${login}`);
  }
  const code = errorCode(error) ?? "";
  if (
    error instanceof SyntaxError ||
    /^(?:ENOENT|EACCES|ERR_OSSL_\w+)$/.test(code) ||
    text.includes("does not exist")
  ) {
    return denied("the credentials cannot be read; look at the file that GOOGLE_APPLICATION_CREDENTIALS names");
  }
  const kind = /^[A-Z_0-9]{1,40}$/.test(code) ? code : typeof status === "number" ? String(status) : "no reason";
  return unsent(call, `no credentials could be had (${kind})`);
}
