import { dirname, join, relative, sep } from "node:path";
import { errorCode } from "../errors.ts";
import type { Random } from "../system/random.ts";
import { openFlags, unless, UnreadableFileError, type FileSystem } from "./file-system.ts";
import { encodeEntry, nameOf, versionOf, type FileEntry, type FileHead, type FileVersions } from "./file-versions.ts";
import type { WriteProgress } from "./storage-call.ts";
import type { Version, WriteOutcome } from "./versioned-storage.ts";

/** What a `FileWriter` needs. */
export interface FileWriterParts {
  readonly fs: FileSystem;
  readonly versions: FileVersions;
  readonly random: Random;
  readonly root: string;
  /** How many versions of a key stay; at least 2, for the check of a slow writer looks at its successor. */
  readonly keep: number;
  readonly mode: number;
  readonly fsync: boolean;
  readonly current: boolean;
  /** Hears why versions could not be pruned or `@current` not be written, and `undefined` once it works again. */
  readonly onTidied: (trouble: unknown) => void;
}

/** One conditional write. Without `expected` the key must be absent. */
export interface FileChange {
  /** `<root>/<encoded key>/@` */
  readonly directory: string;
  readonly kind: "value" | "removal";
  readonly value: Uint8Array;
  readonly expected: Version | undefined;
}

/** What a write has to respect, and to tell. */
export interface FileAttempt {
  /** Stops the write, but only before the link. */
  readonly signal: AbortSignal;
  /** From the link on the write may have happened, unless the system refused it. */
  readonly progress: WriteProgress;
}

interface Linked {
  /** The entry that was linked, or was to be. */
  readonly entry: FileEntry;
  readonly number: number;
  readonly directory: string;
  /** Why the link failed; `undefined` if it is there. */
  readonly failure: Error | undefined;
}

/** What a link fails with where the system proves that it made none. Anything else may be a lost reply. */
const refusals: ReadonlySet<string> = new Set(
  (
    "EACCES EPERM EROFS ENOSPC EDQUOT ENOENT ENOTDIR EMLINK EXDEV ELOOP ENAMETOOLONG " +
    "ENOTSUP EOPNOTSUPP ENOSYS EMFILE ENFILE ENOMEM"
  ).split(" "),
);

/**
 * Writes numbered versions. The one atomic step is `link()` to the next number, which fails if that exists: there is no
 * lock file, so none can be stale. A writer that is killed leaves a temporary at most.
 */
export class FileWriter {
  readonly #parts: FileWriterParts;
  readonly #temporaries: string;

  constructor(parts: FileWriterParts) {
    this.#parts = parts;
    this.#temporaries = join(parts.root, "@tmp");
  }

  /** Look, write a temporary, link it to the next number, sync, check, tidy up. */
  async write(change: FileChange, attempt: FileAttempt): Promise<WriteOutcome> {
    const { versions, random } = this.#parts;
    attempt.progress.applied = "no";
    const [head] = await Promise.all([
      versions.head(change.directory, "header", attempt.signal),
      versions.assertDirectory(this.#temporaries),
    ]);
    if (refuses(head, change.expected)) return { written: false };
    // Synced before the link: whoever sees a version may rely on the directories above it.
    if (head === undefined) await this.#makeDirectories(change.directory);
    const entry = { ...change, writeId: random.uuid(), previous: head?.writeId ?? null };
    const number = (head?.number ?? 0) + 1;
    const failure = await this.#place(entry, join(change.directory, nameOf(number)), attempt);
    const outcome = await this.#settle({ entry, number, directory: change.directory, failure }, attempt);
    if (outcome.written) await this.#tidy(change.directory);
    return outcome;
  }

  /** Removes versions beyond `keep`, and writes `@current` again. Its failure takes nothing back from the write. */
  async #tidy(directory: string): Promise<void> {
    try {
      if (this.#parts.current) await this.#refreshCurrent(directory);
      await this.#prune(directory);
      this.#parts.onTidied(undefined);
    } catch (error) {
      this.#parts.onTidied(error);
    }
  }

  /** Writes a temporary, links it to `path`, syncs that and unlinks the temporary. Returns why the link failed. */
  async #place(entry: FileEntry, path: string, attempt: FileAttempt): Promise<Error | undefined> {
    const temporary = join(this.#temporaries, entry.writeId);
    try {
      await this.#writeTemporary(temporary, encodeEntry(entry));
      // Nothing below may be reached by a write whose caller was told that it was not applied.
      attempt.signal.throwIfAborted();
      attempt.progress.applied = "unknown";
      const failure = await this.#link(temporary, path);
      if (failure === undefined) await this.#syncDirectory(dirname(path));
      return failure;
    } finally {
      await this.#parts.fs.unlink(temporary).catch(() => {}); // swept at a later open()
    }
  }

  async #link(existing: string, path: string): Promise<Error | undefined> {
    try {
      await this.#parts.fs.link(existing, path);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error : new Error("the link failed", { cause: error });
    }
  }

  async #settle(linked: Linked, attempt: FileAttempt): Promise<WriteOutcome> {
    const { directory, entry, failure, number } = linked;
    const verdict = await this.#check(linked);
    if (verdict === "written") {
      if (failure !== undefined) await this.#syncDirectory(directory);
      return { written: true, version: versionOf(number, entry.writeId) };
    }
    if (verdict === "lost") return { written: false };
    if (failure === undefined) throw new Error(`version ${number} was pruned before its writer could look at it`);
    if (refusals.has(errorCode(failure) ?? "")) attempt.progress.applied = "no";
    throw failure;
  }

  /**
   * What became of a link. A writer that was paused may have filled a number that pruning had freed, so that its file
   * lies below the highest and was never read; and an applied version may have been pruned, and its number filled by
   * another. Pruning goes upwards: where a successor is missing, what it succeeded had gone before.
   */
  async #check({ directory, entry, failure, number }: Linked): Promise<"written" | "lost" | "unknown"> {
    const { versions } = this.#parts;
    const head = await versions.head(directory, "header");
    if (head === undefined || head.number < number) return "unknown"; // refused, or somebody took the files away
    if (head.number === number) {
      // Also after EEXIST: a network file system lost the first reply, and sent the link again.
      if (head.writeId === entry.writeId) return "written";
      return failure === undefined ? "unknown" : "lost";
    }
    const path = join(directory, nameOf(number));
    const successor = await versions.entry(join(directory, nameOf(number + 1)), "header");
    if (successor?.previous === entry.writeId) return "written";
    const mine = (await versions.entry(path, "header"))?.writeId === entry.writeId;
    if (mine) await unless(["ENOENT"], () => this.#parts.fs.unlink(path));
    return mine || successor !== undefined ? "lost" : "unknown";
  }

  async #prune(directory: string): Promise<void> {
    const names = await this.#parts.versions.names(directory);
    // Upwards, one by one, and never past one that stays: a later number must not go before an earlier one.
    for (const name of names.slice(0, -this.#parts.keep)) {
      await unless(["ENOENT"], () => this.#parts.fs.unlink(join(directory, name)));
    }
  }

  /** `@current` is for people and never read here. Who finds a newer version after writing it writes it again. */
  async #refreshCurrent(directory: string): Promise<void> {
    const { fs, random, versions } = this.#parts;
    const path = join(dirname(directory), "@current");
    for (let shown: Version | undefined; ;) {
      const head = await versions.head(directory, "all");
      if (head === undefined || head.version === shown) return;
      if (head.kind === "removal") await unless(["ENOENT"], () => fs.unlink(path));
      else {
        const temporary = join(this.#temporaries, random.uuid());
        await this.#writeTemporary(temporary, head.value);
        await fs.rename(temporary, path);
      }
      shown = head.version;
    }
  }

  async #writeTemporary(path: string, bytes: Uint8Array): Promise<void> {
    const { fs, fsync, mode } = this.#parts;
    const create = (): ReturnType<FileSystem["open"]> => fs.open(path, openFlags.create, mode);
    let file = await unless(["ENOENT"], create);
    if (file === undefined) {
      await this.#makeDirectory(this.#temporaries);
      file = await create();
    }
    try {
      if ((mode & 0o077) !== 0) await file.chmod(mode); // the umask takes away what a group was meant to have
      await file.writeFile(bytes);
      if (fsync) await file.datasync();
    } finally {
      await file.close();
    }
  }

  /** Makes the directories down to `directory`, and syncs each that holds one of them. */
  async #makeDirectories(directory: string): Promise<void> {
    const { fs, root } = this.#parts;
    const first = await fs.mkdir(root, { recursive: true, mode: this.#directoryMode() });
    if (first !== undefined) await this.#allow(root);
    const below = relative(root, directory).split(sep);
    const made = below.map((_, depth) => join(root, ...below.slice(0, depth + 1)));
    for (const path of made) await this.#makeDirectory(path);
    for (const path of [...made].reverse()) await this.#syncDirectory(dirname(path));
    await this.#syncAbove(root, first ?? root);
  }

  async #makeDirectory(path: string): Promise<void> {
    const { fs } = this.#parts;
    try {
      await fs.mkdir(path, { recursive: false, mode: this.#directoryMode() });
      await this.#allow(path);
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
      if (!(await fs.lstat(path)).isDirectory()) throw new UnreadableFileError(`${path} is not a directory`);
    }
  }

  /** Gives a new directory what the umask took away; a set-group bit that it inherited stays. */
  async #allow(path: string): Promise<void> {
    const { fs } = this.#parts;
    const { mode } = await fs.lstat(path);
    if ((mode & 0o777) !== this.#directoryMode()) await fs.chmod(path, (mode & 0o7000) | this.#directoryMode());
  }

  /** Syncs from the directory that holds `root` up to the one that holds `first`, the highest that was made. */
  async #syncAbove(root: string, first: string): Promise<void> {
    for (let path = dirname(root); ; path = dirname(path)) {
      // what may not be opened cannot be synced; it was there before us
      await unless(["EACCES", "EPERM"], () => this.#syncDirectory(path));
      if (path.length <= dirname(first).length) return;
    }
  }

  async #syncDirectory(path: string): Promise<void> {
    const { fs, fsync } = this.#parts;
    if (!fsync || process.platform === "win32") return; // Windows has no such call
    const directory = await fs.open(path, openFlags.directory);
    try {
      // some file systems know no fsync of a directory: they have nothing to sync
      await unless(["EINVAL", "ENOTSUP"], () => directory.sync());
    } finally {
      await directory.close();
    }
  }

  /** The mode of files plus the right to search, for whoever may read. */
  #directoryMode(): number {
    const { mode } = this.#parts;
    return mode | ((mode & 0o444) >> 2);
  }
}

/** Whether what is there forbids the write: the version, write id included, must be the expected one. */
function refuses(head: FileHead | undefined, expected: Version | undefined): boolean {
  const there = head?.kind === "value" ? head.version : undefined;
  return there !== expected;
}
