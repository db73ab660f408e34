import { maxReadableTerm } from "../lock/record-codec.ts";
import type { Action } from "./action.ts";
import { isMine, type ElectionState, type Readings, type SeenRecord } from "./election-state.ts";
import { hintReadAtMs } from "./hint-tokens.ts";
import { waitMs } from "./pauses.ts";
import type { ResolvedSettings } from "./settings.ts";

/** Candidates spread no further than this, however slow the storage is. */
const longestWindowMs = 1_000;

/** A timer for less is late by more. */
const shortestTimerMs = 1;

/** Terms beyond what a re-creation may have missed. */
const missedTerms = 1_000;

/** The rows F1 to F14: a candidate that does not lead. The first that matches wins. */
export function decideFollowing(state: ElectionState, now: Readings, settings: ResolvedSettings): Action {
  const nowMs = now.observerMs;
  const overrunAtMs = state.workRunning ? (state.overrunAtMs ?? Infinity) : Infinity;
  if (nowMs >= overrunAtMs) return { do: "overrun" };
  if (state.finishing !== undefined) return decideFinishing(state, nowMs, state.finishing.untilMs);
  if (state.acquiring !== undefined || state.floor === "asking") return { do: "wait", untilMs: overrunAtMs };
  if (state.workRunning) return observe(state, nowMs, overrunAtMs); // F1
  if (nowMs < state.holdUntilMs) return observe(state, nowMs, state.holdUntilMs); // F1
  const { seen } = state;
  if (mustRead(state) || seen.kind === "nothing") return readNow(state, nowMs); // F2
  if (seen.kind === "unreadable") return observe(state, nowMs, state.nextPollMs); // F3
  if (isMine(state)) return decideMine(state, now, settings); // F7, F8, F8b
  if (nowMs < state.acquirePauseUntilMs) return observe(state, nowMs, state.acquirePauseUntilMs); // F3b
  if (seen.kind === "absent") return decideAbsent(state, now, settings, seen); // F4, F5, F6
  if (seen.record.holderIdentity === "") return decideFree(state, nowMs, settings, seen); // F9, F10
  return decideHeld(state, nowMs, settings, seen); // F11 to F14
}

/** What is in hand cannot be decided upon: after a failed read, a lost race, an unknown acquisition. */
function mustRead({ mustReadSinceSeq, readFailed }: ElectionState): boolean {
  return mustReadSinceSeq !== undefined || readFailed;
}

/** The term of the next acquisition: above everything that was stored, seen, or told by the floor. */
export function nextTerm(state: ElectionState): number {
  const recreated = state.seen.kind === "absent" && state.everSaw;
  return Math.max(state.highestTerm, state.floorTerm) + 1 + (recreated ? missedTerms : 0);
}

function decideFinishing(state: ElectionState, nowMs: number, untilMs: number): Action {
  if (nowMs >= untilMs) return { do: "finish" };
  if (state.acquiring !== undefined || state.workRunning) return { do: "wait", untilMs };
  if (state.mustReadSinceSeq !== undefined) {
    // An acquisition of ours may have been applied: look, so that no lease is left behind.
    const action = readNow(state, nowMs);
    return action.do === "wait" ? { do: "wait", untilMs: Math.min(untilMs, action.untilMs) } : action;
  }
  return isMine(state) && !state.releaseGivenUp ? { do: "release" } : { do: "finish" };
}

/** A record that this elector wrote itself, and whose work has ended or never begun. */
function decideMine(state: ElectionState, now: Readings, settings: ResolvedSettings): Action {
  const { confirmed } = state.sent;
  const nowMs = now.observerMs;
  if (confirmed !== undefined && confirmed.write.kind === "acquire" && confirmed.write !== state.begunWrite) {
    const inTime = now.leaderMs < confirmed.write.sentAtMs + settings.renewDeadlineMs;
    if (inTime && confirmed.term > state.begunTerm) return { do: "begin", term: confirmed.term }; // F7
    return { do: "release" }; // F8
  }
  if (state.lastReason === "resigned" || !settings.recampaign) return { do: "release" }; // F8b
  if (nowMs < state.acquirePauseUntilMs) return observe(state, nowMs, state.acquirePauseUntilMs);
  return acquireWhenFresh(state, nowMs, settings); // F8b
}

function decideAbsent(
  state: ElectionState,
  now: Readings,
  settings: ResolvedSettings,
  seen: { readonly sinceMs: number; readonly lastReceiptMs: number },
): Action {
  const nowMs = now.observerMs;
  const exempt = now.leaderMs < state.erasedValidUntilMs; // nobody else may lead yet, so its own leader need not wait
  const unseenMs = settings.onMissing === "wait" ? settings.leaseDurationMs : 0;
  const demandedMs = exempt ? 0 : state.everSaw ? state.lastWaitMs : unseenMs;
  const dueMs = Math.max(seen.sinceMs + demandedMs, state.lastWriteMs + settings.minWriteIntervalMs);
  const lookMs = state.lastReadSentMs + settings.retryPeriodMs;
  // An absence has no version: only looks in short succession show that nobody came and went.
  if (nowMs < dueMs) return nowMs < lookMs ? wait(state, nowMs, [dueMs, lookMs]) : readNow(state, nowMs); // F4, F5
  if (nowMs - seen.lastReceiptMs > settings.retryPeriodMs) return readNow(state, nowMs);
  const term = nextTerm(state);
  return term > maxReadableTerm ? observe(state, nowMs, Infinity) : { do: "create", term }; // F6
}

function decideFree(state: ElectionState, nowMs: number, settings: ResolvedSettings, seen: SeenRecord): Action {
  const { preferredHolder } = seen.record;
  const preferredUntilMs = seen.firstReceiptMs + settings.retryPeriodMs;
  if (preferredHolder !== undefined && preferredHolder !== "" && preferredHolder !== state.identity) {
    if (nowMs < preferredUntilMs) return observe(state, nowMs, preferredUntilMs); // F9
  }
  const spreadMs = seen.share * Math.min(state.warmRttMs, longestWindowMs);
  const dueMs = seen.firstReceiptMs + (spreadMs < shortestTimerMs ? 0 : spreadMs);
  if (nowMs < dueMs) return observe(state, nowMs, dueMs);
  return acquireWhenFresh(state, nowMs, settings); // F10
}

function decideHeld(state: ElectionState, nowMs: number, settings: ResolvedSettings, seen: SeenRecord): Action {
  if (seen.storedMs !== undefined && seen.storedMs > settings.maxHonouredLeaseMs) {
    return observe(state, nowMs, Infinity); // F11
  }
  const windowMs = herdWindowMs(state, settings);
  const dueMs = seen.firstReceiptMs + waitMs(seen.storedMs, settings) + seen.share * windowMs; // F12, F13
  if (nowMs < dueMs) return observe(state, nowMs, dueMs); // F14
  if (!state.watchLive && state.lastReadSentMs < dueMs) return readNow(state, nowMs);
  return acquireWhenFresh(state, nowMs, settings); // F13
}

/** How far candidates spread at an expiry: ten round trips, doubled after each lost race, up to a second. */
function herdWindowMs(state: ElectionState, settings: ResolvedSettings): number {
  const smallestMs = Math.max(settings.herdJitterMs, Math.min(10 * state.rttMs, longestWindowMs));
  return Math.min(smallestMs * 2 ** state.windowDoublings, Math.max(longestWindowMs, settings.herdJitterMs));
}

/**
 * Takes over the version in hand, if it is young enough: from a live watch, or from a read less than a retry period
 * old.
 */
function acquireWhenFresh(state: ElectionState, nowMs: number, settings: ResolvedSettings): Action {
  const { seen } = state;
  if (seen.kind !== "record") return readNow(state, nowMs);
  const writeAtMs = Math.max(state.lastWriteMs + settings.minWriteIntervalMs, state.quietUntilMs);
  if (nowMs < writeAtMs) return observe(state, nowMs, writeAtMs);
  const fresh = state.watchLive || nowMs - seen.lastReceiptMs <= settings.retryPeriodMs;
  if (!fresh) return readNow(state, nowMs);
  const term = nextTerm(state);
  // A term that nobody could read would end all elections: a person must look (an alarm was raised).
  return term > maxReadableTerm ? observe(state, nowMs, Infinity) : { do: "takeOver", term };
}

/** A read that everything waits for; one that was sent before the event which it must judge does not count. */
function readNow(state: ElectionState, nowMs: number): Action {
  if (state.reading !== undefined && state.reading.seq > (state.mustReadSinceSeq ?? 0)) return wait(state, nowMs, []);
  const readAtMs = Math.max(state.readPauseUntilMs, state.quietUntilMs);
  return nowMs < readAtMs ? wait(state, nowMs, [readAtMs]) : { do: "read" };
}

/**
 * Waits until `untilMs`, and looks meanwhile: when a hint asks for it, and at the polling pace without a live watch.
 */
function observe(state: ElectionState, nowMs: number, untilMs: number): Action {
  if (state.reading !== undefined) return wait(state, nowMs, [untilMs]);
  const notBeforeMs = Math.max(state.readPauseUntilMs, state.quietUntilMs);
  // What nobody can wait out is repaired by a person, and the hint of that may be lost.
  const polls = !state.watchLive || state.seen.kind === "unreadable" || (untilMs === Infinity && !state.workRunning);
  const pollMs = polls ? Math.max(state.nextPollMs, notBeforeMs) : Infinity;
  const hintMs = state.hintPending ? Math.max(hintReadAtMs(state, nowMs), notBeforeMs) : Infinity;
  if (nowMs >= Math.min(pollMs, hintMs)) return { do: "read" };
  return wait(state, nowMs, [untilMs, pollMs, hintMs]);
}

function wait(state: ElectionState, nowMs: number, times: readonly number[]): Action {
  const overrunAtMs = state.workRunning ? (state.overrunAtMs ?? Infinity) : Infinity;
  const future = [...times, overrunAtMs].filter((time) => time > nowMs);
  return { do: "wait", untilMs: Math.min(Infinity, ...future) };
}
