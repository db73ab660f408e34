import { execFileSync } from "node:child_process";
import { cpus, loadavg, release, totalmem, type } from "node:os";

/** Where and when a report was made. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly v8: string;
  readonly commit: string;
  readonly date: string;
  /** Of the last minute, before the start. */
  readonly load: number;
}

/** Above this load, times are reported and judge nothing. */
const greatestLoad = 0.5;

/** The head of a report. */
export function machine(): Machine {
  return {
    processor: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${type()} ${release()}`,
    node: process.version,
    v8: process.versions.v8,
    commit: commit(),
    date: new Date().toISOString(),
    load: loadavg()[0] ?? 0,
  };
}

/** Why times of this machine judge nothing, or `undefined` if they do. */
export function whyNotJudged({ cores, load }: Machine): string | undefined {
  if (cores < 2) return "this machine has one core";
  if (load > greatestLoad) return `the load before the start was ${load.toFixed(2)}, above ${greatestLoad}`;
  return undefined;
}

function commit(): string {
  try {
    const changed = git("status", "--porcelain", "src", "bench") !== "";
    return git("rev-parse", "--short", "HEAD") + (changed ? " with changes" : "");
  } catch {
    return "unknown"; // an unpacked archive, or no git
  }
}

function git(...words: readonly string[]): string {
  return execFileSync("git", words, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
}
