import { Player } from "./candidate.ts";
import { arrive, erase, store } from "./server.ts";
import { honest, type Rules, type Setup } from "./setup.ts";
import { fork, isHeld, own, tidy, type Call, type Candidate, type World } from "./world.ts";

/** One thing that may happen next. */
export interface Move {
  readonly text: string;
  /** How many candidates it makes stand: each is a pause, and as such a move of its own. */
  readonly stands: number;
  /** The world after it. */
  play(): World;
}

const both = [0, 1] as const;

/** Everything that may happen next: each request may arrive, each answer too, any may be lost, and time may pass. */
export function movesOf(world: World, setup: Setup, rules: Rules): Move[] {
  return allMoves(world, setup, rules).map(({ text, stands, play }) => ({
    text,
    stands: stands ?? 0,
    play: () => {
      const next = play();
      tidy(next);
      return next;
    },
  }));
}

type Plan = Pick<Move, "text" | "play"> & Partial<Move>;

function allMoves(world: World, setup: Setup, rules: Rules): Plan[] {
  const moves = [[], [0], [1], [0, 1]].map((asleep) => tick(world, { setup, rules, asleep }));
  for (const index of both) {
    const candidate = world.candidates[index];
    for (const call of candidate.calls) moves.push(...callMoves({ world, index, rules }, call));
    moves.push(...candidateMoves({ world, index, rules }));
  }
  if (world.rare.edits > 0 && world.stored !== undefined) moves.push(edit(world));
  if (world.rare.deletions > 0 && world.stored !== undefined) moves.push(remove(world));
  return moves;
}

interface Place {
  readonly world: World;
  readonly index: 0 | 1;
  readonly rules: Rules;
}

function callMoves({ world, index, rules }: Place, call: Call): Plan[] {
  const { answer } = call;
  const moves: Plan[] = [];
  const event = (text: string, play: (player: Player, next: World, same: Call) => void): void => {
    moves.push({ text: textOf(world, index, call, text), play: () => playEvent({ world, index, rules }, call, play) });
  };
  if (!call.told) event("is lost", (player, _next, same) => player.breakOff(same));
  for (const found of call.readable) {
    event(`is answered with version ${found?.version ?? "none"}`, (player, _next, same) =>
      player.answerRead(same, found),
    );
  }
  if (call.kind === "read") return moves;
  if (answer === undefined) moves.push(arrival({ world, index, rules }, call, world.rare));
  else event(`is answered: ${answer.kind}`, (player, _next, same) => player.answer(same, answer));
  if (answer === undefined && !call.told && world.rare.refusals > 0) {
    event("is refused", (player, next, same) => {
      next.rare = { ...next.rare, refusals: next.rare.refusals - 1 };
      player.refuse(same);
    });
  }
  if (answer?.kind === "written" && world.rare.doubles > 0) {
    moves.push(arrival({ world, index, rules }, call, { ...world.rare, doubles: world.rare.doubles - 1 }));
  }
  return moves;
}

function playEvent(
  { world, index, rules }: Place,
  call: Call,
  play: (player: Player, next: World, same: Call) => void,
): World {
  const position = world.candidates[index].calls.indexOf(call);
  const next = fork(world);
  const candidate = own(next, index);
  const same = candidate.calls[position];
  if (same === undefined) throw new Error("the call is gone");
  play(new Player(next, candidate, rules), next, same);
  return next;
}

/** The request of a write reaches the storage. */
function arrival({ world, index }: Place, call: Call, rare: World["rare"]): Plan {
  const play = (): World => {
    const next = fork(world);
    next.rare = rare;
    const candidate = next.candidates[index];
    const answer = arrive(next, index, call);
    candidate.calls = candidate.calls.map((other) => (other === call ? { ...call, answer } : other));
    return next;
  };
  return { text: textOf(world, index, call, call.answer === undefined ? "arrives" : "arrives again"), play };
}

function candidateMoves({ world, index, rules }: Place): Plan[] {
  const candidate = world.candidates[index];
  const { term } = candidate.state;
  const moves: Plan[] = [];
  const event = (text: string, play: (player: Player, next: World, candidate: Candidate) => void): void => {
    const run = (): World => {
      const next = fork(world);
      const copy = own(next, index);
      play(new Player(next, copy, rules), next, copy);
      return next;
    };
    moves.push({ text: `${candidate.identity} ${text}`, play: run });
  };
  if (candidate.late) event("wakes", (player) => player.catchUp());
  if (candidate.late && term !== undefined && !candidate.closed && candidate.now.leaderMs >= term.validUntilMs) {
    event("looks whether it leads", (_player, _next, copy) => {
      copy.closed = true;
    });
  }
  if (world.rare.ends > 0 && term !== undefined && term.ending === undefined && !candidate.late) {
    event("resigns", (player, next) => {
      next.rare = { ...next.rare, ends: next.rare.ends - 1 };
      player.resign();
    });
  }
  for (const hint of candidate.hints) {
    event(`gets a hint of version ${hint.version}`, (player, _next, copy) => {
      copy.hints = copy.hints.filter((other) => other !== hint);
      player.hint(hint);
    });
  }
  return moves;
}

interface Passing {
  readonly setup: Setup;
  readonly rules: Rules;
  /** Who stands meanwhile, and handles nothing. */
  readonly asleep: readonly number[];
}

function tick(world: World, { setup, rules, asleep }: Passing): Plan {
  const play = (): World => {
    const next = fork(world);
    for (const index of both) {
      const step = setup.stepMs[index];
      const stands = setup.suspends && asleep.includes(index);
      const { observerMs, leaderMs } = next.candidates[index].now;
      next.candidates[index].now = { observerMs: observerMs + (stands ? 0 : step), leaderMs: leaderMs + step };
    }
    for (const index of both) {
      if (asleep.includes(index)) next.candidates[index].late = true;
      else new Player(next, own(next, index), rules).catchUp();
    }
    return next;
  };
  const who = asleep.map((index) => world.candidates[index === 0 ? 0 : 1].identity);
  const text = who.length === 0 ? "time passes" : `time passes, ${who.join(" and ")} stands`;
  return { text, stands: who.length, play };
}

function edit(world: World): Plan {
  const play = (): World => {
    const next = fork(world);
    next.rare = { ...next.rare, edits: next.rare.edits - 1 };
    if (next.stored !== undefined) store(next, next.stored.record);
    return next;
  };
  return { text: "another hand edits a label", play };
}

function remove(world: World): Plan {
  const play = (): World => {
    const next = fork(world);
    next.rare = { ...next.rare, deletions: next.rare.deletions - 1 };
    erase(next);
    return next;
  };
  return { text: "the record is deleted", play };
}

function textOf(world: World, index: 0 | 1, { kind, record, write }: Call, what: string): string {
  const name = write === undefined ? kind : write.kind === "acquire" ? "acquisition" : "renewal";
  const more =
    record === undefined || kind === "release" ? "" : ` ${record.renewTime} of term ${record.leaderTransitions}`;
  return `${world.candidates[index].identity}'s ${name}${more} ${what}`;
}

/** What must hold at every moment. */
export function brokenAt(world: World): readonly string[] {
  const broken = [...world.broken];
  const acting = world.candidates.filter(isHeld);
  if (acting.length > 1) broken.push("S1: both act");
  for (const { identity, state, proof } of acting) {
    if (state.term === undefined) continue;
    const provenMs = proof?.term === state.term.number ? proof.sentAtMs + honest.renewDeadlineMs : -Infinity;
    if (state.term.validUntilMs > provenMs) {
      broken.push(
        `S11: ${identity} counts on ${state.term.validUntilMs - provenMs} ms more than an applied write gives`,
      );
    }
  }
  return broken;
}
