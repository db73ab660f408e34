// Goal: of two halves of a write the second is known to be under way until it is answered or given up, and no other
// write begins meanwhile. Method: each rule with halves that are answered by hand, on a manual clock.
import { beforeEach, expect, it } from "vitest";
import { appliedOf, errorCode } from "../../src/errors.ts";
import { CallBudget } from "../../src/lock/call-budget.ts";
import { HalfWrites, putHalf } from "../../src/lock/half-writes.ts";
import { joinedVersion } from "../../src/lock/joined-version.ts";
import type { LockOutcome } from "../../src/lock/resource-lock.ts";
import type { Version } from "../../src/storage/versioned-storage.ts";
import { FakeLock, ManualClock } from "../../src/testing/index.ts";

const version = "7" as Version; // cast: as a lock tells it
let clock: ManualClock;
let halves: HalfWrites;

beforeEach(() => {
  clock = new ManualClock();
  halves = new HalfWrites("both", clock);
});

const budget = (): CallBudget => new CallBudget(clock, { timeoutMs: 1_000 });

function refusal(): unknown {
  try {
    halves.demandWhole();
    return undefined;
  } catch (error) {
    return [errorCode(error), appliedOf(error)];
  }
}

it("refuses a write until the second half of the one before is answered", async () => {
  let answer = (_outcome: LockOutcome): void => {};
  const call = halves.complete(() => new Promise((resolve) => (answer = resolve)), budget());
  expect(refusal()).toEqual(["STORAGE_UNAVAILABLE", "no"]);
  answer({ written: true, version });
  expect(await call).toEqual({ written: true, version });
  await clock.advance(0);
  expect(refusal()).toBeUndefined();
});

it("gives a second half up that is never answered, and one that fails", async () => {
  void halves.complete(() => new Promise(() => {}), budget());
  expect(refusal()).toBeDefined();
  await clock.advance(1_001);
  expect(refusal()).toBeUndefined();
  const failed = halves.complete(() => Promise.reject(new Error("down")), budget());
  await expect(failed).rejects.toThrow("down");
  await clock.advance(0);
  expect(refusal()).toBeUndefined();
});

it("knows what a look showed while its last write was half done", () => {
  const half = joinedVersion(version, undefined);
  expect(halves.wasHalf(half)).toBe(false);
  halves.completed(half);
  expect([halves.wasHalf(half), halves.wasHalf(version)]).toEqual([true, false]);
});

it("tells a half as unknown, with its cause", () => {
  const error = halves.unknown("the second one failed", new Error("down"));
  expect([errorCode(error), appliedOf(error), Reflect.get(Object(error.cause), "message")]).toEqual([
    ...["OUTCOME_UNKNOWN", "unknown", "down"],
  ]);
});

it("creates a half that was absent, and updates one that was there", async () => {
  const lock = new FakeLock({ identity: "ada", clock });
  const times = { acquireTime: "", renewTime: "" };
  const record = { holderIdentity: "ada", leaseDurationSeconds: 15, ...times, leaderTransitions: 1 };
  const created = await putHalf(lock, { record, expected: undefined }, {});
  expect(created).toMatchObject({ written: true });
  expect(await putHalf(lock, { record, expected: undefined }, {})).toEqual({ written: false });
  const expected = created.written ? created.version : undefined;
  expect(await putHalf(lock, { record, expected }, {})).toMatchObject({ written: true });
});
