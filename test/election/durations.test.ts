// Goal: numbers that are accepted are safe: the theorem of exclusion holds for them, and what is said about their
// tolerance is true. Method: each row of the table of options at its border, the table of presets, and random settings.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  durationProblems,
  resolveDurations,
  tolerancesOf,
  type Durations,
  shown,
} from "../../src/election/durations.ts";
import { resolveSettings } from "../../src/election/settings.ts";
import { FakeLock } from "../../src/testing/index.ts";

type Given = Parameters<typeof resolveDurations>[0];

function problems(given: Given, minWriteIntervalMs = 0): readonly string[] {
  return durationProblems(resolveDurations(given), minWriteIntervalMs);
}

/** Client-go's names for three numbers: L, V and P in seconds. */
function seconds(lease: number, validity: number, pause: number): Given {
  return { leaseDurationMs: lease * 1000, renewDeadlineMs: validity * 1000, retryPeriodMs: pause * 1000 };
}

describe("each number", () => {
  const names: readonly (keyof Durations)[] = [
    ...(["leaseDurationMs", "renewDeadlineMs", "retryPeriodMs", "renewIntervalMs", "attemptTimeoutMs"] as const),
    ...(["drainTimeoutMs", "releaseTimeoutMs", "maxHonouredLeaseMs"] as const),
  ];
  const fromZero: readonly (keyof Durations)[] = ["stepMarginMs", "holderGraceMs", "herdJitterMs"];
  // cast: from untyped callers
  const noNumbers = [Number.NaN, Infinity, -Infinity, -1, "1000", {}, true] as readonly number[];

  it.each(names)("%s is finite and more than 0", (name) => {
    for (const value of [...noNumbers, 0]) {
      const text = `${name} (${shown(value)}) must be a finite number of milliseconds, more than 0`;
      expect(problems({ [name]: value })).toContain(text);
    }
  });

  it.each(fromZero)("%s is finite, and may be 0", (name) => {
    for (const value of noNumbers) {
      const text = `${name} (${shown(value)}) must be a finite number of milliseconds, 0 or more`;
      expect(problems({ [name]: value })).toContain(text);
    }
    expect(problems({ [name]: 0 })).toEqual([]);
  });

  it.each([...names, ...fromZero])("%s is at most 2^31-1, since longer timers fire at once", (name) => {
    expect(problems({ [name]: 2 ** 31 })).toContain(`${name} (2147483648) must be at most 2147483647`);
    expect(problems({ [name]: 2 ** 31 - 1 }).join()).not.toContain("2147483647) must be at most 2147483647");
  });

  it.each(["leaseDurationMs", "renewDeadlineMs", "retryPeriodMs"])(
    "a wrong %s alone is blamed, not what follows from it",
    (name) => {
      for (const value of [...noNumbers, 0])
        expect(problems({ [name]: value }).join()).toMatch(new RegExp(`^${name} `));
      for (const value of [Number.NaN, Infinity, 2 ** 31]) {
        const blamed = problems({ [name]: value }).map((problem) => problem.split(" ")[0]);
        expect(
          blamed.filter((other) => /Interval|Timeout|herd/.test(other ?? "")),
          String(value),
        ).toEqual([]);
      }
    },
  );

  it("driftRatio is at least 1.2: two hosts that slew apart reach 1.18", () => {
    for (const driftRatio of [1.199, 1, 0, -2, Number.NaN, Infinity]) {
      expect(problems({ driftRatio })).toEqual([`driftRatio (${driftRatio}) must be a number of at least 1.2`]);
    }
    expect(problems({ driftRatio: 1.2 })).toEqual([]);
  });

  it("workBackoffMs has a least and a greatest pause, in this order", () => {
    // cast: wrong on purpose
    const wrong = (workBackoffMs: unknown): readonly string[] => problems({ workBackoffMs } as Given);
    expect(wrong(1_000)).toEqual(["workBackoffMs must be { minMs, maxMs }"]);
    expect(wrong({})).toEqual([
      "workBackoffMs.minMs (undefined) must be a finite number of milliseconds, more than 0",
      "workBackoffMs.maxMs (undefined) must be a finite number of milliseconds, more than 0",
    ]);
    expect(wrong({ minMs: 2, maxMs: 1 })).toEqual(["workBackoffMs.minMs (2) must be at most maxMs (1)"]);
    expect(wrong({ minMs: 1, maxMs: 2 ** 31 })).toEqual([
      "workBackoffMs.maxMs (2147483648) must be at most 2147483647",
    ]);
    expect(wrong({ minMs: 5, maxMs: 5 })).toEqual([]);
  });
});

describe("the bounds between numbers", () => {
  it("leaseDurationMs is at least driftRatio times the validity", () => {
    expect(problems({ leaseDurationMs: 12_000 })).toEqual([]);
    const tooShort =
      "leaseDurationMs (11999) must be at least 12000: driftRatio x renewDeadlineMs, plus the step margin";
    expect(problems({ leaseDurationMs: 11_999 })).toEqual([tooShort]);
    expect(problems({ leaseDurationMs: 15_000, driftRatio: 1.5 })).toEqual([]);
    expect(problems({ leaseDurationMs: 15_000, driftRatio: 1.51 })).toHaveLength(1);
  });

  it("leaseDurationMs grows with the step margin, by that margin on a fast clock", () => {
    expect(problems({ stepMarginMs: 2_750 })).toEqual([]);
    const [problem] = problems({ stepMarginMs: 2_751 });
    expect(problem).toMatch(/^leaseDurationMs \(15000\) must be at least 15002/);
  });

  it("renewDeadlineMs exceeds 1.2 retry periods", () => {
    expect(problems({ renewDeadlineMs: 3_001, retryPeriodMs: 2_500 })).toEqual([]);
    const tooShort = "renewDeadlineMs (3000) must exceed 1.2 x retryPeriodMs (2500)";
    expect(problems({ renewDeadlineMs: 3_000, retryPeriodMs: 2_500 })).toEqual([tooShort]);
  });

  it("renewIntervalMs is at most half of the validity", () => {
    expect(problems({ renewIntervalMs: 5_000 })).toEqual([]);
    const tooLong = "renewIntervalMs (5001) must be at most half of renewDeadlineMs (10000)";
    expect(problems({ renewIntervalMs: 5_001 })).toEqual([tooLong]);
  });

  it("attemptTimeoutMs is at most the validity", () => {
    expect(problems({ attemptTimeoutMs: 10_000 })).toEqual([]);
    const tooLong = "attemptTimeoutMs (10001) must be at most renewDeadlineMs (10000)";
    expect(problems({ attemptTimeoutMs: 10_001 })).toEqual([tooLong]);
  });

  it("herdJitterMs is at most a retry period", () => {
    expect(problems({ herdJitterMs: 2_000 })).toEqual([]);
    expect(problems({ herdJitterMs: 2_001 })).toEqual(["herdJitterMs (2001) must be at most retryPeriodMs (2000)"]);
  });

  it("maxHonouredLeaseMs is at least one's own lease", () => {
    expect(problems({ maxHonouredLeaseMs: 15_000 })).toEqual([]);
    const tooShort = "maxHonouredLeaseMs (14999) must be at least leaseDurationMs (15000)";
    expect(problems({ maxHonouredLeaseMs: 14_999 })).toEqual([tooShort]);
  });

  it("retryPeriodMs and renewIntervalMs are at least what the lock needs between two writes", () => {
    expect(problems({ renewIntervalMs: 2_000 }, 2_000)).toEqual([]);
    expect(problems({ renewIntervalMs: 2_000 }, 2_001)).toEqual([
      "retryPeriodMs (2000) must be at least the lock's minWriteIntervalMs (2001)",
      "renewIntervalMs (2000) must be at least the lock's minWriteIntervalMs (2001)",
    ]);
  });

  it("several are told at once", () => {
    const given = { renewIntervalMs: 9_000, attemptTimeoutMs: 11_000, herdJitterMs: 3_000, maxHonouredLeaseMs: 1 };
    expect(problems({ ...given, ...seconds(10, 10, 2) })).toHaveLength(5);
  });
});

describe("what client-go refuses, and what it should", () => {
  it("is refused here, too", () => {
    expect(problems(seconds(10, 10, 2))).not.toEqual([]); // the lease has to be longer than the deadline
    expect(problems(seconds(15, 2.4, 2))).not.toEqual([]); // the deadline has to be longer than 1.2 pauses
    for (const name of ["leaseDurationMs", "renewDeadlineMs", "retryPeriodMs"]) {
      expect(problems({ [name]: 0 })).not.toEqual([]);
    }
  });

  it("client-go V3: 2 s, 1.9 s, 1 s is refused: clock rates may be no more than 1.05 apart", () => {
    expect(problems(seconds(2, 1.9, 1))).toEqual([
      "leaseDurationMs (2000) must be at least 2280: driftRatio x renewDeadlineMs, plus the step margin",
    ]);
  });
});

describe("defaults that follow from other numbers", () => {
  it("follow the shorter of a third of the lease and half of the validity", () => {
    expect(resolveDurations(seconds(137, 107, 26)).renewIntervalMs).toBeCloseTo(137_000 / 3);
    expect(resolveDurations(seconds(30, 8, 2)).renewIntervalMs).toBe(4_000);
  });

  it("a call gets half of the validity, a second at least, and never more than the validity", () => {
    const attempt = (validity: number): number => resolveDurations(seconds(100, validity, 0.1)).attemptTimeoutMs;
    expect([attempt(10), attempt(2), attempt(1.5), attempt(1), attempt(0.5)]).toEqual([
      5_000, 1_000, 1_000, 1_000, 500,
    ]);
  });

  it("a drain gets the validity, a release half of it, and the herd no more than a retry period", () => {
    const durations = resolveDurations(seconds(3, 2, 0.03));
    expect(durations).toMatchObject({ drainTimeoutMs: 2_000, releaseTimeoutMs: 1_000, herdJitterMs: 30 });
  });

  it("a lease longer than an hour is honoured by its own candidates", () => {
    expect(resolveDurations(seconds(7_200, 3_600, 60)).maxHonouredLeaseMs).toBe(7_200_000);
  });
});

describe("tolerances", () => {
  it.each([
    // L, V, P; rate in percent, step margin left in s, outage in s, writes a minute: the table of presets
    [15, 10, 2, 20, 2.75, 5, 12],
    [137, 107, 26, 12.3, 7.88, 61.33, 1.31],
    [6, 4, 1, 20, 1.1, 2, 30],
    [3, 2, 0.5, 20, 0.55, 1, 60],
  ])("of %d/%d/%d s are those of the table", (lease, validity, pause, percent, marginLeft, outage, writes) => {
    const tolerances = tolerancesOf(resolveDurations(seconds(lease, validity, pause)));
    expect(problems(seconds(lease, validity, pause))).toEqual([]);
    expect(tolerances.clockRate * 100).toBeCloseTo(percent, 1);
    expect(tolerances.clockRatio).toBeCloseTo(lease / validity, 10);
    expect(tolerances.stepMarginLeftMs / 1000).toBeCloseTo(marginLeft, 2);
    expect(tolerances.outageMs / 1000).toBeCloseTo(outage, 2);
    expect(tolerances.writesPerMinute).toBeCloseTo(writes, 2);
  });

  it("no step margin is left where the lease just reaches", () => {
    expect(tolerancesOf(resolveDurations({ leaseDurationMs: 12_000 })).stepMarginLeftMs).toBeCloseTo(0, 6);
  });
});

const anyDurations = fc.record({
  leaseDurationMs: fc.integer({ min: 100, max: 300_000 }),
  renewDeadlineMs: fc.integer({ min: 100, max: 200_000 }),
  retryPeriodMs: fc.integer({ min: 1, max: 20_000 }),
  driftRatio: fc.double({ min: 1.1, max: 3, noNaN: true }),
  stepMarginMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 20_000 })),
});

/** By how many milliseconds V/(1-e) + margin <= L/(1+e) holds. */
function slackMs({ leaseDurationMs, renewDeadlineMs, stepMarginMs }: Durations, rate: number): number {
  return leaseDurationMs / (1 + rate) - renewDeadlineMs / (1 - rate) - stepMarginMs;
}

describe("for any settings", () => {
  it("what is accepted satisfies the theorem, and what is refused for its lease does not", () => {
    let accepted = 0;
    const lock = new FakeLock();
    const check = (given: Given): void => {
      const durations = resolveDurations(given);
      const rate = (durations.driftRatio - 1) / (durations.driftRatio + 1);
      const found = durationProblems(durations, 0);
      if (found.length === 0) {
        accepted += 1;
        expect(slackMs(resolveSettings({ lock, ...given }).settings, rate)).toBeGreaterThanOrEqual(-1e-6);
      } else if (found.some((problem) => problem.startsWith("leaseDurationMs"))) {
        expect(slackMs(durations, rate)).toBeLessThan(1e-6);
      }
    };
    fc.assert(fc.property(anyDurations, check), { numRuns: 2_000, seed: 7 });
    expect(accepted).toBeGreaterThan(200);
  });

  it("the rate that is told as tolerated is exactly what the theorem allows", () => {
    const check = (given: Given): void => {
      const durations = resolveDurations(given);
      if (durationProblems(durations, 0).length > 0) return;
      const { clockRate } = tolerancesOf(durations);
      const promised = (durations.driftRatio - 1) / (durations.driftRatio + 1);
      expect(clockRate).toBeGreaterThanOrEqual(promised - 1e-9);
      expect(Math.abs(slackMs(durations, clockRate))).toBeLessThan(1e-3);
    };
    fc.assert(fc.property(anyDurations, check), { numRuns: 2_000, seed: 8 });
  });

  it("what is left as a step margin can be set as one, and no millisecond more", () => {
    const check = (given: Given): void => {
      const without = { ...given, driftRatio: 1.2, stepMarginMs: 0 };
      if (problems(without).length > 0) return;
      const leftMs = tolerancesOf(resolveDurations(without)).stepMarginLeftMs;
      expect(problems({ ...without, stepMarginMs: Math.max(0, leftMs - 0.001) })).toEqual([]);
      expect(problems({ ...without, stepMarginMs: leftMs + 1 })).toHaveLength(1);
    };
    fc.assert(fc.property(anyDurations, check), { numRuns: 500, seed: 9 });
  });
});
