import { isDeepStrictEqual } from "node:util";
import { isLater, parseWireTime } from "../kubernetes/micro-time.ts";
import { youngestMs, type GenerationReceipt } from "./generations.ts";
import { isSpent, type SpentSignal } from "./spent-signals.ts";

/** What one spec says: who asks, and for what. */
export interface Signal {
  readonly identity: string;
  /** The signal, in UTC with six digits; absent: a release. */
  readonly renewTime?: string | undefined;
  /** The term that is held or asked for; absent: not said. */
  readonly term?: number | undefined;
  readonly leaseDurationMs?: number | undefined;
  readonly renewDeadlineMs?: number | undefined;
  readonly retryPeriodMs?: number | undefined;
}

/** A local candidate, as its newest signal shows it. */
export interface Candidate extends Signal {
  /** The generation of the spec that brought the signal. */
  readonly generation: number;
  /** When this process received the signal; where a later one came before it, when that came. */
  readonly changedMs: number;
  /** Since when its signals have followed each other without a gap. */
  readonly freshSinceMs: number;
  /** It was there when this process first looked, so nobody knows how old it is. */
  readonly found: boolean;
  /** How far the signal was ahead of the wall clock of the controller when it came, in milliseconds. */
  readonly offsetMs: number;
}

/** How a signal was received. */
export interface SignalReceipt {
  readonly nowMs: number;
  readonly wallMs: number;
  readonly generation: number;
  /** What was received of this resource so far, lowest first. */
  readonly generations: readonly GenerationReceipt[];
  readonly found: boolean;
  /** The duration of candidates that name none. */
  readonly defaultLeaseMs: number;
}

/** What candidates are judged against. */
export interface CandidateQuestion {
  readonly nowMs: number;
  /** Who holds the lease, by its record; `""`: nobody. */
  readonly holder: string;
  /** The record's renewal time. */
  readonly storedRenewTime: string | undefined;
  readonly storedTerm: number;
  readonly highestTerm: number;
  readonly spent: readonly SpentSignal[];
  /** Whether nothing is missing between its signal and the newest state of the resource. */
  readonly isSettled: (candidate: Candidate) => boolean;
  readonly defaultLeaseMs: number;
}

/** More than that, and the oldest are forgotten. */
export const mostCandidates = 64;
/** Nobody may be pushed further towards the end of int32 by one ask. */
export const longestTermStep: number = 1_000_000;

/**
 * The table of candidates after one event of the MultiClusterLease. A spec that repeats a signal changes nothing, so
 * that edits of labels do not keep a candidate alive; one that names nobody leaves the table as it is.
 */
export function noteSignal(table: readonly Candidate[], signal: Signal, receipt: SignalReceipt): readonly Candidate[] {
  if (signal.identity === "") return table;
  const before = table.find(({ identity }) => identity === signal.identity);
  if (before !== undefined && receipt.generation < before.generation) return table; // an event that came late
  if (before !== undefined && before.renewTime === signal.renewTime && before.term === signal.term) {
    const repeated = { ...before, ...signal }; // other durations, at the most
    return isDeepStrictEqual(repeated, before) ? table : table.map((other) => (other === before ? repeated : other));
  }
  const { nowMs, wallMs, generation, generations, found, defaultLeaseMs } = receipt;
  const changedMs = youngestMs(generations, generation) ?? nowMs; // an event can be late by minutes
  const goesOn = before !== undefined && isRecent(before, changedMs, defaultLeaseMs);
  const candidate: Candidate = {
    ...signal,
    generation,
    changedMs,
    freshSinceMs: goesOn ? before.freshSinceMs : changedMs,
    found,
    offsetMs: offsetOf(signal.renewTime, wallMs),
  };
  return [...table.filter((other) => other !== before), candidate].slice(-mostCandidates);
}

/** How long a candidate asks others to wait. */
export function leaseMsOf({ leaseDurationMs }: Signal, defaultLeaseMs: number): number {
  return leaseDurationMs ?? defaultLeaseMs;
}

/** How long a signal is worth acting on. */
export function signalMsOf(signal: Signal, defaultLeaseMs: number): number {
  return signal.renewDeadlineMs ?? leaseMsOf(signal, defaultLeaseMs);
}

/**
 * Whether the candidate may be acted for: this process saw its signal change lately, it is not what was written for it
 * before, and no event is missing that could take it back. Of those found at the start only the holder's counts, and
 * only if it is later than the stored one: it was sent while no controller looked.
 */
export function isFresh(candidate: Candidate, question: CandidateQuestion): boolean {
  if (!isRecent(candidate, question.nowMs, question.defaultLeaseMs) || asksTooMuch(candidate, question)) return false;
  const isHolder = candidate.identity === question.holder;
  if (!candidate.found) return isHolder || (!isSpent(question.spent, candidate) && question.isSettled(candidate));
  return isHolder && isLater(candidate.renewTime, question.storedRenewTime);
}

/** Whether the term asked for lies too far above what is stored. */
export function asksTooMuch({ term }: Signal, { storedTerm, highestTerm }: CandidateQuestion): boolean {
  return term !== undefined && term > Math.max(storedTerm, highestTerm) + longestTermStep;
}

/**
 * Whom to act for: the holder, else whoever has been fresh for longest; the others wait in place until it is stale.
 * Of two that do not hold the lease, one that asks for a term of the past waits behind one that can be served.
 */
export function pickCandidate(table: readonly Candidate[], question: CandidateQuestion): Candidate | undefined {
  const fresh = table.filter((candidate) => isFresh(candidate, question));
  const holder = fresh.find(({ identity }) => identity === question.holder);
  if (holder !== undefined) return holder;
  const longest = [...fresh].sort((first, second) => first.freshSinceMs - second.freshSinceMs);
  return longest.find(({ term }) => term === undefined || term > question.highestTerm) ?? longest[0];
}

/** When the signals of the candidates become stale, unless they change. */
export function staleTimes(table: readonly Candidate[], defaultLeaseMs: number): readonly number[] {
  const signals = table.filter(({ renewTime }) => renewTime !== undefined);
  return signals.map((candidate) => candidate.changedMs + signalMsOf(candidate, defaultLeaseMs));
}

function isRecent(candidate: Candidate, nowMs: number, defaultLeaseMs: number): boolean {
  return candidate.renewTime !== undefined && nowMs - candidate.changedMs < signalMsOf(candidate, defaultLeaseMs);
}

function offsetOf(renewTime: string | undefined, wallMs: number): number {
  const time = parseWireTime(renewTime ?? "");
  return time === undefined ? 0 : time.second * 1000 + time.nanosecond / 1e6 - wallMs;
}
