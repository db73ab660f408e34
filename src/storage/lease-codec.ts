import { CorruptDataError, InvalidSettingsError, ValueTooLargeError, type ErrorDetails } from "../errors.ts";
import { printable } from "../system/logger.ts";
import type { LeaseData } from "./lease-storage.ts";

/** The greatest size of a stored lease in bytes; what is larger is not read, and not written. */
export const maxLeaseBytes: number = 64 * 1024;
/** The renewal time of a released lease: expired by everybody's clock, whatever the duration. */
export const releasedRenewTime: string = "1970-01-01T00:00:00.000000Z";

const maxInt32 = 2 ** 31 - 1;
/** JSON that is nested deeper can be parsed, but not written back: the encoder would run out of stack. */
const maxDepth = 64;
const knownFields: ReadonlySet<string> = new Set([
  "holderIdentity",
  "renewTime",
  "leaseTransitions",
  "leaseDurationSeconds",
  "acquireTime",
  "strategy",
  "preferredHolder",
]);

/** A lease as it was read. */
export interface DecodedLease {
  /** Has no prototype, and neither have its unknown fields: whatever was stored is data. */
  readonly data: LeaseData;
  /** Optional fields that were out of range and count as absent, one text each. */
  readonly problems: readonly string[];
}

/**
 * Reads the stored JSON of a lease. Fields that it does not know are kept; an optional field out of range counts as
 * absent and is named in `problems`.
 *
 * @throws {CorruptDataError} if this is no lease: then it is held by nobody known, and nobody may take it over.
 */
export function decodeLease(
  body: Uint8Array,
  details: ErrorDetails & { readonly version?: string } = {},
): DecodedLease {
  const corrupt = (why: string, cause?: unknown): CorruptDataError =>
    new CorruptDataError(`${place(details)} is no lease: ${why}`, {
      ...details,
      ...(cause !== undefined && { cause }),
    });
  const fields = parseObject(body, corrupt);
  const holder = fields["holderIdentity"] ?? "";
  if (typeof holder !== "string") throw corrupt("holderIdentity is not text");
  const { renewTime, leaseTransitions } = fields;
  if (!isTime(renewTime)) throw corrupt("renewTime is no RFC 3339 time");
  if (!isInt32(leaseTransitions, 0)) throw corrupt("leaseTransitions is no integer from 0 to 2147483647");
  const data = bare<Mutable<LeaseData>>();
  data.holderIdentity = holder;
  data.renewTime = renewTime;
  data.leaseTransitions = leaseTransitions;
  const problems = copyOptionalFields(fields, data);
  const unknown = bare<Record<string, unknown>>();
  for (const name of Object.keys(fields)) if (!knownFields.has(name)) unknown[name] = fields[name];
  if (Object.keys(unknown).length > 0) data.unknownFields = unknown;
  return { data, problems };
}

/**
 * Writes a lease as JSON in UTF-8: the first three fields always, the others if they are there, then the unknown ones.
 *
 * @throws {InvalidSettingsError} naming every field that may not be written.
 * @throws {ValueTooLargeError} over 64 KiB.
 */
export function encodeLease(data: LeaseData, details: ErrorDetails = {}): Uint8Array {
  const problems = writeProblems(data);
  if (problems.length > 0) throw new InvalidSettingsError(problems, { ...details, applied: "no" });
  const fields = bare<Record<string, unknown>>();
  for (const name of knownFields) fields[name] = Reflect.get(data, name); // what is undefined is left out by JSON
  const unknown = data.unknownFields ?? {};
  for (const name of Object.keys(unknown)) if (!knownFields.has(name)) fields[name] = unknown[name];
  const body = new TextEncoder().encode(JSON.stringify(fields));
  if (body.length > maxLeaseBytes) {
    const message = `${place(details)} would have ${body.length} bytes, a lease has at most ${maxLeaseBytes}`;
    throw new ValueTooLargeError(message, { ...details, limit: maxLeaseBytes });
  }
  return body;
}

/**
 * The released form of `replaced`, the lease that the release replaces: no holder, a renewal time long ago, duration 1
 * and one transition more, because a Go successor takes over with the number that it finds.
 */
export function releasedLease(replaced: LeaseData): LeaseData {
  return {
    ...replaced,
    holderIdentity: "",
    renewTime: releasedRenewTime,
    leaseDurationSeconds: 1,
    leaseTransitions: Math.min(replaced.leaseTransitions + 1, maxInt32),
  };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** An object without a prototype: `__proto__` and `constructor` are plain names in it, and nothing is inherited. */
function bare<T extends object>(): T {
  return Object.create(null) as T; // cast: the caller fills in what is required before anybody else sees it
}

function place(details: ErrorDetails): string {
  const key = details.key === undefined ? "the value" : `"${printable(details.key)}"`;
  return details.storage === undefined ? key : `${key} in ${details.storage}`;
}

type Corrupt = (why: string, cause?: unknown) => CorruptDataError;

function parseObject(body: Uint8Array, corrupt: Corrupt): Record<string, unknown> {
  if (body.length === 0) throw corrupt("it is empty");
  if (body.length > maxLeaseBytes) throw corrupt(`it has ${body.length} bytes, ${maxLeaseBytes} are read at the most`);
  if (body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf) throw corrupt("it starts with a byte order mark");
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    throw corrupt("it is not JSON in UTF-8"); // the parser's own message quotes the body, which errors never do
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw corrupt("it is no JSON object");
  if (!isShallow(parsed, maxDepth)) throw corrupt(`it is nested deeper than ${maxDepth} levels`);
  return Object.assign(bare<Record<string, unknown>>(), parsed);
}

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depth > 0 && Object.values(value).every((part) => isShallow(part, depth - 1));
}

function copyOptionalFields(fields: Readonly<Record<string, unknown>>, data: Mutable<LeaseData>): string[] {
  const problems: string[] = [];
  const absent = (name: string, expected: string): void => {
    problems.push(`${name} (${shown(fields[name])}) is not ${expected} and counts as absent`);
  };
  const { leaseDurationSeconds, acquireTime } = fields;
  if (isInt32(leaseDurationSeconds, 1)) data.leaseDurationSeconds = leaseDurationSeconds;
  else if (leaseDurationSeconds !== undefined) absent("leaseDurationSeconds", "an integer from 1 to 2147483647");
  if (isTime(acquireTime)) data.acquireTime = acquireTime;
  else if (acquireTime !== undefined) absent("acquireTime", "an RFC 3339 time");
  for (const name of ["strategy", "preferredHolder"] as const) {
    const value = fields[name];
    if (typeof value === "string") data[name] = value;
    else if (value !== undefined) absent(name, "text");
  }
  return problems;
}

function writeProblems(data: LeaseData): string[] {
  const problems: string[] = [];
  const text = (name: string, value: unknown): void => {
    if (typeof value !== "string") problems.push(`${name} (${shown(value)}) must be text`);
  };
  text("holderIdentity", data.holderIdentity);
  if (!isTime(data.renewTime) || !data.renewTime.endsWith("Z")) {
    problems.push(`renewTime (${shown(data.renewTime)}) must be an RFC 3339 time in UTC, ending in Z`);
  }
  if (!isInt32(data.leaseTransitions, 0)) {
    problems.push(`leaseTransitions (${shown(data.leaseTransitions)}) must be an integer from 0 to 2147483647`);
  }
  if (data.leaseDurationSeconds !== undefined && !isInt32(data.leaseDurationSeconds, 1)) {
    problems.push(`leaseDurationSeconds (${shown(data.leaseDurationSeconds)}) must be an integer from 1 to 2147483647`);
  }
  if (data.acquireTime !== undefined && !isTime(data.acquireTime)) {
    problems.push(`acquireTime (${shown(data.acquireTime)}) must be an RFC 3339 time`);
  }
  if (data.strategy !== undefined) text("strategy", data.strategy);
  if (data.preferredHolder !== undefined) text("preferredHolder", data.preferredHolder);
  if (!isShallow(data.unknownFields ?? {}, maxDepth)) {
    problems.push(`unknownFields are nested deeper than ${maxDepth} levels`);
  }
  return problems;
}

function isInt32(value: unknown, least: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= least && value <= maxInt32;
}

const timePattern = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.\d{1,9})?(?:Z|[+-](\d{2}):(\d{2}))$/;

/** Whether this is a time that Go's `time.Time` accepts as well: no 30th of February, no hour 24, no leap second. */
function isTime(value: unknown): value is string {
  if (typeof value !== "string") return false;
  const parts = timePattern.exec(value);
  if (parts === null) return false;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, zoneHour = 0, zoneMinute = 0] = parts
    .slice(1)
    .map((part) => Number(part ?? 0));
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return false;
  return hour < 24 && minute < 60 && second < 60 && zoneHour < 24 && zoneMinute < 60;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

/** Foreign data for a message: short, on one line, without control characters. */
function shown(value: unknown): string {
  if (typeof value === "string") return printable(JSON.stringify(value), 40);
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
