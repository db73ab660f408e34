import type { ObservedRecord } from "../lock/resource-lock.ts";
import type { ElectionState, Readings } from "./election-state.ts";
import { beQuiet, drawRetryPause, pauseAfterFailure, waitMs, type FoldParts } from "./pacing.ts";
import type { SentWrite } from "./sent-table.ts";
import type { ResolvedSettings } from "./settings.ts";

/**
 * Folds the proof that a write was applied: its answer, or its own pair in what was received. Validity grows from **that
 * write's send**, and never shrinks.
 */
export function confirmWrite(
  state: ElectionState,
  write: SentWrite,
  found: ObservedRecord,
  now: Readings,
  { settings }: FoldParts,
): void {
  if (!state.sent.holds(write)) return; // dropped: a later write was confirmed, so this answer says nothing any more
  state.seq += 1;
  const { record, version } = found;
  const term = record.leaderTransitions;
  state.sent.confirm({ write, version, record, term, seq: state.seq });
  state.highestTerm = Math.max(state.highestTerm, term);
  if (write.kind === "acquire") {
    if (state.acquiring !== undefined && !state.sent.holds(state.acquiring)) state.acquiring = undefined;
    state.mustReadSinceSeq = undefined;
    state.acquirePauseUntilMs = -Infinity;
    state.lostAcquisition = undefined;
  }
  holdOwn(state, write, found, now, settings);
  extendTerm(state, write, settings);
}

/** The record in hand is the one that I wrote. */
function holdOwn(
  state: ElectionState,
  write: SentWrite,
  found: ObservedRecord,
  now: Readings,
  settings: ResolvedSettings,
): void {
  const storedMs = settings.leaseDurationMs;
  const moments = { firstReceiptMs: now.observerMs, lastReceiptMs: now.observerMs, share: 0 };
  state.seen = { kind: "record", ...found, pair: write.pair, ...moments, storedMs };
  state.firstReceipts.set(write.pair, { atMs: now.observerMs, share: 0 });
  state.everSaw = true;
  state.lastWaitMs = waitMs(storedMs, settings);
  state.windowDoublings = 0;
}

function extendTerm(state: ElectionState, write: SentWrite, settings: ResolvedSettings): void {
  const { term } = state;
  if (term === undefined || write.record.leaderTransitions !== term.number) return;
  const slow = write.status !== "underWay" || term.failures > 0;
  term.validUntilMs = Math.max(term.validUntilMs, write.sentAtMs + settings.renewDeadlineMs);
  term.retryAtMs = undefined;
  term.failures = 0;
  term.challenged = false;
  // A race that was lost by a write which this confirmation dropped needs no judge any more.
  const lostStays = state.sent.later.some((other) => other.status === "lost");
  if (!lostStays) term.lostRace = undefined;
  if (term.suspectSeq !== undefined && write.sentSeq > term.suspectSeq) term.suspectSeq = undefined;
  state.effects.push({ kind: "renewed", write, slow });
}

/** Folds a refused condition: somebody else wrote, or an earlier delivery of this very write did. */
export function lostRace(state: ElectionState, write: SentWrite, { random }: FoldParts): void {
  if (!state.sent.holds(write)) return;
  end(state, write, "lost");
  if (state.acquiring === write) {
    state.acquiring = undefined;
    state.mustReadSinceSeq = state.seq;
    state.lostAcquisition = { seq: state.seq, expected: write.expected, watched: state.watchLive };
    state.windowDoublings = Math.min(state.windowDoublings + 1, 10);
    // The draw of the window is taken anew, or the same two candidates would meet again.
    if (state.seen.kind === "record") {
      const share = random.next();
      state.firstReceipts.set(state.seen.pair, { atMs: state.seen.firstReceiptMs, share });
    }
  } else if (state.term !== undefined && write.record.leaderTransitions === state.term.number) {
    state.term.lostRace = { seq: state.seq };
  }
}

/** Folds an end that nobody knows: a deadline, or an error that does not prove "no effect". Validity stays as it is. */
export function unknownOutcome(state: ElectionState, write: SentWrite, now: Readings, parts: FoldParts): void {
  if (!state.sent.holds(write)) return;
  end(state, write, "unknown");
  pauseWrites(state, write, now, parts);
  if (state.acquiring !== write) return;
  state.acquiring = undefined;
  state.mustReadSinceSeq = state.seq;
}

/** Folds a write that provably had no effect. */
export function refused(
  state: ElectionState,
  write: SentWrite,
  now: Readings,
  parts: FoldParts,
  retryAfterMs = 0,
): void {
  beQuiet(state, now, retryAfterMs);
  if (!state.sent.holds(write)) return;
  end(state, write, "refused");
  pauseWrites(state, write, now, parts);
  if (state.acquiring === write) state.acquiring = undefined;
}

function end(state: ElectionState, write: SentWrite, status: SentWrite["status"]): void {
  state.seq += 1;
  write.status = status;
  write.endedSeq = state.seq;
}

function pauseWrites(state: ElectionState, write: SentWrite, now: Readings, parts: FoldParts): void {
  if (state.acquiring === write) {
    state.acquirePauseUntilMs = now.observerMs + drawRetryPause(parts);
  } else if (state.term !== undefined && write.record.leaderTransitions === state.term.number) {
    state.term.failures += 1;
    state.term.retryAtMs = now.leaderMs + pauseAfterFailure(state, now, parts.settings);
  }
}
