import { printable } from "../system/logger.ts";
import { GitFailure, gitFailure, without } from "./git-errors.ts";
import type { GitOutput } from "./git-process.ts";
import type { GitPlace } from "./git-settings.ts";
import { hasSent, type GitWorkspace } from "./git-workspace.ts";

const noCommit = "0".repeat(40);

/** One conditional change of one ref. */
export interface GitPush {
  /** A repository of ours that has the commit. */
  readonly directory: string;
  readonly ref: string;
  /** The commit that the ref is to point to; `undefined` removes the ref. */
  readonly commit: string | undefined;
  /** Where the ref has to point now; `undefined`: it has to be absent. */
  readonly expected: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * How a push ended, by what the remote says afterwards:
 * - `written`; `lost`: refused, and something else is there.
 * - `refused`: it was answered with a refusal although what was expected is still there; `why` in the remote's words.
 * - `not sent`: it provably had no effect, for the reason in `failure`.
 * - `unknown`: it may have happened, or may still happen.
 */
export type PushEnd =
  | { readonly kind: "written" | "lost" }
  | { readonly kind: "refused"; readonly why: string }
  | { readonly kind: "not sent" | "unknown"; readonly failure: GitFailure };

/** The other repository, by plumbing over one of ours. */
export class GitRemote {
  readonly #workspace: GitWorkspace;
  readonly #place: GitPlace;

  constructor(workspace: GitWorkspace, place: GitPlace) {
    this.#workspace = workspace;
    this.#place = place;
  }

  /** Copies a ref of the remote to a ref of ours. `false`: the remote does not have it. */
  async fetch(
    directory: string,
    { ref, to, depth }: { readonly ref: string; readonly to: string; readonly depth?: number },
    signal: AbortSignal,
  ): Promise<boolean> {
    const depths = depth === undefined ? [] : [`--depth=${depth}`];
    const plain = ["--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules"];
    const args = ["fetch", ...plain, ...depths, "--", this.#place.url, `+${ref}:${to}`];
    const output = await this.#workspace.run({ directory, args, signal });
    if (output.code === 0) return true;
    // A missing ref and an unreachable place end alike, so the remote is asked.
    if ((await this.ask(directory, ref, signal)) === undefined) return false;
    const again = await this.#workspace.run({ directory, args, signal }); // it was created in between
    if (again.code === 0) return true;
    throw this.#failure(again);
  }

  /** Where the ref points now; `undefined` if it is absent. */
  async ask(directory: string, ref: string, signal: AbortSignal): Promise<string | undefined> {
    return (await this.list(directory, ref, signal)).get(ref);
  }

  /** The refs that match the pattern, and some that only end like it. */
  async list(directory: string, pattern: string, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const args = ["ls-remote", "--exit-code", "--refs", "--", this.#place.url, pattern];
    const output = await this.#workspace.run({ directory, args, signal });
    if (output.code === 2 && output.stdout.length === 0) return new Map();
    if (output.code !== 0) throw this.#failure(output);
    const refs = new Map<string, string>();
    for (const line of output.stdout.toString("utf8").split("\n")) {
      const [, id, ref] = /^([0-9a-f]{40})\t(\S+)$/.exec(line) ?? [];
      if (id !== undefined && ref !== undefined) refs.set(ref, id);
    }
    return refs;
  }

  /**
   * Sends one push, which the remote applies exactly if the ref is where it is expected. After any failure the remote
   * is asked where the ref is: what it printed decides nothing but whether something may still be under way.
   */
  async push({ directory, ref, commit, expected, signal }: GitPush): Promise<PushEnd> {
    const trace = `${directory}/trace`;
    const lease = `--force-with-lease=${ref}:${expected ?? ""}`;
    const plain = ["--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no", "--no-signed"];
    const args = ["push", ...plain, lease, "--", this.#place.url, `${commit ?? ""}:${ref}`];
    const output = await this.#workspace.run({ directory, args, signal, trace });
    const report = reportOf(output.stdout, ref);
    if (output.code === 0 && report?.flag !== undefined && report.flag !== "!") return { kind: "written" };
    const failure = this.#failure(output);
    // No message proves anything: curl tries again after a break, and says then that it could not connect.
    const isTraced = !/trac(?:e|ing)/.test(output.stderr); // it complains where it cannot write the trace
    const unsent = isTraced && !(await hasSent(trace, `${commit ?? noCommit} ${ref}`));
    const there = await this.#look(directory, ref, signal);
    if (there !== "not told" && commit !== undefined && there.id === commit) return { kind: "written" };
    if (unsent && (report === undefined || there === "not told")) return { kind: "not sent", failure };
    if (report?.answered !== true || there === "not told") return { kind: "unknown", failure };
    if (there.id !== expected) return { kind: "lost" };
    if (failure.kind === "denied") return { kind: "not sent", failure };
    return { kind: "refused", why: printable(without(report.summary, this.#place.credentials), 120) };
  }

  async #look(
    directory: string,
    ref: string,
    signal: AbortSignal,
  ): Promise<{ readonly id: string | undefined } | "not told"> {
    try {
      return { id: await this.ask(directory, ref, signal) };
    } catch (error) {
      if (error instanceof GitFailure) return "not told";
      throw error;
    }
  }

  #failure(output: GitOutput): GitFailure {
    return gitFailure(output, this.#place.credentials);
  }
}

interface PushReport {
  readonly flag: string;
  readonly summary: string;
  /** Whether this is a verdict, of git before it sent or of the remote, and not the lack of one. */
  readonly answered: boolean;
}

/** The line of `git push --porcelain` about this ref. */
export function reportOf(stdout: Buffer, ref: string): PushReport | undefined {
  for (const line of stdout.toString("utf8").split("\n")) {
    const [flag = "", names = "", summary = ""] = line.split("\t");
    if (flag.length !== 1 || !names.endsWith(`:${ref}`)) continue;
    return { flag, summary, answered: flag !== "!" || /^\[(?:remote )?rejected\] /.test(summary) };
  }
  return undefined;
}
