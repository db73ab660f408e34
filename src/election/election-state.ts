import type { ObservedRecord } from "../lock/resource-lock.ts";
import type { StopReason } from "./leadership.ts";
import { SentTable, type RecordVersion, type SentWrite } from "./sent-table.ts";

/** The two clocks of a decision: the slow one judges others, the fast one judges oneself. */
export interface Readings {
  /** Monotonic; stands during suspend on some systems. Ages of records, pauses and timers. */
  readonly observerMs: number;
  /** Monotonic plus the time suspended so far. Validity and `sentAtMs`. */
  readonly leaderMs: number;
}

/** A record that was received. */
export interface SeenRecord extends ObservedRecord {
  readonly kind: "record";
  /** (holder, renewTime); of a free record also the version, since releases may repeat a text. */
  readonly pair: string;
  /** When this pair was first received, by the observer's clock. */
  readonly firstReceiptMs: number;
  /** When it was received last, by the observer's clock. */
  readonly lastReceiptMs: number;
  /** This candidate's share of the herd window, in [0, 1): drawn once for each pair. */
  readonly share: number;
  /** The stored duration in milliseconds, or `undefined` where it is missing or out of range. */
  readonly storedMs: number | undefined;
}

/** When a pair was received first, and the share of the herd window that was drawn for it. */
export interface FirstReceipt {
  readonly atMs: number;
  readonly share: number;
}

/** What was received last. */
export type Seen =
  | { readonly kind: "nothing" }
  | SeenRecord
  | { readonly kind: "absent"; readonly sinceMs: number; readonly lastReceiptMs: number }
  | { readonly kind: "unreadable" };

/** What the loop tells outside after an event was folded. */
export type Effect =
  | { readonly kind: "alarm"; readonly alarm: AlarmKind; readonly message: string }
  | { readonly kind: "newLeader"; readonly identity: string; readonly term: number }
  | { readonly kind: "renewed"; readonly write: SentWrite; readonly slow: boolean }
  | { readonly kind: "warning"; readonly message: string }
  | { readonly kind: "reopenWatch" };

/** What needs a person's attention. */
export type AlarmKind =
  | "unreadableRecord"
  | "hostileDuration"
  | "termRegression"
  | "duplicateIdentity"
  | "workOverrun"
  | "invariant"
  | "conditionsIgnored";

/**
 * A term of this elector, from its start until it was demoted, or released. Times are the leader's clock unless said.
 */
export interface TermState {
  readonly number: number;
  readonly startedMs: number;
  validUntilMs: number;
  /** After a failed attempt: no renewal before this. */
  retryAtMs: number | undefined;
  /** How many failures since the last confirmation. */
  failures: number;
  /** The last lost race was an edit, and was answered by a write at once. */
  retriedAtOnce: boolean;
  /** A lost race of a write that was not dropped since; the truth is a read sent after it. */
  lostRace: { readonly seq: number } | undefined;
  /** The newest read that was answered since it was sent, by the order of sends: what doubt is judged by. */
  answeredReadSeq: number;
  /** Something that is not mine was received, but may be stale: the next conditional write judges. */
  challenged: boolean;
  /** A read since the last confirmation showed another record: its absence afterwards may not be that of mine. */
  sawForeign: boolean;
  lastEarlyRenewMs: number;
  /** The order of the moment since which the clocks are suspect. */
  suspectSeq: number | undefined;
  /** Known to be over. */
  loss: StopReason | undefined;
  /** A voluntary end that was asked for, or has begun. */
  ending: { readonly reason: StopReason; readonly to?: string | undefined } | undefined;
  /** By the observer's clock. */
  drainUntilMs: number;
  workEnded: boolean;
  runningSteps: number;
  /** Closed after the drain, while `onStoppedLeading` may still run and renewal goes on. */
  closed: boolean;
  stopCallbackEnded: boolean;
}

/** A release under way: retried until it is applied, proved needless, or out of time (observer's clock). */
export interface ReleaseState {
  readonly untilMs: number;
  target: { readonly record: SeenRecord["record"]; readonly version: RecordVersion };
  readonly to: string | undefined;
  /** `write`: to be sent; `sent`: no answer yet; `read`: look whether it is still mine; `done`: nothing left to do. */
  step: "write" | "sent" | "read" | "done";
  applied: boolean;
  notBeforeMs: number;
  sinceSeq: number;
  tries: number;
  /** The last try lost its race (and was not unknown). */
  lost: boolean;
}

/** An acquisition that lost its race; the next read judges: did anything change, and did the watch tell it? */
export interface LostAcquisition {
  readonly seq: number;
  readonly expected: RecordVersion | undefined;
  readonly watched: boolean;
}

/**
 * Everything that a decision rests on. Events are folded into it; `decide` only reads it. Times: the observer's clock.
 */
export interface ElectionState {
  readonly identity: string;
  phase: "following" | "leading" | "draining" | "releasing";
  /** Counts sends, answers and receipts. */
  seq: number;
  readonly sent: SentTable;
  readonly effects: Effect[];

  seen: Seen;
  /** An older pair of my own that reads show, and since when they show nothing else. */
  stale: { readonly pair: string; readonly sinceMs: number } | undefined;
  readonly firstReceipts: Map<string, FirstReceipt>;
  everSaw: boolean;
  /** The wait that the last received record demands. */
  lastWaitMs: number;
  highestTerm: number;
  /** The highest term that a fenced resource has told. */
  floorTerm: number;
  /** Whether `termFloor` was asked for the creation at hand. */
  floor: "unasked" | "asking" | "known";
  reported: { readonly identity: string; readonly term: number } | undefined;
  /** A term smaller than the highest was seen last: a restored backup, or a storage that forgets. */
  termWentBack: boolean;
  /** A holder that runs another program was warned of: once is enough. */
  warnedOfForeign: boolean;
  /** What each alarm was raised for last, so that it is raised once for each cause. */
  readonly alarmed: Map<AlarmKind, string>;

  reading: { readonly seq: number; readonly sentMs: number } | undefined;
  lastReadSentMs: number;
  /** Not before this, after a failed read. */
  readPauseUntilMs: number;
  readFailed: boolean;
  /** When a candidate without a live watch looks next. */
  nextPollMs: number;
  /** A lost race, or an unknown acquisition: nothing but a read sent after this order tells what is. */
  mustReadSinceSeq: number | undefined;
  /** What the storage asked for (`Retry-After`): no request before this. */
  quietUntilMs: number;

  watchLive: boolean;
  /** Set when the watch has opened: a read sent after this makes it live. */
  watchOpenedSeq: number | undefined;
  hintPending: boolean;
  hintTokens: number;
  hintTokensAtMs: number;

  acquiring: SentWrite | undefined;
  lostAcquisition: LostAcquisition | undefined;
  /** How many acquisitions in a row were lost to a mere edit. */
  editedAcquisitions: number;
  acquirePauseUntilMs: number;
  windowDoublings: number;
  /** The round trip, as far as it was measured. */
  rttMs: number;
  /** The same without the first one, which connects; 0 before the second. */
  warmRttMs: number;
  lastWriteMs: number;

  /** The highest term that has begun, and the acquisition that it began with. */
  begunTerm: number;
  begunWrite: SentWrite | undefined;
  term: TermState | undefined;
  release: ReleaseState | undefined;
  /** Work of an earlier term, or its `onStoppedLeading`, still runs. */
  workRunning: boolean;
  overrunAtMs: number | undefined;
  /** Failed work, a resignation, a stillborn term: no campaigning before this. */
  holdUntilMs: number;
  stillborn: number;
  /** Until when (leader's clock) the record of the last term, if erased, may be replaced at once by its own leader. */
  erasedValidUntilMs: number;
  lastReason: StopReason | undefined;
  /** A release ran out of time, or of sense, while the record may still be mine. */
  releaseGivenUp: boolean;

  /** No further term: `stop`, or the end of the only one. Settled by then at the latest. */
  finishing: { readonly untilMs: number } | undefined;
}

/** The state before anything was received. */
export function initialState(identity: string, nowMs: number): ElectionState {
  return {
    ...{ identity, phase: "following", seq: 0, sent: new SentTable(), effects: [] },
    ...{
      seen: { kind: "nothing" },
      stale: undefined,
      firstReceipts: new Map(),
      everSaw: false,
      lastWaitMs: 0,
      highestTerm: 0,
    },
    ...{ floorTerm: 0, floor: "unasked" },
    ...{ reported: undefined, termWentBack: false, warnedOfForeign: false, alarmed: new Map() },
    ...{ reading: undefined, lastReadSentMs: -Infinity, readPauseUntilMs: -Infinity, readFailed: false },
    ...{ nextPollMs: nowMs, mustReadSinceSeq: undefined, quietUntilMs: -Infinity },
    ...{ watchLive: false, watchOpenedSeq: undefined, hintPending: false, hintTokens: 10, hintTokensAtMs: nowMs },
    ...{ acquiring: undefined, lostAcquisition: undefined, editedAcquisitions: 0 },
    ...{ acquirePauseUntilMs: -Infinity, windowDoublings: 0 },
    ...{ rttMs: 0, warmRttMs: 0, lastWriteMs: -Infinity },
    ...{
      begunTerm: 0,
      begunWrite: undefined,
      term: undefined,
      release: undefined,
      workRunning: false,
      overrunAtMs: undefined,
    },
    ...{
      holdUntilMs: -Infinity,
      stillborn: 0,
      erasedValidUntilMs: -Infinity,
      lastReason: undefined,
      releaseGivenUp: false,
    },
    finishing: undefined,
  };
}

/** A term's state at its start. */
export function beginTerm(number: number, startedMs: number, validUntilMs: number): TermState {
  return {
    ...{
      number,
      startedMs,
      validUntilMs,
      retryAtMs: undefined,
      failures: 0,
      retriedAtOnce: false,
      lostRace: undefined,
    },
    ...{ answeredReadSeq: 0, challenged: false, sawForeign: false, lastEarlyRenewMs: -Infinity, suspectSeq: undefined },
    ...{ loss: undefined, ending: undefined, drainUntilMs: Infinity, workEnded: false, runningSteps: 0 },
    ...{ closed: false, stopCallbackEnded: false },
  };
}

/** Whether the record in hand is one that this elector wrote and may still claim. */
export function isMine(state: ElectionState): boolean {
  return state.seen.kind === "record" && state.sent.confirmed?.write.pair === state.seen.pair;
}

const receiptsKept = 32;

/** Keeps the first receipt of a pair; of all pairs, the 32 that were received last. */
export function rememberReceipt(state: ElectionState, pair: string, receipt: FirstReceipt): void {
  const { firstReceipts } = state;
  firstReceipts.delete(pair); // set again below: the most recently received come last
  firstReceipts.set(pair, receipt);
  const [oldest] = firstReceipts.keys();
  if (firstReceipts.size > receiptsKept && oldest !== undefined) firstReceipts.delete(oldest);
}
