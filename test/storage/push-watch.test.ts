// Goal: a push tells what is there when established, what each notification carried, and what a slow poll finds.
// Method: a subscription in the test's hand over a counted read, on a manual clock.
import { expect, it } from "vitest";
import { drainMicrotasks } from "../../src/system/microtasks.ts";
import { pushWatch, type Subscriber } from "../../src/storage/push-watch.ts";
import type { Stored, Version } from "../../src/storage/versioned-storage.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";

const stored = (text: string): Stored => ({
  value: new TextEncoder().encode(text),
  version: text as Version, // cast: a made-up version
});

function pushed() {
  const clock = new ManualClock();
  const over = new AbortController();
  const place = {
    value: undefined as Stored | undefined,
    reads: 0,
    failure: undefined as Error | undefined,
    subscribers: [] as Subscriber[],
    breaks: [] as ((error: Error) => void)[],
    ended: 0,
  };
  const read = (): Promise<Stored | undefined> => {
    place.reads += 1;
    return place.failure === undefined ? Promise.resolve(place.value) : Promise.reject(place.failure);
  };
  const subscribe = (subscriber: Subscriber, signal: AbortSignal): Promise<void> => {
    place.subscribers.push(subscriber);
    return new Promise((_resolve, reject) => {
      place.breaks.push(reject);
      signal.addEventListener("abort", () => void (place.ended += 1));
    });
  };
  const hints = pushWatch({ clock, random: new SeededRandom(1), pollMs: 30_000, read, subscribe }, over.signal);
  return { clock, over, place, hints };
}

it("reads and tells what is there once established, not before", async () => {
  const { place, hints } = pushed();
  place.value = stored("1");
  const first = hints.next();
  await drainMicrotasks();
  expect(place.reads).toBe(0);
  place.subscribers[0]?.established();
  expect((await first).value).toEqual({ seen: place.value });
  await hints.return();
  expect(place.ended).toBe(1);
});

it("passes on what a notification carried, without a read", async () => {
  const { place, hints } = pushed();
  const first = hints.next();
  place.subscribers[0]?.established();
  expect((await first).value).toEqual({}); // absent, and an absence is never attached
  for (const hint of [{ seen: stored("2") }, {}]) {
    const next = hints.next();
    place.subscribers[0]?.tell(hint);
    expect((await next).value).toEqual(hint);
  }
  expect(place.reads).toBe(1);
  await hints.return();
});

it("polls: what no notification told is found, and nothing is said where nothing changed", async () => {
  const { clock, place, hints } = pushed();
  place.value = stored("1");
  const first = hints.next();
  place.subscribers[0]?.established();
  await first;
  let told = 0;
  const next = hints.next().then(({ value }) => {
    told += 1;
    return value;
  });
  for (let step = 0; step < 4; step += 1) await clock.advance(30_000);
  expect([told, place.reads > 2]).toEqual([0, true]);
  place.value = stored("2"); // its notification is lost
  await clock.advance(33_000);
  expect(await next).toEqual({ seen: stored("2") });
  await hints.return();
});

it("subscribes again after a break and after a failed read, and tells what is there", async () => {
  const { clock, place, hints } = pushed();
  const first = hints.next();
  place.subscribers[0]?.established();
  await first;
  const second = hints.next();
  place.breaks[0]?.(new Error("reset"));
  await clock.advance(100);
  place.failure = new Error("unavailable");
  place.subscribers[1]?.established();
  await clock.advance(200);
  place.failure = undefined;
  place.value = stored("3");
  place.subscribers[2]?.established();
  expect((await second).value).toEqual({ seen: stored("3") });
  expect(place.subscribers.length).toBe(3);
  await hints.return();
});
