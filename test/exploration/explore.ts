import { Player } from "./candidate.ts";
import { keyOf } from "./key.ts";
import { brokenAt, movesOf } from "./moves.ts";
import { store } from "./server.ts";
import { honest, type Rules, type Setup } from "./setup.ts";
import { newCandidate, own, type World } from "./world.ts";

/** What an exploration found. */
export interface Explored {
  /** Distinct states, by their canonical key. */
  readonly states: number;
  /** Moves that were played. */
  readonly moves: number;
  /** The first broken promise, and the way to it. */
  readonly broken: { readonly text: string; readonly path: readonly string[] } | undefined;
}

/**
 * Plays every order of moves up to a depth, each state once (again only with more moves left), and stops at the first
 * broken promise. Sends and pauses count as moves of their own, beside arrivals, answers, losses and ticks.
 */
export function explore(setup: Setup, rules: Rules, depth: number): Explored {
  const seen = new Map<number, number>();
  const path: string[] = [];
  let moves = 0;
  const visit = (world: World, left: number): string | undefined => {
    const [broken] = brokenAt(world);
    if (broken !== undefined) return broken;
    const key = keyOf(world);
    if ((seen.get(key) ?? -1) >= left) return undefined;
    seen.set(key, left);
    if (left <= 0) return undefined;
    for (const move of movesOf(world, setup, rules)) {
      moves += 1;
      path.push(move.text);
      const next = move.play();
      const found = visit(next, left - 1 - move.stands - (next.sends - world.sends));
      if (found !== undefined) return found;
      path.pop();
    }
    return undefined;
  };
  const broken = visit(startOf(setup, rules), depth);
  return { states: seen.size, moves, broken: broken === undefined ? undefined : { text: broken, path } };
}

/** The world that an exploration starts from; made by moves too, so that it can be reached. */
export function startOf(setup: Setup, rules: Rules): World {
  const rare = { edits: 0, deletions: 0, doubles: 0, refusals: 0, ends: 0, ...setup.rare };
  const world: World = {
    ...{ stored: undefined, lastVersion: 0, lastBegun: 0, rare, sends: 0, broken: [] },
    candidates: [newCandidate("a"), newCandidate("b")],
  };
  if (setup.start === "a dead holder") {
    const leaseDurationSeconds = honest.leaseDurationMs / 1000;
    const dead = {
      holderIdentity: "x",
      leaseDurationSeconds,
      acquireTime: "",
      renewTime: "x001",
      leaderTransitions: 4,
    };
    store(world, dead);
    world.lastBegun = 4;
  }
  for (const index of [0, 1] as const) {
    const candidate = own(world, index);
    if (setup.watches) candidate.state.watchOpenedSeq = 0;
    new Player(world, candidate, rules).turn();
  }
  return prefixes[setup.start].reduce((at, text) => {
    const move = movesOf(at, setup, rules).find((one) => one.text === text);
    if (move === undefined) throw new Error(`no move "${text}"`);
    return move.play();
  }, world);
}

const leads = [
  "a's read is answered with version none",
  "a's acquisition a001 of term 1 arrives",
  "a's acquisition a001 of term 1 is answered: written",
  "b's read is lost",
];

/** The standby has received what the leader has just written, as early as can be: its wait is the shortest. */
const silent = [
  ...[...leads, "time passes"],
  ...["a's renewal a002 of term 1 arrives", "b's read is answered with version 2"],
];

/** How each start is reached. */
const prefixes: Record<Setup["start"], readonly string[]> = {
  "nothing stored": [],
  "a dead holder": ["a's read is answered with version 1", "b's read is answered with version 1"],
  "one leads": [...leads, "time passes", "b's read is answered with version 1"],
  "one is silent": silent,
  "a release is late": [
    ...[...silent, "a's renewal a002 of term 1 is answered: written", "time passes"],
    ...["b's read is answered with version 2", "a resigns", "time passes"],
  ],
};
