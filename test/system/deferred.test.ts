// Goal: a promise that is settled from outside, settles once, and never becomes an unhandled rejection. Method: settle
// it in each way, with and without somebody who waits.
import { expect, test } from "vitest";
import { Deferred } from "../../src/system/deferred.ts";
import { drainMicrotasks } from "../../src/system/microtasks.ts";

test("resolves and rejects with what it is given", async () => {
  const good = new Deferred<number>();
  good.resolve(7);
  await expect(good.promise).resolves.toBe(7);
  const bad = new Deferred<number>();
  const error = new Error("why");
  bad.reject(error);
  await expect(bad.promise).rejects.toBe(error);
});

test("the first end counts", async () => {
  const deferred = new Deferred<string>();
  deferred.resolve("first");
  deferred.resolve("second");
  deferred.reject(new Error("third"));
  await expect(deferred.promise).resolves.toBe("first");
});

test("a rejection that nobody waits for disturbs nobody", async () => {
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);
  process.on("unhandledRejection", note);
  new Deferred<void>().reject(new Error("nobody waits"));
  await drainMicrotasks();
  process.off("unhandledRejection", note);
  expect(unhandled).toEqual([]);
});
