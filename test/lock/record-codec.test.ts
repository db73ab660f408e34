// Goal: whatever anybody wrote into a record, the elector gets the right types or a typed error, never a guess.
// Method: tables of good, odd and hostile values through the checks, and the conversions there and back.
import { expect, test } from "vitest";
import { CorruptDataError } from "../../src/errors.ts";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import { checkRecord, leaseDataToRecord, maxReadableTerm, recordToLeaseData } from "../../src/lock/record-codec.ts";
import { encodeLease } from "../../src/storage/lease-codec.ts";

const source = { storage: "test", key: "leases/default/billing", version: "v1" };

const full: LeaderElectionRecord = {
  holderIdentity: "worker_0b7e",
  leaseDurationSeconds: 15,
  acquireTime: "2026-03-01T09:12:44.100001Z",
  renewTime: "2026-03-01T09:30:00.000123Z",
  leaderTransitions: 7,
  strategy: "OldestEmulationVersion",
  preferredHolder: "worker_1",
};

test("client-go RT1: a full record survives the way to lease data and back, microseconds included", () => {
  const { record, problems } = leaseDataToRecord(recordToLeaseData(full), source);
  expect(record).toEqual(full);
  expect(problems).toEqual([]);
});

test("a record without its optional fields stays without them", () => {
  const bare: LeaderElectionRecord = { holderIdentity: "a", acquireTime: "", renewTime: "", leaderTransitions: 0 };
  const data = recordToLeaseData(bare);
  expect(Object.keys(data).sort()).toEqual(["holderIdentity", "leaseTransitions", "renewTime"]);
  expect(leaseDataToRecord(data, source).record).toEqual(bare);
  expect(Object.keys(checkRecord(bare, source).record).sort()).toEqual(Object.keys(bare).sort());
});

test("only known fields are copied, and nothing is shared with what was read", () => {
  const raw: unknown = JSON.parse(
    `{"holderIdentity":"a","leaderTransitions":1,"__proto__":{"strategy":"x"},"extra":1}`,
  );
  const { record } = checkRecord(raw, source);
  expect(record).toEqual({ holderIdentity: "a", acquireTime: "", renewTime: "", leaderTransitions: 1 });
  expect(record).not.toBe(raw);
  expect(Object.keys(record)).not.toContain("extra");
  expect(record.strategy).toBeUndefined();
});

test("wire W5: a holder or a time that is null or absent reads as empty text: the lease is free", () => {
  for (const nothing of [null, undefined]) {
    const raw = { holderIdentity: nothing, renewTime: nothing, acquireTime: nothing, leaderTransitions: 4 };
    const { record, problems } = checkRecord(raw, source);
    expect(record).toEqual({ holderIdentity: "", acquireTime: "", renewTime: "", leaderTransitions: 4 });
    expect(problems).toEqual([]);
  }
});

const unreadable: [string, unknown][] = [
  ["undefined", undefined],
  ["a number", 7],
  ["an array", [full]],
  ["a holder of another type", { ...full, holderIdentity: { name: "a" } }],
  ["a renew time of another type", { ...full, renewTime: 5 }],
  ["no term", { ...full, leaderTransitions: undefined }],
  ["null as term", { ...full, leaderTransitions: null }],
  ["text as term", { ...full, leaderTransitions: "7" }],
  ["infinity as term", { ...full, leaderTransitions: Infinity }],
  ["a term beyond int32", { ...full, leaderTransitions: 2 ** 31 }],
  ["a term close to the end", { ...full, leaderTransitions: maxReadableTerm + 1 }],
];
for (const [what, raw] of unreadable) {
  test(`a record is unreadable: ${what}`, () => {
    expect(() => checkRecord(raw, source)).toThrow(CorruptDataError);
    expect(() => checkRecord(raw, source)).toThrow(/leases\/default\/billing/);
  });
}

test("the greatest readable term leaves a million terms, and is read", () => {
  expect(maxReadableTerm).toBe(2 ** 31 - 1_000_000);
  expect(checkRecord({ ...full, leaderTransitions: maxReadableTerm }, source).record.leaderTransitions).toBe(
    maxReadableTerm,
  );
});

test("wire W6: an optional field out of range counts as absent, and is named with its value", () => {
  for (const seconds of [0, -1, 2 ** 31, 1.5, "15", null, Number.NaN, [], {}]) {
    const { record, problems } = checkRecord({ ...full, leaseDurationSeconds: seconds }, source);
    expect(record).not.toHaveProperty("leaseDurationSeconds");
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain("leaseDurationSeconds");
  }
  const { record, problems } = checkRecord({ ...full, strategy: 1, preferredHolder: true, acquireTime: [] }, source);
  const { strategy: _strategy, preferredHolder: _preferredHolder, ...rest } = full;
  expect(record).toEqual({ ...rest, acquireTime: "" });
  expect(problems).toHaveLength(3);
});

test("client-go K13: the greatest duration is read as it is, the others count as absent", () => {
  expect(checkRecord({ ...full, leaseDurationSeconds: 2 ** 31 - 1 }, source).record.leaseDurationSeconds).toBe(
    2 ** 31 - 1,
  );
});

test("foreign text is cut and escaped in messages, and no other value is quoted", () => {
  const evil = "\u001b[31m" + "x".repeat(500);
  const message = (raw: unknown): string => {
    try {
      checkRecord(raw, source);
    } catch (error) {
      return error instanceof Error ? error.message : "";
    }
    return "";
  };
  const text = message({ ...full, leaderTransitions: evil });
  expect(text).toContain("\\u001b");
  expect(text).not.toContain("\u001b");
  expect(text.length).toBeLessThan(250);
  expect(message({ ...full, holderIdentity: { password: "secret" } })).not.toContain("secret");
});

test("wire W3: a release is written as an expired lease with one transition more; the preferred holder stays", () => {
  const release: LeaderElectionRecord = {
    ...full,
    holderIdentity: "",
    leaseDurationSeconds: 9,
    preferredHolder: "next",
  };
  const data = recordToLeaseData(release, { owner: "a" });
  expect(data).toEqual({
    holderIdentity: "",
    renewTime: "1970-01-01T00:00:00.000000Z",
    leaseTransitions: 8,
    leaseDurationSeconds: 1,
    acquireTime: full.acquireTime,
    strategy: full.strategy,
    preferredHolder: "next",
    unknownFields: { owner: "a" },
  });
  expect(recordToLeaseData({ ...release, leaderTransitions: 2 ** 31 - 1 }).leaseTransitions).toBe(2 ** 31 - 1);
});

test("wire W3: a release is expired by Go's rule, now - renewTime > duration, for every duration up to a day", () => {
  const { renewTime } = recordToLeaseData({ ...full, holderIdentity: "" });
  const ageSeconds = (Date.parse("2026-01-01T00:00:00Z") - Date.parse(renewTime)) / 1000;
  expect(ageSeconds).toBeGreaterThan(86_400);
});

test("whatever is written can be encoded for the wire", () => {
  for (const record of [full, { ...full, holderIdentity: "" }]) {
    expect(JSON.parse(new TextDecoder().decode(encodeLease(recordToLeaseData(record))))).toMatchObject({
      holderIdentity: record.holderIdentity,
    });
  }
});
