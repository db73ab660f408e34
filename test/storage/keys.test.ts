// Goal: one grammar for all storages, and a form of keys that file systems and git cannot confuse.
// Method: tables of examples, and properties over hostile text.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InvalidKeyError } from "../../src/errors.ts";
import { assertKey, assertPrefix, decodeKey, encodeKey, isKey as isOurs, leaseKey } from "../../src/storage/keys.ts";

const isKey = (text: string): boolean => {
  try {
    assertKey(text);
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidKeyError);
    expect(isOurs(text)).toBe(false);
    return false;
  }
  expect(isOurs(text)).toBe(true);
  return true;
};

describe("the grammar of keys (#60)", () => {
  test.each([
    ["", "it is empty"],
    ["/a", "a segment is empty"],
    ["a/", "a segment is empty"],
    ["a//b", "a segment is empty"],
    [".", '"." is no segment'],
    ["../x", '".." is no segment'],
    ["a/../b", '".." is no segment'],
    ["a\0b", "control character"],
    ["a\u007fb", "control character"],
    ["a\u009fb", "control character"],
    ["\ud800", "not well-formed Unicode"],
    ["x\udc00", "not well-formed Unicode"],
    ["e\u0301", "not in Unicode normal form C"],
    ["a".repeat(254), "has 254 bytes, 253 are allowed"],
    ["A".repeat(85), "has 255 bytes, 253 are allowed"],
    ["a/".repeat(16) + "a", "17 segments"],
    [`${"A".repeat(84)}/${"B".repeat(84)}/${"C".repeat(84)}/${"d".repeat(42)}`, "has 801 bytes, 800 are allowed"],
    ["x".repeat(2048), "longer than 800"],
  ])("%j is no key", (key, reason) => {
    expect(() => assertKey(key)).toThrow(reason);
  });

  test.each(["a", "A", "%2e%2e", "a\\b", "a/b", ".a", "-x", "con", "A".repeat(84), "a/".repeat(15) + "a", "é", "日本"])(
    "%j is a key",
    (key) => {
      expect(isKey(key)).toBe(true);
    },
  );

  test("plain keys, which are not taken apart, have the same limits as all", () => {
    const segment = fc.oneof(fc.stringMatching(/^[a-z0-9_-]{0,40}$/), fc.constantFrom("con", "nul", "com1"));
    const long = fc.integer({ min: 240, max: 260 }).map((length) => "x".repeat(length));
    fc.assert(
      fc.property(fc.array(fc.oneof({ weight: 5, arbitrary: segment }, long), { maxLength: 18 }), (segments) => {
        const sizes = segments.map((text) => encodeKey(text).length);
        const fits = sizes.length <= 16 && sizes.every((size) => size >= 1 && size <= 253);
        expect(isKey(segments.join("/"))).toBe(
          segments.length > 0 && fits && encodeKey(segments.join("/")).length <= 800,
        );
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([7, null, undefined, {}, ["a"]])("%j is no key, and no TypeError either", (key) => {
    expect(() => assertKey(key as string)).toThrow(InvalidKeyError); // cast: from JavaScript
    expect(() => assertPrefix(key as string)).toThrow(InvalidKeyError); // cast: as above
  });

  test("the message escapes what could forge a line of a log, and is short (#58)", () => {
    const error = (() => {
      try {
        assertKey(`a\n\u001b[31m${"x".repeat(5000)}`);
      } catch (thrown) {
        return thrown as InvalidKeyError; // cast: checked below
      }
      return undefined;
    })();
    expect(error).toMatchObject({ code: "INVALID_KEY", applied: "no" });
    // oxlint-disable-next-line no-control-regex -- control characters are what this is about
    expect(error?.message).not.toMatch(/[\u0000-\u001f]/);
    expect(error?.message.length).toBeLessThan(250);
  });

  test("a prefix is empty, or a key and a slash", () => {
    for (const prefix of ["", "a/", "a/b/"]) expect(() => assertPrefix(prefix)).not.toThrow();
    for (const prefix of ["a", "/", "//", "../", "a//"]) expect(() => assertPrefix(prefix)).toThrow(InvalidKeyError);
  });

  test("the key of a lease has two segments of the caller's", () => {
    expect(leaseKey("default", "demo")).toBe("leases/default/demo");
    const wrong = [
      ["a/b", "c"],
      ["a", "b/c"],
      ["", "b"],
      ["a", ""],
      ["..", "b"],
      ["a", "\n"],
    ] as const;
    for (const [namespace, name] of wrong) expect(() => leaseKey(namespace, name)).toThrow(InvalidKeyError);
  });
});

describe("the encoded form", () => {
  test.each([
    ["a/b-c_0.1", "a/b-c_0.1"],
    ["A", "%41"],
    ["a%2fb", "a%252fb"],
    ["@current", "%40current"],
    [".a", "%2ea"],
    ["a.", "a%2e"],
    ["a..b", "a%2e%2eb"],
    ["a.lock", "a%2elock"],
    ["a.locks", "a.locks"],
    ["lock", "lock"],
    ["con", "%63on"],
    ["con.txt", "%63on.txt"],
    ["CON", "%43%4f%4e"],
    ["lpt9", "%6cpt9"],
    ["console", "console"],
    ["ä b", "%c3%a4%20b"],
    ["a\\b", "a%5cb"],
    ["~", "%7e"],
  ])("of %j is %s", (key, encoded) => {
    expect(encodeKey(key)).toBe(encoded);
    expect(decodeKey(encoded)).toBe(key);
  });

  test.each(["", "A", "%41%", "%zz", "%2F", "%61", "a..b", ".a", "a.lock", "con", "a//b", "@", "a b", "%ff", "%2f"])(
    "%j is the form of no key",
    (encoded) => {
      expect(decodeKey(encoded)).toBeUndefined();
    },
  );

  const segment = fc
    .oneof(
      fc.string({ unit: "binary", maxLength: 12 }),
      fc.string({ unit: "grapheme", maxLength: 12 }),
      fc.stringMatching(/^[a-zA-Z0-9%.@_/\\-]{1,12}$/),
      fc.constantFrom("con", "CON", "nul.x", ".lock", "a.lock", "..", ".", "%2e", "aux", "com1", "%63on"),
    )
    .map((text) => text.normalize("NFC"));
  const key = fc
    .array(segment, { minLength: 1, maxLength: 4 })
    .map((parts) => parts.join("/"))
    .filter(isKey);

  test("is reversible, and uses only bytes that every file system and git take", () => {
    fc.assert(
      fc.property(key, (text) => {
        const encoded = encodeKey(text);
        expect(decodeKey(encoded)).toBe(text);
        expect(encoded).toMatch(/^[a-z0-9\-_.%/]+$/);
        for (const part of encoded.split("/")) {
          expect(part).not.toMatch(/^\.|\.$|\.\.|\.lock$|^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/);
          expect(part.length).toBeLessThanOrEqual(253);
        }
      }),
    );
  });

  test("is injective, also where case is folded", () => {
    fc.assert(
      fc.property(key, key, (one, two) => {
        expect(encodeKey(one).toLowerCase() === encodeKey(two).toLowerCase()).toBe(one === two);
      }),
    );
  });

  test("a name that decodes is the one form of its key", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9%.@_/-]{1,20}$/), (encoded) => {
        const decoded = decodeKey(encoded);
        if (decoded !== undefined) expect(encodeKey(decoded)).toBe(encoded);
      }),
    );
  });

  test("any text is a key or refused with a typed error", () => {
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => void isKey(text)));
  });
});
