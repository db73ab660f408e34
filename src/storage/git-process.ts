import { spawn, type ChildProcess } from "node:child_process";
import type { Clock } from "../system/clock.ts";

/** What one run of git said. */
export interface GitOutput {
  /** The exit code; -1 if a signal that was not ours ended it. */
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** How git is run. */
export interface GitRun {
  /** A name that is looked for on the `PATH` of `env`, or a path. */
  readonly program: string;
  /** Never shown by a shell, a log or an error. Secrets do not belong here: everybody on the machine can read them. */
  readonly args: readonly string[];
  /** Everything that git inherits. */
  readonly env: Readonly<Record<string, string>>;
  readonly input?: Uint8Array | undefined;
  /** Kills the whole process group when it falls. */
  readonly signal: AbortSignal;
  /**
   * How long after SIGTERM the group gets SIGKILL, in milliseconds; 0: at once. A transport that runs in our group
   * (`file:`) takes its lock files away on SIGTERM; SIGKILL leaves them behind, and they block the ref for good.
   */
  readonly graceMs: number;
  readonly clock: Clock;
  /** Ends the run when it writes more than this. */
  readonly limitBytes: number;
}

/** Git could not be started at all: missing, or not executable. */
export class GitNotStartedError extends Error {
  override readonly name: string = "GitNotStartedError";
}

/**
 * Runs git in a process group of its own, without a shell and without a terminal, and waits for its end. Rejects with
 * `signal.reason` once the group is gone.
 *
 * @throws {GitNotStartedError}
 */
export async function runGit(run: GitRun): Promise<GitOutput> {
  const { program, args, env, input, signal } = run;
  signal.throwIfAborted();
  // "detached" is setsid: a group that can be killed as a whole, and no terminal that ssh could ask for a password.
  const child = spawn(program, args, { env, cwd: "/", detached: true, stdio: ["pipe", "pipe", "pipe"] });
  const cancel = onAbort(child, run);
  try {
    child.stdin.on("error", () => {}); // it ended before it had read everything: its exit code tells why
    child.stdin.end(input);
    return await outputOf(child, run);
  } finally {
    cancel();
  }
}

function onAbort(child: ChildProcess, { signal, graceMs, clock }: GitRun): () => void {
  let cancelTimer = (): void => {};
  const end = (): void => {
    if (graceMs === 0) return killGroup(child, "SIGKILL");
    killGroup(child, "SIGTERM");
    cancelTimer = clock.setTimer(clock.monotonicMs() + graceMs, () => killGroup(child, "SIGKILL"));
  };
  signal.addEventListener("abort", end, { once: true });
  return () => {
    cancelTimer();
    signal.removeEventListener("abort", end);
  };
}

function outputOf(child: ChildProcess, { signal, limitBytes }: GitRun): Promise<GitOutput> {
  const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
  let bytes = 0;
  const collect = (into: Buffer[]) => (data: Buffer) => {
    bytes += data.length;
    if (bytes > limitBytes) return killGroup(child, "SIGKILL");
    into.push(data);
  };
  child.stdout?.on("data", collect(stdout));
  child.stderr?.on("data", collect(stderr));
  return new Promise((resolve, reject) => {
    child.on("error", (error) => reject(new GitNotStartedError("git was not started", { cause: error })));
    child.on("exit", (_code, killedBy) => {
      if (killedBy !== null) killGroup(child, "SIGKILL"); // somebody else killed git: its transport lives on
    });
    child.on("close", (code) => {
      if (signal.aborted) return reject(signal.reason as Error); // cast: the reason travels untouched
      if (bytes > limitBytes) return reject(new Error(`git wrote more than ${limitBytes} bytes`));
      const text = Buffer.concat(stderr).toString("utf8");
      resolve({ code: code ?? -1, stdout: Buffer.concat(stdout), stderr: text });
    });
  });
}

function killGroup({ pid }: ChildProcess, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, name);
  } catch {
    // it has ended by itself
  }
}

/** What TLS needs and nobody can say otherwise; `GIT_SSL_NO_VERIFY` is not among them. */
const passedOn: readonly string[] = ["GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_SSL_CERT", "GIT_SSL_KEY"];

/**
 * What git inherits from this process: everything (`PATH`, `HOME`, the agent of ssh, proxies, …) but git's own
 * variables, which are about the repository of whoever set them, and programs that ask a person.
 */
export function inheritedEnv(env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const kept = Object.entries(env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined &&
      (!entry[0].startsWith("GIT_") || passedOn.includes(entry[0])) &&
      entry[0] !== "SSH_ASKPASS",
  );
  return Object.fromEntries(kept);
}
