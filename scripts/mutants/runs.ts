import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NamedTests, Seeds } from "../../test/simulation/mutants/mutant.ts";

/** One test as it ended. */
export interface TestEnd {
  /** Relative to the copy. */
  readonly file: string;
  readonly name: string;
  readonly status: string;
}

/** What a run of tests has shown. */
export interface TestRun {
  readonly ends: readonly TestEnd[];
  /** Why a file could not even be loaded, or that the run did not end. */
  readonly trouble: string | undefined;
}

const longestRunMs = 60_000;

/** Runs tests of the copy once: exactly the files that they are in, and there exactly these. */
export async function runTests(folder: string, tests: readonly NamedTests[], runMs = longestRunMs): Promise<TestRun> {
  const report = mkdtempSync(join(tmpdir(), "tenure-mutants-report-"));
  try {
    const files = [...new Set(tests.map(({ file }) => file))];
    const names = [...new Set(tests.map(({ named }) => escaped(named)))].join("|");
    const output = join(report, "report.json");
    const options = [
      "--project",
      "unit",
      "--pool",
      "threads",
      "--maxWorkers",
      "1",
      "--reporter",
      "json",
      "--outputFile",
      output,
    ];
    const vitest = join(folder, "node_modules/vitest/vitest.mjs");
    const end = await node([vitest, "run", ...files, "-t", names, ...options], folder, runMs);
    return end === "late" ? { ends: [], trouble: `did not end in ${runMs / 1000} s` } : readReport(output, folder);
  } finally {
    rmSync(report, { recursive: true, force: true });
  }
}

/** What a run of seeds has shown. */
export interface SeedRun {
  /** The first seed that breaks the promise, in words. */
  readonly found?: string;
  /** Why it cannot be told. */
  readonly trouble?: string;
}

/** Plays seeds until one breaks the promise. */
export async function runSeeds(folder: string, seeds: Seeds, invariant = seeds.invariant): Promise<SeedRun> {
  const script = join(folder, "test/simulation/mutants/run-seeds.ts");
  const end = await node([script, JSON.stringify({ ...seeds, invariant })], folder, longestRunMs);
  if (end === "late") {
    return { trouble: `seeds ${seeds.from} to ${seeds.to} did not end in ${longestRunMs / 1000} s` };
  }
  if (end.code !== 0) return { trouble: `the simulation itself failed: ${end.output.slice(-500)}` };
  // cast: written by run-seeds.ts
  const { found } = JSON.parse(end.output) as { found?: { seed: number; invariant: string; text: string } };
  return found === undefined ? {} : { found: `seed ${found.seed}, ${found.invariant}: ${found.text}` };
}

function readReport(path: string, folder: string): TestRun {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return { ends: [], trouble: "the test run itself failed: it left no report" };
  }
  // cast: vitest's JSON report
  const { testResults } = JSON.parse(text) as { testResults: readonly FileReport[] };
  const broken = testResults.find(
    ({ status, assertionResults }) => status === "failed" && assertionResults.length === 0,
  );
  const ends = testResults.flatMap(({ name, assertionResults }) => {
    const file = name.slice(name.indexOf("/test/") + 1);
    return assertionResults.map(({ fullName, status }) => ({ file, name: fullName, status }));
  });
  return {
    ends,
    trouble: broken && `${broken.name.replace(folder, "")} cannot be loaded: ${broken.message.slice(0, 200)}`,
  };
}

interface FileReport {
  readonly name: string;
  readonly status: string;
  readonly message: string;
  readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

function node(args: readonly string[], cwd: string, runMs: number): Promise<Ended | "late"> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, NO_COLOR: "1" };
    const child = spawn(process.execPath, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let late = false;
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => void (output += String(chunk)));
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, runMs);
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve(late ? "late" : { code, output });
    });
  });
}
