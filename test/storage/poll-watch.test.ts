// Goal: polling tells one hint when established and one for each change that it sees, and asks no more than it says.
// Method: a counted look at a variable, on a manual clock.
import { expect, it } from "vitest";
import { pollWatch } from "../../src/storage/poll-watch.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";

function polled() {
  const clock = new ManualClock();
  const over = new AbortController();
  const place = { tag: undefined as string | undefined, looks: [] as (string | undefined)[], fails: 0 };
  const look = (known: string | undefined): Promise<string | undefined> => {
    place.looks.push(known);
    if (place.fails > 0) {
      place.fails -= 1;
      return Promise.reject(new Error("unavailable"));
    }
    return Promise.resolve(place.tag);
  };
  const hints = pollWatch({ clock, random: new SeededRandom(1), pollMs: 2_000, look }, over.signal);
  return { clock, over, place, hints };
}

it("tells one hint when established, then one for a change, a removal and a return", async () => {
  const { clock, place, hints, over } = polled();
  expect((await hints.next()).value).toEqual({});
  for (const tag of ["1", undefined, "2"]) {
    let told = false;
    const next = hints.next().then(({ value }) => {
      told = true;
      return value;
    });
    await clock.advance(10_000);
    expect(told, "nothing has changed").toBe(false);
    place.tag = tag;
    await clock.advance(2_200);
    expect(await next).toEqual({});
  }
  over.abort(new Error("enough"));
  expect((await hints.next()).done).toBe(true);
});

it("looks once in a period, and says what it knows", async () => {
  const { clock, over, place, hints } = polled();
  place.tag = "7";
  await hints.next();
  const next = hints.next();
  for (let second = 0; second < 20; second += 1) await clock.advance(1_000);
  expect(place.looks.length).toBeGreaterThanOrEqual(9);
  expect(place.looks.length).toBeLessThanOrEqual(13);
  expect(place.looks.slice(0, 3)).toEqual([undefined, "7", "7"]);
  over.abort(new Error("enough"));
  expect((await next).done, "nothing has changed").toBe(true);
});

it("tells a hint after each outage: what was missed is not known", async () => {
  const { clock, place, hints, over } = polled();
  await hints.next();
  place.fails = 2;
  const next = hints.next();
  for (let second = 0; second < 10; second += 1) await clock.advance(1_000);
  expect((await next).value).toEqual({});
  over.abort(new Error("enough"));
});
