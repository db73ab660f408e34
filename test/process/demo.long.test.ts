// Goal: the demo shows its five acts, and whatever ends it leaves neither a process nor a folder. Method: runs it in a
// process group and a temporary folder of its own, and looks whether both are empty afterwards.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";

const demo = fileURLToPath(new URL("../../scripts/demo.ts", import.meta.url));
let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tenure-demo-test-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Detached: it leads a process group, in which its children stay. */
function start(...flags: string[]): { child: ChildProcess; output: () => string } {
  const env = { ...process.env, TMPDIR: folder, TEMP: folder };
  const child = spawn(process.execPath, [demo, ...flags], { env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
  }
  return { child, output: () => text };
}

async function groupIsGone({ pid = 0 }: ChildProcess): Promise<boolean> {
  for (let tries = 0; tries < 50; tries += 1) {
    try {
      process.kill(-pid, 0);
    } catch {
      return true; // ESRCH: nobody carries the number any more
    }
    await pause(100);
  }
  process.kill(-pid, "SIGCONT");
  process.kill(-pid, "SIGKILL");
  return false;
}

async function seen(output: () => string, wanted: RegExp): Promise<void> {
  for (let tries = 0; tries < 300 && !wanted.test(output()); tries += 1) await pause(100);
  expect(output()).toMatch(wanted);
}

it("plays five acts, tells them as one document, and leaves nothing behind", async () => {
  const { child, output } = start("--json");
  const [code] = (await once(child, "close")) as [number | null]; // what a child process tells
  const summary = JSON.parse(output()) as { ok: boolean; acts: { name: string; verdict: string }[]; overlaps: number };
  expect(summary).toMatchObject({ ok: true, overlaps: 0 });
  expect(summary.acts.map(({ name }) => name)).toEqual(["contend", "crash", "handover", "zombie", "all stop"]);
  expect(code).toBe(0);
  expect(readdirSync(folder)).toEqual([]);
  expect(await groupIsGone(child)).toBe(true);
});

it("Ctrl-C ends it with 130, also while a process is frozen", async () => {
  const { child, output } = start("--plain");
  await seen(output, /SIGSTOP/);
  child.kill("SIGINT");
  expect(await once(child, "close")).toEqual([130, null]);
  expect(readdirSync(folder)).toEqual([]);
  expect(await groupIsGone(child)).toBe(true);
});

it("its processes end if it is killed", async () => {
  const { child, output } = start("--plain");
  await seen(output, /leads, in term 1/);
  child.kill("SIGKILL");
  await once(child, "close");
  expect(await groupIsGone(child)).toBe(true);
});
