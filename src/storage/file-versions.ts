import { join, relative } from "node:path";
import { openFlags, unless, UnreadableFileError, type FileSystem, type OpenFile } from "./file-system.ts";
import type { Version } from "./versioned-storage.ts";

/** One numbered file: who wrote it, over what, and what. */
export interface FileEntry {
  readonly writeId: string;
  /** The write id of the version that this one replaced; `null` for the first of a key. */
  readonly previous: string | null;
  /** A removal is a version without a value: it keeps the numbers from starting again. */
  readonly kind: "value" | "removal";
  /** Empty where only the header was asked for. */
  readonly value: Uint8Array;
}

/** The newest version of a key, and all that is kept. */
export interface FileHead extends FileEntry {
  readonly number: number;
  readonly version: Version;
  /** The names of all kept versions, lowest first. */
  readonly names: readonly string[];
}

const headerLimit = 1024;
const emptyValue = new Uint8Array(0);

/** Reads the numbered versions of keys: `<root>/<encoded key>/@/<16 digits>`. It changes nothing. */
export class FileVersions {
  readonly #fs: FileSystem;
  readonly #root: string;
  readonly #maxBytes: number;
  #realRoot: Promise<string> | undefined;

  constructor(fs: FileSystem, root: string, maxValueBytes: number) {
    this.#fs = fs;
    this.#root = root;
    this.#maxBytes = maxValueBytes + headerLimit;
  }

  /**
   * The newest version in `directory`, or `undefined` if there never was one.
   *
   * List, open the highest, list again: with one listing the number may be pruned and then filled by a slow writer
   * between list and open, and a write that lost would be read.
   */
  async head(directory: string, part: "header" | "all", signal?: AbortSignal): Promise<FileHead | undefined> {
    for (;;) {
      signal?.throwIfAborted();
      const [names] = await Promise.all([this.names(directory), this.assertDirectory(directory)]);
      const highest = names.at(-1);
      if (highest === undefined) return undefined;
      const entry = await this.entry(join(directory, highest), part);
      if (entry === undefined) continue; // pruned meanwhile, so there is a newer one
      if ((await this.names(directory)).at(-1) !== highest) continue;
      const number = Number(highest);
      if (!Number.isSafeInteger(number + 1)) throw new UnreadableFileError(`the number ${highest} leaves no next one`);
      return { ...entry, number, version: versionOf(number, entry.writeId), names };
    }
  }

  /** The names of the versions in `directory`, lowest first. Atomic while it is one `getdents`: less than 800 names. */
  async names(directory: string): Promise<string[]> {
    const names = await unless(["ENOENT"], () => this.#fs.readdir(directory));
    return (names ?? []).filter(isVersionName).sort();
  }

  /** The version in one file, or `undefined` if there is no such file. */
  async entry(path: string, part: "header" | "all"): Promise<FileEntry | undefined> {
    const file = await unless(["ENOENT"], () => this.#open(path));
    if (file === undefined) return undefined;
    try {
      const { size } = await this.#facts(file, path);
      const bytes = await readStart(file, part === "all" ? size : Math.min(size, headerLimit));
      return decodeEntry(bytes, size, part);
    } finally {
      await file.close();
    }
  }

  /** Refuses a directory that is reached through a symbolic link below the root; a missing one is fine. */
  async assertDirectory(directory: string): Promise<void> {
    const real = await unless(["ENOENT"], () => this.#fs.realpath(directory));
    if (real === undefined || real === (await this.#expected(directory))) return;
    this.#realRoot = undefined; // the root itself may be a link that now leads elsewhere
    if (real === (await this.#expected(directory))) return;
    throw new UnreadableFileError(`${directory} is reached through a symbolic link`);
  }

  async #expected(directory: string): Promise<string> {
    this.#realRoot ??= this.#fs.realpath(this.#root).catch((error: unknown) => {
      this.#realRoot = undefined;
      throw error;
    });
    return join(await this.#realRoot, relative(this.#root, directory));
  }

  async #open(path: string): Promise<OpenFile> {
    const file = await unless(["ELOOP", "EMLINK", "ENXIO", "EISDIR"], () => this.#fs.open(path, openFlags.read));
    if (file === undefined) throw new UnreadableFileError(`${path} is a symbolic link, a socket or a directory`);
    return file;
  }

  async #facts(file: OpenFile, path: string): Promise<{ size: number }> {
    const facts = await file.stat();
    if (!facts.isFile()) throw new UnreadableFileError(`${path} is not a regular file`);
    if (facts.size > this.#maxBytes) {
      throw new UnreadableFileError(`${path} has ${facts.size} bytes; at most ${this.#maxBytes} are read`);
    }
    return facts;
  }
}

/** Whether a name is that of a version's file. */
export function isVersionName(name: string): boolean {
  return /^\d{16}$/.test(name);
}

/** The name of a version's file. */
export function nameOf(number: number): string {
  return String(number).padStart(16, "0");
}

/** The version that callers see. The write id makes it unique even where a restored backup takes the numbers back. */
export function versionOf(number: number, writeId: string): Version {
  return `${number}-${writeId}` as Version; // cast: the one place where this driver makes versions
}

/** The bytes of a version's file: a line of JSON, then the value. `length` lets a cut file be recognised. */
export function encodeEntry({ writeId, previous, kind, value }: FileEntry): Uint8Array {
  const header = `${JSON.stringify({ writeId, previous, kind, length: value.byteLength })}\n`;
  return Buffer.concat([Buffer.from(header), value]);
}

/** The opposite of `encodeEntry`. `size` is the size of the file, of which `bytes` may be only the start. */
function decodeEntry(bytes: Uint8Array, size: number, part: "header" | "all"): FileEntry {
  const end = bytes.indexOf(10);
  if (end < 0 || end >= headerLimit) throw new UnreadableFileError("a version has no header line");
  const header = parseObject(new TextDecoder().decode(bytes.subarray(0, end)));
  const [writeId, previous, kind, length] = ["writeId", "previous", "kind", "length"].map((name) => header[name]);
  const isId = (id: unknown): id is string => typeof id === "string" && /^[\w-]{1,64}$/.test(id);
  if (!isId(writeId) || !(previous === null || isId(previous)) || !(kind === "value" || kind === "removal")) {
    throw new UnreadableFileError("a version's header line is not ours");
  }
  if (length !== size - end - 1) throw new UnreadableFileError("a version is cut, or has more bytes than it should");
  return { writeId, previous, kind, value: part === "all" ? bytes.slice(end + 1) : emptyValue };
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === "object" && parsed !== null) return { ...parsed };
  } catch (error) {
    throw new UnreadableFileError("a version's header line is not JSON", { cause: error });
  }
  throw new UnreadableFileError("a version's header line is not an object");
}

async function readStart(file: OpenFile, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, { offset: done, length: length - done, position: done });
    if (bytesRead === 0) throw new UnreadableFileError("a version became shorter while it was read");
    done += bytesRead;
  }
  return bytes;
}
