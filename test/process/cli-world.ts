import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { ResourceLock } from "../../src/lock/resource-lock.ts";
import { StorageLock } from "../../src/lock/storage-lock.ts";
import { FileStorage } from "../../src/storage/file.ts";

/** The settings of every `run` here: the lease, the validity and the retry period, in milliseconds. */
export const timing = { leaseMs: 3000, validityMs: 2000, retryMs: 500 } as const;

const root = fileURLToPath(new URL("../../", import.meta.url));
/** The built program; `TENURE_TEST_SOURCES=1` takes the sources instead, without a build. */
const program = join(root, process.env["TENURE_TEST_SOURCES"] ? "src/cli/main.ts" : "dist/cli/main.js");

/** How a process ended, and when on the machine's monotonic clock. */
export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly atMs: number;
}

/** What a `run` is started with. */
export interface RunOptions {
  readonly name?: string;
  /** Flags before `--`. */
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** A descriptor instead of the collected stderr. */
  readonly stderr?: number;
}

interface StartOptions extends Pick<RunOptions, "env" | "stderr"> {
  readonly stdin?: "pipe";
}

interface TenureOptions extends Pick<RunOptions, "env" | "stderr"> {
  /** Of another build; default: this one's. */
  readonly program?: string | undefined;
}

/** The machine's monotonic clock, in milliseconds. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** One `tenure` process. */
export class Tenure {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = "";
  stderr = "";

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.on("data", (piece: Buffer) => (this.stdout += piece.toString()));
    child.stderr?.on("data", (piece: Buffer) => (this.stderr += piece.toString()));
    this.ended = new Promise((resolve) => {
      let end: Ended | undefined;
      child.once("exit", (code, signal) => (end = { code, signal, atMs: nowMs() }));
      // what was written before the end is read by then
      child.once("close", () => resolve(end ?? { code: null, signal: null, atMs: nowMs() }));
    });
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error("tenure was not started");
    return this.child.pid;
  }

  /** The guardian's process, which is also the number of the command's group. */
  async guardian(): Promise<number> {
    const find = (): ProcessLine | undefined =>
      processes().find(({ parent, command }) => parent === this.pid && command.includes("tenure-guardian"));
    await until(
      () => find() !== undefined,
      () => `no guardian: ${this.stderr}`,
    );
    return find()?.pid ?? 0;
  }

  async code(): Promise<number | null> {
    return (await this.ended).code;
  }

  kill(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  leads(): Promise<void> {
    return until(
      () => /leads "/.test(this.stderr),
      () => `${this.pid} does not lead: ${this.stderr}`,
    );
  }
}

/** One folder with a file storage and a journal, and all processes that a case starts. Removes and kills all of it. */
export class World implements AsyncDisposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), "tenure-run-"));
  readonly journal: string = join(this.folder, "journal");
  readonly storage: string = join(this.folder, "storage");
  readonly #mark = `TENURE_TEST_WORLD=${randomUUID()}`;
  readonly #started: Tenure[] = [];

  constructor() {
    if (!existsSync(program)) throw new Error(`${program} is not there: npm run build, or TENURE_TEST_SOURCES=1`);
    closeSync(openSync(this.journal, "a"));
  }

  /** `tenure` with these arguments. */
  tenure(args: readonly string[], { program: other = program, ...options }: TenureOptions = {}): Tenure {
    return this.start(process.execPath, [other, ...args], options);
  }

  /** Any program of this case. */
  start(file: string, args: readonly string[], options: StartOptions = {}): Tenure {
    const child = spawn(file, args, {
      cwd: this.folder,
      stdio: [options.stdin ?? "ignore", "pipe", options.stderr ?? "pipe"],
      env: { ...this.environment(), ...options.env },
    });
    const tenure = new Tenure(child);
    this.#started.push(tenure);
    return tenure;
  }

  /** `tenure run` of a shell script. `$J` is the journal; `work` writes the term there for ever. */
  run(script: string, { name = "job", flags = [], ...options }: RunOptions = {}): Tenure {
    return this.tenure(["run", name, ...flags, "--", "sh", "-c", `${prelude}\n${script}`], options);
  }

  /** For a `tenure` that something else starts. */
  environment(): Record<string, string> {
    const [mark = "", value = ""] = this.#mark.split("=");
    return {
      ...(process.env as Record<string, string>), // cast: what is not set is not listed
      [mark]: value,
      J: this.journal,
      TMPDIR: this.folder, // a killed run leaves the folder of its control socket behind
      // neither changes what a killed process leaves behind
      TENURE_STORAGE_URL: `file:${this.storage}?probe=never&fsync=off`,
      TENURE_LEASE_DURATION: `${timing.leaseMs}ms`,
      TENURE_RENEW_DEADLINE: `${timing.validityMs}ms`,
      TENURE_RETRY_PERIOD: `${timing.retryMs}ms`,
    };
  }

  /** The command line of `tenure`, for a script. */
  get program(): readonly string[] {
    return [process.execPath, program];
  }

  /** The journal's lines so far. */
  lines(): string[] {
    return readFileSync(this.journal, "utf8").split("\n").slice(0, -1);
  }

  /** Resolves once the journal has a line like that. */
  async line(pattern: RegExp, patienceMs?: number): Promise<void> {
    await until(
      () => this.lines().some((line) => pattern.test(line)),
      () => `no ${String(pattern)} in ${this.tail()}`,
      patienceMs,
    );
  }

  /** Terms that wrote after a later term had written: the independent check, by nothing but the order of one file. */
  overlaps(): string[] {
    let highest = 0;
    return this.lines().filter((line) => {
      const term = Number(/^(\d+)/.exec(line)?.[1] ?? Number.NaN);
      const late = term < highest;
      highest = Math.max(highest, Number.isNaN(term) ? 0 : term);
      return late;
    });
  }

  /** The largest term that has written. */
  highestTerm(): number {
    return Math.max(0, ...this.lines().map((line) => Number.parseInt(line, 10) || 0));
  }

  tail(): string {
    return this.lines().slice(-5).join(" | ");
  }

  /** A candidate of the same lease in this very process. */
  lock(name = "job"): ResourceLock {
    return new StorageLock({ storage: new FileStorage({ directory: this.storage }), namespace: "default", name });
  }

  /** Every process that carries this world's mark, zombies left out. */
  processes(): number[] {
    if (process.platform !== "linux") return this.#started.map(({ pid }) => pid);
    return readdirSync("/proc")
      .filter((entry) => /^\d+$/.test(entry))
      .filter((entry) => readOrEmpty(`/proc/${entry}/environ`).includes(this.#mark))
      .map(Number);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of this.#started)
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    for (const pid of this.processes()) killQuietly(pid);
    await Promise.all(this.#started.map(({ ended }) => Promise.race([ended, pause(2000)])));
    for (const pid of this.processes()) killQuietly(pid);
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

const pythonPty = `import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])) % 256)`;

/** Whether there is what gives a process a terminal; said loudly if not, since those cases then do not run. */
export const hasPython: boolean = spawnSync("python3", ["-c", "import pty"]).status === 0;
if (!hasPython) console.error("not run: cases with a terminal (they need python3)");

/**
 * A program as the leader of a new session on a terminal of its own: what it writes is stdout, what is typed goes to
 * stdin.
 */
export function inTerminal(world: World, command: readonly string[]): Tenure {
  return world.start("python3", ["-c", pythonPty, ...command], { stdin: "pipe" });
}

/** Shell functions for the commands. `work` notes its term every 20 ms; `note` writes one line that starts with it. */
const prelude = `
note() { echo "$TENURE_TERM $*" >> "$J"; }
work() { while :; do note works; sleep 0.02; done; }
`;

/** Resolves once `holds`; rejects with `otherwise` if it does not in time. */
export async function until(holds: () => boolean, otherwise: () => string, patienceMs = 15_000): Promise<void> {
  const endMs = nowMs() + patienceMs;
  while (!holds()) {
    if (nowMs() > endMs) throw new Error(`after ${patienceMs} ms: ${otherwise()}`);
    await pause(10);
  }
}

/** Whether a process is there and no zombie. */
export function isAlive(pid: number): boolean {
  return processes().some((process) => process.pid === pid && !process.state.startsWith("Z"));
}

interface ProcessLine {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly state: string;
  readonly command: string;
}

/** All processes of this machine. */
export function processes(): ProcessLine[] {
  const text = execFileSync("ps", ["-A", "-o", "pid=,ppid=,pgid=,stat=,args="], {
    encoding: "utf8",
    maxBuffer: 2 ** 24,
  });
  return text.split("\n").flatMap((line) => {
    const parts = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line);
    if (parts === null) return [];
    const [, pid, parent, group, state = "", command = ""] = parts;
    return [{ pid: Number(pid), parent: Number(parent), group: Number(group), state, command }];
  });
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it ended by itself
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // it ended in between, or is another user's
  }
}
