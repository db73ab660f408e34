// Goal: what is explored is what runs: a player sends the calls of a real elector, at the same times and with the same
// terms. Method: the same calm stories for two real electors over a fake lock, and for two players, answered at once.
import { describe, expect, test } from "vitest";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import type { Leadership } from "../../src/election/leadership.ts";
import { FakeLock, ManualClock } from "../../src/testing/index.ts";
import { startOf } from "./explore.ts";
import { movesOf } from "./moves.ts";
import { honest, rules, setups, type Setup } from "./setup.ts";
import { isHeld, type Call, type World } from "./world.ts";

/**
 * What the first leader does, or suffers, at the beginning of a tick. After a resignation both candidates are due at
 * one instant, and who is first is no part of this.
 */
interface Story {
  readonly title: string;
  readonly start: "nothing stored" | "a dead holder";
  readonly ticks: number;
  readonly resignsAtTick?: number;
  readonly erasedAtTick?: number;
  /** From then on the leader's requests are swallowed. */
  readonly silentFromTick?: number;
}

const stories: readonly Story[] = [
  { title: "nothing is stored", start: "nothing stored", ticks: 6 },
  { title: "the holder is dead", start: "a dead holder", ticks: 10 },
  { title: "the leader resigns", start: "nothing stored", ticks: 3, resignsAtTick: 3 },
  { title: "the record is deleted under the leader", start: "nothing stored", ticks: 14, erasedAtTick: 2 },
  { title: "the leader's requests are swallowed", start: "nothing stored", ticks: 14, silentFromTick: 4 },
];

type Log = [a: string[], b: string[]];

function line(operation: string, atMs: number, record?: { holderIdentity: string; leaderTransitions: number }): string {
  const who = record === undefined ? "" : ` ${record.holderIdentity || "nobody"} ${record.leaderTransitions}`;
  return `${atMs / 1000} s: ${operation}${who}`;
}

async function playElectors(story: Story): Promise<Log> {
  const clock = new ManualClock();
  const renewTime = "2026-01-01T00:00:00.000000Z";
  const dead = { holderIdentity: "x", leaseDurationSeconds: 30, acquireTime: "", renewTime, leaderTransitions: 4 };
  const place = new FakeLock({ clock, identity: "nobody", ...(story.start === "a dead holder" && { record: dead }) });
  const locks = ["a", "b"].map((identity) => place.forCandidate(identity));
  const random = { next: (): number => 0, uuid: (): string => "" };
  const { leaseDurationMs, renewDeadlineMs, retryPeriodMs, attemptTimeoutMs, releaseTimeoutMs } = honest;
  const electors = locks.map((lock) => {
    const settings = { leaseDurationMs, renewDeadlineMs, retryPeriodMs, attemptTimeoutMs, releaseTimeoutMs };
    const onStartedLeading = ({ signal }: Leadership): Promise<void> =>
      new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
    return new LeaderElector({ ...settings, lock, clock, random, callbacks: { onStartedLeading } });
  });
  const stop = new AbortController();
  const runs = electors.map((elector) => elector.run({ signal: stop.signal }));
  await clock.advance(0);
  for (let tick = 1; tick <= story.ticks; tick += 1) {
    await clock.advance(10_000);
    const first = electors.findIndex((elector) => elector.isLeader());
    if (tick === story.resignsAtTick) void electors[first]?.resign();
    if (tick === story.erasedAtTick) place.erase();
    if (tick === story.silentFromTick) locks[first]?.hang({ times: Infinity });
    await clock.advance(0);
  }
  const told = locks.map(({ log }) => log.map(({ operation, atMs, record }) => line(operation, atMs, record)));
  stop.abort();
  await clock.advance(100_000);
  await Promise.all(runs);
  return [told[0] ?? [], told[1] ?? []];
}

function playPlayers({ start, ticks, resignsAtTick, erasedAtTick, silentFromTick }: Story): Log {
  const calm = setups[0];
  if (calm === undefined) throw new Error("no setup");
  const setup: Setup = { ...calm, start, rare: { ends: 1, deletions: 1 } };
  const log: Log = [[], []];
  let silent = -1;
  let world = answered(startOf(setup, rules), { setup, log, silent });
  const play = (text: string): void => {
    const move = movesOf(world, setup, rules).find((one) => one.text === text);
    if (move === undefined) throw new Error(`no move "${text}"`);
    world = answered(move.play(), { setup, log, silent });
  };
  for (let tick = 1; tick <= ticks; tick += 1) {
    play("time passes");
    const first = world.candidates.findIndex(isHeld);
    if (tick === resignsAtTick) play(`${world.candidates[first === 0 ? 0 : 1].identity} resigns`);
    if (tick === erasedAtTick) play("the record is deleted");
    if (tick === silentFromTick) silent = first;
  }
  return log;
}

interface Answering {
  readonly setup: Setup;
  readonly log: Log;
  /** Whose requests are swallowed. */
  readonly silent: number;
}

/** Lets each request arrive, and each answer too, the candidates in turn, until nothing is under way. */
function answered(start: World, { setup, log, silent }: Answering): World {
  let world = start;
  const told = new Set<string>();
  for (let went = true; went;) {
    went = false;
    for (const index of [0, 1] as const) {
      const { calls, identity, now } = world.candidates[index];
      const call = calls.find((one) => !one.told && one.sentMs === now.observerMs && !told.has(nameOf(index, one)));
      if (call === undefined) continue;
      went = true;
      told.add(nameOf(index, call));
      const operation = call.kind === "read" ? "get" : call.expected === undefined ? "create" : "update";
      log[index].push(line(operation, now.observerMs - 1_000_000, call.record));
      if (index === silent) continue;
      const ends = call.kind === "read" ? [` is answered with version ${world.stored?.version ?? "none"}`] : writeEnds;
      for (const end of ends) {
        const moves = movesOf(world, setup, rules).filter(({ text }) => text.startsWith(`${identity}'s `));
        const move = moves.findLast(({ text }) => text.includes(nameInText(call)) && text.includes(end));
        world = move?.play() ?? world;
      }
    }
  }
  return world;
}

const writeEnds = [" arrives", " is answered: "];

function nameOf(index: number, { kind, seq, record }: Call): string {
  return `${index} ${kind} ${seq} ${record?.renewTime}`;
}

function nameInText({ kind, record }: Call): string {
  return kind === "write" ? ` ${record?.renewTime} ` : kind;
}

describe("players and electors send the same calls", () => {
  test.each(stories)("$title", async (story) => {
    const [a, b] = await playElectors(story);
    expect(a.length + b.length).toBeGreaterThan(2 * story.ticks);
    // The first reads belong to how the start is reached.
    const later = (log: Log): string[][] => log.map((lines) => lines.filter((text) => text !== "0 s: get"));
    expect(later(playPlayers(story))).toEqual(later([a, b]));
  });
});
