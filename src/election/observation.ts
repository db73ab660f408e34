import { CorruptDataError } from "../errors.ts";
import type { LeaderElectionRecord } from "../lock/leader-election-record.ts";
import { checkRecord } from "../lock/record-codec.ts";
import type { ObservedRecord } from "../lock/resource-lock.ts";
import { printable } from "../system/logger.ts";
import { raise, settleAlarm } from "./alarms.ts";
import { rememberReceipt, type ElectionState, type Readings, type SeenRecord } from "./election-state.ts";
import type { FoldParts } from "./fold-parts.ts";
import { Outcomes } from "./outcomes.ts";
import { beQuiet, drawRetryPause, pauseAfterFailure, waitMs } from "./pauses.ts";
import { heldPair } from "./sent-table.ts";
import { Sightings } from "./sightings.ts";

/** When, and in answer to what, something was received. */
export interface Receipt {
  /** Read after the receipt. */
  readonly now: Readings;
  /** The order in which the read was sent; `undefined` for what came with a hint: it may be of any age. */
  readonly readSeq: number | undefined;
}

/** Folds what was received into the state: records, absences, what cannot be read, and reads that failed. */
export class Observation {
  readonly #state: ElectionState;
  readonly #parts: FoldParts;
  readonly #outcomes: Outcomes;
  readonly #sightings: Sightings;

  constructor(state: ElectionState, parts: FoldParts) {
    this.#state = state;
    this.#parts = parts;
    this.#outcomes = new Outcomes(state, parts);
    this.#sightings = new Sightings(state, parts);
  }

  /** A record that was read, or that came with a hint. */
  record(observed: ObservedRecord, receipt: Receipt): void {
    let record: LeaderElectionRecord;
    try {
      record = checkRecord(observed.record, { storage: "the lock", version: observed.version }).record;
    } catch (error) {
      return this.unreadable(error, receipt);
    }
    const found = { ...observed, record };
    const truth = this.#isTruth(receipt);
    this.#note(receipt);
    settleAlarm(this.#state, "unreadableRecord");
    const pair = record.holderIdentity === "" ? `\n${record.renewTime}\n${found.version}` : heldPair(record);
    const mine = this.#foldMine(found, pair, { receipt, truth });
    if (!mine && !truth && this.#isStale(record, pair) && !this.#persists(pair, receipt)) return this.#ignore(receipt);
    this.#state.stale = undefined;
    this.#judgeLostAcquisition(found, pair, receipt);
    const seen = this.#sightings.of(found, pair, receipt);
    if (!mine) this.#judgeForeign(seen, receipt, truth);
    const { term } = this.#state;
    if (mine || truth || term === undefined || term.loss !== undefined) this.#sightings.keep(seen, mine);
    this.#settleRelease(receipt, mine ? found : undefined);
  }

  /** A read that found no record. A hint never tells an absence. */
  absence(receipt: Receipt): void {
    const state = this.#state;
    state.stale = undefined;
    const truth = this.#isTruth(receipt);
    this.#note(receipt);
    settleAlarm(state, "unreadableRecord");
    this.#judgeLostAcquisition(undefined, undefined, receipt);
    this.#settleRelease(receipt, undefined);
    const { term } = state;
    const erased = term !== undefined && term.loss === undefined && truth && !term.sawForeign;
    if (erased) state.erasedValidUntilMs = term.validUntilMs;
    if (!this.#judgeMissing(truth, receipt)) return;
    const nowMs = receipt.now.observerMs;
    const { seen } = state;
    // An absence has no version: looks too far apart could have missed a whole life in between.
    const gapMs = seen.kind === "absent" ? nowMs - seen.lastReceiptMs : Infinity;
    const goesOn = seen.kind === "absent" && gapMs <= 3 * this.#parts.settings.retryPeriodMs;
    state.seen = { kind: "absent", sinceMs: goesOn ? seen.sinceMs : nowMs, lastReceiptMs: nowMs };
  }

  /** A record that cannot be read: it is held by nobody known, and never taken over. */
  unreadable(error: unknown, receipt: Receipt): void {
    const state = this.#state;
    state.stale = undefined;
    const truth = this.#isTruth(receipt);
    this.#note(receipt);
    const cause = error instanceof CorruptDataError ? (error.version ?? "") : "";
    const message = error instanceof Error ? printable(error.message, 500) : "the record cannot be read";
    raise(state, "unreadableRecord", { cause, message });
    this.#settleRelease(receipt, undefined);
    this.#noteForeign(receipt);
    if (!this.#judgeMissing(truth, receipt)) return;
    state.seen = { kind: "unreadable" };
    state.erasedValidUntilMs = -Infinity; // its writer may lead: an absence after this is like any other
    state.lastWaitMs = Math.max(state.lastWaitMs, waitMs(undefined, this.#parts.settings));
    state.everSaw = true;
  }

  /** A read that failed, or was silent until its deadline. */
  failure(now: Readings, retryAfterMs = 0): void {
    const state = this.#state;
    const drawnMs = drawRetryPause(this.#parts);
    const leads = state.phase !== "following";
    const pauseMs = leads ? pauseAfterFailure(state, now, this.#parts.settings) : drawnMs;
    state.readFailed = !leads;
    state.readPauseUntilMs = now.observerMs + pauseMs;
    state.nextPollMs = now.observerMs + drawnMs;
    beQuiet(state, now, retryAfterMs);
  }

  /** Whether this was read after the event that it has to judge, and no write of mine was confirmed since. */
  #isTruth({ readSeq }: Receipt): boolean {
    if (readSeq === undefined) return false;
    const { term, release, sent, mustReadSinceSeq } = this.#state;
    if (term !== undefined) {
      return term.lostRace !== undefined && readSeq > term.lostRace.seq && readSeq > (sent.confirmed?.seq ?? 0);
    }
    if (release !== undefined) return readSeq > release.sinceSeq;
    return mustReadSinceSeq !== undefined && readSeq > mustReadSinceSeq;
  }

  #note({ now, readSeq }: Receipt): void {
    const state = this.#state;
    state.seq += 1;
    state.readFailed = false;
    if (state.watchOpenedSeq !== undefined && (readSeq ?? Infinity) > state.watchOpenedSeq) {
      state.watchLive = true;
      state.watchOpenedSeq = undefined;
    }
    if (readSeq === undefined) return;
    state.nextPollMs = now.observerMs + drawRetryPause(this.#parts);
    if (state.term !== undefined) state.term.answeredReadSeq = Math.max(state.term.answeredReadSeq, readSeq);
    if (state.mustReadSinceSeq !== undefined && readSeq > state.mustReadSinceSeq) state.mustReadSinceSeq = undefined;
  }

  /** G2, G3, F7: whether the pair is one that I wrote; if it was not confirmed yet, it is now. */
  #foldMine(found: ObservedRecord, pair: string, { receipt, truth }: { receipt: Receipt; truth: boolean }): boolean {
    const { sent } = this.#state;
    const write = sent.find(pair);
    if (write === undefined) return false;
    const { confirmed } = sent;
    if (confirmed === undefined || write !== confirmed.write) {
      this.#outcomes.confirm(write, found, receipt.now);
      return true;
    }
    const edited = confirmed.version !== found.version;
    confirmed.version = found.version; // another hand edited what is not ours: no loss
    confirmed.record = found.record;
    if (truth) this.#settleLostRace(edited, receipt.now);
    return true;
  }

  /**
   * An older record of my own term is ignored, unless it is in hand already, as the truth after a lost race (it was
   * restored). Nothing else is, or a late sighting could hide the record for ever.
   */
  #isStale(record: LeaderElectionRecord, pair: string): boolean {
    const { sent, identity, seen } = this.#state;
    const last = sent.confirmed;
    if (last === undefined || record.holderIdentity !== identity) return false;
    if (seen.kind === "record" && seen.pair === pair) return false;
    return record.leaderTransitions === last.term && record.renewTime < last.write.record.renewTime;
  }

  /** Whether reads have shown nothing but this old pair for a lease: then it is no lagging replica, but restored. */
  #persists(pair: string, { now, readSeq }: Receipt): boolean {
    const state = this.#state;
    if (readSeq === undefined || state.phase !== "following") return false;
    if (state.stale?.pair !== pair) state.stale = { pair, sinceMs: now.observerMs };
    return now.observerMs - state.stale.sinceMs >= this.#parts.settings.leaseDurationMs;
  }

  #ignore({ now }: Receipt): void {
    const state = this.#state;
    // Whoever waits for a fresh look must not look again at once, and again.
    if (state.phase === "following") state.readPauseUntilMs = now.observerMs + drawRetryPause(this.#parts);
    // However old, it is no absence: the looks at that start again.
    if (state.seen.kind === "absent") {
      state.seen = { kind: "absent", sinceMs: now.observerMs, lastReceiptMs: -Infinity };
    }
  }

  /** G4, G5: what a record of somebody else, or a free one, means for a term under way. */
  #judgeForeign(seen: SeenRecord, receipt: Receipt, truth: boolean): void {
    const { term } = this.#state;
    if (term === undefined) return;
    this.#noteForeign(receipt);
    const { record } = seen;
    // Read before my newest write was confirmed, it may show a half of that (two locks, one written): a challenge.
    const early = receipt.readSeq !== undefined && receipt.readSeq < (this.#state.sent.confirmed?.seq ?? 0);
    const above = record.leaderTransitions > term.number || (record.leaderTransitions === term.number && !early);
    if (truth || above) {
      term.loss ??= record.holderIdentity === "" ? "erased" : "taken";
      term.lostRace = undefined;
    } else {
      term.challenged = true;
    }
  }

  /** Something else than my record was there after my last confirmed write, or a lagging replica showed it. */
  #noteForeign({ readSeq }: Receipt): void {
    const { term, sent } = this.#state;
    if (term !== undefined && readSeq !== undefined && readSeq > (sent.confirmed?.seq ?? 0)) term.sawForeign = true;
  }

  /** The same for a record that is absent or unreadable; says whether it becomes what is in hand. */
  #judgeMissing(truth: boolean, { readSeq }: Receipt): boolean {
    const { term, sent } = this.#state;
    if (term === undefined) return true;
    if (truth) {
      term.loss ??= "erased";
      term.lostRace = undefined;
      return true;
    }
    if (readSeq !== undefined && readSeq > (sent.confirmed?.seq ?? 0)) term.challenged = true;
    return false;
  }

  /** After a lost race the record is still mine: another hand edited it, or an older request came first. */
  #settleLostRace(edited: boolean, now: Readings): void {
    const state = this.#state;
    const { term } = state;
    if (term?.lostRace === undefined) return;
    term.lostRace = undefined;
    // At once after an edit, but only every second time: the version just read is worth a try, a flood is worth a
    // pause.
    const atOnce = edited && !term.retriedAtOnce;
    term.retriedAtOnce = atOnce;
    term.failures += 1;
    term.retryAtMs = now.leaderMs + (atOnce ? 0 : pauseAfterFailure(state, now, this.#parts.settings));
  }

  /** After a lost acquisition, a read tells why it was lost. */
  #judgeLostAcquisition(found: ObservedRecord | undefined, pair: string | undefined, receipt: Receipt): void {
    const state = this.#state;
    const { lostAcquisition: lost, seen } = state;
    if (lost === undefined || receipt.readSeq === undefined || receipt.readSeq <= lost.seq) return;
    state.lostAcquisition = undefined;
    const unchanged = found?.version === lost.expected;
    const edited = !unchanged && seen.kind === "record" && seen.pair === pair;
    if (edited && state.editedAcquisitions < 3) {
      state.editedAcquisitions += 1; // another hand edited what is not ours: nobody competes, so again at once
      return;
    }
    state.editedAcquisitions = 0;
    state.windowDoublings = Math.min(state.windowDoublings + 1, 10);
    if (seen.kind === "record") {
      // Drawn anew, or the same two candidates would meet again.
      rememberReceipt(state, seen.pair, { atMs: seen.firstReceiptMs, share: this.#parts.random.next() });
    }
    if (unchanged || edited) {
      state.acquirePauseUntilMs = receipt.now.observerMs + drawRetryPause(this.#parts);
    } else if (lost.watched && seen.kind === "record" && seen.version === lost.expected) {
      state.watchLive = false; // it did not tell the change
      state.effects.push({ kind: "reopenWatch" });
    }
  }

  /**
   * A read that was sent after a release lost its race, or got no answer: still mine, then again; else it is settled.
   */
  #settleRelease({ now, readSeq }: Receipt, mine: ObservedRecord | undefined): void {
    const { release } = this.#state;
    if (release === undefined || release.step !== "read" || readSeq === undefined || readSeq <= release.sinceSeq)
      return;
    if (mine === undefined) {
      release.step = "done";
      return;
    }
    // A lost race may be a renewal that came first, or an edit: at once, but only every second time.
    const atOnce = release.tries % 2 === 1 && release.lost;
    const pauseMs = atOnce ? 0 : pauseAfterFailure(this.#state, now, this.#parts.settings);
    release.notBeforeMs = Math.max(release.notBeforeMs, now.observerMs + pauseMs);
    release.target = mine;
    release.step = "write";
  }
}
