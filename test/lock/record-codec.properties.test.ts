// Goal: what one elector stores is what another reads, in all seven fields; a release says "expired" to every reader.
// Method: random records through both codecs and the bytes between them.
import fc from "fast-check";
import { expect, test } from "vitest";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import { checkRecord, leaseDataToRecord, maxReadableTerm, recordToLeaseData } from "../../src/lock/record-codec.ts";
import { decodeLease, encodeLease } from "../../src/storage/lease-codec.ts";
import { microTime } from "../../src/system/micro-time.ts";

const text = fc.string({ unit: "binary", minLength: 1, maxLength: 30 });
const time = fc.integer({ min: 0, max: 4_000_000_000_000_000 }).map(microTime);
const held: fc.Arbitrary<LeaderElectionRecord> = fc.record(
  {
    holderIdentity: text,
    leaseDurationSeconds: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    acquireTime: fc.oneof(time, fc.constant("")),
    renewTime: time,
    leaderTransitions: fc.integer({ min: 0, max: maxReadableTerm }),
    strategy: text,
    preferredHolder: text,
  },
  { requiredKeys: ["holderIdentity", "acquireTime", "renewTime", "leaderTransitions"] },
);

const through = (record: LeaderElectionRecord): ReturnType<typeof leaseDataToRecord> => {
  const { data, problems } = decodeLease(encodeLease(recordToLeaseData(record)));
  expect(problems).toEqual([]);
  return leaseDataToRecord(data, { storage: "test" });
};

test("client-go RT1: a held record is read back as it was written, with no problem", () => {
  fc.assert(
    fc.property(held, (record) => {
      expect(through(record)).toEqual({ record, problems: [] });
      expect(checkRecord(record, { storage: "test" })).toEqual({ record, problems: [] });
    }),
    { seed: 7, numRuns: 1_000 },
  );
});

test("wire W3: a release is expired to every reader, with one transition more", () => {
  fc.assert(
    fc.property(held, (record) => {
      fc.pre(record.leaderTransitions < maxReadableTerm);
      const { record: read } = through({ ...record, holderIdentity: "" });
      expect(read).toMatchObject({ holderIdentity: "", leaseDurationSeconds: 1 });
      expect(read.leaderTransitions).toBe(record.leaderTransitions + 1);
      expect(Date.parse(read.renewTime)).toBe(0);
    }),
    { seed: 8, numRuns: 500 },
  );
});

test("renew times sort as text in the order of their microseconds", () => {
  const micros = fc.integer({ min: 0, max: 4_000_000_000_000_000 });
  fc.assert(
    fc.property(micros, micros, (one, two) => {
      expect(microTime(one) < microTime(two)).toBe(one < two);
      expect(microTime(one)).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    }),
    { seed: 9, numRuns: 1_000 },
  );
});
