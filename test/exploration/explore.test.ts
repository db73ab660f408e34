// Goal: no order of sends, arrivals, answers, losses, ticks and pauses lets two candidates break a promise, as far as a
// few moves reach. Method: every order of them with the real decision and folding, each state once; and with known
// flaws put in, each of which must be found.
import { describe, expect, test } from "vitest";
import { explore, startOf } from "./explore.ts";
import { flaws } from "./flaws.ts";
import { keyOf } from "./key.ts";
import { movesOf } from "./moves.ts";
import { rules, setups, type Setup } from "./setup.ts";
import type { World } from "./world.ts";

/** `npm run explore` goes to 12. */
const depth = 8;

describe("every order of moves of two candidates", () => {
  test.each(setups)("breaks no promise: $name", (setup) => {
    const { broken, states } = explore(setup, rules, depth);
    expect([broken?.text, ...(broken?.path ?? [])].join("\n")).toBe("");
    expect(states).toBeGreaterThan(100);
  });
});

describe("an exploration finds what was put in", () => {
  test.each(flaws)("$name", ({ rules: flawed, setup, breaks }) => {
    const { broken } = explore(setup, flawed, 12);
    expect(breaks).toContain(broken?.text.split(":")[0]);
  });
});

describe("a move", () => {
  test.each(setups)("changes no world but the one that it makes: $name", (setup) => {
    let world = startOf(setup, rules);
    for (let count = 0; count < 12; count += 1) {
      const before = keyOf(world);
      const moves = movesOf(world, setup, rules);
      const keys = moves.map((move) => keyOf(move.play()));
      expect(moves.map((move) => keyOf(move.play()))).toEqual(keys);
      expect(keyOf(world)).toBe(before);
      world = moves[(count * 7) % moves.length]?.play() ?? world;
    }
  });
});

/** Finds two states with one key, but with different next states: then the key leaves something out. */
function mistaken(setup: Setup, depth: number): { found: string[]; compared: number } {
  const futures = new Map<number, string>();
  const found: string[] = [];
  let compared = 0;
  const visit = (world: World, left: number, path: readonly string[]): void => {
    const next = movesOf(world, setup, rules).map((move) => ({ text: move.text, world: move.play() }));
    const key = keyOf(world);
    const future = next.map((after) => keyOf(after.world)).join();
    const known = futures.get(key);
    futures.set(key, future);
    if (known !== undefined) compared += 1;
    if (known !== undefined && known !== future) found.push(path.join("; "));
    for (const after of left > 0 ? next : []) visit(after.world, left - 1, [...path, after.text]);
  };
  visit(startOf(setup, rules), depth, []);
  return { found, compared };
}

describe("a state's key", () => {
  test.each(setups)("holds all that its future depends on: $name", (setup) => {
    const { found, compared } = mistaken(setup, 3);
    expect(found).toEqual([]);
    expect(compared).toBeGreaterThan(20);
  });
});
