import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { errorCode } from "../../../src/errors.ts";
import { findProgram } from "./found-server.ts";

/** A server that is built with Go, once, into a cache outside the checkout. */
export type GoServer = { readonly name: string; readonly version: string } & (InstalledServer | OwnModule);

/** One that its own module can build. */
interface InstalledServer {
  /** The package of its `main`. */
  readonly module: string;
}

/** One that needs a module of ours, which names the versions of all that it is made of. */
interface OwnModule {
  /** Where the `go.mod` is. */
  readonly folder: string;
  /** The package of its `main`. */
  readonly package: string;
  /** What is set when it is linked: the version that it tells, say. */
  readonly variables?: Readonly<Record<string, string>>;
}

/** Where the program is or will be; `undefined` if it is not built and there is no Go. */
export function findGoServer(server: GoServer): string | undefined {
  const folder = cacheFolder(server);
  return folder === undefined ? undefined : join(folder, server.name);
}

/** Builds it if that was not done before (minutes), and resolves with the path of the program. */
export async function buildGoServer(server: GoServer): Promise<string> {
  const folder = cacheFolder(server);
  if (folder === undefined) throw new Error(`${server.name} is built with Go, which is missing`);
  const program = join(folder, server.name);
  if (existsSync(program)) return program;
  await alone(`${folder}.building`, async () => {
    if (!existsSync(program)) await build(server, folder);
  });
  return program;
}

async function build(server: GoServer, folder: string): Promise<void> {
  console.warn(`building ${server.name} ${server.version} into ${folder}`);
  const making = `${folder}.${process.pid}`; // moved when done: a build that was cut leaves nothing that looks whole
  mkdirSync(making, { recursive: true });
  const env = { ...process.env, GOBIN: making, GOFLAGS: "-trimpath -buildvcs=false", GOWORK: "off" };
  const [cwd, command] =
    "module" in server
      ? [undefined, ["install", `${server.module}@${server.version}`]]
      : [server.folder, ["build", "-o", join(making, server.name), ...linked(server), server.package]];
  try {
    // The least urgent work of the machine: others may be measuring.
    await promisify(execFile)("nice", ["-n", "19", "go", ...command], { cwd, env, maxBuffer: 2 ** 26 });
    renameSync(making, folder);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}

function linked({ variables = {} }: OwnModule): readonly string[] {
  const flags = Object.entries(variables).map(([name, value]) => `-X ${name}=${value}`);
  return flags.length === 0 ? [] : ["-ldflags", flags.join(" ")];
}

/** Runs it while no other process does; the file says who does. */
async function alone(file: string, run: () => Promise<void>): Promise<void> {
  mkdirSync(join(file, ".."), { recursive: true });
  while (!taken(file)) await pause(500);
  try {
    await run();
  } finally {
    rmSync(file, { force: true });
  }
}

function taken(file: string): boolean {
  try {
    writeFileSync(file, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
    if (isOfDead(file)) rmSync(file, { force: true });
    return false;
  }
}

function isOfDead(file: string): boolean {
  try {
    const pid = Number(readFileSync(file, "utf8"));
    if (pid > 0) process.kill(pid, 0);
    return false; // it lives, or is about to write its number
  } catch (error) {
    return errorCode(error) === "ESRCH";
  }
}

function cacheFolder({ name, version }: GoServer): string | undefined {
  if (findProgram("go") === undefined) return undefined;
  const go = spawnSync("go", ["env", "GOVERSION"], { encoding: "utf8" }).stdout.trim();
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return join(cache, "tenure-test-servers", `${name}-${version}-${go}`);
}
