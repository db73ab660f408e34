// Goal: a read is repeated only while that can help, within its deadline, at the pace that the storage asks for.
// Method: reads that fail by a list, chance that a test sets, and a manual clock that shows when each attempt began.
import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { StorageUnavailableError, TenureError, UnknownOutcomeError } from "../../src/errors.ts";
import { retry, type RetryOptions } from "../../src/system/retry.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

const away = (retryAfterMs?: number): StorageUnavailableError =>
  new StorageUnavailableError("away", retryAfterMs === undefined ? {} : { retryAfterMs });

interface Attempts {
  readonly clock: ManualClock;
  readonly atMs: number[];
  readonly result: Promise<string>;
  ended: boolean;
}

/** Reads that fail with these errors, one after the other, and succeed then; each draw of chance is `draw`. */
async function read(
  errors: readonly unknown[],
  { draw = 1, ...options }: Partial<RetryOptions> & { draw?: number } = {},
): Promise<Attempts> {
  const clock = new ManualClock();
  const atMs: number[] = [];
  const left = [...errors];
  const random = { next: () => draw, uuid: () => "" };
  const attempt = async (): Promise<string> => {
    atMs.push(clock.monotonicMs());
    if (left.length > 0) throw left.shift();
    return "read";
  };
  const result = retry(attempt, { clock, random, deadlineMs: 10_000, ...options });
  const attempts: Attempts = { clock, atMs, result, ended: false };
  result.then(
    () => (attempts.ended = true),
    () => (attempts.ended = true),
  );
  await import("p-retry"); // loaded by the first retry; from here on only promise reactions separate its steps
  await clock.advance();
  return attempts;
}

describe("retry", () => {
  it("asks once if that succeeds", async () => {
    const { atMs, result, clock } = await read([]);
    await expect(result).resolves.toBe("read");
    expect(atMs).toEqual([0]);
    expect(clock.timerCount).toBe(0);
  });

  it("makes three attempts, after pauses of up to 50 and 100 ms, and throws the last error", async () => {
    const errors = [away(), away(), away(), away()];
    const attempts = await read(errors);
    await attempts.clock.advance(1_000);
    await expect(attempts.result).rejects.toBe(errors[2]);
    expect(attempts.atMs).toEqual([0, 50, 150]);
  });

  it("draws each pause from its whole window", async () => {
    const { clock, atMs, result } = await read([away(), away()], { draw: 0.1 });
    await clock.advance(1_000);
    await expect(result).resolves.toBe("read");
    expect(atMs).toEqual([0, 5, 15]);
  });

  it("makes as many attempts as it was told to", async () => {
    const attempts = await read([away(), away(), away(), away(), away()], { attempts: 5, draw: 0 });
    await attempts.clock.advance(1_000);
    await expect(attempts.result).rejects.toThrow("away");
    expect(attempts.atMs).toHaveLength(5);
    const single = await read([away()], { attempts: 1 });
    await expect(single.result).rejects.toThrow("away");
    expect(single.atMs).toEqual([0]);
  });

  it.each([
    new UnknownOutcomeError("who knows"),
    new TenureError("ACCESS_DENIED", "no access"),
    new Error("not ours"),
    new TypeError("a bug"),
  ])("throws any other error at once: %s", async (error) => {
    const { atMs, result, clock } = await read([error]);
    await expect(result).rejects.toBe(error);
    expect(atMs).toEqual([0]);
    expect(clock.timerCount).toBe(0);
  });

  it("knows the error of another copy of the package by its code", async () => {
    const { clock, atMs, result } = await read([Object.assign(new Error("away"), { code: "STORAGE_UNAVAILABLE" })]);
    await clock.advance(1_000);
    await expect(result).resolves.toBe("read");
    expect(atMs).toEqual([0, 50]);
  });

  it("honours what the storage asks for, if it is longer than the pause drawn", async () => {
    const { clock, atMs, result } = await read([away(3_000), away(20)]);
    await clock.advance(10_000);
    await expect(result).resolves.toBe("read");
    expect(atMs).toEqual([0, 3_000, 3_100]);
  });

  it("gives up at once if the storage asks for more than the deadline leaves", async () => {
    for (const retryAfterMs of [500, 501, 1e12, Infinity]) {
      const { atMs, result, clock } = await read([away(retryAfterMs)], { deadlineMs: 500 });
      await expect(result, String(retryAfterMs)).rejects.toMatchObject({ retryAfterMs });
      expect(atMs).toEqual([0]);
      expect(clock.timerCount).toBe(0);
    }
  });

  it("makes no pause that reaches beyond the deadline, counted from the first attempt", async () => {
    const { clock, atMs, result } = await read([away(), away(), away()], { deadlineMs: 120 });
    const rejects = expect(result).rejects.toThrow("away");
    await clock.advance(1_000);
    await rejects;
    expect(atMs).toEqual([0, 50]);
  });

  it("takes no advice that is no number", async () => {
    for (const retryAfterMs of ["3000", null, Number.NaN]) {
      const error = Object.assign(new Error("away"), { code: "STORAGE_UNAVAILABLE", retryAfterMs });
      const { clock, atMs, result } = await read([error], { deadlineMs: 1_000 });
      await clock.advance(1_000);
      await expect(result, String(retryAfterMs)).resolves.toBe("read");
      expect(atMs).toEqual([0, 50]);
    }
  });

  it("ends its pause at the abort, with the reason, and leaves neither timer nor listener", async () => {
    const controller = new AbortController();
    const { clock, atMs, result } = await read([away()], { signal: controller.signal });
    expect(clock.timerCount).toBe(1);
    const reason = new Error("not needed any more");
    controller.abort(reason);
    await expect(result).rejects.toBe(reason);
    expect(atMs).toEqual([0]);
    expect(clock.timerCount).toBe(0);
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
  });

  it("makes no attempt if it was aborted before", async () => {
    const { atMs, result } = await read([], { signal: AbortSignal.abort(new Error("before")) });
    await expect(result).rejects.toThrow("before");
    expect(atMs).toEqual([]);
  });
});
