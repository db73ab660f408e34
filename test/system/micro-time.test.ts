// Goal: times on the wire have exactly six fraction digits and count microseconds, as Kubernetes' MicroTime does.
// Method: a table of microsecond counts and texts, read back by an independent parser.
import { expect, test } from "vitest";
import { microTime } from "../../src/system/micro-time.ts";

const times: [number, string][] = [
  [0, "1970-01-01T00:00:00.000000Z"],
  [1, "1970-01-01T00:00:00.000001Z"],
  [999, "1970-01-01T00:00:00.000999Z"],
  [1_000, "1970-01-01T00:00:00.001000Z"],
  [1_772_357_400_000_123, "2026-03-01T09:30:00.000123Z"],
  [1_772_357_400_999_999, "2026-03-01T09:30:00.999999Z"],
  [1_772_357_400_000_123.75, "2026-03-01T09:30:00.000123Z"],
  [-1, "1969-12-31T23:59:59.999999Z"],
];

test("a count of microseconds becomes text with exactly six fraction digits", () => {
  for (const [us, text] of times) expect(microTime(us)).toBe(text);
});

test("later is greater, as text too", () => {
  let earlier = "";
  for (let us = 1_772_357_400_998_990; us < 1_772_357_401_001_010; us += 1) {
    const text = microTime(us);
    expect(text > earlier).toBe(true);
    earlier = text;
  }
  expect(earlier).toBe("2026-03-01T09:30:01.001009Z");
});

test("what is no time, and years that RFC 3339 cannot write, are refused", () => {
  for (const us of [Number.NaN, Infinity, -Infinity, 1e30, 253_402_300_800_000_000, -70_000_000_000_000_000]) {
    expect(() => microTime(us)).toThrow(RangeError);
  }
});
