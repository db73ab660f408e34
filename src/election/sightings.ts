import type { LeaderElectionRecord } from "../lock/leader-election-record.ts";
import type { ObservedRecord } from "../lock/resource-lock.ts";
import { maxReadableTerm } from "../lock/record-codec.ts";
import { printable } from "../system/logger.ts";
import { raise, settleAlarm } from "./alarms.ts";
import { rememberReceipt, type ElectionState, type SeenRecord } from "./election-state.ts";
import type { FoldParts } from "./fold-parts.ts";
import type { Receipt } from "./observation.ts";
import { waitMs } from "./pauses.ts";

/** Stamps records with their first receipt, notices what is odd about them, and keeps the one in hand. */
export class Sightings {
  readonly #state: ElectionState;
  readonly #parts: FoldParts;

  constructor(state: ElectionState, parts: FoldParts) {
    this.#state = state;
    this.#parts = parts;
  }

  /**
   * A record with the moment of its first receipt: a pair that is received again keeps it. Not one that has come back
   * behind a larger term: whoever got that may still lead, and nobody has waited for it.
   */
  of({ record, version, foreign = false }: ObservedRecord, pair: string, receipt: Receipt): SeenRecord {
    const nowMs = receipt.now.observerMs;
    if (this.#hasComeBack(record, pair)) this.#state.firstReceipts.delete(pair);
    const before = this.#state.firstReceipts.get(pair);
    const known = before ?? { atMs: nowMs, share: this.#parts.random.next() };
    if (before !== undefined || this.#noticeTerm(record, receipt)) rememberReceipt(this.#state, pair, known);
    const seconds = record.leaseDurationSeconds;
    const storedMs = seconds === undefined ? undefined : seconds * 1000;
    const moments = { firstReceiptMs: known.atMs, lastReceiptMs: nowMs, share: known.share };
    return { kind: "record", record, version, foreign, pair, ...moments, storedMs };
  }

  #hasComeBack({ leaderTransitions }: LeaderElectionRecord, pair: string): boolean {
    const { seen, highestTerm } = this.#state;
    return leaderTransitions < highestTerm && !(seen.kind === "record" && seen.pair === pair);
  }

  /** Makes a record the one in hand. */
  keep(seen: SeenRecord, mine: boolean): void {
    const state = this.#state;
    const { settings } = this.#parts;
    const before = state.seen;
    const { record } = seen;
    if (before.kind === "record" && before.record.holderIdentity !== record.holderIdentity) state.windowDoublings = 0;
    state.seen = seen;
    state.everSaw = true;
    // A lease that is not honoured is not waited for without end, once somebody has deleted its record.
    state.lastWaitMs = waitMs(Math.min(seen.storedMs ?? 0, settings.maxHonouredLeaseMs), settings);
    if (mine) return;
    state.erasedValidUntilMs = -Infinity; // somebody else was here: an absence after this is like any other
    if (record.holderIdentity === "") return;
    this.#noticeDuration(seen);
    this.#noticeForeign(seen);
    if (this.#isTwin(record)) {
      const message = `another candidate writes as ${printable(record.holderIdentity)}: give each its own lock object`;
      raise(state, "duplicateIdentity", { cause: "", message });
    } else {
      settleAlarm(state, "duplicateIdentity");
    }
    reportLeader(state, record.holderIdentity, record.leaderTransitions);
  }

  /**
   * A pair never seen before with a smaller term: a restored backup, a storage that forgot, or a hint that came late.
   * Returns whether its receipt counts.
   */
  #noticeTerm(record: LeaderElectionRecord, { readSeq }: Receipt): boolean {
    const state = this.#state;
    const { leaderTransitions: stored } = record;
    if (stored >= state.highestTerm) {
      state.highestTerm = stored;
      state.termWentBack = false;
      settleAlarm(state, "termRegression");
      this.#noticeEnd(stored);
      return true;
    }
    if (readSeq === undefined) {
      state.hintPending = true; // a hint may be of any age: only a read tells whether the record went back
      return false;
    }
    state.termWentBack = true;
    const message = `the record went back from term ${state.highestTerm} to ${stored}: restored, or rewritten?`;
    raise(state, "termRegression", { cause: `${record.holderIdentity} ${stored}`, message });
    return true;
  }

  /** Terms are an int32, and nobody reads the last million of them. */
  #noticeEnd(stored: number): void {
    if (stored < maxReadableTerm) return;
    const message = `term ${stored} is the last that can be read: nobody takes over any more`;
    raise(this.#state, "unreadableRecord", { cause: `term ${stored}`, message });
  }

  #noticeDuration({ record, storedMs }: SeenRecord): void {
    if (storedMs !== undefined && storedMs <= this.#parts.settings.maxHonouredLeaseMs) {
      return settleAlarm(this.#state, "hostileDuration");
    }
    const what = storedMs === undefined ? "no usable lease duration" : `a lease of ${storedMs / 1000} s`;
    const message = `${printable(record.holderIdentity)} has stored ${what}`;
    raise(this.#state, "hostileDuration", { cause: `${record.holderIdentity} ${storedMs}`, message });
  }

  /** Whoever counts its lease from the answer acts for longer than it says; who waits no longer acts beside it. */
  #noticeForeign({ foreign, record }: SeenRecord): void {
    const state = this.#state;
    if (foreign !== true || state.warnedOfForeign || this.#parts.settings.holderGraceMs > 0) return;
    state.warnedOfForeign = true;
    const who = printable(record.holderIdentity);
    const message = `${who} runs another program, client-go say: set holderGraceMs, or a takeover may come too early`;
    state.effects.push({ kind: "warning", message });
  }

  /**
   * My identity, with a pair that I did not write: not one of my own earlier terms, so somebody shares the identity.
   */
  #isTwin({ holderIdentity, leaderTransitions, renewTime }: LeaderElectionRecord): boolean {
    const { identity, begunTerm, sent } = this.#state;
    if (holderIdentity !== identity || leaderTransitions < begunTerm) return false;
    const last = sent.confirmed;
    const isRestored = last?.term === leaderTransitions && renewTime < last.write.record.renewTime; // my own of old
    return !isRestored;
  }
}

/** Tells each change of a non-empty holder once; an old record that is seen again is no change. */
export function reportLeader(state: ElectionState, identity: string, term: number): void {
  const { reported } = state;
  if (reported?.identity === identity) {
    if (term > reported.term) state.reported = { identity, term };
    return;
  }
  if (reported !== undefined && term < reported.term && !state.termWentBack) return;
  state.reported = { identity, term };
  state.effects.push({ kind: "newLeader", identity, term });
}
