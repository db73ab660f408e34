// Goal: times are written as kube-apiserver accepts them, and read as anybody writes them. Method: tables of texts, and
// the system's own parser of dates as an independent judge.
import { describe, expect, it } from "vitest";
import { compareWireTimes, microTimeInUtc, parseWireTime } from "../../src/kubernetes/micro-time.ts";
import { microTime } from "../../src/system/micro-time.ts";

const wallUs = 1_795_253_564_921_366;

describe("K-14: a time that is written", () => {
  it("has exactly six digits and ends in Z, whatever its last digits are", () => {
    for (const us of [wallUs, wallUs - 366, wallUs - 921_366, 0, 999_999]) {
      expect(microTime(us)).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    }
    expect(microTime(wallUs)).toBe("2026-11-21T09:32:44.921366Z");
  });

  it("becomes UTC from any offset", () => {
    expect(microTimeInUtc("2026-11-21T18:32:44.921366+09:00")).toBe("2026-11-21T09:32:44.921366Z");
    expect(microTimeInUtc("2026-01-01T00:30:00.000001+01:00")).toBe("2025-12-31T23:30:00.000001Z");
    expect(microTimeInUtc("2026-02-28T23:30:00.000000-01:00")).toBe("2026-03-01T00:30:00.000000Z");
  });
});

describe("K-15: a time that is read", () => {
  it("may have any offset and 0 to 9 digits", () => {
    const second = Date.parse("2026-11-21T09:32:44Z") / 1000;
    const times: [string, number][] = [
      ["2026-11-21T09:32:44Z", 0],
      ["2026-11-21T09:32:44.9Z", 900_000_000],
      ["2026-11-21T09:32:44.921Z", 921_000_000],
      ["2026-11-21T09:32:44.921366Z", 921_366_000],
      ["2026-11-21T18:32:44.921366123+09:00", 921_366_123],
      ["2026-11-21T05:02:44.000000001-04:30", 1],
    ];
    for (const [text, nanosecond] of times) expect(parseWireTime(text), text).toEqual({ second, nanosecond });
  });

  it("is the moment that the system's parser finds, on each day of four centuries' leap years and others", () => {
    for (const year of [1600, 1900, 1970, 2000, 2024, 2026, 2100, 9999]) {
      for (let month = 1; month <= 12; month += 1) {
        for (const day of [1, 28, 29, 30, 31]) {
          const text = `${year}-${String(month).padStart(2, "0")}-${day < 10 ? `0${day}` : day}T23:59:59Z`;
          const judged = new Date(text);
          const exists = judged.getUTCDate() === day;
          expect(parseWireTime(text)?.second, text).toBe(exists ? judged.getTime() / 1000 : undefined);
        }
      }
    }
  });

  it("is none where the text is none", () => {
    for (const text of [
      ...["", "now", "2026-11-21", "2026-11-21 09:32:44Z", "2026-11-21T09:32:44", "2026-13-01T00:00:00Z"],
      ...["2026-11-21T24:00:00Z", "2026-11-21T09:60:00Z", "2026-11-21T09:32:44.Z", "2026-11-21T09:32:44.1234567890Z"],
    ]) {
      expect(parseWireTime(text), text).toBeUndefined();
      expect(microTimeInUtc(text), text).toBeUndefined();
    }
  });

  it("is later by its nanosecond where milliseconds are equal, and later by its moment, not by its text", () => {
    const order = [
      "2026-11-21T09:32:44Z",
      "2026-11-21T18:32:44.000000001+09:00",
      "2026-11-21T09:32:44.000001Z",
      "2026-11-21T08:32:44.000002-01:00",
      "2026-11-21T09:32:45Z",
    ].map((text) => parseWireTime(text) ?? { second: 0, nanosecond: 0 });
    for (const [at, time] of order.entries()) {
      expect(compareWireTimes(time, time)).toBe(0);
      for (const later of order.slice(at + 1)) {
        expect(compareWireTimes(time, later)).toBeLessThan(0);
        expect(compareWireTimes(later, time)).toBeGreaterThan(0);
      }
    }
  });
});
