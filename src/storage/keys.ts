import { InvalidKeyError, type ErrorDetails } from "../errors.ts";
import { printable } from "../system/logger.ts";

const maxSegments = 16;
const maxSegmentBytes = 253;
const maxKeyBytes = 800;

/**
 * Throws unless `key` lies inside the grammar that every storage shares: 1 to 16 segments joined by `/`, each of them
 * well-formed Unicode in NFC, without control characters, not empty, not `.` or `..`, at most 253 bytes in its encoded
 * form, the whole at most 800. Case matters.
 *
 * @throws {InvalidKeyError} naming the first thing that is wrong. Nothing was sent.
 */
export function assertKey(key: string, details?: ErrorDetails): void {
  const problem = keyProblem(key);
  if (problem !== undefined) throw new InvalidKeyError(`${shown(key)} is not a key: ${problem}`, details);
}

/** Whether this is a key: what others have put beside ours in a listing may not be one. */
export function isKey(key: string): boolean {
  return keyProblem(key) === undefined;
}

/**
 * Throws unless `prefix` may be given to `list`: `""`, or a key plus `/`.
 *
 * @throws {InvalidKeyError}
 */
export function assertPrefix(prefix: string, details?: ErrorDetails): void {
  if (prefix === "") return;
  if (typeof prefix !== "string" || !prefix.endsWith("/")) {
    throw new InvalidKeyError(`${shown(prefix)} is not a prefix: it must be empty, or a key plus "/"`, details);
  }
  assertKey(prefix.slice(0, -1), details);
}

/**
 * A key as a name for technologies with opinions on names: lower-case letters, digits, `-`, `_`, most dots and `/`
 * stay,
 * every other byte becomes `%` and two lower-case hex digits. Injective, reversible by `decodeKey`, and safe on file
 * systems that fold case, on Windows, and as a git ref. No encoded key contains `@`, which is left to the drivers.
 *
 * The key must lie inside the grammar.
 */
export function encodeKey(key: string): string {
  return key.split("/").map(encodeSegment).join("/");
}

/** The key whose encoded form is `encoded`, or `undefined` if there is none: then the name is not ours. */
export function decodeKey(encoded: string): string | undefined {
  if (!/^(?:[a-z0-9\-_./]|%[0-9a-f]{2})+$/.test(encoded)) return undefined;
  let key: string;
  try {
    key = decodeURIComponent(encoded);
  } catch {
    return undefined; // the escapes are not UTF-8, so no key has this form
  }
  // Only the canonical form counts; otherwise two names would stand for one key.
  return keyProblem(key) === undefined && encodeKey(key) === encoded ? key : undefined;
}

function shown(key: unknown): string {
  return typeof key === "string" ? `"${printable(key, 80)}"` : typeof key;
}

/** Most keys: of what encodes to itself, and so short that a device name in each segment could not make it too long. */
const plainKey = /^(?=.{1,700}$)[a-z0-9_-]{1,250}(?:\/[a-z0-9_-]{1,250}){0,15}$/;

function keyProblem(key: unknown): string | undefined {
  if (typeof key !== "string") return "it must be text";
  if (plainKey.test(key)) return undefined; // every call asks
  if (key === "") return "it is empty";
  if (key.length > maxKeyBytes) return `it is longer than ${maxKeyBytes} bytes`;
  const segments = key.split("/");
  if (segments.length > maxSegments) return `it has ${segments.length} segments, ${maxSegments} are allowed`;
  for (const segment of segments) {
    const problem = segmentProblem(segment);
    if (problem !== undefined) return problem;
  }
  const bytes = encodeKey(key).length;
  return bytes > maxKeyBytes ? `its encoded form has ${bytes} bytes, ${maxKeyBytes} are allowed` : undefined;
}

function segmentProblem(segment: string): string | undefined {
  if (segment === "") return "a segment is empty";
  if (segment === "." || segment === "..") return `"${segment}" is no segment`;
  if (loneSurrogate.test(segment)) return "it is not well-formed Unicode";
  if (/\p{Cc}/u.test(segment)) return "it contains a control character";
  if (segment.normalize("NFC") !== segment) return "it is not in Unicode normal form C";
  const bytes = encodeSegment(segment).length;
  if (bytes > maxSegmentBytes) {
    return `the encoded form of a segment has ${bytes} bytes, ${maxSegmentBytes} are allowed`;
  }
  return undefined;
}

const loneSurrogate = /\p{Surrogate}/u;
const utf8 = new TextEncoder();
/** Windows opens the device, also with an extension behind the name. */
const deviceName = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)/;

function encodeSegment(segment: string): string {
  let encoded = "";
  for (const byte of utf8.encode(segment)) {
    const character = String.fromCharCode(byte);
    encoded += /[a-z0-9\-_.]/.test(character) ? character : escape(byte);
  }
  // Dots: first, last, next to another dot, or before a final "lock" (git refuses such refs, Windows drops a last one).
  encoded = encoded.replace(/^\.|\.(?=\.|$|lock$)|(?<=\.)\./g, escape(0x2e));
  return deviceName.test(encoded) ? escape(encoded.charCodeAt(0)) + encoded.slice(1) : encoded;
}

function escape(byte: number): string {
  return `%${byte.toString(16).padStart(2, "0")}`;
}

/** Where the lease of an election is kept: `leases/<namespace>/<name>`, as in gke-labs/multicluster-leader-election. */
export function leaseKey(namespace: string, name: string): string {
  const key = `leases/${namespace}/${name}`;
  if (namespace.includes("/") || name.includes("/")) {
    throw new InvalidKeyError(`"${printable(key, 80)}" is not a lease key: namespace and name are one segment each`);
  }
  assertKey(key);
  return key;
}
