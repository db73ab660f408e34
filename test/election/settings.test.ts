// Goal: an elector starts with settings that are complete and safe, or not at all, and then says everything that is
// wrong at once. Method: single wrong options, each at the border of its check, then several together, and all
// defaults.
import { describe, expect, it } from "vitest";
import { InvalidSettingsError } from "../../src/errors.ts";
import { resolveSettings } from "../../src/election/settings.ts";
import { systemClock } from "../../src/system/clock.ts";
import { silentLogger } from "../../src/system/logger.ts";
import { systemRandom } from "../../src/system/random.ts";
import { FakeLock, ManualClock, SeededRandom } from "../../src/testing/index.ts";

/** The problems of these options, beside a lock that is fine. */
function problemsOf(options: Record<string, unknown>): readonly string[] {
  return problemsOfAll({ lock: new FakeLock({ identity: "me" }), ...options });
}

function problemsOfAll(options: unknown): readonly string[] {
  try {
    resolveSettings(options as Parameters<typeof resolveSettings>[0]); // cast: what untyped callers pass
  } catch (error) {
    if (error instanceof InvalidSettingsError) return error.problems;
    throw error;
  }
  return [];
}

/** A lock as a careless author writes it. */
function lockWith(changes: Record<string, unknown>): Record<string, unknown> {
  const nothing = (): void => {};
  return { identity: "me", description: "a lock", get: nothing, create: nothing, update: nothing, ...changes };
}

describe("the lock", () => {
  it.each([undefined, null, "a lock", 7])("is needed: %s is none", (lock) => {
    expect(problemsOfAll({ lock })).toEqual(["lock is missing: pass a ResourceLock, such as a StorageLock"]);
  });

  it("has to be in an object of options", () => {
    for (const options of [undefined, null, "lock"]) {
      expect(problemsOfAll(options)).toEqual(["options must be an object with at least a lock"]);
    }
  });

  it.each(["", undefined, null, 7])("needs an identity: %j is none", (identity) => {
    expect(problemsOf({ lock: lockWith({ identity }) })).toEqual([
      `lock.identity (${JSON.stringify(identity)}) must be a non-empty text, unique to this instance`,
    ]);
  });

  it("needs its three calls, and each that is missing is named", () => {
    expect(problemsOf({ lock: lockWith({ get: undefined, create: "soon", update: null }) })).toEqual([
      "lock.get must be a function",
      "lock.create must be a function",
      "lock.update must be a function",
    ]);
  });

  it.each([-1, Number.NaN, Infinity])("cannot demand %d ms between its writes", (minWriteIntervalMs) => {
    const [problem] = problemsOf({ lock: lockWith({ minWriteIntervalMs }) });
    expect(problem).toBe(`lock.minWriteIntervalMs (${minWriteIntervalMs}) must be a number of milliseconds, 0 or more`);
  });

  it("is not asked for anything", () => {
    const lock = new FakeLock();
    resolveSettings({ lock });
    expect(lock.calls).toEqual([]);
  });
});

describe("choices and parts", () => {
  it("that are not known are named, with all that may be said instead", () => {
    expect(problemsOf({ onMissing: "creat", whenWorkReturns: null, recampaign: "yes" })).toEqual([
      'onMissing ("creat") must be "create" or "wait"',
      'whenWorkReturns (null) must be "keep" or "resign"',
      'recampaign ("yes") must be true or false',
    ]);
  });

  it("the name is text, and not empty", () => {
    expect(problemsOf({ name: "" })).toEqual(['name ("") must be a non-empty text']);
    expect(problemsOf({ name: 7 })).toEqual(["name (7) must be a non-empty text"]);
  });

  it("callbacks and the rest that is called are functions", () => {
    const callbacks = { onStoppedLeading: "no", onNewLeader: 7 };
    expect(problemsOf({ termFloor: 7, onError: {}, callbacks })).toEqual([
      "termFloor must be a function",
      "onError must be a function",
      "callbacks.onStartedLeading must be a function",
      "callbacks.onStoppedLeading must be a function",
      "callbacks.onNewLeader must be a function",
    ]);
    expect(problemsOf({ callbacks: null })).toEqual(["callbacks must be an object"]);
    expect(problemsOf({ callbacks: { onStartedLeading: () => {} } })).toEqual([]);
  });

  it("an option that does not exist is named: it may be a slip that the default would hide", () => {
    expect(problemsOf({ leaseDuration: 15, LeaseDurationMs: 1 })).toEqual([
      "leaseDuration is not an option",
      "LeaseDurationMs is not an option",
    ]);
  });

  it("an option that is undefined counts as not given", () => {
    const names = ["callbacks", "name", "leaseDurationMs", "driftRatio", "onMissing", "workBackoffMs", "termFloor"];
    expect(problemsOf(Object.fromEntries(names.map((name) => [name, undefined])))).toEqual([]);
  });
});

describe("all problems", () => {
  it("are told in one error, each with option, value and bound", () => {
    const given = { lock: lockWith({ identity: "" }), onMissing: 1, leaseDurationMs: 0, driftRatio: 1, colour: "red" };
    let error: unknown;
    try {
      resolveSettings(given as unknown as Parameters<typeof resolveSettings>[0]); // cast: wrong on purpose
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(InvalidSettingsError);
    const { problems, message, operation } = error as InvalidSettingsError; // cast: seen in the line above
    expect(problems).toContain("colour is not an option");
    expect(problems).toContain('lock.identity ("") must be a non-empty text, unique to this instance');
    expect(problems).toContain('onMissing (1) must be "create" or "wait"');
    expect(problems).toContain("leaseDurationMs (0) must be a finite number of milliseconds, more than 0");
    expect(problems).toContain("driftRatio (1) must be a number of at least 1.2");
    expect(message).toBe(problems.join("; "));
    expect(operation).toBe("construct");
  });

  it("include a bound between two numbers, although a third number is no number", () => {
    const problems = problemsOf({ holderGraceMs: -1, leaseDurationMs: 11_000, attemptTimeoutMs: 20_000 });
    expect(problems).toEqual([
      expect.stringMatching(/^holderGraceMs \(-1\) must be/),
      expect.stringMatching(/^leaseDurationMs \(11000\) must be at least 12000/),
      expect.stringMatching(/^attemptTimeoutMs \(20000\) must be at most renewDeadlineMs \(10000\)/),
    ]);
  });
});

describe("complete settings", () => {
  it("have the defaults of the page", () => {
    const lock = new FakeLock({ identity: "me" });
    const { settings, parts } = resolveSettings({ lock });
    expect(settings).toEqual({
      ...{ name: "fake/lock", identity: "me", minWriteIntervalMs: 0 },
      ...{ leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000, renewIntervalMs: 5_000 },
      ...{ attemptTimeoutMs: 5_000, driftRatio: 1.2, stepMarginMs: 0, holderGraceMs: 0, herdJitterMs: 50 },
      ...{ drainTimeoutMs: 10_000, releaseTimeoutMs: 5_000, maxHonouredLeaseMs: 3_600_000 },
      ...{ onMissing: "create", whenWorkReturns: "keep", recampaign: true },
      workBackoffMs: { minMs: 1_000, maxMs: 60_000 },
    });
    expect(parts).toMatchObject({ lock, callbacks: undefined, termFloor: undefined });
    expect([parts.clock, parts.random]).toEqual([systemClock, systemRandom]);
    expect(parts.logger.error("nobody reads")).toBeUndefined();
    expect(parts.onError(new Error("nobody listens"), "read")).toBeUndefined();
  });

  it("keep every option that is given", () => {
    const durations = {
      ...{ leaseDurationMs: 60_000, renewDeadlineMs: 30_000, retryPeriodMs: 3_000, renewIntervalMs: 7_000 },
      ...{ attemptTimeoutMs: 2_500, driftRatio: 1.5, stepMarginMs: 100, holderGraceMs: 200, herdJitterMs: 300 },
      ...{ drainTimeoutMs: 400, releaseTimeoutMs: 500, maxHonouredLeaseMs: 70_000 },
      workBackoffMs: { minMs: 10, maxMs: 20 },
    };
    const choices = { name: "invoices", onMissing: "wait", whenWorkReturns: "resign", recampaign: false } as const;
    const given = {
      ...{ lock: new FakeLock({ minWriteIntervalMs: 1_000 }), callbacks: { onStartedLeading: () => {} } },
      ...{ termFloor: async () => 7, onError: () => {}, logger: { ...silentLogger } },
      ...{ clock: new ManualClock(), random: new SeededRandom(1) },
    };
    const { settings, parts } = resolveSettings({ ...durations, ...choices, ...given });
    const identity = given.lock.identity;
    expect(settings).toEqual({ ...durations, ...choices, identity, minWriteIntervalMs: 1_000 });
    expect(parts).toMatchObject({ ...given, logger: { info: expect.any(Function) } });
  });
});
