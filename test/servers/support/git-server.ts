import { spawnSync } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { GitStorage, type GitStorageOptions } from "../../../src/storage/git.ts";
import { runs, type FoundServer } from "./found-server.ts";
import { ServerProcess, type ServerPlace } from "./server-process.ts";

export type GitTransport = "file" | "http" | "daemon";

/** A fresh, empty repository, and how it is reached. */
export interface GitTestPlace {
  readonly url: string;
  /** The repository's folder; `""` for one that somebody else keeps. */
  readonly path: string;
  /** What `gitStorage` has opened here. */
  readonly opened: GitStorage[];
  /** Keeps places in one repository apart. */
  readonly options: Partial<GitStorageOptions>;
}

/** Bare repositories in a temporary folder, by path, over smart HTTP, or over git's daemon. */
export class GitServer implements AsyncDisposable {
  readonly root: string;
  /** What serves them; nothing does by path. */
  readonly process: ServerProcess | undefined;
  /** Of the user "ada" in what lies below `private/`. */
  readonly password: string;
  readonly #base: string;

  private constructor(root: string, parts: { process?: ServerProcess; password?: string; base: string }) {
    this.root = root;
    this.process = parts.process;
    this.password = parts.password ?? "";
    this.#base = parts.base;
  }

  static async start(transport: GitTransport): Promise<GitServer> {
    const root = mkdtempSync(join(tmpdir(), "tenure-repositories-"));
    const password = randomBytes(12).toString("hex");
    if (transport === "file") return new GitServer(root, { base: pathToFileURL(root).href });
    const script = fileURLToPath(new URL("git-http.ts", import.meta.url));
    const server = await ServerProcess.start({
      name: `git-${transport}`,
      command: ({ port }) =>
        transport === "http"
          ? [process.execPath, script, String(port), root]
          : ["git", "daemon", ...daemonOptions, `--port=${port}`, `--base-path=${root}`, root],
      env: { GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: "/dev/null", GIT_TEST_PASSWORD: password },
      ready: accepts,
    });
    const scheme = transport === "http" ? "http" : "git";
    const base = `${scheme}://127.0.0.1:${server.place.port}`;
    return new GitServer(root, { process: server, password, base });
  }

  /** A new bare repository; `folder` is one of those that the HTTP server treats in its own way. */
  place(folder?: "private" | "readonly"): GitTestPlace {
    const name = `${folder === undefined ? "" : `${folder}/`}${randomUUID()}.git`;
    const path = join(this.root, name);
    mkdirSync(path, { recursive: true });
    git(path, "init", "--quiet", "--bare", ".");
    return { url: `${this.#base}/${name}`, path, opened: [], options: {} };
  }

  /** Where a repository is, or would be. */
  urlOf(name: string): string {
    return `${this.#base}/${name}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process?.[Symbol.asyncDispose]();
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** The server of a transport, or that git is missing. */
export function findGit(transport: GitTransport): FoundServer<GitServer> {
  const name = `git (${transport})`;
  const program = { file: undefined, http: "http-backend", daemon: "daemon" }[transport];
  const hasGit = runs("git", ["--version"]) && (program === undefined || hasProgram(program));
  if (!hasGit) return { name, missing: "git 2.30 or later with http-backend and daemon (Debian: git)" };
  return { name, start: () => GitServer.start(transport) };
}

/** A place of its own in the repository that `TENURE_TEST_GIT_URL` names. */
export function placeAt(url: string): GitTestPlace {
  const id = randomUUID();
  const options = { namespace: `refs/tenure-test/${id}`, branch: `tenure-test/${id}`, minWriteIntervalMs: 0 };
  return { url, path: "", opened: [], options };
}

/** A connection that waits long enough on a machine with much to do, and as often as a test likes. */
export function gitStorage(place: GitTestPlace, options: Partial<GitStorageOptions> = {}): GitStorage {
  const quick = { timeoutMs: 60_000, minWriteIntervalMs: 0, pollMs: 100 };
  const storage = new GitStorage({ url: place.url, ...quick, ...place.options, ...options });
  place.opened.push(storage);
  return storage;
}

/** Closes what was opened there: a storage behind another one, which the suites put there, is not theirs to close. */
export async function leave({ opened }: GitTestPlace): Promise<void> {
  await Promise.all(opened.map((storage) => storage.close()));
}

/** Runs git in a repository, and returns what it prints. */
export function git(directory: string, ...args: readonly string[]): string {
  const env = { ...process.env, GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: "/dev/null", LC_ALL: "C" };
  const { status, stdout, stderr } = spawnSync("git", args, { cwd: directory, encoding: "utf8", env });
  if (status !== 0) throw new Error(`git ${args.join(" ")} ended with ${status}: ${stderr}`);
  return stdout.trim();
}

const daemonOptions = ["--listen=127.0.0.1", "--export-all", "--enable=receive-pack", "--reuseaddr"];

function hasProgram(name: string): boolean {
  const { stdout } = spawnSync("git", ["--exec-path"], { encoding: "utf8" });
  return runs("test", ["-x", join(stdout.trim(), `git-${name}`)]);
}

function accepts({ host, port }: ServerPlace): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    const end = (isOpen: boolean): void => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.on("connect", () => end(true)).on("error", () => end(false));
  });
}
