// Goal: reading and writing a lease again and again changes nothing, whatever strangers have put into it.
// Method: random bodies, most of them almost leases; those that can be read are written and read back.
import fc from "fast-check";
import { expect, test } from "vitest";
import { CorruptDataError, InvalidSettingsError } from "../../src/errors.ts";
import { decodeLease, encodeLease, releasedLease, type DecodedLease } from "../../src/storage/lease-codec.ts";

const name = fc.oneof(
  fc.constantFrom("holderIdentity", "renewTime", "leaseTransitions", "leaseDurationSeconds", "acquireTime"),
  fc.constantFrom("strategy", "preferredHolder", "__proto__", "constructor", "toJSON", ""),
  fc.string({ maxLength: 5 }),
);
const more = fc.array(fc.tuple(name, fc.jsonValue({ maxDepth: 3 })), { maxLength: 4 });
const base = '"holderIdentity":"a_1","renewTime":"2026-03-01T09:30:00.000123Z","leaseTransitions":7';

/** A lease with further members; a repeated name stands later, and so wins. */
const body = more.map((members) =>
  [base, ...members.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`)].join(","),
);

function read(text: string): DecodedLease | undefined {
  try {
    return decodeLease(new TextEncoder().encode(`{${text}}`));
  } catch (error) {
    expect(error).toBeInstanceOf(CorruptDataError);
    return undefined;
  }
}

test("a lease that was read and written is the same when it is read and written again", () => {
  let readable = 0;
  const check = (text: string): void => {
    const found = read(text);
    if (found === undefined) return;
    readable += 1;
    if (!found.data.renewTime.endsWith("Z")) {
      expect(() => encodeLease(found.data)).toThrow(InvalidSettingsError);
      return;
    }
    const once = encodeLease(found.data);
    const again = decodeLease(once);
    expect(again.problems).toEqual([]);
    expect(Buffer.compare(encodeLease(again.data), once)).toBe(0);
    expect({ ...again.data }).toEqual({ ...JSON.parse(JSON.stringify(found.data)) });
  };
  fc.assert(fc.property(body, check), { seed: 7, numRuns: 1_500 });
  expect(readable).toBeGreaterThan(500);
});

test("what is read inherits nothing, and gives nothing to what others inherit", () => {
  const before = Reflect.ownKeys(Object.prototype);
  const check = (text: string): void => {
    const found = read(text);
    if (found === undefined) return;
    expect(Object.getPrototypeOf(found.data)).toBeNull();
    const { unknownFields } = found.data;
    if (unknownFields !== undefined) expect(Object.getPrototypeOf(unknownFields)).toBeNull();
  };
  fc.assert(fc.property(body, check), { seed: 8, numRuns: 1_000 });
  expect(Reflect.ownKeys(Object.prototype)).toEqual(before);
});

test("a release keeps what strangers have added, and never lowers the term", () => {
  const check = (text: string): void => {
    const found = read(text);
    if (found === undefined) return;
    const released = decodeLease(encodeLease(releasedLease(found.data))).data;
    expect(released.holderIdentity).toBe("");
    expect(released.leaseTransitions).toBeGreaterThanOrEqual(found.data.leaseTransitions);
    expect(Object.keys(released.unknownFields ?? {})).toEqual(Object.keys(found.data.unknownFields ?? {}));
  };
  fc.assert(fc.property(body, check), { seed: 9, numRuns: 500 });
});
