import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { findProgram } from "./found-server.ts";

/** A server that is built from a Go module, once, into a cache outside the checkout. */
export interface GoServer {
  readonly name: string;
  /** The package of its `main`. */
  readonly module: string;
  readonly version: string;
}

/** Where the program is or will be; `undefined` if it is not built and there is no Go. */
export function findGoServer(server: GoServer): string | undefined {
  const folder = cacheFolder(server);
  return folder === undefined ? undefined : join(folder, server.name);
}

/** Builds it if that was not done before (a minute or two), and returns the path of the program. */
export function buildGoServer(server: GoServer): string {
  const folder = cacheFolder(server);
  if (folder === undefined) throw new Error(`${server.name} is built with Go, which is missing`);
  const program = join(folder, server.name);
  if (existsSync(program)) return program;
  console.warn(`building ${server.name} ${server.version} into ${folder}`);
  const making = `${folder}.${process.pid}`; // moved when done: a build that was cut leaves nothing that looks whole
  mkdirSync(making, { recursive: true });
  const env = { ...process.env, GOBIN: making, GOFLAGS: "-trimpath" };
  const { status, stderr } = spawnSync("go", ["install", `${server.module}@${server.version}`], {
    env,
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
  if (status !== 0) throw new Error(`go install ${server.module}@${server.version} failed: ${stderr}`);
  if (existsSync(folder)) rmSync(making, { recursive: true });
  else renameSync(making, folder);
  return program;
}

function cacheFolder({ name, version }: GoServer): string | undefined {
  if (findProgram("go") === undefined) return undefined;
  const go = spawnSync("go", ["env", "GOVERSION"], { encoding: "utf8" }).stdout.trim();
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return join(cache, "tenure-test-servers", `${name}-${version}-${go}`);
}
