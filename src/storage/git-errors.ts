import {
  AccessDeniedError,
  CorruptDataError,
  InvalidSettingsError,
  StorageUnavailableError,
  TenureError,
  UnknownOutcomeError,
  type Applied,
} from "../errors.ts";
import { printable } from "../system/logger.ts";
import type { GitOutput } from "./git-process.ts";
import type { Credentials } from "./storage-url.ts";

/** Which call failed. */
export interface FailedGitCall {
  readonly operation: string;
  readonly storage: string;
  readonly key?: string;
  /** For a write only. */
  readonly applied?: Applied;
}

/** A failure that says what it is about, by what git, curl or ssh on this machine printed. */
export class GitFailure extends Error {
  override readonly name: string = "GitFailure";
  readonly kind: FailureKind;

  constructor(kind: FailureKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** `unreached`: no connection came about. `damaged copy`: what git keeps here for a while has lost objects. */
export type FailureKind = "denied" | "no place" | "unreached" | "unavailable" | "corrupt" | "damaged copy";

/** In this order; the lines of the other side (`remote: …`) are never looked at. */
const causes: readonly (readonly [RegExp, FailureKind, string])[] = [
  [/dubious ownership/, "denied", "the repository belongs to another user: run as its owner"],
  [/Host key verification failed/, "denied", "ssh does not know the host: add its key to known_hosts"],
  [
    /Permission denied \(|Too many authentication/,
    "denied",
    "ssh is refused: give this user a key that may read and push",
  ],
  [/service not enabled|service not allowed/i, "denied", "the server does not allow this: enable receive-pack there"],
  [
    /insufficient permission|unable to create temporary object directory|Permission denied/,
    "denied",
    "the right to write into the repository is missing",
  ],
  [
    /Authentication failed|could not read (?:Username|Password)|returned error: 401/,
    "denied",
    "user and password are missing or wrong: give them by the URL or a credential helper",
  ],
  [/returned error: 403/, "denied", "403, these credentials lack the right: grant read and push"],
  [
    /SSL|TLS|certificate/,
    "unavailable",
    "TLS failed: mend the server's certificate, or name its authority in GIT_SSL_CAINFO",
  ],
  [
    /not appear to be a git repo|repository '?.*'? not found|not found:|returned error: 404|not exported/i,
    "no place",
    "there is no such repository, or these credentials may not see it: make it with git init --bare",
  ],
  [/returned error: 30\d|redirect/, "no place", "the server redirects: write the final address into the URL"],
  [
    /not a git repository: |bad (?:object|tree)|unable to read (?:tree|sha1|object)|loose object|missing (?:blob|tree)/,
    "damaged copy",
    "the local copy of the branch is damaged, and is made anew",
  ],
  [/mismatched algorithms/, "no place", "the repository uses SHA-256 ids: make one with --object-format=sha1"],
  [/returned error: (?:429|503)/, "unavailable", "the server asks to be left alone for a while"],
  [
    /Could not resolve host|Failed to connect to|unable to connect to|unable to look up|connect to host .* port \d+:/,
    "unreached",
    "the host cannot be reached",
  ],
];

/** What a run of git that did not end well is about. Decides the class of an error, never what became of a write. */
export function gitFailure({ code, stderr }: GitOutput, credentials?: Credentials): GitFailure {
  const lines = stderr.split(/[\r\n]+/).filter((line) => line !== "" && !line.startsWith("remote:"));
  const own = lines.join("\n");
  const [, kind, why] = causes.find(([pattern]) => pattern.test(own)) ?? [];
  if (kind !== undefined && why !== undefined) return new GitFailure(kind, why);
  const line = lines.find((each) => /^(?:fatal|error): /.test(each)) ?? lines[0];
  const said = line === undefined ? "" : `: ${printable(without(line, credentials), 160)}`;
  return new GitFailure("unavailable", `git ended with ${code}${said}`);
}

/** Servers repeat what they were sent; that must not reach a log. */
export function without(text: string, credentials: Credentials | undefined): string {
  if (credentials === undefined) return text;
  const { user, password } = credentials;
  const secrets = [password, Buffer.from(`${user}:${password}`).toString("base64"), user].filter((one) => one !== "");
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, "…"), text);
}

/**
 * Turns the failure of a step into the error that callers see; the only place that does. Whatever is not known here
 * passes, and counts as unavailable for a read, as unknown for a write that was sent.
 */
export function gitError(error: unknown, call: FailedGitCall): unknown {
  if (!(error instanceof GitFailure)) return named(error, call);
  const place = `${call.key === undefined ? "" : ` "${printable(call.key)}"`} in ${call.storage}`;
  const text = `cannot ${call.operation}${place}: ${error.message}`;
  if (error.kind === "denied") return new AccessDeniedError(text, call);
  if (error.kind === "no place") return new InvalidSettingsError([text], call);
  if (error.kind === "corrupt") return new CorruptDataError(text, call);
  return call.applied === "unknown" ? new UnknownOutcomeError(text, call) : new StorageUnavailableError(text, call);
}

/** An error of ours that does not know yet where it happened: git is missing. */
function named(error: unknown, call: FailedGitCall): unknown {
  if (!(error instanceof TenureError) || error.operation !== undefined) return error;
  return Object.assign(error, { ...call });
}
