// Goal: the requests of one call share its deadline.
// Method: move a manual clock and read what is left.
import { expect, test } from "vitest";
import { CallBudget } from "../../src/lock/call-budget.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

test("what is left shrinks with time and never falls below 0; the signal goes along", async () => {
  const clock = new ManualClock();
  const { signal } = new AbortController();
  const budget = new CallBudget(clock, { timeoutMs: 100, signal });
  expect(budget.next()).toEqual({ timeoutMs: 100, signal });
  await clock.advance(60);
  expect(budget.next().timeoutMs).toBe(40);
  await clock.advance(60);
  expect(budget.next().timeoutMs).toBe(0);
});

test("the default is ten seconds, and no signal", () => {
  expect(new CallBudget(new ManualClock()).next()).toEqual({ timeoutMs: 10_000 });
});

test("a deadline that is no number is refused, and nothing was sent", () => {
  for (const timeoutMs of [Number.NaN, Infinity]) {
    expect(() => new CallBudget(new ManualClock(), { timeoutMs })).toThrow(
      expect.objectContaining({ code: "INVALID_SETTINGS", applied: "no" }),
    );
  }
});
