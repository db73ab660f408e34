import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { InvalidSettingsError, PackageMissingError } from "../errors.ts";
import { printable } from "../system/logger.ts";
import { GitNotStartedError, inheritedEnv, runGit, type GitOutput } from "./git-process.ts";
import type { ResolvedGitSettings } from "./git-settings.ts";

/** One run of git inside a repository of ours. */
export interface GitStep {
  /** The repository, made by this workspace. */
  readonly directory: string;
  readonly args: readonly string[];
  readonly signal: AbortSignal;
  readonly input?: Uint8Array;
  /** A file that git writes its steps to. */
  readonly trace?: string;
}

/** Only what is local can leave a lock behind when it is killed. */
const localGraceMs = 250;
/** More than any list or value; a remote that sends without end is cut. */
const limitBytes = 256 * 2 ** 20;

/**
 * The repositories of one connection, and git in them. A call works in a repository of its own, which is gone when the
 * call has ended: calls cannot get into each other's way, and nothing grows. No configuration but ours is read.
 */
export class GitWorkspace {
  readonly #settings: ResolvedGitSettings;
  readonly #running = new Set<Promise<unknown>>();
  #root: Promise<string> | undefined;
  #env: Promise<Readonly<Record<string, string>>> | undefined;
  /** For what all calls share, and none of them may end. */
  readonly #closing = new AbortController();
  #mirror: string | undefined;
  #making: Promise<void> | undefined;
  #damaged = 0;
  #made = 0;

  constructor(settings: ResolvedGitSettings) {
    this.#settings = settings;
  }

  /** How many processes of git are under way. */
  get running(): number {
    return this.#running.size;
  }

  /** Lends a new repository, empty but for its settings. */
  async scratch<T>(use: (directory: string) => Promise<T>): Promise<T> {
    const number = (this.#made += 1); // before anything is awaited: calls must not share a number
    const directory = join(await this.#rootFolder(), `call-${number}`);
    try {
      await this.#makeRepository(directory);
      return await use(directory);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  /** The copy of a branch, which all calls share; made by the first, and again if somebody has swept it away. */
  async mirror(): Promise<string> {
    const { mirror } = this.#settings;
    const copy = `mirror-${this.#damaged}`;
    const directory = mirror === undefined ? join(await this.#rootFolder(), copy) : resolve(mirror);
    if (this.#mirror === directory && existsSync(join(directory, "HEAD"))) return directory;
    await (this.#making ??= this.#makeMirror(directory).finally(() => (this.#making = undefined)));
    this.#mirror = directory;
    return directory;
  }

  /** Gives up a temporary copy that git cannot read any more: sweepers of temporary folders take single files. */
  distrust(directory: string): void {
    if (this.#mirror !== directory || this.#settings.mirror !== undefined) return;
    this.#damaged += 1;
    this.#mirror = undefined;
  }

  /** @throws {PackageMissingError} if there is no git, or none that is new enough. */
  async run({ directory, args, signal, input, trace }: GitStep): Promise<GitOutput> {
    const inherited = await this.#environment();
    const env = { ...inherited, ...(trace !== undefined && { GIT_TRACE: trace, GIT_TRACE_PACKET: trace }) };
    return this.#start([`--git-dir=${directory}`, ...args], { env, signal, ...(input && { input }) });
  }

  /** Waits until what was killed has gone, and takes the temporary repositories away. */
  async close(): Promise<void> {
    this.#closing.abort(new Error("the storage was closed"));
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
    const root = await this.#root?.catch(() => undefined); // it was never made, and nothing is to be removed
    if (root !== undefined) await rm(root, { recursive: true, force: true });
  }

  async #start(
    args: readonly string[],
    call: { env: Readonly<Record<string, string>>; signal: AbortSignal; input?: Uint8Array },
  ): Promise<GitOutput> {
    const { git, clock, place } = this.#settings;
    const graceMs = place.protocol === "file" ? localGraceMs : 0;
    const running = runGit({ ...call, program: git.path ?? "git", args, clock, graceMs, limitBytes });
    this.#running.add(running);
    try {
      return await running;
    } catch (error) {
      if (!(error instanceof GitNotStartedError)) throw error;
      throw new PackageMissingError("git cannot be started: install git 2.30 or later, and put it on the PATH", {
        storage: place.description,
        cause: error.cause,
      });
    } finally {
      this.#running.delete(running);
    }
  }

  #rootFolder(): Promise<string> {
    this.#root ??= this.#makeRoot().catch((error: unknown) => {
      this.#root = undefined; // the next call tries again
      throw error;
    });
    return this.#root;
  }

  async #makeRoot(): Promise<string> {
    const root = await mkdtemp(join(tmpdir(), rootName));
    await sweep(tmpdir(), rootName, this.#settings.clock.wallMs());
    return root;
  }

  /** A folder that is to be kept may be there already; then it has to be one of ours. */
  async #makeMirror(directory: string): Promise<void> {
    if (this.#settings.mirror !== undefined && existsSync(join(directory, "HEAD"))) {
      const config = await readFile(join(directory, "config"), "utf8").catch(() => ""); // unreadable is not ours
      if (!config.startsWith(firstLine)) {
        throw new InvalidSettingsError([`mirror ("${printable(directory)}") is a repository of somebody else`]);
      }
      await sweep(join(directory, "refs", "tenure"), "", this.#settings.clock.wallMs());
    }
    await this.#makeRepository(directory);
  }

  /** What `git init` makes, without a process and without templates. */
  async #makeRepository(directory: string): Promise<void> {
    const { credentialHelper } = this.#settings.git;
    await mkdir(join(directory, "objects"), { recursive: true, mode: 0o700 });
    await mkdir(join(directory, "refs"), { recursive: true });
    const config =
      credentialHelper === undefined ? settingsOfOurs : `${settingsOfOurs}${credentialLine(credentialHelper)}`;
    await writeFile(join(directory, "config"), config);
    // Last, and in one step: with HEAD it is a repository.
    await writeFile(join(directory, "HEAD.new"), "ref: refs/heads/nothing\n");
    await rename(join(directory, "HEAD.new"), join(directory, "HEAD"));
  }

  #environment(): Promise<Readonly<Record<string, string>>> {
    this.#env ??= this.#prepare().catch((error: unknown) => {
      this.#env = undefined; // the next call tries again
      throw error;
    });
    return this.#env;
  }

  async #prepare(): Promise<Readonly<Record<string, string>>> {
    const { git, place } = this.#settings;
    const env = { ...(git.env ?? inheritedEnv()), ...environmentOfOurs, GIT_ALLOW_PROTOCOL: place.protocol };
    const { stdout } = await this.#start(["version"], { env, signal: this.#closing.signal });
    const [text = "", major, minor] = /^git version (\d+)\.(\d+)\S*/.exec(stdout.toString("utf8")) ?? [];
    const [release, isOld] = [Number(major) * 1000 + Number(minor), (than: number) => !(release >= than)];
    if (isOld(2030)) {
      throw new PackageMissingError(`${text || "git"} is too old: install git 2.30 or later`, {
        storage: place.description,
      });
    }
    // Before 2.32 only a home of its own keeps git from reading a user's configuration.
    const home = isOld(2032) ? { HOME: await this.#rootFolder(), XDG_CONFIG_HOME: await this.#rootFolder() } : {};
    return { ...env, ...home, ...secretsOf(this.#settings) };
  }
}

/** Removes what killed processes left behind, a day ago or longer: whoever lives uses it more often than that. */
async function sweep(folder: string, start: string, nowMs: number): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    // nothing to sweep, or not for us
    if (!name.startsWith(start)) continue;
    const path = join(folder, name);
    const facts = await stat(path).catch(() => undefined); // somebody else was faster
    if (facts === undefined || nowMs - facts.mtimeMs < dayMs) continue;
    await rm(path, { recursive: true, force: true }).catch(() => undefined); // it is another user's
  }
}

/**
 * Whether git, by its own trace, came so far as to send this command of a push, which is traced before it is sent.
 * Without a trace nothing is proved.
 */
export async function hasSent(trace: string, command: string): Promise<boolean> {
  const text = await readFile(trace, "utf8").catch(() => ""); // a trace that cannot be read is none
  return !text.includes("built-in: git push ") || text.includes(command);
}

/** By environment: arguments are for everybody to read. The header goes to this one place, for redirects are off. */
function secretsOf({ place }: ResolvedGitSettings): Readonly<Record<string, string>> {
  const { credentials, protocol } = place;
  if (credentials === undefined || protocol === "ssh") return {};
  const pair = Buffer.from(`${credentials.user}:${credentials.password}`).toString("base64");
  return { GIT_CONFIG_PARAMETERS: `'http.extraheader=Authorization: Basic ${pair}'` };
}

function credentialLine(credentialHelper: string): string {
  return `[credential]\n\thelper = "${credentialHelper.replace(/[\\"]/g, "\\$&").replace(/\n/g, "\\n")}"\n`;
}

const environmentOfOurs: Readonly<Record<string, string>> = {
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_ATTR_NOSYSTEM: "1",
  GIT_NO_REPLACE_OBJECTS: "1",
  GIT_OPTIONAL_LOCKS: "0",
  GIT_TERMINAL_PROMPT: "0",
  GIT_ASKPASS: "",
  SSH_ASKPASS_REQUIRE: "never",
  GCM_INTERACTIVE: "never",
  LC_ALL: "C",
  LANGUAGE: "C",
};

const rootName = "tenure-git-";
const dayMs = 24 * 60 * 60 * 1000;
const firstLine = "# made by tenure";
const settingsOfOurs = `${firstLine}
[core]
\trepositoryformatversion = 0
\tbare = true
\thooksPath = /dev/null
\tlogAllRefUpdates = false
[fastimport]
\tunpackLimit = 0
[gc]
\tauto = 0
[maintenance]
\tauto = false
[fetch]
\twriteCommitGraph = false
[http]
\tfollowRedirects = false
[push]
\tgpgSign = false
[protocol]
\tversion = 2
`;
