import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { PackageMissingError } from "../errors.ts";
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
  #making: Promise<void> | undefined;
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
    const directory = mirror === undefined ? join(await this.#rootFolder(), "mirror") : resolve(mirror);
    if (existsSync(join(directory, "HEAD"))) return directory;
    this.#making ??= this.#makeRepository(directory).finally(() => (this.#making = undefined));
    await this.#making;
    return directory;
  }

  /** @throws {PackageMissingError} if there is no git, or none that is new enough. */
  async run({ directory, args, signal, input, trace }: GitStep): Promise<GitOutput> {
    const inherited = await this.#environment();
    const env = { ...inherited, ...(trace !== undefined && { GIT_TRACE2_EVENT: trace }) };
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
    this.#root ??= mkdtemp(join(tmpdir(), "tenure-git-")).catch((error: unknown) => {
      this.#root = undefined; // the next call tries again
      throw error;
    });
    return this.#root;
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

/** Whether git, by its own account, came so far as to send the push over HTTP. */
export async function hasSent(trace: string): Promise<boolean> {
  const text = await readFile(trace, "utf8").catch(() => undefined); // without it nothing is proved
  return text === undefined || !text.includes('"start"') || text.includes('"send-pack"');
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

const settingsOfOurs = `[core]
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
