import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Violation } from "./history.ts";

/** What is played: one election on a storage, or two clusters behind their controllers, in scope process or cluster. */
export type Stage = "election" | "clusters" | "clusterScope";

/** What a worker process is asked. */
export interface JobQuestion {
  readonly seed: number;
  readonly stage: Stage;
  readonly drift?: number | undefined;
  readonly faults?: readonly string[] | undefined;
  /** How often the same seed is played; each time it has to be the same. */
  readonly repeats: number;
}

/** What became of one seed. */
export interface JobAnswer {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly terms: number;
  /** Of all repeats; one, if the run is determined. None was taken for a single run. */
  readonly hashes: readonly string[];
  readonly rows: readonly (readonly [string, number])[];
  readonly reasons: readonly (readonly [string, number])[];
  readonly simulatedMs: number;
  readonly cpuMs: number;
}

/** Which seeds are played, and how. */
export interface JobsOptions extends Omit<JobQuestion, "seed" | "repeats" | "stage"> {
  /** Default `"election"`. */
  readonly stage?: Stage;
  readonly from: number;
  readonly seeds: number;
  /** Worker processes; default 1. */
  readonly jobs?: number;
  readonly repeats?: number;
  readonly heard?: (answer: JobAnswer) => void;
}

/** What all seeds came to. */
export interface JobsResult {
  readonly answers: readonly JobAnswer[];
  readonly rows: ReadonlyMap<string, number>;
  readonly reasons: ReadonlyMap<string, number>;
  readonly terms: number;
  readonly simulatedMs: number;
  readonly cpuMs: number;
}

/** Plays seeds in worker processes, each of which takes the next one when it is free. */
export async function playSeeds(options: JobsOptions): Promise<JobsResult> {
  const { from, seeds, jobs = 1, heard } = options;
  const answers: JobAnswer[] = [];
  let next = from;
  const work = async (): Promise<void> => {
    const worker = fork(fileURLToPath(new URL("job-process.ts", import.meta.url)), { stdio: "inherit" });
    try {
      await firstOf(worker);
      while (next < from + seeds) {
        const { stage = "election", drift, faults, repeats = 1 } = options;
        const question: JobQuestion = { seed: next, stage, drift, faults, repeats };
        next += 1;
        const answered = firstOf(worker);
        worker.send(question);
        const answer = (await answered) as JobAnswer; // cast: nothing else is sent after "ready"
        answers.push(answer);
        heard?.(answer);
      }
    } finally {
      worker.kill();
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, seeds) }, work));
  return summed(answers);
}

/** The next message of a worker; rejects if it ends instead. */
async function firstOf(worker: ChildProcess): Promise<unknown> {
  const over = new AbortController();
  try {
    const ended = once(worker, "exit", { signal: over.signal }).then(([code]) => {
      throw new Error(`a worker of the simulation has ended with ${String(code)}`);
    });
    const [message]: unknown[] = await Promise.race([once(worker, "message", { signal: over.signal }), ended]);
    return message;
  } finally {
    over.abort();
  }
}

function summed(answers: readonly JobAnswer[]): JobsResult {
  const rows = new Map<string, number>();
  const reasons = new Map<string, number>();
  let [terms, simulatedMs, cpuMs] = [0, 0, 0];
  for (const answer of answers) {
    for (const [row, count] of answer.rows) rows.set(row, (rows.get(row) ?? 0) + count);
    for (const [reason, count] of answer.reasons) reasons.set(reason, (reasons.get(reason) ?? 0) + count);
    terms += answer.terms;
    simulatedMs += answer.simulatedMs;
    cpuMs += answer.cpuMs;
  }
  return { answers: answers.toSorted((one, other) => one.seed - other.seed), rows, reasons, terms, simulatedMs, cpuMs };
}
