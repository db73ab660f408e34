// Started by server-process.ts: runs a server in a process group of its own, and kills that group when stdin ends, so
// that no server outlives the test that started it, even if that test is killed.
import { spawn } from "node:child_process";
import { openSync } from "node:fs";

interface Question {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly logFile: string;
  readonly uid?: number;
  readonly gid?: number;
}

const question = JSON.parse(process.argv[2] ?? "") as Question; // cast: written by server-process.ts
const [command = "", ...args] = question.command;
const log = openSync(question.logFile, "a");
const server = spawn(command, args, {
  detached: true,
  cwd: question.folder,
  env: { ...process.env, ...question.env },
  stdio: ["ignore", log, log],
  ...(question.uid !== undefined && { uid: question.uid }),
  ...(question.gid !== undefined && { gid: question.gid }),
});

function killGroup(): void {
  try {
    if (server.pid !== undefined) process.kill(-server.pid, "SIGKILL");
  } catch {
    // gone already
  }
}

server.on("spawn", () => process.stdout.write(`${server.pid}\n`));
server.on("error", (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(127);
});
server.on("exit", (code) => {
  killGroup(); // children that it left
  process.exit(code ?? 1);
});
process.stdin.on("end", killGroup).on("error", killGroup).resume();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, killGroup);
