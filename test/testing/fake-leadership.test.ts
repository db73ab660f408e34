// Goal: unit tests of work can hold a term, and end it in each way that a real one ends.
// Method: run small pieces of work on a fake term and look at signals, errors and readings.
import { expect, test } from "vitest";
import { LeadershipLostError } from "../../src/errors.ts";
import { fakeLeadership } from "../../src/testing/fake-leadership.ts";

test("it is held from the start, in the term that was asked for", () => {
  const leadership = fakeLeadership({ term: 7, identity: "me", remainingMs: 42 });
  expect([leadership.term, leadership.identity, leadership.remainingMs()]).toEqual([7, "me", 42]);
  expect(leadership.isHeld()).toBe(true);
  expect(leadership.signal.aborted).toBe(false);
  expect(() => leadership.assertHeld()).not.toThrow();
});

test("end aborts the signal, and isHeld follows; the first reason stays", () => {
  const leadership = fakeLeadership();
  leadership.end("taken");
  leadership.end("fenced");
  expect(leadership.isHeld()).toBe(false);
  expect(leadership.remainingMs()).toBe(0);
  expect(leadership.signal.aborted).toBe(true);
  expect(leadership.signal.reason).toMatchObject({ code: "LEADERSHIP_LOST", reason: "taken" });
  expect(() => leadership.assertHeld()).toThrow(LeadershipLostError);
});

test("drain aborts the signal of the work only: the term is still held, and a running step goes on", async () => {
  const leadership = fakeLeadership();
  let stepSignal: AbortSignal | undefined;
  const step = leadership.guard(async (_term, signal) => {
    stepSignal = signal;
    await null;
    return "done";
  });
  leadership.drain();
  expect([leadership.signal.aborted, stepSignal?.aborted, leadership.isHeld()]).toEqual([true, false, true]);
  await expect(step).resolves.toBe("done");
  leadership.end("stopped");
  expect(stepSignal?.aborted).toBe(true);
});

test("guard hands the term over, and refuses after the end", async () => {
  const leadership = fakeLeadership({ term: 9, remainingMs: 100 });
  await expect(leadership.guard(async (term) => term)).resolves.toBe(9);
  const never = async (): Promise<never> => expect.unreachable("the step ran");
  await expect(leadership.guard(never, { needMs: 101 })).rejects.toMatchObject({ phase: "refused" });
  leadership.end("expired");
  await expect(leadership.guard(never)).rejects.toMatchObject({ phase: "refused", reason: "expired" });
});

test("a step that outlasts the term sees its signal fall, and its value travels in the error", async () => {
  const leadership = fakeLeadership();
  const outlasting = leadership.guard(async (_term, signal) => {
    leadership.end("taken");
    return signal.aborted;
  });
  await expect(outlasting).rejects.toMatchObject({ phase: "outlasted", reason: "taken", value: true });
});

test("disposing of it ends it", async () => {
  const leadership = fakeLeadership();
  {
    await using held = leadership;
    expect(held.isHeld()).toBe(true);
  }
  expect(leadership.isHeld()).toBe(false);
  expect(leadership.signal.reason).toMatchObject({ reason: "workReturned" });
});
