import { resolve } from "node:path";
import { InvalidSettingsError } from "../errors.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { printable } from "../system/logger.ts";
import { systemRandom, type Random } from "../system/random.ts";
import { systemFileSystem, type FileSystem } from "./file-system.ts";
import type { StorageUrl } from "./storage-url.ts";

/** How a `FileStorage` is made. */
export interface FileStorageOptions {
  /** The root. The first write makes it; everything below belongs to tenure. */
  readonly directory: string;
  /** How many versions of a key stay as backups, the newest included; 2 to 500, default 11. */
  readonly keep?: number | undefined;
  /** The mode of files, whatever the umask; default 0o600. Directories get the right to search with that to read. */
  readonly mode?: number | undefined;
  /** Whether a write is on the disk before it is acknowledged; default true. Else a power failure can undo it. */
  readonly fsync?: boolean | undefined;
  /** Whether the newest value is also written to `<key>/@current`, for people; default false. */
  readonly current?: boolean | undefined;
  /** How often a watch looks by itself, in milliseconds; at least 10, default 1000. */
  readonly pollMs?: number | undefined;
  /** The greatest size of a value in bytes; at most and by default 64 MiB. */
  readonly maxValueBytes?: number | undefined;
  /** The deadline of calls that name none, in milliseconds; default 10 000. */
  readonly timeoutMs?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  /** For tests, which pause and fail single steps. */
  readonly fs?: FileSystem | undefined;
}

/** Every option with its value. */
export interface ResolvedFileSettings {
  readonly root: string;
  readonly keep: number;
  readonly mode: number;
  readonly fsync: boolean;
  readonly current: boolean;
  readonly pollMs: number;
  readonly maxValueBytes: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly fs: FileSystem;
}

const largestValueBytes = 64 * 2 ** 20;
/** A listing is atomic up to some 800 names; writers that lost leave a few more than are kept. */
const largestKeep = 500;
const longestMs = 2 ** 31 - 1;

/** @throws {InvalidSettingsError} naming all problems. */
export function fileSettings(options: FileStorageOptions): ResolvedFileSettings {
  const { directory, keep = 11, mode = 0o600, fsync = true, current = false } = options;
  const { pollMs = 1000, maxValueBytes = largestValueBytes, timeoutMs = 10_000 } = options;
  const { clock = systemClock, random = systemRandom, fs = systemFileSystem } = options;
  const isPath = typeof directory === "string" && directory !== "" && !directory.includes("\0");
  const problems = [
    ...(isPath ? [] : [`directory (${shown(directory)}) must be a path`]),
    ...wholeNumber({ keep }, 2, largestKeep),
    ...(Number.isInteger(mode) && (mode & 0o600) === 0o600 && (mode & ~0o777) === 0
      ? []
      : [`mode (${octal(mode)}) must be 0o600, perhaps with rights for group and others`]),
    ...yesOrNo({ fsync, current }),
    ...wholeNumber({ pollMs }, 10, longestMs),
    ...wholeNumber({ maxValueBytes }, 1, largestValueBytes),
    ...wholeNumber({ timeoutMs }, 1, longestMs),
  ];
  if (problems.length > 0) throw new InvalidSettingsError(problems, { operation: "open" });
  return { root: resolve(directory), keep, mode, fsync, current, pollMs, maxValueBytes, timeoutMs, clock, random, fs };
}

const parameters = {
  keep: { type: "integer", default: undefined, least: 2, most: largestKeep },
  mode: { type: "mode", default: 0o600 },
  fsync: { type: "flag", default: true },
  current: { type: "flag", default: false },
} as const;

/**
 * The options that `file:///srv/tenure?keep=20` or `file:./state` stands for.
 *
 * @throws {InvalidSettingsError} naming all problems.
 */
export function fileUrlOptions(url: StorageUrl): FileStorageOptions {
  const { keep, mode, fsync, current, pollMs, maxValueBytes, timeoutMs } = url.parameters(parameters);
  if (url.path === "" || !["", "localhost"].includes(url.host)) {
    throw new InvalidSettingsError(['a file URL reads "file:///directory" or "file:./directory"'], {
      operation: "open",
    });
  }
  return { directory: url.path, keep, mode, fsync, current, pollMs, maxValueBytes, timeoutMs };
}

function wholeNumber(named: Readonly<Record<string, unknown>>, least: number, greatest: number): string[] {
  return Object.entries(named)
    .filter(([, value]) => !(Number.isInteger(value) && Number(value) >= least && Number(value) <= greatest))
    .map(([name, value]) => `${name} (${shown(value)}) must be a whole number from ${least} to ${greatest}`);
}

function yesOrNo(named: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(named)
    .filter(([, value]) => typeof value !== "boolean")
    .map(([name, value]) => `${name} (${shown(value)}) must be true or false`);
}

function octal(mode: unknown): string {
  return Number.isInteger(mode) ? `0o${Number(mode).toString(8)}` : shown(mode);
}

function shown(value: unknown): string {
  return printable(typeof value === "string" ? `"${value}"` : String(value));
}
