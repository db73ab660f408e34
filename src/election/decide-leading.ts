import type { Action } from "./action.ts";
import type { ElectionState, Readings, TermState } from "./election-state.ts";
import { hintReadAtMs } from "./hint-tokens.ts";
import type { SentWrite } from "./sent-table.ts";
import type { ResolvedSettings } from "./settings.ts";

/** The rows G1 to G11: a candidate that leads, or drains. The first that matches wins. */
export function decideLeading(state: ElectionState, now: Readings, settings: ResolvedSettings): Action {
  const { term } = state;
  if (term === undefined || now.leaderMs >= term.validUntilMs) return { do: "demote", reason: "expired" }; // G1
  const ending = decideEnding(state, term, now.observerMs); // G9, before all that may need the storage
  if (ending !== undefined) return ending;
  if (term.loss !== undefined) return { do: "demote", reason: term.loss }; // G4; G2 and G3 were folded before
  if (term.lostRace !== undefined) return readAfter(state, now, settings, term.lostRace.seq); // G6
  if (mayWrite(state, now, settings) && wantsRenewal(state, term, now, settings)) {
    return { do: "renew", term: term.number }; // G5, G7, G8, G10
  }
  const doubted = doubtedWrite(state, term, now, settings);
  if (doubted !== undefined && !isJudged(term, doubted)) {
    return readAfter(state, now, settings, Math.max(doubted.sentSeq, doubted.endedSeq)); // G7
  }
  if (state.hintPending && state.reading === undefined && now.observerMs >= hintReadMs(state, now.observerMs)) {
    return { do: "read" };
  }
  return wait(state, now, settings); // G11
}

function decideEnding(state: ElectionState, term: TermState, nowMs: number): Action | undefined {
  if (term.ending === undefined) return undefined;
  const { reason } = term.ending;
  if (state.phase === "leading") return { do: "drain", reason };
  if (term.workEnded && term.runningSteps === 0 && !term.closed) return { do: "close" };
  if (term.closed && term.stopCallbackEnded) return { do: "release" };
  return nowMs >= term.drainUntilMs ? { do: "demote", reason } : undefined;
}

function wantsRenewal(state: ElectionState, term: TermState, now: Readings, settings: ResolvedSettings): boolean {
  const underWay = state.sent.underWay();
  const paused = now.leaderMs < (term.retryAtMs ?? -Infinity);
  const early = underWay === 0 && !paused && now.leaderMs >= term.lastEarlyRenewMs + settings.retryPeriodMs;
  if (term.challenged && early) return true; // G5: the conditional write is the judge
  const doubted = doubtedWrite(state, term, now, settings);
  if (doubted !== undefined && isJudged(term, doubted) && underWay < 2 && !paused) return true; // G7
  const { suspectSeq } = term;
  if (suspectSeq !== undefined && underWay < 2 && !state.sent.later.some((write) => write.sentSeq > suspectSeq)) {
    return true; // G8
  }
  return underWay === 0 && now.leaderMs >= renewAtMs(state, term, settings); // G10
}

/** Counted from the send of the last *confirmed* write: a second write in doubt postpones nothing. */
function renewAtMs(state: ElectionState, term: TermState, settings: ResolvedSettings): number {
  const confirmedMs = state.sent.confirmed?.write.sentAtMs ?? term.startedMs;
  return term.retryAtMs ?? confirmedMs + settings.renewIntervalMs;
}

/** The newest write, if its end is unknown, or it was silent for a retry period. Dropped writes do not count. */
function doubtedWrite(
  state: ElectionState,
  term: TermState,
  now: Readings,
  settings: ResolvedSettings,
): SentWrite | undefined {
  const newest = state.sent.newest();
  if (newest === undefined || newest.record.leaderTransitions !== term.number) return undefined;
  const silent = newest.status === "underWay" && now.leaderMs - newest.sentAtMs >= settings.retryPeriodMs;
  return silent || newest.status === "unknown" ? newest : undefined;
}

/**
 * Whether a read that was sent after the write (and after its end, if it had one) was answered, and settled nothing.
 */
function isJudged(term: TermState, write: SentWrite): boolean {
  return term.answeredReadSeq > Math.max(write.sentSeq, write.endedSeq);
}

function mayWrite(state: ElectionState, now: Readings, settings: ResolvedSettings): boolean {
  return now.observerMs >= Math.max(state.quietUntilMs, state.lastWriteMs + settings.minWriteIntervalMs);
}

function readAfter(state: ElectionState, now: Readings, settings: ResolvedSettings, seq: number): Action {
  if (state.reading !== undefined && state.reading.seq > seq) return wait(state, now, settings);
  const readAtMs = Math.max(state.readPauseUntilMs, state.quietUntilMs);
  return now.observerMs < readAtMs ? wait(state, now, settings) : { do: "read" };
}

function hintReadMs(state: ElectionState, nowMs: number): number {
  return Math.max(hintReadAtMs(state, nowMs), state.readPauseUntilMs, state.quietUntilMs);
}

/** Until the nearest time at which another row may match. */
function wait(state: ElectionState, now: Readings, settings: ResolvedSettings): Action {
  const { term } = state;
  if (term === undefined) return { do: "wait", untilMs: now.observerMs };
  const newest = state.sent.newest();
  const leaderTimes = [
    term.validUntilMs,
    renewAtMs(state, term, settings),
    term.challenged ? term.lastEarlyRenewMs + settings.retryPeriodMs : Infinity,
    newest === undefined ? Infinity : newest.sentAtMs + settings.retryPeriodMs,
  ];
  const observerTimes = [
    term.drainUntilMs,
    state.quietUntilMs,
    state.readPauseUntilMs,
    state.lastWriteMs + settings.minWriteIntervalMs,
    state.hintPending && state.reading === undefined ? hintReadMs(state, now.observerMs) : Infinity,
  ];
  // Timers run on the monotonic clock; the leader's runs ahead of it by the time suspended so far.
  const aheadMs = now.leaderMs - now.observerMs;
  const times = [...observerTimes, ...leaderTimes.map((time) => time - aheadMs)];
  return { do: "wait", untilMs: Math.min(Infinity, ...times.filter((time) => time > now.observerMs)) };
}
