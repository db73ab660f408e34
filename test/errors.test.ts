// Goal: each error has the code that readers compare, carries what they act on, and is known across two copies of the
// package. Method: one of each class, its fields, and look-alikes that are no instances.
import { describe, expect, it, test } from "vitest";
import * as errors from "../src/errors.ts";
import { appliedOf, errorCode, isAlreadyExists, isConditionalUpdateFailed, isNotFound } from "../src/errors.ts";

const lost = { reason: "expired", phase: "refused" } as const;

const all: readonly (readonly [errors.TenureError, errors.TenureErrorCode, errors.Applied | undefined])[] = [
  [new errors.InvalidSettingsError(["wrong"]), "INVALID_SETTINGS", undefined],
  [new errors.InvalidKeyError("text"), "INVALID_KEY", "no"],
  [new errors.NotFoundError("text"), "NOT_FOUND", undefined],
  [new errors.AlreadyExistsError("text"), "ALREADY_EXISTS", "no"],
  [new errors.ConditionalUpdateFailedError("text"), "CONDITIONAL_UPDATE_FAILED", "no"],
  [new errors.StorageUnavailableError("text"), "STORAGE_UNAVAILABLE", undefined],
  [new errors.UnknownOutcomeError("text"), "OUTCOME_UNKNOWN", "unknown"],
  [new errors.AccessDeniedError("text"), "ACCESS_DENIED", undefined],
  [new errors.UnsafeStorageError("text"), "UNSAFE_STORAGE", undefined],
  [new errors.UnsupportedError("text"), "UNSUPPORTED", undefined],
  [new errors.CorruptDataError("text"), "CORRUPT_DATA", undefined],
  [new errors.ValueTooLargeError("text", { limit: 1 }), "VALUE_TOO_LARGE", "no"],
  [new errors.PackageMissingError("text"), "PACKAGE_MISSING", undefined],
  [new errors.LeadershipLostError("text", lost), "LEADERSHIP_LOST", undefined],
  [new errors.StaleTermError("text", { acceptedTerm: 1 }), "STALE_TERM", "no"],
  [new errors.WorkOverrunError("text"), "WORK_OVERRUN", undefined],
  [new errors.AlreadyRunningError("text"), "ALREADY_RUNNING", undefined],
  [new errors.ClosedError("text"), "CLOSED", undefined],
  [new errors.ControllerSilentError("text"), "CONTROLLER_SILENT", "unknown"],
  [new errors.GlobalStorageUnhealthyError("text"), "GLOBAL_STORAGE_UNHEALTHY", "unknown"],
  [new errors.LocalContentionError("text"), "LOCAL_CONTENTION", "unknown"],
];

describe("the errors", () => {
  it.each(all)("%s has its code, its name, and says whether a write may have happened", (error, code, applied) => {
    expect(error.code).toBe(code);
    expect(error.name).toBe(error.constructor.name);
    expect(error.applied).toBe(applied);
    expect(error).toBeInstanceOf(errors.TenureError);
    expect(error).toBeInstanceOf(Error);
  });

  it("are all here, each with a code of its own", () => {
    const classes = Object.values(errors).filter(
      (value) => typeof value === "function" && value.prototype instanceof errors.TenureError,
    );
    expect(new Set(all.map(([error]) => error.constructor))).toEqual(new Set(classes));
    expect(new Set(all.map(([, code]) => code)).size).toBe(classes.length);
  });

  it("carry where they happened, and what caused them", () => {
    const cause = new Error("why");
    const details = { operation: "read", storage: "memory", key: "a", applied: "unknown", cause } as const;
    expect(new errors.StorageUnavailableError("text", details)).toMatchObject(details);
  });

  it("make nothing up: what was not told is undefined", () => {
    for (const [error] of all) {
      for (const name of ["operation", "storage", "key", "cause", "retryAfterMs", "version", "report", "value"]) {
        expect(Reflect.get(error, name), `${error.name}.${name}`).toBeUndefined();
      }
    }
  });

  it("cannot be told that a refused write may have happened, or that an unknown one has not", () => {
    expect(new errors.ConditionalUpdateFailedError("text", { applied: "unknown" }).applied).toBe("no");
    expect(new errors.UnknownOutcomeError("text", { applied: "no" }).applied).toBe("unknown");
  });
});

describe("what single errors carry", () => {
  it("InvalidSettingsError: all problems, and all of them in its message", () => {
    const problems = ["a (1) must be 2", "b is missing"];
    const error = new errors.InvalidSettingsError(problems);
    problems.push("later");
    expect(error.problems).toEqual(["a (1) must be 2", "b is missing"]);
    expect(error.message).toBe("a (1) must be 2; b is missing");
  });

  it("LeadershipLostError: reason, phase, and the value of a step that outlasted the term", () => {
    const outlasted = new errors.LeadershipLostError("text", { ...lost, phase: "outlasted", value: 7 });
    expect(outlasted).toMatchObject({ reason: "expired", phase: "outlasted", value: 7 });
  });

  it("StaleTermError: the accepted term; it never had an effect, unless it is told otherwise", () => {
    expect(new errors.StaleTermError("text", { acceptedTerm: 9 })).toMatchObject({ acceptedTerm: 9, applied: "no" });
    expect(new errors.StaleTermError("text", { acceptedTerm: 9, applied: "unknown" }).applied).toBe("unknown");
  });

  it("the others: the pause asked for, the version, the limit, the report", () => {
    expect(new errors.StorageUnavailableError("text", { retryAfterMs: 0 }).retryAfterMs).toBe(0);
    expect(new errors.CorruptDataError("text", { version: "v7" }).version).toBe("v7");
    expect(new errors.ValueTooLargeError("text", { limit: 1024 }).limit).toBe(1024);
    expect(new errors.UnsafeStorageError("text", { report: { conditions: false } }).report).toEqual({
      conditions: false,
    });
  });
});

describe("errors of another copy of the package, and of strangers", () => {
  it("K-121: are known by their code, through wrappers that have none, and no further than the first code", () => {
    const wrapped = (cause: unknown): Error => new Error("reading a lease", { cause });
    expect(isNotFound(wrapped(wrapped(new errors.NotFoundError("text"))))).toBe(true);
    expect(isAlreadyExists(wrapped({ code: "ALREADY_EXISTS" }))).toBe(true);
    const refused = new errors.ConditionalUpdateFailedError("text");
    expect(isConditionalUpdateFailed(wrapped(refused))).toBe(true);
    const unknown = new errors.UnknownOutcomeError("text", { cause: refused });
    expect([unknown, wrapped(unknown)].map(isConditionalUpdateFailed)).toEqual([false, false]);
    expect(isNotFound(wrapped(Object.assign(new Error("gone", { cause: refused }), { code: "ENOENT" })))).toBe(false);
    const endless: { cause?: unknown } = {};
    endless.cause = endless;
    expect(isNotFound(endless)).toBe(false);
  });

  it("K-121: are known by their code", () => {
    expect(isNotFound({ code: "NOT_FOUND" })).toBe(true);
    expect(isAlreadyExists({ code: "ALREADY_EXISTS" })).toBe(true);
    expect(isConditionalUpdateFailed({ code: "CONDITIONAL_UPDATE_FAILED" })).toBe(true);
    for (const is of [isNotFound, isAlreadyExists, isConditionalUpdateFailed]) {
      for (const other of [new Error("text"), { code: "ENOENT" }, { code: 404 }, null, undefined, "NOT_FOUND"]) {
        expect(is(other)).toBe(false);
      }
    }
  });

  test.each([[null], [undefined], ["text"], [7], [{}], [{ code: 7 }], [Object.create(null)]])(
    "%o has no code",
    (value) => {
      expect(errorCode(value)).toBeUndefined();
    },
  );

  it("count as unknown, unless they prove that a write had no effect", () => {
    expect(appliedOf({ applied: "no" })).toBe("no");
    expect(appliedOf(new errors.ConditionalUpdateFailedError("text"))).toBe("no");
    const unproven = [
      undefined,
      null,
      "no",
      new Error("text"),
      { applied: "NO" },
      { applied: false },
      { applied: null },
    ];
    for (const error of unproven) expect(appliedOf(error)).toBe("unknown");
  });
});
