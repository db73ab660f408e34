import { constants } from "node:fs";
import { join, relative, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { InvalidSettingsError, StorageUnavailableError } from "../errors.ts";
import { withDeadline } from "../system/signals.ts";
import { fileError } from "./file-errors.ts";
import { fileSettings, fileUrlOptions, type FileStorageOptions, type ResolvedFileSettings } from "./file-settings.ts";
import { discardScratch, sweepFiles } from "./file-sweep.ts";
import { unless } from "./file-system.ts";
import { FileVersions } from "./file-versions.ts";
import { watchFile } from "./file-watch.ts";
import { FileWriter, type FileChange } from "./file-writer.ts";
import { decodeKey, encodeKey } from "./keys.ts";
import type { DriverOpenOptions } from "./storage-driver.ts";
import type { StorageUrl } from "./storage-url.ts";
import { VersionedLeaseStorage, type Attempt, type ListedKey } from "./versioned-lease-storage.ts";
import type { Hint, Stored, Version, WriteOutcome } from "./versioned-storage.ts";

export type { FileStorageOptions } from "./file-settings.ts";
export type { FileFacts, FileListener, FilePart, FileSystem, FileWatcher, OpenFile } from "./file-system.ts";

const pageSize = 100;
const littleSpaceBytes = 16 * 2 ** 20;
const noValue = new Uint8Array(0);

/**
 * Documents in a directory of this machine, safe against other processes and against SIGKILL at any instant: each
 * version of a key is a file `<directory>/<encoded key>/@/<number>`, made by `link()`, which fails if the number is
 * taken. There are no lock files. The newest `keep` versions stay as backups.
 *
 * An acknowledged write survives a power failure unless `fsync` is off. Network file systems are outside the promise.
 */
export class FileStorage extends VersionedLeaseStorage {
  readonly #settings: ResolvedFileSettings;
  readonly #versions: FileVersions;
  readonly #writer: FileWriter;
  /** Writes under way, also those whose caller was told that the deadline had passed. */
  readonly #writes = new Set<Promise<unknown>>();
  #trouble: unknown;

  /** @throws {InvalidSettingsError} naming every option that is wrong. Touches no file. */
  constructor(options: FileStorageOptions) {
    const settings = fileSettings(options);
    const { root, fs, clock, timeoutMs, maxValueBytes } = settings;
    super({
      description: pathToFileURL(root).href,
      capabilities: {
        watch: "push",
        transact: false,
        expiry: false,
        maxValueBytes,
        minWriteIntervalMs: 0,
        durability: settings.fsync ? "durable" : "machine",
        reach: "machine",
      },
      clock,
      timeoutMs,
    });
    this.#settings = settings;
    this.#versions = new FileVersions(fs, root, maxValueBytes);
    this.#writer = new FileWriter({
      ...settings,
      versions: this.#versions,
      onTidied: (trouble) => {
        this.#trouble = trouble;
      },
    });
  }

  /** Removes what killed writers and probes left behind long ago. `open()` calls it; no promise depends on it. */
  async sweep(): Promise<void> {
    try {
      await sweepFiles({ ...this.#settings, versions: this.#versions, nowMs: this.clock.wallMs() });
    } catch (error) {
      throw fileError(error, { operation: "sweep", storage: this.description });
    }
  }

  /**
   * Removes what the removed keys of one probe left behind, below `tenure-probe/<uuid>/`; these names are never used
   * again. The probe calls it at its end.
   *
   * @throws {InvalidSettingsError} for any other prefix.
   */
  async discardScratch(prefix: string): Promise<void> {
    try {
      const parts = { ...this.#settings, versions: this.#versions, nowMs: this.clock.wallMs() };
      await discardScratch(parts, prefix);
    } catch (error) {
      throw fileError(error, { operation: "sweep", storage: this.description });
    }
  }

  protected override async readOnce(key: string, { signal }: Attempt): Promise<Stored | undefined> {
    try {
      const head = await this.#versions.head(this.#directory(key), "all", signal);
      return head?.kind === "value" ? { value: head.value, version: head.version } : undefined;
    } catch (error) {
      throw fileError(error, { operation: "read", storage: this.description, key });
    }
  }

  protected override createOnce(key: string, value: Uint8Array, attempt: Attempt): Promise<WriteOutcome> {
    return this.#write({ operation: "create", key }, { kind: "value", value, expected: undefined }, attempt);
  }

  protected override replaceOnce(
    key: string,
    { value, expected }: { readonly value: Uint8Array; readonly expected: Version },
    attempt: Attempt,
  ): Promise<WriteOutcome> {
    return this.#write({ operation: "replace", key }, { kind: "value", value, expected }, attempt);
  }

  protected override removeOnce(key: string, expected: Version, attempt: Attempt): Promise<WriteOutcome> {
    return this.#write({ operation: "remove", key }, { kind: "removal", value: noValue, expected }, attempt);
  }

  protected override async *listPages(prefix: string, signal: AbortSignal): AsyncGenerator<readonly ListedKey[]> {
    const start = prefix === "" ? this.#settings.root : join(this.#settings.root, encodeKey(prefix.slice(0, -1)));
    let page: ListedKey[] = [];
    try {
      await this.#versions.assertDirectory(start);
      for await (const listed of this.#below(start, signal)) {
        page.push(listed);
        if (page.length < pageSize) continue;
        yield page;
        page = [];
      }
    } catch (error) {
      throw fileError(error, { operation: "list", storage: this.description, key: prefix });
    }
    yield page;
  }

  protected override watchOnce(key: string, signal: AbortSignal): AsyncIterable<Hint> {
    const directory = this.#directory(key);
    return watchFile({ ...this.#settings, directory, read: () => this.read(key, { signal }) }, signal);
  }

  protected override async healthOnce(): Promise<readonly string[]> {
    const { fs, root } = this.#settings;
    const where = { operation: "check", storage: this.description };
    try {
      const facts = await unless(["ENOENT"], () => fs.stat(root));
      if (facts === undefined) return ["the directory does not exist yet; the first write makes it"];
      if (!facts.isDirectory()) throw new StorageUnavailableError(`${this.description} is not a directory`, where);
      await fs.access(root, constants.R_OK | constants.W_OK | constants.X_OK);
      const { bavail, bsize } = await fs.statfs(root);
      if (bavail === 0) throw new StorageUnavailableError(`${this.description} has no space left`, where);
      const reasons = bavail * bsize < littleSpaceBytes ? [`only ${bavail * bsize} bytes are free`] : [];
      return this.#trouble === undefined ? reasons : [...reasons, `tidying up fails: ${text(this.#trouble)}`];
    } catch (error) {
      throw fileError(error, where);
    }
  }

  /** Waits for writes whose callers have gone, so that nothing changes afterwards; not longer than a call may take. */
  protected override async closeOnce(): Promise<void> {
    const { clock, timeoutMs } = this.#settings;
    const ended = Promise.allSettled(this.#writes);
    // A step that hangs cannot be cut. If it ever ends, its write stops there, or goes on as it would have.
    await withDeadline({ clock, timeoutMs }, () => ended).catch(() => undefined);
  }

  async #write(
    { operation, key }: { readonly operation: string; readonly key: string },
    change: Omit<FileChange, "directory">,
    attempt: Attempt,
  ): Promise<WriteOutcome> {
    const directory = this.#directory(key);
    const write = this.#writer.write({ ...change, directory }, attempt);
    this.#writes.add(write);
    try {
      return await write;
    } catch (error) {
      throw fileError(error, { operation, storage: this.description, key, applied: attempt.progress.applied });
    } finally {
      this.#writes.delete(write);
    }
  }

  /** Keys in `directory`, which stands for a part of a key. Foreign names, links and removed keys are left out. */
  async *#below(directory: string, signal: AbortSignal): AsyncGenerator<ListedKey, void, undefined> {
    const { fs, root } = this.#settings;
    for (const name of (await unless(["ENOENT", "ENOTDIR"], () => fs.readdir(directory))) ?? []) {
      signal.throwIfAborted();
      const path = join(directory, name);
      const key = decodeKey(relative(root, path).split(sep).join("/"));
      if (key === undefined || (await unless(["ENOENT"], () => fs.lstat(path)))?.isDirectory() !== true) continue;
      const head = await this.#versions.head(join(path, "@"), "header", signal);
      if (head?.kind === "value") yield { key, version: head.version };
      yield* this.#below(path, signal);
    }
  }

  #directory(key: string): string {
    return join(this.#settings.root, encodeKey(key), "@");
  }
}

/** Opens `file:///srv/tenure` or `file:./state` for the registry, and sweeps it. */
export async function open(url: StorageUrl, { client, clock, random }: DriverOpenOptions): Promise<FileStorage> {
  const options = fileUrlOptions(url);
  if (client !== undefined) throw new InvalidSettingsError(["file: takes no client"], { operation: "open" });
  const storage = new FileStorage({ ...options, clock, random });
  await storage.sweep().catch(() => undefined); // leftovers do no harm; a real trouble shows at the first call
  return storage;
}

function text(trouble: unknown): string {
  return trouble instanceof Error ? trouble.message : String(trouble);
}
