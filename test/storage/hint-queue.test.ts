// Goal: hints reach a slow reader merged, never lost, and hold no memory. Method: pushes and reads in each order.
import { expect, test } from "vitest";
import { HintQueue } from "../../src/storage/hint-queue.ts";
import type { Stored, Version } from "../../src/storage/versioned-storage.ts";

const seen = (text: string): { readonly seen: Stored } => ({
  seen: { value: new TextEncoder().encode(text), version: text as Version }, // cast: a made-up version
});

test("a slow reader gets the newest hint once", async () => {
  const queue = new HintQueue();
  const hints = queue.hints(new AbortController().signal);
  for (const text of ["1", "2", "3"]) queue.push(seen(text));
  expect((await hints.next()).value).toEqual(seen("3"));
  const next = hints.next();
  queue.push({});
  expect((await next).value).toEqual({});
});

test("a change while a hint is being handled is not lost", async () => {
  const queue = new HintQueue();
  const hints = queue.hints(new AbortController().signal);
  queue.push(seen("1"));
  await hints.next();
  queue.push(seen("2"));
  expect((await hints.next()).value).toEqual(seen("2"));
});

test("an abort ends it without an error: while it waits, and before it began", async () => {
  const [queue, controller] = [new HintQueue(), new AbortController()];
  const hints = queue.hints(controller.signal);
  const pending = hints.next();
  controller.abort(new Error("enough"));
  expect(await pending).toEqual({ done: true, value: undefined });
  queue.push(seen("late"));
  expect(await queue.hints(controller.signal).next()).toEqual({ done: true, value: undefined });
});

test("a failure comes after the hint that was waiting", async () => {
  const queue = new HintQueue();
  const error = new Error("access denied");
  queue.push(seen("1"));
  queue.fail(error);
  queue.fail(new Error("a later one"));
  const hints = queue.hints(new AbortController().signal);
  expect((await hints.next()).value).toEqual(seen("1"));
  await expect(hints.next()).rejects.toBe(error);
});
