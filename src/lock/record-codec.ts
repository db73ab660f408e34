import { CorruptDataError } from "../errors.ts";
import type { LeaseData } from "../storage/lease-storage.ts";
import { printable } from "../system/logger.ts";
import type { LeaderElectionRecord } from "./leader-election-record.ts";

/** A record that may be trusted to have the right types, and what was wrong with its optional fields. */
export interface CheckedRecord {
  readonly record: LeaderElectionRecord;
  /** Optional fields that count as absent because their value is out of range, each with its value; for people. */
  readonly problems: readonly string[];
}

/** Where a record came from, for error messages. */
export interface RecordSource {
  readonly storage: string;
  readonly key?: string;
  readonly version?: string;
}

/** Above it a record is unreadable: nobody may be pushed so far towards the end of int32 that the terms run out. */
export const maxReadableTerm: number = 2 ** 31 - 10 ** 6;

const greatestInt32 = 2 ** 31 - 1;

/**
 * What the renew time of a released lease is on the wire, so that readers which look at its age alone find it expired.
 */
const releasedRenewTime = "1970-01-01T00:00:00.000000Z";

/**
 * Checks a record that anybody may have written, and copies its known fields. A holder or a time that is `null` or
 * absent reads as `""`. An optional field out of range counts as absent and never means "expired".
 *
 * @throws {CorruptDataError} if it is no record: a wrong type, or a term that is no int32 or above `maxReadableTerm`.
 */
export function checkRecord(raw: unknown, source: RecordSource): CheckedRecord {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) throw corrupt("it is no object", source);
  const problems: string[] = [];
  const holderIdentity = textOrEmpty(raw, "holderIdentity", source);
  const renewTime = textOrEmpty(raw, "renewTime", source);
  const leaderTransitions = checkedTerm(Reflect.get(raw, "leaderTransitions"), source);
  const leaseDurationSeconds = optionalSeconds(raw, problems);
  const acquireTime = optionalText(raw, "acquireTime", problems) ?? "";
  const strategy = optionalText(raw, "strategy", problems);
  const preferredHolder = optionalText(raw, "preferredHolder", problems);
  const record: LeaderElectionRecord = {
    holderIdentity,
    ...(leaseDurationSeconds !== undefined && { leaseDurationSeconds }),
    acquireTime,
    renewTime,
    leaderTransitions,
    ...(strategy !== undefined && { strategy }),
    ...(preferredHolder !== undefined && { preferredHolder }),
  };
  return { record, problems };
}

/**
 * Reads what a `LeaseStorage` returned, with the checks of `checkRecord`.
 *
 * @throws {CorruptDataError} as `checkRecord`.
 */
export function leaseDataToRecord(data: unknown, source: RecordSource): CheckedRecord {
  if (typeof data !== "object" || data === null) throw corrupt("it is no object", source);
  return checkRecord(
    {
      holderIdentity: Reflect.get(data, "holderIdentity"),
      leaseDurationSeconds: Reflect.get(data, "leaseDurationSeconds"),
      acquireTime: Reflect.get(data, "acquireTime"),
      renewTime: Reflect.get(data, "renewTime"),
      leaderTransitions: Reflect.get(data, "leaseTransitions"),
      strategy: Reflect.get(data, "strategy"),
      preferredHolder: Reflect.get(data, "preferredHolder"),
    },
    source,
  );
}

/**
 * What is stored for a record. A holder `""` is a release: it is written so that old and new readers in Go find an
 * expired lease, and with one transition more, since a successor in Go reuses the number that it finds.
 */
export function recordToLeaseData(
  record: LeaderElectionRecord,
  unknownFields?: Readonly<Record<string, unknown>>,
): LeaseData {
  const released = record.holderIdentity === "";
  const leaseDurationSeconds = released ? 1 : record.leaseDurationSeconds;
  return {
    holderIdentity: record.holderIdentity,
    renewTime: released ? releasedRenewTime : record.renewTime,
    leaseTransitions: released ? Math.min(record.leaderTransitions + 1, greatestInt32) : record.leaderTransitions,
    ...(leaseDurationSeconds !== undefined && { leaseDurationSeconds }),
    ...(record.acquireTime !== "" && { acquireTime: record.acquireTime }),
    ...(record.strategy !== undefined && { strategy: record.strategy }),
    ...(record.preferredHolder !== undefined && { preferredHolder: record.preferredHolder }),
    ...(unknownFields !== undefined && { unknownFields }),
  };
}

function textOrEmpty(raw: object, field: string, source: RecordSource): string {
  const value: unknown = Reflect.get(raw, field);
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  throw corrupt(`${field} is no text but ${shown(value)}`, source);
}

function checkedTerm(value: unknown, source: RecordSource): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0) {
    throw corrupt(`the term is ${shown(value)}, not an integer of at least 0`, source);
  }
  if (value > maxReadableTerm) throw corrupt(`the term (${value}) is above ${maxReadableTerm}`, source);
  return value;
}

function optionalSeconds(raw: object, problems: string[]): number | undefined {
  const value: unknown = Reflect.get(raw, "leaseDurationSeconds");
  if (value === undefined) return undefined;
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= greatestInt32) return value;
  problems.push(`leaseDurationSeconds is ${shown(value)}, not an integer from 1 to ${greatestInt32}`);
  return undefined;
}

function optionalText(raw: object, field: string, problems: string[]): string | undefined {
  const value: unknown = Reflect.get(raw, field);
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value === "string") return value;
  problems.push(`${field} is no text but ${shown(value)}`);
  return undefined;
}

/** A foreign value in a few characters, fit for a log line. */
function shown(value: unknown): string {
  if (typeof value === "string") return `"${printable(value, 40)}"`;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (value === null || value === undefined) return String(value);
  return Array.isArray(value) ? "an array" : `a value of type ${typeof value}`;
}

function corrupt(what: string, { storage, key, version }: RecordSource): CorruptDataError {
  const where = key === undefined ? storage : `"${key}" in ${storage}`;
  return new CorruptDataError(`cannot read the record of ${where}: ${what}`, {
    operation: "read",
    storage,
    ...(key !== undefined && { key }),
    ...(version !== undefined && { version }),
  });
}
