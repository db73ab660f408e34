import { errorCode } from "../errors.ts";
import { printable } from "../system/logger.ts";
import { TimeoutError } from "../system/signals.ts";

/** A call without an answer. */
export interface ApiFailure {
  readonly failure: unknown;
  /** `false`: it is known that no byte of the request left; `undefined`: the failure itself has to tell. */
  readonly sent: boolean | undefined;
}

/** What `KubeConfig` threw when it was asked for credentials: nothing was sent. */
export class CredentialsError extends Error {
  override readonly name: string = "CredentialsError";

  constructor(cause: unknown) {
    super("no credentials could be had", { cause });
  }
}

/** What a failure means. */
export interface ExplainedFailure {
  readonly text: string;
  /** Whether the request may have been seen. */
  readonly sent: boolean;
  /** What may be shown of the original. */
  readonly cause: unknown;
}

/** They come from nothing but the making of a connection, or the search for an address. */
const unconnected: readonly string[] = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"];
/** On an open connection they are possible, too: only the system call tells. */
const unreached: readonly string[] = ["ENETUNREACH", "EHOSTUNREACH", "EADDRNOTAVAIL", "ETIMEDOUT"];
/** A certificate is judged before the request is written. */
const certificate = /^(?:CERT_|ERR_TLS_CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA)/;

/** Tells what failed, by class and code only: the text of a foreign error may quote headers, bodies and URLs. */
export function explainFailure({ failure, sent }: ApiFailure): ExplainedFailure {
  const maySend = sent ?? !causesOf(failure).every(isUnsent);
  if (failure instanceof TimeoutError) return { text: failure.message, sent: maySend, cause: failure };
  const [first] = causesOf(failure);
  const code = errorCode(first) ?? errorCode(failure) ?? "";
  const isShown = /^[A-Z][A-Z_0-9]{1,60}$/.test(code);
  // An invalid URL is quoted by its error, and the URL of a proxy may hold a password.
  const cause = isShown && code !== "ERR_INVALID_URL" && typeof failure === "object" ? first : undefined;
  const name = isShown ? code : printable(failure instanceof Error ? failure.name : typeof failure, 40);
  // What a program for credentials printed stands in its error: only the code of a system error is told.
  if (failure instanceof CredentialsError)
    return { text: `${failure.message} (${name})`, sent: false, cause: undefined };
  if (certificate.test(code))
    return { text: `the certificate of the server is refused (${name})`, sent: maySend, cause };
  return { text: `${maySend ? "the connection failed" : "no connection"} (${name})`, sent: maySend, cause };
}

/** `fetch` hides the reason in `cause`, and there are several for a name with several addresses. */
function causesOf(error: unknown): readonly unknown[] {
  const inner: unknown = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const errors: unknown = Reflect.get(Object(inner), "errors");
  return Array.isArray(errors) && errors.length > 0 ? errors : [inner];
}

function isUnsent(cause: unknown): boolean {
  const code = errorCode(cause) ?? "";
  if (unconnected.includes(code) || certificate.test(code)) return true;
  return unreached.includes(code) && Reflect.get(Object(cause), "syscall") === "connect";
}
