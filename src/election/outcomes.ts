import type { ObservedRecord } from "../lock/resource-lock.ts";
import { settleAlarm } from "./alarms.ts";
import { rememberReceipt, type ElectionState, type Readings } from "./election-state.ts";
import type { FoldParts } from "./fold-parts.ts";
import { beQuiet, drawRetryPause, pauseAfterFailure, waitMs } from "./pauses.ts";
import type { SentWrite } from "./sent-table.ts";

/** Folds what became of one's own writes into the state: confirmed, lost the race, unknown, or refused. */
export class Outcomes {
  readonly #state: ElectionState;
  readonly #parts: FoldParts;

  constructor(state: ElectionState, parts: FoldParts) {
    this.#state = state;
    this.#parts = parts;
  }

  /**
   * The proof that a write was applied: its answer, or its own pair in what was received. Validity grows from **that
   * write's send**, and never shrinks.
   */
  confirm(write: SentWrite, found: ObservedRecord, now: Readings): void {
    const state = this.#state;
    if (!state.sent.holds(write)) return; // dropped: a later write was confirmed, so this says nothing any more
    state.seq += 1;
    const { record, version } = found;
    const term = record.leaderTransitions;
    state.sent.confirm({ write, version, record, term, seq: state.seq });
    if (term >= state.highestTerm) {
      state.highestTerm = term;
      state.termWentBack = false; // a record that had gone back is healed by a term above all that was seen
      settleAlarm(state, "termRegression");
    }
    // Also a late renewal of an ended term may be what confirms: then the acquisition that it dropped is not awaited.
    if (state.acquiring !== undefined && !state.sent.holds(state.acquiring)) state.acquiring = undefined;
    if (write.kind === "acquire") {
      state.mustReadSinceSeq = undefined;
      state.acquirePauseUntilMs = -Infinity;
      state.lostAcquisition = undefined;
      state.editedAcquisitions = 0;
    }
    this.#hold(write, found, now);
    this.#extendTerm(write);
  }

  /** A refused condition: somebody else wrote, or an earlier delivery of this very write did. */
  lostRace(write: SentWrite): void {
    const state = this.#state;
    if (!state.sent.holds(write)) return;
    this.#end(write, "lost");
    if (write.expected === undefined) {
      // A lost creation proves that there was a record: if it is gone by the next look, that has to be waited for.
      state.everSaw = true;
      state.lastWaitMs = Math.max(state.lastWaitMs, waitMs(undefined, this.#parts.settings));
    }
    if (state.acquiring === write) {
      state.acquiring = undefined;
      state.mustReadSinceSeq = state.seq;
      state.lostAcquisition = { seq: state.seq, expected: write.expected, watched: state.watchLive };
    } else if (this.#belongsToTerm(write) && state.term !== undefined) {
      state.term.lostRace = { seq: state.seq };
    }
  }

  /** An end that nobody knows: a deadline, or an error that does not prove "no effect". Validity stays as it is. */
  unknown(write: SentWrite, now: Readings): void {
    const state = this.#state;
    if (!state.sent.holds(write)) return;
    this.#end(write, "unknown");
    this.#pauseWrites(write, now);
    if (state.acquiring !== write) return;
    state.acquiring = undefined;
    state.mustReadSinceSeq = state.seq;
  }

  /** A write that provably had no effect. */
  refused(write: SentWrite, now: Readings, retryAfterMs = 0): void {
    const state = this.#state;
    beQuiet(state, now, retryAfterMs);
    if (!state.sent.holds(write)) return;
    this.#end(write, "refused");
    this.#pauseWrites(write, now);
    if (state.acquiring === write) state.acquiring = undefined;
  }

  /** The record in hand is the one that I wrote. */
  #hold(write: SentWrite, found: ObservedRecord, now: Readings): void {
    const state = this.#state;
    const storedMs = this.#parts.settings.leaseDurationMs;
    const moments = { firstReceiptMs: now.observerMs, lastReceiptMs: now.observerMs, share: 0 };
    state.seen = { kind: "record", ...found, pair: write.pair, ...moments, storedMs };
    rememberReceipt(state, write.pair, { atMs: now.observerMs, share: 0 });
    state.everSaw = true;
    state.lastWaitMs = waitMs(storedMs, this.#parts.settings);
    state.windowDoublings = 0;
  }

  #extendTerm(write: SentWrite): void {
    const state = this.#state;
    const { term } = state;
    if (term === undefined || !this.#belongsToTerm(write)) return;
    const slow = write.status !== "underWay" || term.failures > 0;
    term.validUntilMs = Math.max(term.validUntilMs, write.sentAtMs + this.#parts.settings.renewDeadlineMs);
    term.retryAtMs = undefined;
    term.failures = 0;
    term.retriedAtOnce = false;
    term.challenged = false;
    term.sawForeign = false;
    // A race that was lost by a write which this confirmation dropped needs no judge any more.
    if (!state.sent.later.some((other) => other.status === "lost")) term.lostRace = undefined;
    if (term.suspectSeq !== undefined && write.sentSeq > term.suspectSeq) term.suspectSeq = undefined;
    state.effects.push({ kind: "renewed", write, slow });
  }

  #end(write: SentWrite, status: SentWrite["status"]): void {
    this.#state.seq += 1;
    write.status = status;
    write.endedSeq = this.#state.seq;
  }

  #pauseWrites(write: SentWrite, now: Readings): void {
    const state = this.#state;
    if (state.acquiring === write) {
      state.acquirePauseUntilMs = now.observerMs + drawRetryPause(this.#parts);
    } else if (this.#belongsToTerm(write) && state.term !== undefined) {
      state.term.failures += 1;
      state.term.retryAtMs = now.leaderMs + pauseAfterFailure(state, now, this.#parts.settings);
    }
  }

  #belongsToTerm(write: SentWrite): boolean {
    return this.#state.term?.number === write.record.leaderTransitions;
  }
}
