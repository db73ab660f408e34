// Goal: no order of sends, arrivals, answers, losses, ticks and pauses lets two candidates break a promise, as far as a
// few moves reach. Method: every order of them with the real decision and folding, each state once; and with known
// flaws put in, each of which must be found.
import { describe, expect, test } from "vitest";
import { explore, startOf } from "./explore.ts";
import { flaws } from "./flaws.ts";
import { keyOf } from "./key.ts";
import { movesOf } from "./moves.ts";
import { rules, setups } from "./setup.ts";

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
