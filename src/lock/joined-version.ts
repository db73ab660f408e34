import type { Version } from "../storage/versioned-storage.ts";

/** The versions of two records that are written as one; an absent one means that the record is absent. */
export interface JoinedVersions {
  readonly first?: Version;
  readonly second?: Version;
}

/** One version for both. */
export function joinedVersion(first: Version | undefined, second: Version | undefined): Version {
  return JSON.stringify([first ?? null, second ?? null]) as Version; // cast: the brand of a version of both
}

/** The reverse of `joinedVersion`; `undefined` for what is no version of ours, which no record can have. */
export function splitVersion(version: Version): JoinedVersions | undefined {
  let parts: unknown;
  try {
    parts = JSON.parse(version);
  } catch {
    return undefined; // no version of ours: a lost race, like any other unknown version
  }
  if (!Array.isArray(parts) || parts.length !== 2) return undefined;
  const [first, second] = parts as readonly unknown[]; // cast: an array holds unknown values
  if (!isPart(first) || !isPart(second) || (first === null && second === null)) return undefined;
  return { ...(first !== null && { first }), ...(second !== null && { second }) };
}

function isPart(part: unknown): part is Version | null {
  return part === null || typeof part === "string";
}
