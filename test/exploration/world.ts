import { initialState, type ElectionState, type Readings } from "../../src/election/election-state.ts";
import { SentTable, type SentWrite } from "../../src/election/sent-table.ts";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import type { ObservedRecord } from "../../src/lock/resource-lock.ts";
import type { Version } from "../../src/storage/versioned-storage.ts";
import type { Rare } from "./setup.ts";

/** What the server did with a write; delivered whenever the network likes. */
export type Answer = { readonly kind: "written"; readonly version: Version } | { readonly kind: "lost" };

/** One request under way, from its send until nothing of it can matter any more. Never changed, only replaced. */
export interface Call {
  readonly kind: "read" | "write" | "release";
  /** The order of a read among the candidate's events. */
  readonly seq: number;
  /** An acquisition or renewal, as the sent table knows it. */
  readonly write: SentWrite | undefined;
  /** Which release of its candidate this belongs to. */
  readonly releaseId: number;
  readonly record: LeaderElectionRecord | undefined;
  readonly expected: Version | undefined;
  /** By the observer's clock, as `deadlineMs`. */
  readonly sentMs: number;
  readonly deadlineMs: number;
  /** A creation that was sent by who had seen a record before. */
  readonly knowing: boolean;
  /** Its end was told already, as unknown: at its deadline, or because the connection broke. */
  readonly told: boolean;
  /** The connection broke: no answer can arrive, but the request may. */
  readonly mute: boolean;
  readonly answer: Answer | undefined;
  /** What a read may answer: all that was stored at some moment since it was sent. */
  readonly readable: readonly (ObservedRecord | undefined)[];
}

/** One candidate: the real state, its requests, its clocks, and what the checks remember about it. */
export interface Candidate {
  readonly identity: string;
  readonly state: ElectionState;
  calls: readonly Call[];
  /** Records that its watch may still deliver. */
  hints: readonly ObservedRecord[];
  now: Readings;
  /** When its timer is due (observer's clock). */
  wakeMs: number;
  /** It stood while time passed: its timers are overdue. */
  late: boolean;
  /** Someone looked at an expired term, and so closed it, before its loop did. */
  closed: boolean;
  writes: number;
  releases: number;
  /** When it first received the pair that is stored now (observer's clock). */
  currentSinceMs: number | undefined;
  everSaw: boolean;
  absentSinceMs: number | undefined;
  absentLastMs: number;
  /** Its latest applied write by the time of its send (leader's clock), and that write's term. */
  proof: { readonly term: number; readonly sentAtMs: number } | undefined;
}

/** Everything at one moment. Moves copy what they change. */
export interface World {
  stored: ObservedRecord | undefined;
  lastVersion: number;
  lastBegun: number;
  rare: Rare;
  /** Requests that were sent, over all. */
  sends: number;
  readonly candidates: [Candidate, Candidate];
  /** What was found broken by the last move. */
  readonly broken: string[];
}

export function newCandidate(identity: string): Candidate {
  const now = { observerMs: 1_000_000, leaderMs: 1_000_000 };
  return {
    ...{ identity, state: initialState(identity, now.observerMs), calls: [], hints: [], now, wakeMs: Infinity },
    ...{ late: false, closed: false, writes: 0, releases: 0, currentSinceMs: undefined, everSaw: false },
    ...{ absentSinceMs: undefined, absentLastMs: -Infinity, proof: undefined },
  };
}

/** A copy of a world whose candidates are shared until `own` copies them. */
export function fork(world: World): World {
  return { ...world, candidates: [{ ...world.candidates[0] }, { ...world.candidates[1] }], broken: [] };
}

/** Gives a forked world its own copy of a candidate's state, which may then be changed. */
export function own(world: World, index: 0 | 1): Candidate {
  const before = world.candidates[index];
  const copies = new Map<SentWrite, SentWrite>();
  const copy = (write: SentWrite): SentWrite => {
    const known = copies.get(write);
    if (known !== undefined) return known;
    const made = { ...write };
    copies.set(write, made);
    return made;
  };
  const state = copyState(before.state, copy);
  const calls = before.calls.map((call) => (call.write === undefined ? call : { ...call, write: copy(call.write) }));
  const candidate = { ...before, state, calls };
  world.candidates[index] = candidate;
  return candidate;
}

function copyState(state: ElectionState, copy: (write: SentWrite) => SentWrite): ElectionState {
  const sent = new SentTable();
  const { confirmed } = state.sent;
  if (confirmed !== undefined) sent.confirmed = { ...confirmed, write: copy(confirmed.write) };
  for (const write of state.sent.later) sent.add(copy(write));
  return {
    ...state,
    sent,
    effects: [],
    firstReceipts: new Map(state.firstReceipts),
    alarmed: new Map(state.alarmed),
    acquiring: state.acquiring === undefined ? undefined : copy(state.acquiring),
    begunWrite: state.begunWrite === undefined ? undefined : copy(state.begunWrite),
    term: state.term === undefined ? undefined : { ...state.term },
    release: state.release === undefined ? undefined : { ...state.release },
  };
}

/**
 * Forgets requests of which nothing can matter any more, and answers those that cannot win any more: it makes no
 * difference when they arrive.
 */
export function tidy(world: World): void {
  const { stored, rare } = world;
  const isHopeless = (expected: Version | undefined): boolean =>
    expected === undefined ? stored !== undefined && rare.deletions === 0 : expected !== stored?.version;
  for (const candidate of world.candidates) {
    candidate.calls = candidate.calls.flatMap((call) => {
      if (call.kind === "read") return [call];
      const mute = call.mute || !isAwaited(candidate, call);
      const answer = call.answer ?? (isHopeless(call.expected) ? ({ kind: "lost" } as const) : undefined);
      if (mute && answer !== undefined) return [];
      return mute === call.mute && answer === call.answer
        ? [call]
        : [{ ...call, mute, told: mute || call.told, answer }];
    });
  }
}

/** Whether an end of this write would still be folded into the state. */
function isAwaited({ state: { sent, release }, releases }: Candidate, { write, releaseId }: Call): boolean {
  if (write !== undefined) return sent.holds(write);
  return release !== undefined && releaseId === releases && release.step !== "done";
}

/** Whether its work may act at this instant: what `isHeld()` says. */
export function isHeld({ state: { term }, now, closed }: Candidate): boolean {
  return term !== undefined && !term.closed && !closed && now.leaderMs < term.validUntilMs;
}
