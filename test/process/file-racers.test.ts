// Goal: file storage loses no update, shows no stale or lost write and stays usable, whichever process is killed, and
// whenever. Method: 16 processes race for one counter under SIGKILL, and their logs are checked; one more dies at each
// step of a write.

import { execFile, fork, type ChildProcess } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { FileStorage } from "../../src/storage/file.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import type { Count, RacerLine, RacerSettings } from "./file-racer.ts";
import type { VictimSettings } from "./file-victim.ts";

/** Longer runs: `TENURE_TEST_ROUNDS=20` takes twenty times as long. */
const rounds = Number(process.env["TENURE_TEST_ROUNDS"] ?? 1);
const racers = 16;

let compiled = "";
let directory = "";
let children = new Map<ChildProcess, Promise<Ending>>();

beforeAll(async () => {
  compiled = await mkdtemp(join(tmpdir(), "tenure-compiled-"));
});
afterAll(async () => {
  await rm(compiled, { recursive: true, force: true });
});
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "tenure-file-"));
  children = new Map();
});
afterEach(async () => {
  for (const child of children.keys()) child.kill("SIGKILL");
  await Promise.all(children.values());
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
});

function start(file: string, settings: RacerSettings | VictimSettings): ChildProcess {
  // Children start three times as fast if they need not strip types and compile each by itself.
  const env = { ...process.env, NODE_COMPILE_CACHE: compiled };
  const child = fork(new URL(file, import.meta.url), [JSON.stringify(settings)], { execArgv: [], env });
  child.on("error", () => {}); // a message to one that has just died
  const ended = new Promise<Ending>((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })));
  children.set(child, ended);
  return child;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const parse = <T>(value: Uint8Array | undefined): T => JSON.parse(new TextDecoder().decode(value)) as T; // cast: ours

interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
}

/** What is wrong with what the racers did and saw; empty if nothing is. */
function violations(lines: readonly RacerLine[]): string[] {
  const problems: string[] = [];
  const attempts = new Map<number, string>();
  const notWritten = new Set(
    lines.flatMap((line) => (line.did === "write" && ["lost", "no"].includes(line.outcome) ? [line.attempt] : [])),
  );
  const note = ({ count, attempt }: Count, how: string): void => {
    const other = attempts.get(count) ?? attempt;
    attempts.set(count, attempt);
    if (other !== attempt) problems.push(`lost update: ${other} and ${attempt} both wrote ${count} (${how})`);
    if (notWritten.has(attempt)) problems.push(`${attempt} was reported as not written, but ${how} shows it`);
  };
  const acknowledged: { readonly to: bigint; readonly count: number }[] = [];
  for (const line of lines) {
    if (line.did === "read") note(line, "a read");
    if (line.did !== "write" || line.outcome !== "written") continue;
    note(line, "an acknowledgement");
    acknowledged.push({ to: BigInt(line.to), count: line.count });
  }
  acknowledged.sort((one, other) => (one.to < other.to ? -1 : 1));
  const reads = lines.filter((line) => line.did === "read").map(({ from, count }) => ({ from: BigInt(from), count }));
  reads.sort((one, other) => (one.from < other.from ? -1 : 1));
  let [next, least] = [0, 0];
  for (const { from, count } of reads) {
    for (; (acknowledged[next]?.to ?? from) < from; next += 1) least = Math.max(least, acknowledged[next]?.count ?? 0);
    if (count < least) problems.push(`stale read: ${count}, after ${least} had been acknowledged`);
  }
  return problems;
}

async function linesOf(logs: readonly string[]): Promise<RacerLine[]> {
  // killed before its first line
  const texts = await Promise.all(logs.map((log) => readFile(log, "utf8").catch(() => "")));
  // A line that was cut by SIGKILL has no end.
  // cast: ours
  return texts.flatMap((text) => text.split("\n").slice(0, -1)).map((line) => JSON.parse(line) as RacerLine);
}

describe("what the check of the logs must find", () => {
  const written = { did: "write", outcome: "written", to: "5", count: 1, attempt: "a" } as const;

  test("a lost update, a write reported as lost, a stale read", () => {
    expect(violations([written, { ...written, attempt: "b" }])).toEqual([expect.stringContaining("lost update")]);
    expect(
      violations([
        { ...written, outcome: "lost" },
        { did: "read", from: "9", count: 1, attempt: "a" },
      ]),
    ).toEqual([expect.stringContaining("reported as not written")]);
    expect(violations([written, { did: "read", from: "9", count: 0, attempt: "0" }])).toEqual([
      expect.stringContaining("stale read"),
    ]);
  });

  test("nothing where all is well", () => {
    const read = { did: "read", from: "9", count: 1, attempt: "a" } as const;
    expect(violations([written, read, { ...read, from: "4", count: 0, attempt: "0" }])).toEqual([]);
  });
});

describe.each([2, 11])("#69: 16 processes that increment one counter, with keep=%i, under SIGKILL", (keep) => {
  test("lose no update, read nothing stale, and report nothing wrongly", { timeout: rounds * 50_000 }, async () => {
    const storage = new FileStorage({ directory, keep });
    await storage.create("counter", bytes(JSON.stringify({ count: 0, attempt: "0" })));
    const random = new SeededRandom(keep);
    const logs: string[] = [];
    const race = (): ChildProcess => {
      const log = join(directory, `@log-${logs.length}`);
      logs.push(log);
      return start("file-racer.ts", { directory, keep, log, seed: keep * 1000 + logs.length });
    };
    const racing = Array.from({ length: racers }, race);
    let [kills, counted, countedAtKill] = [0, 0, 0];
    while (counted < 150 * rounds) {
      await pause(70 + random.next() * 50);
      counted = parse<Count>((await storage.read("counter"))?.value).count;
      if (counted < countedAtKill + 3) continue; // a busy machine: let the new ones get to work first
      const victim = Math.floor(random.next() * racers);
      if (racing[victim]?.kill("SIGKILL") === true) kills += 1;
      racing[victim] = race();
      countedAtKill = counted;
    }
    for (const child of racing) child.send("stop");
    const endings = await Promise.all(racing.map((child) => children.get(child)));
    expect(endings.filter((ending) => ending?.code !== 0)).toEqual([]);

    const lines = await linesOf(logs);
    expect(violations(lines)).toEqual([]);
    const done = lines.filter((line) => line.did === "write");
    const count = (outcome: string): number => done.filter((line) => line.outcome === outcome).length;
    const tried = lines.filter((line) => line.did === "try").length;
    const head = await storage.read("counter");
    const final = parse<Count>(head?.value);
    // Whoever was cut, or does not know, may have written.
    const open = count("unknown") + (tried - done.length);
    expect(final.count).toBeGreaterThanOrEqual(count("written"));
    expect(final.count).toBeLessThanOrEqual(count("written") + open);
    expect(kills).toBeGreaterThan(3 * rounds);
    expect(count("lost")).toBeGreaterThan(50 * rounds);
    if (process.env["TENURE_TEST_ROUNDS"] !== undefined) {
      console.log({ keep, kills, written: count("written"), lost: count("lost"), unknown: count("unknown"), open });
    }

    // Whatever was left behind, the next writer finds its way, and tidies up.
    // cast: it was read above
    const next = await storage.replace("counter", bytes("done"), head?.version ?? ("" as never));
    expect(next.written).toBe(true);
    expect(await readdir(join(directory, "counter", "@"))).toHaveLength(keep);
    expect((await readdir(join(directory, "@tmp"))).length).toBeLessThanOrEqual(kills);
  });
});

describe.each(["create", "replace", "remove"] as const)("#69: SIGKILL before each step of a %s", (operation) => {
  /** Resolves with whether the write was applied, or `undefined` if it ended before that step. */
  async function dieAt(step: number): Promise<boolean | undefined> {
    const place = join(directory, String(step));
    const storage = new FileStorage({ directory: place, keep: 2, current: true });
    const before = operation === "create" ? undefined : await storage.create("k", bytes("old"));
    const child = start("file-victim.ts", { directory: place, operation, dieAtStep: step });
    const { code, signal } = (await children.get(child)) ?? {};
    const stored = await storage.read("k");
    const value = stored && new TextDecoder().decode(stored.value);
    const [old, updated] = { create: [undefined, "new"], replace: ["old", "new"], remove: ["old", undefined] }[
      operation
    ];
    expect([old, updated], `step ${step}`).toContain(value);
    if (before?.written === true && value === old) expect(stored?.version, `step ${step}`).toBe(before.version);
    const next = await (stored === undefined
      ? storage.create("k", bytes("next"))
      : storage.replace("k", bytes("next"), stored.version));
    expect(next.written, `step ${step}`).toBe(true);
    expect(await readFile(join(place, "k", "@current"), "utf8"), `step ${step}`).toBe("next");
    if (signal === "SIGKILL") return value === updated;
    expect([code, value], `step ${step}`).toEqual([0, updated]);
    return undefined;
  }

  test("leaves the old value or the new one, and the next writer goes on", async () => {
    const applied: (boolean | undefined)[] = [];
    const lanes = Array.from({ length: 3 }, async () => {
      while (!applied.includes(undefined)) {
        const step = applied.push(false) - 1;
        applied[step] = await dieAt(step);
      }
    });
    await Promise.all(lanes);
    const steps = applied.indexOf(undefined);
    expect(steps).toBeGreaterThan(15);
    // Never applied up to the link, always from then on.
    const link = applied.indexOf(true);
    expect(link).toBeGreaterThan(5);
    expect(applied.slice(0, steps)).toEqual(applied.slice(0, steps).map((_, step) => step >= link));
  });
});

test("storage R24: a process that only watches is not kept alive by that", { timeout: 20_000 }, async () => {
  await new FileStorage({ directory }).create("k", bytes("seen"));
  const env = { ...process.env, NODE_COMPILE_CACHE: compiled };
  const child = fileURLToPath(new URL("file-watcher.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [child, directory], { env, timeout: 15_000 });
  expect(stdout).toBe("seen\n");
});
