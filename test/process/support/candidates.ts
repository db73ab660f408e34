import { fork, type ChildProcess } from "node:child_process";
import { rmSync } from "node:fs";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Candidate } from "./candidate-process.ts";
import {
  callbackProblems,
  chainProblems,
  overlaps,
  releaseProblems,
  termProblems,
  type LeaseVersion,
} from "./history.ts";
import { Journal } from "./journal.ts";
import type { CandidateSettings } from "./protocol.ts";

const root = new URL("../../../", import.meta.url);
/** The built package that the processes run; another one (with a flaw put in, say) may be named. */
const dist = process.env["TENURE_TEST_DIST"] ?? new URL("dist", root).href;

/** The shortest practical timing: `proc` rows run in real time. */
export const timing = { leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryPeriodMs: 500 } as const;

/** Compiled code that all processes of a test file share: on a busy machine they start much faster. */
export const compileCache: string = await mkdtemp(join(tmpdir(), "tenure-compiled-"));
process.once("exit", () => rmSync(compileCache, { recursive: true, force: true }));

/** What differs from the usual candidate. */
export type StartSettings = Partial<CandidateSettings> & { readonly env?: Readonly<Record<string, string>> };

interface OpenOptions {
  /** `false`: the journal accepts any term; default true. */
  readonly fenced?: boolean;
  /** The URL of the storage; default files, whose whole history is checked as well. */
  readonly storage?: string;
  /** A Lease of the cluster that this kubeconfig file leads to, instead of a storage. */
  readonly lease?: { readonly kubeConfig: string; readonly namespace: string; readonly name: string };
  /** A MultiClusterLease; each candidate is told its cluster by `env`. */
  readonly multiClusterLease?: { readonly namespace: string; readonly name: string };
}

/** The processes that contend for one lease, and the journal that their work is guarded by. */
export class Candidates implements AsyncDisposable {
  readonly directory: string;
  readonly journal: Journal;
  readonly #place: Pick<CandidateSettings, "storage" | "lease" | "multiClusterLease">;
  readonly #env: Readonly<Record<string, string>>;
  readonly #all: Candidate[] = [];
  readonly #foreign: Candidate[] = [];

  private constructor(directory: string, { fenced = true, storage, lease, multiClusterLease }: OpenOptions) {
    this.directory = directory;
    this.#place = {
      ...(storage !== undefined && { storage }),
      ...(lease !== undefined && { lease }),
      ...(multiClusterLease !== undefined && { multiClusterLease }),
    };
    this.#env = lease === undefined ? {} : { KUBECONFIG: lease.kubeConfig };
    this.journal = new Journal(fenced);
  }

  static async open(options: OpenOptions = {}): Promise<Candidates> {
    return new Candidates(await mkdtemp(join(tmpdir(), "tenure-election-")), options);
  }

  /** Starts a process that campaigns at once, with `env` beside what this one has. */
  start(label: string, { env, ...settings }: StartSettings = {}): Candidate {
    const full: CandidateSettings = {
      ...{ directory: this.directory, dist, label, timing, pollMs: 1_000, stepEveryMs: 100, drainMs: 0, face: "run" },
      ...this.#place,
      ...settings,
    };
    const child: ChildProcess = fork(new URL("candidate.ts", import.meta.url), [JSON.stringify(full)], {
      execPath: process.execPath,
      execArgv: [],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      env: { ...process.env, NODE_COMPILE_CACHE: compileCache, ...this.#env, ...env },
    });
    const candidate = new Candidate(label, child, this.journal);
    this.#all.push(candidate);
    return candidate;
  }

  /** A candidate of another program: it shares the journal, and what we promise of ours is not asked of it. */
  adopt(label: string, child: ChildProcess): Candidate {
    const candidate = new Candidate(label, child, this.journal);
    this.#foreign.push(candidate);
    return candidate;
  }

  /** Starts a process, and waits until it works. */
  async startLeader(label: string, settings: StartSettings = {}): Promise<Candidate> {
    const candidate = this.start(label, settings);
    await candidate.until("started");
    return candidate;
  }

  /** Starts a process, and waits until its watch is live and it knows the leader. */
  async startStandby(label: string, settings: StartSettings = {}): Promise<Candidate> {
    const candidate = this.start(label, settings);
    await Promise.all([candidate.until("watchLive"), candidate.until("newLeader")]);
    return candidate;
  }

  /** All versions of the lease that were ever written, oldest first. */
  async lease(): Promise<LeaseVersion[]> {
    const directory = join(this.directory, "leases", "test", "lease", "@");
    const names = (await readdir(directory)).filter((name) => /^\d+$/.test(name)).toSorted();
    return Promise.all(
      names.map(async (name) => {
        const [header = "", body = ""] = (await readFile(join(directory, name), "utf8")).split(/\n(.*)/s);
        // cast: both were written by the package
        const { writeId, previous } = JSON.parse(header) as Pick<LeaseVersion, "writeId" | "previous">;
        const lease = JSON.parse(body) as { holderIdentity: string; renewTime: string; leaseTransitions: number };
        const { holderIdentity, renewTime, leaseTransitions } = lease;
        return { number: Number(name), writeId, previous, holderIdentity, renewTime, term: leaseTransitions };
      }),
    );
  }

  /** What all that happened breaks: S1, S4, S5, S7, S10, S12. Empty if nothing. */
  async problems(): Promise<string[]> {
    const steps = this.journal.accepted;
    if (steps.length === 0) return ["nobody ever worked, so that nothing could go wrong"];
    const callbacks = this.#all.flatMap(({ label, reports }) =>
      callbackProblems(reports).map((problem) => `${label}: ${problem}`),
    );
    const releases = this.#all.flatMap(({ actor, releases: sent }) => sent.map((release) => ({ actor, ...release })));
    return [
      ...[...overlaps(steps), ...termProblems(steps), ...releaseProblems(steps, releases)],
      ...[...(Object.keys(this.#place).length === 0 ? chainProblems(await this.lease()) : []), ...callbacks],
    ];
  }

  /** Kills what is left, waits for its end, and removes the files. */
  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#all, ...this.#foreign];
    for (const candidate of all) candidate.signal("SIGKILL");
    await Promise.all(all.map((candidate) => candidate.exited));
    await pause(20);
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}
