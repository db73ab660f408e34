import { constants, watch } from "node:fs";
import {
  access,
  chmod,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  rm,
  stat,
  statfs,
  unlink,
} from "node:fs/promises";
import { errorCode } from "../errors.ts";

/**
 * The functions of `node:fs/promises` (and `watch` of `node:fs`) that `FileStorage` uses, by their smallest shape.
 * Tests wrap it to pause, fail or kill between any two steps; users have no reason to pass one.
 */
export interface FileSystem {
  access(path: string, mode: number): Promise<void>;
  chmod(path: string, mode: number): Promise<void>;
  link(existing: string, path: string): Promise<void>;
  lstat(path: string): Promise<FileFacts>;
  mkdir(path: string, options: { readonly recursive: boolean; readonly mode: number }): Promise<string | undefined>;
  open(path: string, flags: number, mode?: number): Promise<OpenFile>;
  readdir(path: string): Promise<string[]>;
  realpath(path: string): Promise<string>;
  rename(from: string, to: string): Promise<void>;
  rm(path: string, options: { readonly recursive: boolean; readonly force: boolean }): Promise<void>;
  stat(path: string): Promise<FileFacts>;
  statfs(path: string): Promise<{ readonly bavail: number; readonly bsize: number }>;
  unlink(path: string): Promise<void>;
  watch(path: string, options: { readonly persistent: boolean }, listener: FileListener): FileWatcher;
}

/** What is known of a file without opening it. */
export interface FileFacts {
  readonly size: number;
  readonly mtimeMs: number;
  readonly mode: number;
  isFile(): boolean;
  isDirectory(): boolean;
}

/** Which bytes of a file to read, and where in the buffer they go. */
export interface FilePart {
  readonly offset: number;
  readonly length: number;
  readonly position: number;
}

/** An open file or directory. */
export interface OpenFile {
  chmod(mode: number): Promise<void>;
  close(): Promise<void>;
  datasync(): Promise<void>;
  read(buffer: Uint8Array, part: FilePart): Promise<{ readonly bytesRead: number }>;
  stat(): Promise<FileFacts>;
  sync(): Promise<void>;
  writeFile(bytes: Uint8Array): Promise<void>;
}

/** Hears that something changed in a directory, and under which name, where the system tells it. */
export type FileListener = (event: string, name: string | null) => void;

/** A running watch of a directory. */
export interface FileWatcher {
  close(): void;
  on(event: "error", listener: (error: Error) => void): unknown;
}

/** The file system of this host. */
export const systemFileSystem: FileSystem = {
  access,
  chmod,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  rm,
  stat,
  statfs,
  unlink,
  watch,
};

/** Flags that the driver opens with. Windows has neither no-follow nor non-blocking opens, nor FIFOs to block on. */
export const openFlags: { readonly read: number; readonly create: number; readonly directory: number } = {
  // non-blocking: opening a FIFO that nobody writes to would otherwise occupy a thread of the pool for ever
  read: constants.O_RDONLY | noFollow() | (constants.O_NONBLOCK ?? 0),
  create: constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | noFollow(),
  directory: constants.O_RDONLY | (constants.O_DIRECTORY ?? 0),
};

function noFollow(): number {
  return constants.O_NOFOLLOW ?? 0;
}

/** What stands where a version belongs is not a version of ours: a link, a directory, cut bytes, a foreign file. */
export class UnreadableFileError extends Error {
  override readonly name: string = "UnreadableFileError";
}

/** Runs one step; a failure with one of the listed codes counts as `undefined`. */
export async function unless<T>(codes: readonly string[], step: () => Promise<T>): Promise<T | undefined> {
  try {
    return await step();
  } catch (error) {
    if (codes.includes(errorCode(error) ?? "")) return undefined;
    throw error;
  }
}
