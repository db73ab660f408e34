import type { CorruptDataError } from "../errors.ts";
import type { Random } from "../system/random.ts";

/**
 * An ETag follows the bytes, so that equal bytes would repeat a version. Every object of ours therefore ends in a
 * trailer: a newline, and 128 spaces or tabs that spell a nonce. JSON stays JSON for other readers.
 */
export const trailerBytes = 129;
/** Metadata that says how many bytes at the end are no part of the value. */
export const trailerName = "tenure-trailer";
/** Metadata of an object that stands for a removed key. */
export const tombstoneName = "tenure-tombstone";
/**
 * A tombstone is a bare nonce, one byte shorter than our shortest value, so that a listing, which shows no metadata,
 * can tell it by its size.
 */
export const tombstoneBytes: number = trailerBytes - 1;

const newline = 0x0a;
const zero = 0x20;
const one = 0x09;

/** The value with a fresh trailer. */
export function withTrailer(value: Uint8Array, random: Random): Uint8Array {
  const bytes = new Uint8Array(value.length + trailerBytes);
  bytes.set(value);
  bytes[value.length] = newline;
  bytes.set(nonce(random), value.length + 1);
  return bytes;
}

/** 128 bits as spaces and tabs. */
export function nonce(random: Random): Uint8Array {
  const digits = random.uuid().replaceAll("-", "");
  const bits = digits.split("").flatMap((digit) => [8, 4, 2, 1].map((bit) => Number.parseInt(digit, 16) & bit));
  return Uint8Array.from(bits, (bit) => (bit === 0 ? zero : one));
}

/**
 * The value without its trailer. An object without the metadata was written by somebody else, and is taken whole.
 *
 * @throws {CorruptDataError} if the metadata tells of a trailer that is not there.
 */
export function withoutTrailer(
  bytes: Uint8Array,
  declared: string | undefined,
  corrupt: (why: string) => CorruptDataError,
): Uint8Array {
  if (declared === undefined) return bytes;
  const start = bytes.length - trailerBytes;
  const blanks = bytes.subarray(start + 1);
  if (declared !== String(trailerBytes) || start < 0 || bytes[start] !== newline || !blanks.every(isBlank)) {
    throw corrupt("its metadata tells of a trailer that it does not have");
  }
  return bytes.slice(0, start);
}

function isBlank(byte: number): boolean {
  return byte === zero || byte === one;
}
