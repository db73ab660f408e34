import { rm, readFile, writeFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { sleep } from "../system/clock.ts";
import { GitFailure, gitFailure } from "./git-errors.ts";
import { GitHistory, keyAt } from "./git-history.ts";
import { importCommit, objectsOf, typesOf } from "./git-objects.ts";
import { pathOf, pathsOf, pathsToAsk, planFiles, type EntryAt } from "./git-paths.ts";
import type { GitEnd, GitLayout } from "./git-refs.ts";
import { GitRemote } from "./git-remote.ts";
import type { ResolvedGitSettings } from "./git-settings.ts";
import type { GitWorkspace } from "./git-workspace.ts";
import { decodeKey, encodeKey } from "./keys.ts";
import type { Attempt, ListedKey } from "./versioned-lease-storage.ts";
import type { Change, Stored, Version } from "./versioned-storage.ts";

/** A commit of the branch, and the copy that has it. */
interface Tip {
  readonly directory: string;
  readonly tip: string;
}

/** A push that was answered with a refusal; what it was about may still hold on the branch as it is now. */
interface Refusal {
  readonly kind: "again";
  readonly commit: string;
  /** Where the branch was. */
  readonly tip: string | undefined;
  readonly why: string;
}

/** After so many fetches the objects of the copy are packed. */
const fetchesPerPack = 500;
/** Refused as often while the branch stands still, it is a hook or a lock file and not another writer. */
const mostTriesOnOneTip = 6;

/** One file for each key on one branch; files of others stay. All changes of a `transact` are one commit. */
export class GitTree implements GitLayout {
  readonly #settings: ResolvedGitSettings;
  readonly #workspace: GitWorkspace;
  readonly #remote: GitRemote;
  readonly #history: GitHistory;
  readonly #branch: string;
  /** With a slash at its end, or `""`. */
  readonly #folder: string;
  #fetches = 0;
  /** The newest copy of the branch: the next fetch asks for what is missing there. */
  #kept: string | undefined;

  constructor(settings: ResolvedGitSettings, workspace: GitWorkspace) {
    this.#settings = settings;
    this.#workspace = workspace;
    this.#remote = new GitRemote(workspace, settings.place);
    this.#branch = `refs/heads/${settings.branch}`;
    this.#folder = settings.directory === "" ? "" : `${settings.directory}/`;
    this.#history = new GitHistory(workspace, this.#folder);
  }

  async read(key: string, signal: AbortSignal): Promise<Stored | undefined> {
    const at = await this.#fetch(signal);
    if (at === undefined) return undefined;
    const encoded = encodeKey(key);
    const names = pathsOf(encoded).map((path) => `${at.tip}:${this.#folder}${path}`);
    const objects = await objectsOf(this.#workspace, { directory: at.directory, names, signal });
    const blob = objects.find((object) => object?.type === "blob");
    if (blob === undefined) return undefined;
    const versions = await this.#history.versions({ ...at, keys: [encoded], signal });
    return { value: blob.content, version: (versions.get(encoded) ?? at.tip) as Version }; // cast: ids are the versions
  }

  async write(changes: readonly Change[], { signal, progress }: Attempt): Promise<GitEnd> {
    const { clock, random } = this.#settings;
    let refused: Refusal | undefined;
    for (let [tries, sameTip] = [1, 0]; ; tries += 1) {
      progress.applied = refused === undefined ? "no" : "unknown";
      const at = await this.#fetch(signal);
      // A push that was delivered twice is refused, and may already be below what others built on it.
      if (refused !== undefined && (await this.#isIn(refused.commit, at, signal))) return writtenAs(refused.commit);
      progress.applied = "no";
      sameTip = at?.tip === refused?.tip ? sameTip + 1 : 1;
      if (refused !== undefined && sameTip > mostTriesOnOneTip) return { kind: "refused", why: refused.why };
      const end = await this.#tryOnce(changes, { at, signal, progress });
      if (end.kind !== "again") return end;
      refused = end; // so it is built anew on what is there then, apart from others who do the same
      await sleep(clock, random.next() * Math.min(400, 20 * tries), signal);
    }
  }

  async list(prefix: string, signal: AbortSignal): Promise<readonly ListedKey[]> {
    const at = await this.#fetch(signal);
    if (at === undefined) return [];
    const below = `${this.#folder}${prefix === "" ? "" : `${encodeKey(prefix.slice(0, -1))}/`}`;
    const args = ["ls-tree", "-r", "--full-tree", at.tip, "--", ...(below === "" ? [] : [below])];
    const output = await this.#workspace.run({ directory: at.directory, args, signal });
    if (output.code !== 0) throw gitFailure(output);
    const keys = new Set<string>();
    for (const line of output.stdout.toString("utf8").split("\n")) {
      const [, path] = /^100[0-7]{3} blob [0-9a-f]+\t(.+)$/.exec(line) ?? [];
      const key = path === undefined ? undefined : keyAt(path, this.#folder);
      if (key !== undefined && decodeKey(key)?.startsWith(prefix)) keys.add(key);
    }
    const versions = await this.#history.versions({ ...at, keys: [...keys], signal });
    return [...versions].flatMap(([encoded, version]) => {
      const key = decodeKey(encoded);
      return key === undefined ? [] : [{ key, version: version as Version }]; // cast: as above
    });
  }

  look(_key: string, signal: AbortSignal): Promise<string | undefined> {
    return this.#workspace.scratch((directory) => this.#remote.ask(directory, this.#branch, signal));
  }

  lockFile(): string {
    return `${this.#branch}.lock`;
  }

  /** Checks the conditions where the branch is now, builds on it, and pushes for as long as it is there. */
  async #tryOnce(
    changes: readonly Change[],
    { at, signal, progress }: Pick<Attempt, "signal" | "progress"> & { readonly at: Tip | undefined },
  ): Promise<GitEnd | Refusal> {
    const entryAt = await this.#entries(at, changes, signal);
    if (!(await this.#holds(at, { changes, entryAt }, signal))) return { kind: "lost" };
    const keys = changes.flatMap(({ kind, key }) => (kind === "check" ? [] : [encodeKey(key)]));
    if (keys.length === 0) return { kind: "written", version: (at?.tip ?? "absent") as Version }; // cast: only checks
    const { files, moved } = planFiles(changes, entryAt);
    const placed = files.map((file) => ({ ...file, path: `${this.#folder}${file.path}` }));
    return this.#workspace.scratch(async (directory) => {
      if (at !== undefined) await lend(at.directory, directory);
      const parent = at?.tip;
      const plan = { directory, settings: this.#settings, parent, keys, moved, files: placed, signal };
      const commit = await importCommit(this.#workspace, plan);
      signal.throwIfAborted();
      progress.applied = "unknown";
      const end = await this.#remote.push({ directory, ref: this.#branch, commit, expected: parent, signal });
      if (end.kind === "written") return writtenAs(commit);
      if (end.kind === "not sent") return end;
      if (end.kind !== "unknown") return { kind: "again", commit, tip: parent, why: whyOf(end) };
      const isApplied = await this.#isIn(commit, await this.#fetch(signal), signal);
      return isApplied ? writtenAs(commit) : end;
    });
  }

  async #entries(at: Tip | undefined, changes: readonly Change[], signal: AbortSignal): Promise<EntryAt> {
    if (at === undefined) return () => undefined;
    const paths = pathsToAsk(changes.map(({ key }) => encodeKey(key)));
    const names = paths.map((path) => `${at.tip}:${this.#folder}${path}`);
    const types = await typesOf(this.#workspace, { directory: at.directory, names, signal });
    const entries = new Map(paths.map((path, index) => [path, types[index]]));
    return (path) => entries.get(path);
  }

  async #holds(
    at: Tip | undefined,
    { changes, entryAt }: { readonly changes: readonly Change[]; readonly entryAt: EntryAt },
    signal: AbortSignal,
  ): Promise<boolean> {
    const asked: { readonly key: string; readonly expected: string }[] = [];
    for (const change of changes) {
      const key = encodeKey(change.key);
      const isThere = pathOf(key, entryAt) !== undefined;
      const expected = change.kind === "create" ? "absent" : change.expected;
      const isWanted = change.kind !== "create" && !(change.kind === "check" && expected === "absent");
      if (isThere !== isWanted) return false;
      if (isWanted) asked.push({ key, expected });
    }
    if (asked.length === 0 || at === undefined) return true;
    const versions = await this.#history.versions({ ...at, keys: asked.map(({ key }) => key), signal });
    return asked.every(({ key, expected }) => versions.get(key) === expected);
  }

  async #isIn(commit: string, at: Tip | undefined, signal: AbortSignal): Promise<boolean> {
    if (at === undefined) return false;
    const args = ["merge-base", "--is-ancestor", commit, at.tip];
    const { code } = await this.#workspace.run({ directory: at.directory, args, signal });
    return code === 0; // 128: the commit never came here, so it is in no history of the branch
  }

  /** The branch as it is now; `undefined` if it does not exist. */
  async #fetch(signal: AbortSignal): Promise<Tip | undefined> {
    const directory = await this.#workspace.mirror();
    this.#fetches += 1;
    if (this.#fetches % fetchesPerPack === 0) {
      await this.#workspace.run({ directory, args: ["repack", "-d", "-l", "-q"], signal });
    }
    const to = `refs/tenure/${this.#settings.random.uuid()}`;
    const file = join(directory, to);
    const isThere = await this.#remote.fetch(directory, { ref: this.#branch, to }, signal).catch(async (error) => {
      await rm(file, { force: true });
      if (error instanceof GitFailure && error.kind === "damaged copy") this.#workspace.distrust(directory);
      throw error;
    });
    if (!isThere) return undefined;
    const tip = (await readFile(file, "utf8")).trim();
    const before = this.#kept;
    this.#kept = file;
    if (before !== undefined) await rm(before, { force: true });
    return { directory, tip };
  }
}

function writtenAs(commit: string): GitEnd {
  return { kind: "written", version: commit as Version }; // cast: ids of commits are the versions here
}

function whyOf(end: GitEnd): string {
  return end.kind === "refused" ? end.why : "others write to the branch all the time";
}

/** Lets one repository use the objects of another. */
async function lend(from: string, to: string): Promise<void> {
  await mkdir(join(to, "objects", "info"), { recursive: true });
  await writeFile(join(to, "objects", "info", "alternates"), `${join(from, "objects")}\n`);
}
