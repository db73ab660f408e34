// Goal: whoever logs never waits for whoever reads, nothing grows without bound, and hostile text stays on its line.
// Method: a Log on real pipes, read, unread and closed.
import { spawn, spawnSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Log } from "../../src/cli/log.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tenure-log-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

it("writes lines with their level and fields, in order, and masks secrets", async () => {
  const path = join(folder, "log");
  const descriptor = openSync(path, "w");
  const log = new Log(descriptor);
  log.info("leads", { term: 7, name: "billing" });
  log.warn("trouble at redis://u:hunter2@h");
  log.debug("not at this level");
  log.setLevel("debug");
  log.debug("now");
  log.setLevel("silent");
  log.error("not even this");
  await log.flush(1000);
  closeSync(descriptor);
  expect(readFileSync(path, "utf8")).toBe(
    "tenure: leads term=7 name=billing\ntenure: warn: trouble at redis://***@h\ntenure: debug: now\n",
  );
});

it("keeps hostile text on one line", async () => {
  const path = join(folder, "log");
  const descriptor = openSync(path, "w");
  const log = new Log(descriptor);
  log.info("led by a\u001b[2Jb\nforged", { holder: "x\r\ny" });
  await log.flush(1000);
  closeSync(descriptor);
  expect(readFileSync(path, "utf8").split("\n")).toHaveLength(2);
  expect(readFileSync(path, "utf8")).not.toContain("\u001b");
});

it("drops and counts what an unread pipe cannot take, and goes on when it is read", async () => {
  const fifo = join(folder, "fifo");
  expect(spawnSync("mkfifo", [fifo]).status).toBe(0);
  const both = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK); // keeps the pipe open and unread
  const log = new Log(both);
  const line = "x".repeat(1000);
  for (let count = 0; count < 1000; count++) log.info(line);
  await log.flush(20); // not written, and yet here
  let text = "";
  // the dropped ones are told after what fits, so read until then
  while (!text.includes("dropped")) {
    text += readNow(both);
    await log.flush(5);
  }
  log.close();
  closeSync(both);
  expect(text.length).toBeLessThan(250_000);
  expect(text).toMatch(/warn: \d+ lines dropped, stderr was not read/);
});

/** What is in a pipe now; nothing, if it is empty: a read that waits would stop the log as well. */
function readNow(descriptor: number): string {
  const bytes = Buffer.alloc(2_000_000);
  try {
    return bytes.subarray(0, readSync(descriptor, bytes)).toString();
  } catch (error) {
    if (Reflect.get(Object(error), "code") === "EAGAIN") return "";
    throw error;
  }
}

it("swallows a reader that is gone", async () => {
  const fifo = join(folder, "fifo");
  expect(spawnSync("mkfifo", [fifo]).status).toBe(0);
  const both = openSync(fifo, "r+");
  const writeEnd = openSync(fifo, "w");
  const log = new Log(writeEnd);
  closeSync(both);
  log.info("nobody reads this");
  await log.flush(1000);
  log.info("nor this");
  await log.flush(1000);
  log.close();
  closeSync(writeEnd);
  expect(process.exitCode ?? 0).toBe(0);
});

// elsewhere a pipe cannot be opened a second time, and the exit waits for the reader
it.skipIf(process.platform !== "linux")("does not hold the exit of the process when its reader is paused", async () => {
  const program = `
    import { Log } from ${JSON.stringify(new URL("../../src/cli/log.ts", import.meta.url).href)};
    const log = new Log();
    const fill = setInterval(() => log.info("x".repeat(60_000)), 1);
    setTimeout(() => log.flush(50).then(() => process.exit(7)), 100);
  `;
  const fifo = join(folder, "fifo");
  expect(spawnSync("mkfifo", [fifo]).status).toBe(0);
  const unread = openSync(fifo, "r+");
  const stdio = ["ignore", "ignore", unread] as const;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: [...stdio] });
  const code = await new Promise((resolve) => child.once("exit", resolve));
  closeSync(unread);
  expect(code).toBe(7);
});
