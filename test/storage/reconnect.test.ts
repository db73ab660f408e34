// Goal: a watch outlives its sessions, without a storm, and ends where waiting cures nothing.
// Method: sessions that end in every way, on a manual clock.
import { describe, expect, it } from "vitest";
import { AccessDeniedError } from "../../src/errors.ts";
import { sleep } from "../../src/system/clock.ts";
import { drainMicrotasks } from "../../src/system/microtasks.ts";
import { reconnect, type WatchSession } from "../../src/storage/reconnect.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";

function watching(session: WatchSession) {
  const clock = new ManualClock();
  const over = new AbortController();
  return { clock, over, hints: reconnect({ clock, random: new SeededRandom(1), session }, over.signal) };
}

function until(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
}

describe("sessions", () => {
  it("follow each other, with pauses that grow to 5 s", async () => {
    const startsMs: number[] = [];
    const { clock, over, hints } = watching(() => {
      startsMs.push(clock.monotonicMs());
      return startsMs.length % 2 === 0 ? Promise.resolve() : Promise.reject(new Error("reset"));
    });
    const next = hints.next();
    for (let second = 0; second < 60; second += 1) await clock.advance(1_000);
    over.abort(new Error("enough"));
    expect(await next).toEqual({ done: true, value: undefined });
    const pauses = startsMs.slice(1).map((atMs, index) => atMs - (startsMs[index] ?? 0));
    pauses.forEach((pauseMs, index) => {
      const longestMs = Math.min(100 * 2 ** index, 5_000);
      expect(pauseMs, `pause ${index}`).toBeGreaterThanOrEqual(longestMs / 2 - 1);
      expect(pauseMs, `pause ${index}`).toBeLessThanOrEqual(longestMs + 1_000); // the clock moves a second at a time
    });
    expect(startsMs.length).toBeGreaterThan(12);
  });

  it("that lived longer than the longest pause are followed soon", async () => {
    const startsMs: number[] = [];
    const { clock, over, hints } = watching(async (_tell, signal) => {
      startsMs.push(clock.monotonicMs());
      if (startsMs.length > 7) await sleep(clock, 6_000, signal);
    });
    const next = hints.next();
    for (let step = 0; step < 400; step += 1) await clock.advance(100);
    over.abort(new Error("enough"));
    expect((await next).done).toBe(true);
    const [seventh = 0, eighth = 0, ninth = 0] = startsMs.slice(6);
    expect(eighth - seventh, "after a short one").toBeGreaterThan(2_400);
    expect(ninth - eighth, "after a long one").toBeLessThan(6_300);
  });

  it("are told to end, and tell nothing any more, when the reader leaves", async () => {
    let ended: AbortSignal | undefined;
    const { hints } = watching(async (tell, signal) => {
      ended = signal;
      tell({});
      await until(signal);
    });
    await hints.next();
    expect(ended?.aborted).toBe(false);
    await hints.return();
    expect(ended?.aborted).toBe(true);
  });
});

describe("an end that no waiting cures", () => {
  it("is thrown to the reader, and no further session begins", async () => {
    let sessions = 0;
    const denied = new AccessDeniedError("no right to watch", { operation: "watch", storage: "a double" });
    const { clock, hints } = watching(() => {
      sessions += 1;
      return Promise.reject(denied);
    });
    await expect(hints.next()).rejects.toBe(denied);
    await clock.advance(60_000);
    await drainMicrotasks();
    expect(sessions).toBe(1);
  });
});
