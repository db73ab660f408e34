// Goal: whatever a value is, its object differs with every write, and gives the value back. Method: random values, with
// trailers put on, taken off, and damaged.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CorruptDataError } from "../../src/errors.ts";
import { nonce, tombstoneBytes, trailerBytes, withoutTrailer, withTrailer } from "../../src/storage/s3-trailer.ts";
import { systemRandom } from "../../src/system/random.ts";

const corrupt = (why: string): CorruptDataError => new CorruptDataError(why);
const declared = String(trailerBytes);

describe("the trailer of an object", () => {
  test("comes off again, whatever the value ends in, and is another one each time", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (value) => {
        const [one, other] = [withTrailer(value, systemRandom), withTrailer(value, systemRandom)];
        expect(one).toHaveLength(value.length + trailerBytes);
        expect(one).not.toEqual(other);
        expect(withoutTrailer(one, declared, corrupt)).toEqual(value);
        expect(withoutTrailer(withTrailer(one, systemRandom), declared, corrupt)).toEqual(one);
      }),
    );
  });

  test("is 128 bits of a nonce; no value is as short as a tombstone", () => {
    const random = { next: () => 0, uuid: () => "80000000-0000-4000-8000-00000000000f" };
    const bits = [...nonce(random)].map((byte) => (byte === 0x09 ? 1 : 0)).join("");
    expect(bits).toBe(`1${"0".repeat(48)}1${"0".repeat(14)}1${"0".repeat(59)}1111`);
    expect(nonce(random)).toHaveLength(tombstoneBytes);
    expect(withTrailer(new Uint8Array(0), random).length).toBeGreaterThan(tombstoneBytes);
  });

  test("that is damaged, cut, or of another length than declared is corrupt, never guessed", () => {
    const whole = withTrailer(new Uint8Array([1, 2, 3]), systemRandom);
    for (let at = 3; at < whole.length; at += 1) {
      const damaged = whole.slice();
      damaged[at] = 0x78;
      expect(() => withoutTrailer(damaged, declared, corrupt)).toThrow(CorruptDataError);
    }
    for (const bytes of [whole.subarray(0, -1), whole.subarray(0, 128), new Uint8Array(0)]) {
      expect(() => withoutTrailer(bytes, declared, corrupt)).toThrow(CorruptDataError);
    }
    for (const other of ["128", "0129", "", "129 "]) {
      expect(() => withoutTrailer(whole, other, corrupt)).toThrow(CorruptDataError);
    }
    expect(withoutTrailer(whole, undefined, corrupt)).toEqual(whole);
  });
});
