import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { InvalidSettingsError } from "../errors.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { printable } from "../system/logger.ts";
import { systemRandom, type Random } from "../system/random.ts";
import { systemFileSystem, type FileSystem } from "./file-system.ts";

/** How a `FileStorage` is made. */
export interface FileStorageOptions {
  /** The root. The first write makes it; everything below belongs to tenure. */
  readonly directory: string;
  /** How many versions of a key stay as backups, the newest included; 2 to 500, default 11. */
  readonly keep?: number | undefined;
  /** The mode of files, whatever the umask; default 0o600. Directories get the right to search with each right to read. */
  readonly mode?: number | undefined;
  /** Whether a write is on the disk before it is acknowledged; default true. Without it a power failure may undo writes. */
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
      : [`mode (${shown(mode)}) must be 0o600 and rights for group and others`]),
    ...yesOrNo({ fsync, current }),
    ...wholeNumber({ pollMs }, 10, longestMs),
    ...wholeNumber({ maxValueBytes }, 1, largestValueBytes),
    ...wholeNumber({ timeoutMs }, 1, longestMs),
  ];
  if (problems.length > 0) throw new InvalidSettingsError(problems, { operation: "open" });
  return { root: resolve(directory), keep, mode, fsync, current, pollMs, maxValueBytes, timeoutMs, clock, random, fs };
}

type UrlOptions = Pick<
  FileStorageOptions,
  "directory" | "keep" | "mode" | "fsync" | "current" | "pollMs" | "maxValueBytes" | "timeoutMs"
>;

const decimal = (text: string): number => (/^\d{1,15}$/.test(text) ? Number(text) : Number.NaN);
const parameters: Readonly<Record<string, (text: string) => number | boolean | undefined>> = {
  keep: decimal,
  mode: (text) => (/^0?[0-7]{3}$/.test(text) ? Number.parseInt(text, 8) : Number.NaN),
  fsync: onOrOff,
  current: onOrOff,
  pollMs: decimal,
  maxValueBytes: decimal,
  timeoutMs: decimal,
};

/**
 * The options that `file:///srv/tenure?keep=20` or `file:./state` stands for.
 *
 * @throws {InvalidSettingsError} naming all problems.
 */
export function fileUrlOptions(url: string): UrlOptions {
  const [, place = "", query = ""] = /^file:([^?#]*)(?:\?([^#]*))?$/.exec(url) ?? [];
  const directory = pathOf(place);
  const problems =
    directory === undefined ? [`"${printable(url)}" must read file:///directory or file:./directory`] : [];
  const options: Record<string, number | boolean> = {};
  for (const [name, text] of new URLSearchParams(query)) {
    const value = Object.hasOwn(parameters, name) ? parameters[name]?.(text) : undefined;
    if (!Object.hasOwn(parameters, name)) {
      problems.push(`${printable(name)} is no parameter of file:, which takes ${Object.keys(parameters).join(", ")}`);
    } else if (Object.hasOwn(options, name)) problems.push(`${name} is given twice`);
    else if (value === undefined || Number.isNaN(value))
      problems.push(`${name} (${printable(text)}) ${expectation(name)}`);
    else options[name] = value;
  }
  if (directory === undefined || problems.length > 0) throw new InvalidSettingsError(problems, { operation: "open" });
  return { directory, ...options };
}

function pathOf(place: string): string | undefined {
  try {
    if (place === "") return undefined;
    return place.startsWith("/") ? fileURLToPath(`file:${place}`) : decodeURIComponent(place);
  } catch {
    return undefined; // a host, or escapes that mean nothing: told as one problem
  }
}

function expectation(name: string): string {
  if (name === "mode") return "must be octal, like 0600";
  return parameters[name] === onOrOff ? 'must be "on" or "off"' : "must be a whole number";
}

function onOrOff(text: string): boolean | undefined {
  if (text === "on") return true;
  return text === "off" ? false : undefined;
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

function shown(value: unknown): string {
  return printable(typeof value === "string" ? `"${value}"` : String(value));
}
