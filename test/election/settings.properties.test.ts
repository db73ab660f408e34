// Goal: whatever a caller without types passes as options is complete and within all bounds afterwards, or refused with
// a list of problems that names what was given. Method: random options, from almost right to nonsense.
import fc from "fast-check";
import { expect, test } from "vitest";
import { InvalidSettingsError } from "../../src/errors.ts";
import { resolveSettings, type ResolvedSettings } from "../../src/election/settings.ts";
import { FakeLock } from "../../src/testing/fake-lock.ts";

const lock = new FakeLock({ identity: "me" });
const odd = fc.oneof(
  fc.constantFrom(undefined, null, 0, -0, -1, 1, Number.NaN, Infinity, 2 ** 31 - 1, 2 ** 31, "15000", "", true, false),
  fc.double(),
  fc.string({ maxLength: 4 }),
  fc.jsonValue({ maxDepth: 1 }),
  fc.constantFrom(7n, Symbol("odd"), Object.create(null), () => 1),
);

/** Once in a hundred anything else. */
function mostly(arbitrary: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 99, arbitrary }, { weight: 1, arbitrary: odd });
}

const upTo = (most: number): fc.Arbitrary<unknown> => mostly(fc.integer({ min: 1, max: most }));

/** Numbers around the bounds of one validity. */
const options = fc.integer({ min: 1_000, max: 60_000 }).chain((validity) =>
  fc.record(
    {
      renewDeadlineMs: mostly(fc.constant(validity)),
      leaseDurationMs: mostly(fc.integer({ min: Math.floor(1.1 * validity), max: 3 * validity })),
      retryPeriodMs: mostly(fc.integer({ min: 60, max: Math.floor(validity / 1.1) })),
      renewIntervalMs: upTo(Math.floor(validity / 1.8)),
      attemptTimeoutMs: upTo(Math.floor(validity * 1.1)),
      stepMarginMs: upTo(200),
      holderGraceMs: upTo(10_000),
      herdJitterMs: upTo(60),
      drainTimeoutMs: upTo(100_000),
      releaseTimeoutMs: upTo(100_000),
      maxHonouredLeaseMs: mostly(fc.constant(3_600_000)),
      driftRatio: mostly(fc.double({ min: 1.2, max: 1.6, noNaN: true })),
      workBackoffMs: mostly(fc.record({ minMs: upTo(1_000), maxMs: upTo(60_000) })),
      onMissing: mostly(fc.constantFrom("create", "wait")),
      whenWorkReturns: mostly(fc.constantFrom("keep", "resign")),
      recampaign: mostly(fc.boolean()),
      name: mostly(fc.constant("billing")),
      callbacks: fc.constantFrom(undefined, { onStartedLeading: () => {} }),
    },
    { requiredKeys: ["renewDeadlineMs", "leaseDurationMs", "retryPeriodMs"] },
  ),
);

/** The bounds that exclusion and pace rest on, once more in other words. */
function assertBounds(settings: ResolvedSettings): void {
  const { leaseDurationMs, renewDeadlineMs, retryPeriodMs, driftRatio, stepMarginMs, ...rest } = settings;
  const rate = (driftRatio - 1) / (driftRatio + 1);
  const actsUntilMs = renewDeadlineMs / (1 - rate) + stepMarginMs;
  expect(actsUntilMs).toBeLessThanOrEqual((leaseDurationMs / (1 + rate)) * (1 + 1e-9));
  expect(renewDeadlineMs).toBeGreaterThan(1.2 * retryPeriodMs);
  expect(rest.renewIntervalMs).toBeLessThanOrEqual(renewDeadlineMs / 2);
  expect(rest.attemptTimeoutMs).toBeLessThanOrEqual(renewDeadlineMs);
  expect(rest.maxHonouredLeaseMs).toBeGreaterThanOrEqual(leaseDurationMs);
  for (const [name, value] of Object.entries(settings)) {
    if (!name.endsWith("Ms") || typeof value !== "number") continue;
    expect(value >= 0 && value <= 2 ** 31 - 1, `${name} is ${value}`).toBe(true);
  }
}

test("options are resolved within all bounds, or refused with problems that name them", () => {
  let resolved = 0;
  let refused = 0;
  const check = (given: Record<string, unknown>): void => {
    try {
      assertBounds(resolveSettings({ lock, ...given }).settings);
      resolved += 1;
    } catch (error) {
      if (!(error instanceof InvalidSettingsError)) throw error;
      refused += 1;
      expect(error.problems.length).toBeGreaterThan(0);
      for (const problem of error.problems) expect(problem).toMatch(/^[a-z][\w.]+ (\(|must|is)/i);
      expect(new Set(error.problems).size).toBe(error.problems.length);
    }
  };
  fc.assert(fc.property(options, check), { seed: 7, numRuns: 3_000 });
  expect(Math.min(resolved, refused)).toBeGreaterThan(50);
});

test("unknown options are refused by name", () => {
  const known = Object.keys(resolveSettings({ lock }).settings);
  const name = fc.string({ minLength: 1, maxLength: 8 }).filter((text) => !known.includes(text) && text !== "lock");
  const check = (text: string): void => {
    const given = Object.defineProperty({ lock }, text, { value: 1, enumerable: true });
    expect(() => resolveSettings(given)).toThrow(`${text} is not an option`);
  };
  fc.assert(fc.property(name, check), { seed: 8, numRuns: 300 });
});
