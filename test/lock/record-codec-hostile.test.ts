// Goal: no stored value, however odd, gets past the checks with a wrong type, or makes them throw anything untyped.
// Method: random JSON-like values for every field, from a fixed seed, against the types that the elector relies on.
import fc from "fast-check";
import { expect, test } from "vitest";
import { CorruptDataError } from "../../src/errors.ts";
import { checkRecord, leaseDataToRecord, maxReadableTerm, type CheckedRecord } from "../../src/lock/record-codec.ts";

const source = { storage: "test" };
const known = new Set([
  "holderIdentity",
  "leaseDurationSeconds",
  "acquireTime",
  "renewTime",
  "leaderTransitions",
  "strategy",
  "preferredHolder",
]);

const odd = fc.oneof(
  fc.jsonValue(),
  fc.string(),
  fc.integer(),
  fc.double(),
  fc.constantFrom(undefined, null, "", 0, -1, 1, 15, 2 ** 31, "15", "__proto__", Number.NaN),
);
const fields = {
  holderIdentity: odd,
  leaseDurationSeconds: odd,
  acquireTime: odd,
  renewTime: odd,
  leaderTransitions: fc.oneof(odd, fc.nat()),
  leaseTransitions: fc.oneof(odd, fc.nat()),
  strategy: odd,
  preferredHolder: odd,
  ["__proto__"]: odd,
};
const stored = fc.oneof(odd, fc.record(fields, { requiredKeys: [] }));

function assertTypes({ record, problems }: CheckedRecord): void {
  expect(Object.keys(record).filter((field) => !known.has(field))).toEqual([]);
  for (const text of [record.holderIdentity, record.acquireTime, record.renewTime]) expect(typeof text).toBe("string");
  expect(Number.isInteger(record.leaderTransitions)).toBe(true);
  expect(record.leaderTransitions).toBeGreaterThanOrEqual(0);
  expect(record.leaderTransitions).toBeLessThanOrEqual(maxReadableTerm);
  const { leaseDurationSeconds = 1 } = record;
  expect(Number.isInteger(leaseDurationSeconds) && leaseDurationSeconds >= 1).toBe(true);
  for (const text of [record.strategy, record.preferredHolder]) expect(["string", "undefined"]).toContain(typeof text);
  for (const problem of problems) expect(problem.length).toBeLessThan(200);
}

for (const [name, check] of [
  ["checkRecord", checkRecord],
  ["leaseDataToRecord", leaseDataToRecord],
] as const) {
  test(`${name} returns a record with the right types, or throws CorruptDataError with a short message`, () => {
    let read = 0;
    let refused = 0;
    fc.assert(
      fc.property(stored, (raw) => {
        try {
          assertTypes(check(raw, source));
          read += 1;
        } catch (error) {
          if (!(error instanceof CorruptDataError)) throw error;
          expect(error.message.length).toBeLessThan(200);
          refused += 1;
        }
      }),
      { seed: 7, numRuns: 2_000 },
    );
    expect(Math.min(read, refused)).toBeGreaterThan(50);
  });
}
