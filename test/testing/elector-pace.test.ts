// Goal: the bounds that every test of an elector ends with refuse a busy loop, and accept the pace that is promised.
// Method: logs of calls written by hand, each just within its bound, and each just beyond it.
import { describe, expect, it } from "vitest";
import { assertPace, assertWakeUps, type PacedCall } from "../../src/testing/elector-pace.ts";

const limits = { retryPeriodMs: 2_000, renewIntervalMs: 5_000 };

/** That many calls of one kind, this far apart. */
function calls(operation: PacedCall["operation"], count: number, everyMs: number): PacedCall[] {
  return Array.from({ length: count }, (_, index) => ({ operation, atMs: index * everyMs }));
}

describe("the pace of an elector", () => {
  it("is that of a leader that renews once per interval, and of no faster one", () => {
    const leader = { ...limits, kind: "leader" } as const;
    expect(() => assertPace(calls("update", 120, 5_000), leader)).not.toThrow();
    expect(() => assertPace(calls("update", 120, 4_000), leader)).toThrow(/15 writes of a leader/);
    expect(() => assertPace(calls("get", 1, 1), leader)).toThrow(/reads of a leader/);
  });

  it("is that of a standby that looks once per retry period, and writes nothing", () => {
    const standby = { ...limits, kind: "standby" } as const;
    expect(() => assertPace(calls("get", 300, 2_000), standby)).not.toThrow();
    expect(() => assertPace(calls("get", 300, 1_800), standby)).toThrow(/reads of a standby/);
    expect(() => assertPace(calls("update", 1, 1), standby)).toThrow(/writes of a standby/);
  });

  it("allows 150 calls per retry period and minute under faults, and no more", () => {
    expect(() => assertPace(calls("get", 500, 800), limits)).not.toThrow();
    expect(() => assertPace(calls("get", 500, 780), limits)).toThrow(/within 60000 ms/);
  });

  it("allows no burst at one instant, wherever in the log it is", () => {
    const burst = calls("update", 12, 0).map((call) => ({ ...call, atMs: 300_000 }));
    expect(() => assertPace([...calls("get", 10, 10_000), ...burst], limits)).toThrow(/within 1000 ms from 300000 ms/);
  });

  it("counts a read for each bare hint up to the flood's bound, and four calls for each term", () => {
    const flood = calls("get", 200, 300);
    expect(() => assertPace(flood, limits)).toThrow();
    expect(() => assertPace(flood, { ...limits, hints: 6_000 })).not.toThrow();
    expect(() => assertPace(calls("get", 500, 250), { ...limits, hints: 6_000 })).toThrow(/more than 205/);
    expect(() => assertPace(calls("update", 16, 0), { ...limits, terms: 2 })).not.toThrow();
  });

  it("allows 50 wake-ups in any second", () => {
    const times = (everyMs: number): number[] => Array.from({ length: 200 }, (_, index) => index * everyMs);
    expect(() => assertWakeUps(times(20))).not.toThrow();
    expect(() => assertWakeUps(times(19))).toThrow(/wake-ups/);
  });
});
