// Goal: the JSON of a lease is what the Go types read and write, and nothing that somebody stored does harm.
// Method: the rules W1 to W7 one by one, with bodies recorded from gke-labs/multicluster-leader-election, and hostile
// ones.
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CorruptDataError, InvalidSettingsError, ValueTooLargeError } from "../../src/errors.ts";
import { decodeLease, encodeLease, maxLeaseBytes, releasedLease } from "../../src/storage/lease-codec.ts";
import type { LeaseData } from "../../src/storage/lease-storage.ts";
import { unreadableBodies } from "../../src/testing/lease-bodies.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (body: Uint8Array): string => new TextDecoder().decode(body);
const held: LeaseData = { holderIdentity: "a_1", renewTime: "2026-03-01T09:30:00.000123Z", leaseTransitions: 7 };
const body = (fields: string): Uint8Array =>
  bytes(`{"holderIdentity":"a","renewTime":"2026-03-01T09:30:00Z","leaseTransitions":1${fields}}`);

const recorded = readFileSync(new URL("fixtures/go-leases.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as { readonly body: string }); // cast: our own fixture

/** As `json.Unmarshal` into the Go struct: three fields, a time that has to parse, an int32. */
function readAsGo(stored: Uint8Array): { holder: string; renewMs: number; transitions: number } {
  const fields = JSON.parse(text(stored)) as Record<string, unknown>; // cast: looked at field by field
  const { holderIdentity, renewTime, leaseTransitions } = fields;
  expect(typeof holderIdentity).toBe("string");
  expect(renewTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/);
  expect(leaseTransitions).toSatisfy((term: number) => Number.isInteger(term) && Math.abs(term) < 2 ** 31);
  return {
    holder: String(holderIdentity),
    renewMs: Date.parse(String(renewTime)),
    transitions: Number(leaseTransitions),
  };
}

describe("the lease's JSON", () => {
  test("wire W1, K-122: the first three fields are always written, in this order, the others only if they are there", () => {
    expect(text(encodeLease({ ...held, holderIdentity: "" }))).toBe(
      '{"holderIdentity":"","renewTime":"2026-03-01T09:30:00.000123Z","leaseTransitions":7}',
    );
    const full: LeaseData = {
      preferredHolder: "b",
      strategy: "s",
      acquireTime: "2026-03-01T09:12:44.100001Z",
      leaseDurationSeconds: 15,
      ...held,
    };
    expect(text(encodeLease(full))).toBe(
      '{"holderIdentity":"a_1","renewTime":"2026-03-01T09:30:00.000123Z","leaseTransitions":7,' +
        '"leaseDurationSeconds":15,"acquireTime":"2026-03-01T09:12:44.100001Z","strategy":"s","preferredHolder":"b"}',
    );
  });

  test("wire W1: what may not be written is refused with all problems at once", () => {
    const wrong = {
      holderIdentity: null,
      renewTime: "2026-03-01T09:30:00+01:00",
      leaseTransitions: 2 ** 31,
      leaseDurationSeconds: 0.5,
      acquireTime: "",
      strategy: 7,
      preferredHolder: {},
    };
    const write = (): unknown => encodeLease(wrong as unknown as LeaseData); // cast: from JavaScript
    expect(write).toThrow(InvalidSettingsError);
    const error = (() => {
      try {
        write();
      } catch (thrown) {
        return thrown as InvalidSettingsError; // cast: checked above
      }
      return undefined;
    })();
    expect(error?.problems).toHaveLength(7);
    expect(error?.applied).toBe("no");
  });

  test("wire W2, K-122: the optional fields may be missing, as a Go writer leaves them out", () => {
    const { data, problems } = decodeLease(body(""));
    expect(Object.keys(data)).toEqual(["holderIdentity", "renewTime", "leaseTransitions"]);
    expect(problems).toEqual([]);
  });

  test("wire W3: a release is expired under the Go rule for durations up to a day, and counts one transition", () => {
    const released = encodeLease(releasedLease({ ...held, leaseDurationSeconds: 15 }));
    const { holder, renewMs, transitions } = readAsGo(released);
    expect(holder).toBe("");
    expect(transitions).toBe(8);
    expect(decodeLease(released).data.leaseDurationSeconds).toBe(1);
    const now = Date.parse("1971-01-01T00:00:00Z"); // any clock that is set at all is later
    for (const durationMs of [1, 1000, 15_000, 3_600_000, 86_400_000])
      expect(now - renewMs).toBeGreaterThan(durationMs);
  });

  test("wire W3: a release keeps what it does not know, and the term stays an int32", () => {
    const { data } = decodeLease(body(',"x":1'));
    expect(releasedLease(data).unknownFields).toEqual({ x: 1 });
    expect(releasedLease({ ...held, leaseTransitions: 2 ** 31 - 1 }).leaseTransitions).toBe(2 ** 31 - 1);
  });

  test("wire W4: unknown fields survive; prototypes are data and stay untouched (#57)", () => {
    const hostile =
      ',"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":"t","x":{"__proto__":2}';
    const { data } = decodeLease(body(hostile));
    expect(Object.getPrototypeOf(data)).toBeNull();
    expect(Object.getPrototypeOf(data.unknownFields)).toBeNull();
    expect(Object.keys(data.unknownFields ?? {})).toEqual(["__proto__", "constructor", "toString", "x"]);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined(); // cast: a name that must not exist
    expect(text(encodeLease(data))).toBe(text(body(hostile)));
  });

  test("wire W4: an unknown field cannot replace a known one", () => {
    const forged = { ...held, unknownFields: { holderIdentity: "forged", leaseDurationSeconds: 1, other: true } };
    expect(decodeLease(encodeLease(forged)).data).toEqual({ ...held, unknownFields: { other: true } });
  });

  test("wire W4: any JSON object survives decode, encode, decode", () => {
    const known = new Set(["holderIdentity", "renewTime", "leaseTransitions", "leaseDurationSeconds", "acquireTime"]);
    const unknown = fc.dictionary(
      fc.string().filter((name) => !known.has(name) && name !== "strategy" && name !== "preferredHolder"),
      fc.jsonValue({ maxDepth: 3 }).filter((value) => JSON.stringify(JSON.parse(JSON.stringify(value))) !== undefined),
      { noNullPrototype: false },
    );
    fc.assert(
      fc.property(unknown, fc.string(), fc.integer({ min: 0, max: 2 ** 31 - 1 }), (fields, holderIdentity, term) => {
        const stored = bytes(JSON.stringify({ ...fields, ...held, holderIdentity, leaseTransitions: term }));
        const { data } = decodeLease(stored);
        expect(data).toMatchObject({ holderIdentity: decodeText(holderIdentity), leaseTransitions: term });
        expect(decodeLease(encodeLease(data))).toEqual({ data, problems: [] });
      }),
    );
  });

  test.each(unreadableBodies.map((each, index) => [index, text(each.slice(0, 90)), each] as const))(
    "wire W5: body %i is no lease, whatever it holds: %j (#56)",
    (_index, _shown, stored) => {
      const details = { operation: "readLease", storage: "memory", key: "leases/default/demo", version: "v1" };
      const read = (): unknown => decodeLease(stored, details);
      expect(read).toThrow(CorruptDataError);
      expect(read).toThrow(expect.objectContaining(details));
      expect(read).toThrow(expect.not.objectContaining({ message: expect.stringContaining("secret") }));
    },
  );

  test("wire W5: 5 MB are refused before they are parsed (#56)", () => {
    expect(() => decodeLease(new Uint8Array(5 * 2 ** 20).fill(0x20))).toThrow(/65536 are read at the most/);
  });

  test("wire W5: a holder that is null or missing reads as free", () => {
    for (const holder of ['"holderIdentity":null,', ""]) {
      const stored = bytes(`{${holder}"renewTime":"2026-03-01T09:30:00Z","leaseTransitions":1}`);
      expect(decodeLease(stored).data.holderIdentity).toBe("");
    }
  });

  test("wire W5: what would be over 64 KiB is not written", () => {
    expect(() => encodeLease({ ...held, holderIdentity: "x".repeat(maxLeaseBytes) })).toThrow(ValueTooLargeError);
    const deep = JSON.parse(`${"[".repeat(100)}${"]".repeat(100)}`) as unknown; // cast: nested data
    expect(() => encodeLease({ ...held, unknownFields: { deep } })).toThrow(/nested deeper/);
  });

  test.each(["0", "-1", "2147483648", "1e9999", '"15"', "null", "1.5", "[15]", "true", "{}"])(
    "wire W6: a duration of %s counts as absent and is told (#55)",
    (value) => {
      const { data, problems } = decodeLease(body(`,"leaseDurationSeconds":${value}`));
      expect(data).not.toHaveProperty("leaseDurationSeconds");
      expect(problems).toEqual([expect.stringMatching(/^leaseDurationSeconds .* counts as absent$/)]);
    },
  );

  test("wire W6: a duration that is merely long is no problem of the codec (#55)", () => {
    expect(decodeLease(body(',"leaseDurationSeconds":1000000000')).data.leaseDurationSeconds).toBe(1e9);
    expect(decodeLease(body(',"leaseDurationSeconds":2147483647')).problems).toEqual([]);
  });

  test("wire W6: every optional field is told by itself, on one line (#58)", () => {
    const hostile = `,"acquireTime":"\\n\\u001b[31m${"x".repeat(10_000)}","strategy":7,"preferredHolder":null`;
    const { data, problems } = decodeLease(body(hostile));
    expect(Object.keys(data)).toHaveLength(3);
    expect(problems.map((problem) => problem.split(" ")[0])).toEqual(["acquireTime", "strategy", "preferredHolder"]);
    // oxlint-disable-next-line no-control-regex -- control characters are what this is about
    for (const problem of problems) expect(problem).not.toMatch(/[\u0000-\u001f]|.{200}/);
  });

  test("a hostile identity is data: it comes back unchanged (#58)", () => {
    for (const holderIdentity of [`${"x".repeat(10_000)}`, "a\nb\u001b[31m%s", "__proto__", "\ud83d\ude00"]) {
      expect(decodeLease(encodeLease({ ...held, holderIdentity })).data.holderIdentity).toBe(holderIdentity);
    }
  });

  test("wire W7, K-122: every body that the Go types were seen to write is read, and written back byte by byte", () => {
    expect(recorded.length).toBeGreaterThan(50);
    for (const { body: stored } of recorded) {
      const { data, problems } = decodeLease(bytes(stored));
      expect(problems).toEqual([]);
      expect(text(encodeLease(data))).toBe(stored);
    }
  });

  test("wire W7, K-122: what we write the Go types read", () => {
    const full = {
      ...held,
      leaseDurationSeconds: 15,
      acquireTime: "2026-03-01T09:12:44.100001Z",
      unknownFields: { x: 1 },
    };
    expect(readAsGo(encodeLease(full))).toEqual({ holder: "a_1", renewMs: Date.parse(held.renewTime), transitions: 7 });
  });
});

/** Lone surrogates are escaped by JSON and come back as they were. */
function decodeText(written: string): unknown {
  return JSON.parse(JSON.stringify(written));
}
