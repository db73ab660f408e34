import { CorruptDataError } from "../errors.ts";
import { checkRecord } from "../lock/record-codec.ts";
import type { LeaderElectionRecord } from "../lock/leader-election-record.ts";
import type { ObservedRecord } from "../lock/resource-lock.ts";
import { printable } from "../system/logger.ts";
import { raise, settleAlarm } from "./alarms.ts";
import { confirmWrite } from "./outcomes.ts";
import { beQuiet, drawRetryPause, pauseAfterFailure, waitMs, type FoldParts } from "./pacing.ts";
import type { ElectionState, Readings, SeenRecord } from "./election-state.ts";
import { heldPair } from "./sent-table.ts";

/** When, and in answer to what, something was received. */
export interface Receipt {
  /** Read after the receipt. */
  readonly now: Readings;
  /** The order in which the read was sent; `undefined` for what came with a hint: it may be of any age. */
  readonly readSeq: number | undefined;
}

const receiptsKept = 32;

/** Folds a record that was read, or that came with a hint, into the state. */
export function receiveRecord(state: ElectionState, observed: ObservedRecord, receipt: Receipt, parts: FoldParts): void {
  let record: LeaderElectionRecord;
  try {
    const source = { storage: "the lock", version: observed.version };
    record = checkRecord(observed.record, source).record;
  } catch (error) {
    return receiveUnreadable(state, error, receipt, parts);
  }
  const truth = isTruth(state, receipt);
  noteReceipt(state, receipt, parts);
  settleAlarm(state, "unreadableRecord");
  const pair = record.holderIdentity === "" ? `\n${record.renewTime}\n${observed.version}` : heldPair(record);
  const write = state.sent.find(pair);
  const { confirmed } = state.sent;
  if (write !== undefined && write !== confirmed?.write) {
    confirmWrite(state, write, { record, version: observed.version }, receipt.now, parts); // G2, F7
  } else if (write !== undefined && confirmed !== undefined) {
    const edited = confirmed.version !== observed.version;
    confirmed.version = observed.version; // G3: another hand edited what is not ours; the term goes on
    confirmed.record = record;
    if (truth) settleLostRace(state, edited, receipt.now, parts);
  } else if (isStale(state, record, pair) && !truth) {
    // Ignored; but whoever waits for a fresh look must not look again at once, and again.
    if (state.phase === "following") state.readPauseUntilMs = receipt.now.observerMs + drawRetryPause(parts);
    return;
  }
  judgeLostAcquisition(state, observed, receipt, parts);
  const mine = write !== undefined;
  const seen = sighting(state, { record, version: observed.version }, pair, receipt, parts);
  if (!mine) judgeForeign(state, seen, truth, parts);
  if (mine || truth || state.term === undefined || state.term.loss !== undefined) keep(state, seen, mine, parts);
  settleRelease(state, receipt, mine ? { record, version: observed.version } : undefined);
}

/** Folds a read that found no record into the state. A hint never tells an absence. */
export function receiveAbsence(state: ElectionState, receipt: Receipt, parts: FoldParts): void {
  const truth = isTruth(state, receipt);
  noteReceipt(state, receipt, parts);
  settleAlarm(state, "unreadableRecord");
  judgeLostAcquisition(state, undefined, receipt, parts);
  settleRelease(state, receipt, undefined);
  if (!judgeMissing(state, truth, receipt)) return;
  const nowMs = receipt.now.observerMs;
  const { seen } = state;
  const goesOn = seen.kind === "absent" && nowMs - seen.lastReceiptMs <= 3 * parts.settings.retryPeriodMs;
  state.seen = { kind: "absent", sinceMs: goesOn ? seen.sinceMs : nowMs, lastReceiptMs: nowMs };
}

/** Folds a record that cannot be read: it is held by nobody known, and never taken over. */
export function receiveUnreadable(state: ElectionState, error: unknown, receipt: Receipt, parts: FoldParts): void {
  const truth = isTruth(state, receipt);
  noteReceipt(state, receipt, parts);
  const version = error instanceof CorruptDataError ? (error.version ?? "") : "";
  const message = error instanceof Error ? printable(error.message, 500) : "the record cannot be read";
  raise(state, "unreadableRecord", version, message);
  settleRelease(state, receipt, undefined);
  if (!judgeMissing(state, truth, receipt)) return;
  state.seen = { kind: "unreadable" };
  state.lastWaitMs = Math.max(state.lastWaitMs, waitMs(undefined, parts.settings));
  state.everSaw = true;
}

/** Folds a read that failed, or was silent until its deadline. */
export function readFailed(state: ElectionState, now: Readings, parts: FoldParts, retryAfterMs = 0): void {
  const drawnMs = drawRetryPause(parts);
  const pauseMs = state.phase !== "following" ? pauseAfterFailure(state, now, parts.settings) : drawnMs;
  state.readFailed = state.phase === "following";
  state.readPauseUntilMs = now.observerMs + pauseMs;
  state.nextPollMs = now.observerMs + drawnMs;
  beQuiet(state, now, retryAfterMs);
}

/** Whether this receipt was read after the event that it has to judge, and no write of mine was confirmed since. */
function isTruth(state: ElectionState, { readSeq }: Receipt): boolean {
  if (readSeq === undefined) return false;
  const { term, release } = state;
  if (term !== undefined) {
    return term.lostRace !== undefined && readSeq > term.lostRace.seq && readSeq > (state.sent.confirmed?.seq ?? 0);
  }
  if (release !== undefined) return readSeq > release.sinceSeq;
  return state.mustReadSinceSeq !== undefined && readSeq > state.mustReadSinceSeq;
}

function noteReceipt(state: ElectionState, { now, readSeq }: Receipt, parts: FoldParts): void {
  state.seq += 1;
  state.readFailed = false;
  if (state.watchOpenedSeq !== undefined && (readSeq ?? Infinity) > state.watchOpenedSeq) {
    state.watchLive = true;
    state.watchOpenedSeq = undefined;
  }
  if (readSeq === undefined) return;
  state.nextPollMs = now.observerMs + drawRetryPause(parts);
  if (state.term !== undefined) state.term.answeredReadSeq = Math.max(state.term.answeredReadSeq, readSeq);
  if (state.mustReadSinceSeq !== undefined && readSeq > state.mustReadSinceSeq) state.mustReadSinceSeq = undefined;
}

/**
 * An older record of my own term, unless it is in hand already as the truth after a lost race (it was restored): ignored.
 * Nothing else is, or a late sighting could hide the record for ever.
 */
function isStale(state: ElectionState, record: LeaderElectionRecord, pair: string): boolean {
  const last = state.sent.confirmed;
  if (last === undefined || record.holderIdentity !== state.identity) return false;
  if (state.seen.kind === "record" && state.seen.pair === pair) return false;
  return record.leaderTransitions === last.term && record.renewTime < last.write.record.renewTime;
}

function sighting(
  state: ElectionState,
  { record, version }: ObservedRecord,
  pair: string,
  receipt: Receipt,
  parts: FoldParts,
): SeenRecord {
  const nowMs = receipt.now.observerMs;
  const known = state.firstReceipts.get(pair) ?? { atMs: nowMs, share: parts.random.next() };
  const isNew = !state.firstReceipts.delete(pair); // set again below: the most recently received come last
  state.firstReceipts.set(pair, known);
  if (state.firstReceipts.size > receiptsKept) {
    for (const oldest of state.firstReceipts.keys()) {
      state.firstReceipts.delete(oldest);
      break;
    }
  }
  if (isNew) noticeTerm(state, record, pair, receipt.readSeq !== undefined);
  const seconds = record.leaseDurationSeconds;
  const storedMs = seconds === undefined ? undefined : seconds * 1000;
  const moments = { firstReceiptMs: known.atMs, lastReceiptMs: nowMs, share: known.share };
  return { kind: "record", record, version, pair, ...moments, storedMs };
}

/** A pair never seen before with a smaller term: a restored backup, a storage that forgot, or a hint that came late. */
function noticeTerm(state: ElectionState, record: LeaderElectionRecord, pair: string, wasRead: boolean): void {
  const { leaderTransitions: stored } = record;
  if (stored >= state.highestTerm) {
    state.highestTerm = stored;
    state.termWentBack = false;
    settleAlarm(state, "termRegression");
  } else if (wasRead) {
    state.termWentBack = true;
    const message = `the record went back from term ${state.highestTerm} to ${stored}: restored, or rewritten?`;
    raise(state, "termRegression", `${record.holderIdentity} ${stored}`, message);
  } else {
    state.firstReceipts.delete(pair); // a hint may be of any age: only a read tells whether the record went back
    state.hintPending = true;
  }
}

/** Makes a record the one in hand. */
function keep(state: ElectionState, seen: SeenRecord, mine: boolean, { settings }: FoldParts): void {
  const before = state.seen;
  const { record } = seen;
  if (before.kind === "record" && before.record.holderIdentity !== record.holderIdentity) state.windowDoublings = 0;
  state.seen = seen;
  state.everSaw = true;
  state.lastWaitMs = waitMs(seen.storedMs, settings);
  if (mine) return;
  state.erasedValidUntilMs = -Infinity; // somebody else was here: an absence after this is like any other
  if (record.holderIdentity === "") return;
  const holder = printable(record.holderIdentity);
  if (seen.storedMs === undefined || seen.storedMs > settings.maxHonouredLeaseMs) {
    const cause = `${record.holderIdentity} ${record.leaseDurationSeconds}`;
    const what = seen.storedMs === undefined ? "no usable lease duration" : `a lease of ${seen.storedMs / 1000} s`;
    raise(state, "hostileDuration", cause, `${holder} has stored ${what}`);
  }
  if (isTwin(state, record)) {
    raise(state, "duplicateIdentity", "", `another candidate writes as ${holder}: give each its own lock object`);
  } else {
    settleAlarm(state, "duplicateIdentity");
  }
  reportLeader(state, record.holderIdentity, record.leaderTransitions);
}

/** My identity, with a pair that I did not write: not one of my own earlier terms, so somebody shares the identity. */
function isTwin(state: ElectionState, record: LeaderElectionRecord): boolean {
  return record.holderIdentity === state.identity && record.leaderTransitions >= state.begunTerm;
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

/** G4, G5: what a record of somebody else, or a free one, means for a term under way. */
function judgeForeign(state: ElectionState, seen: SeenRecord, truth: boolean, { settings }: FoldParts): void {
  const { term } = state;
  if (term === undefined) return;
  const { record } = seen;
  if (truth || record.leaderTransitions >= term.number) {
    term.loss ??= record.holderIdentity === "" ? "erased" : "taken";
    term.lostRace = undefined;
    state.lastWaitMs = waitMs(seen.storedMs, settings);
  } else {
    term.challenged = true;
  }
}

/** The same for a record that is absent or unreadable; says whether it becomes what is in hand. */
function judgeMissing(state: ElectionState, truth: boolean, { readSeq }: Receipt): boolean {
  const { term } = state;
  if (term === undefined) return true;
  if (truth) {
    term.loss ??= "erased";
    term.lostRace = undefined;
    return true;
  }
  if (readSeq !== undefined && readSeq > (state.sent.confirmed?.seq ?? 0)) term.challenged = true;
  return false;
}

/** The truth after a lost race is that the record is still mine: another hand edited it, or an older request came first. */
function settleLostRace(state: ElectionState, edited: boolean, now: Readings, { settings }: FoldParts): void {
  const { term } = state;
  if (term?.lostRace === undefined) return;
  term.lostRace = undefined;
  const atOnce = edited && term.failures === 0;
  term.failures += 1;
  term.retryAtMs = now.leaderMs + (atOnce ? 0 : pauseAfterFailure(state, now, settings));
}

/** After a lost acquisition: if nothing changed, pause; if the watch did not tell the change, it is re-opened. */
function judgeLostAcquisition(
  state: ElectionState,
  found: ObservedRecord | undefined,
  { now, readSeq }: Receipt,
  parts: FoldParts,
): void {
  const lost = state.lostAcquisition;
  if (lost === undefined || readSeq === undefined || readSeq <= lost.seq) return;
  state.lostAcquisition = undefined;
  if (found?.version === lost.expected) {
    state.acquirePauseUntilMs = now.observerMs + drawRetryPause(parts);
  } else if (lost.watched && state.seen.kind === "record" && state.seen.version === lost.expected) {
    state.watchLive = false;
    state.effects.push({ kind: "reopenWatch" });
  }
}

/** A read that was sent after a release lost its race, or got no answer: still mine, then again; else it is settled. */
function settleRelease(state: ElectionState, { readSeq }: Receipt, mine: ObservedRecord | undefined): void {
  const { release } = state;
  if (release === undefined || release.step !== "read" || readSeq === undefined || readSeq <= release.sinceSeq) return;
  if (mine === undefined) {
    release.step = "done";
    return;
  }
  release.target = mine;
  release.step = "write";
}
