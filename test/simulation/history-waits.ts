import type { EventOf, HistoryEvent, HistorySettings, Violation } from "./history.ts";

/** Clocks are read in whole milliseconds and in steps of 10 ms, suspended time is noticed above 20 ms. */
const readingMs = 35;
/** Sums of milliseconds are rounded in their last bits. */
const roundingMs = 0.01;

type Send = EventOf<"send">;

/** What one candidate knows, as far as the history shows it. */
interface Knowledge {
  /** Validity by term: the latest send, by the fast clock, of a write that was applied. */
  readonly sentFastMs: Map<number, number>;
  /** The term that is known to be over, because something foreign was received that deposes it. */
  deposed: { readonly term: number; readonly by: EventOf<"receive"> } | undefined;
  leading: number | undefined;
  startedMs: number;
}

/**
 * S2, S11: whoever acts has an applied write of its term, sent less than the deadline ago by its own fast clock; an
 * unknown outcome, or an answer, extends nothing. S9: nobody acts once what deposes it was processed.
 */
export function checkClaims(events: readonly HistoryEvent[], settings: HistorySettings): Violation[] {
  const violations: Violation[] = [];
  const known = new Map<string, Knowledge>();
  const sends = sendsOf(events);
  for (const event of events) {
    const mine = known.get(event.who) ?? {
      sentFastMs: new Map(),
      deposed: undefined,
      leading: undefined,
      startedMs: 0,
    };
    known.set(event.who, mine);
    if (event.what === "start") [mine.leading, mine.startedMs] = [event.term, event.atMs];
    if (event.what === "stop") mine.leading = undefined;
    if (event.what === "apply") noteApplied(mine, event, sends);
    if (event.what === "receive") noteForeign(mine, event);
    if (event.what === "act") violations.push(...actProblems(event, mine, settings));
  }
  return violations;
}

function sendsOf(events: readonly HistoryEvent[]): Map<number, Send> {
  const sends = new Map<number, Send>();
  for (const event of events) if (event.what === "send") sends.set(event.send, event);
  return sends;
}

function noteApplied(mine: Knowledge, { send, holder, who }: EventOf<"apply">, sends: ReadonlyMap<number, Send>): void {
  const sent = send === undefined ? undefined : sends.get(send);
  if (sent?.fastMs === undefined || sent.term === undefined || holder !== who) return;
  mine.sentFastMs.set(sent.term, Math.max(mine.sentFastMs.get(sent.term) ?? -Infinity, sent.fastMs));
}

/**
 * G4: somebody else's record, or a free one, with a term that is not smaller. One of the very same term, by a read that
 * was sent before one's own was known, is of the past: a replica lags, and shows a term that was given in another life.
 */
function noteForeign(mine: Knowledge, event: EventOf<"receive">): void {
  const { holder, term, absent, who, askedMs = Infinity } = event;
  const { leading, startedMs } = mine;
  if (absent || leading === undefined || term === undefined || term < leading || holder === who) return;
  if (mine.deposed?.term === leading || (term === leading && askedMs < startedMs)) return;
  mine.deposed = { term: leading, by: event };
}

function actProblems(
  { who, term, atMs, fastMs }: EventOf<"act">,
  { sentFastMs, deposed }: Knowledge,
  { renewDeadlineMs }: HistorySettings,
): Violation[] {
  const violations: Violation[] = [];
  if (deposed !== undefined && deposed.term === term && deposed.by.atMs < atMs) {
    const whose = deposed.by.holder === "" ? "a release" : `the record of ${deposed.by.holder ?? "nobody"}`;
    const text = `${who} acts in term ${term} after it has received ${whose}`;
    violations.push({ invariant: "S9", atMs, text, about: deposed.by });
  }
  if (fastMs === undefined) return violations;
  const sentMs = sentFastMs.get(term);
  if (sentMs === undefined) {
    violations.push({ invariant: "S2", atMs, text: `${who} acts in term ${term} without an applied write` });
  } else if (fastMs - sentMs >= renewDeadlineMs + readingMs) {
    const text = `${who} acts in term ${term} ${(fastMs - sentMs).toFixed(0)} ms after its last applied write was sent`;
    violations.push({ invariant: "S2", atMs, text });
  }
  return violations;
}

/** What one candidate received, by its own clock. */
interface Receipts {
  /** The first receipt of each pair. */
  readonly first: Map<string, number>;
  /** Who held the last record that a read brought, or that it wrote itself; `false` before it saw any. */
  lastHolder: string | undefined | false;
  /** When its own last applied write was sent, by the fast clock. */
  ownSentFastMs: number | undefined;
  ownTerm: number;
  /** Absences in a row, in looks that were not too far apart. */
  absentSinceMs: number | undefined;
  absentLastMs: number;
}

/** What is stored in one place. */
type Place = { readonly holder: string | undefined; readonly pair: string };

/**
 * S3: who replaced the record of another one had received that pair a lease duration before it sent; who created the
 * record had never seen one, or had looked at its absence for as long, or was its last leader in time.
 */
export function checkWaits(events: readonly HistoryEvent[], settings: HistorySettings): Violation[] {
  const violations: Violation[] = [];
  const receipts = new Map<string, Receipts>();
  const atSend = new Map<number, { readonly send: Send; readonly seen: Receipts }>();
  const places = new Map<string, Place>();
  for (const event of events) {
    const mine: Receipts = receipts.get(event.who) ?? {
      ...{
        first: new Map<string, number>(),
        lastHolder: false,
        ownSentFastMs: undefined,
        ownTerm: 0,
        absentSinceMs: undefined,
        absentLastMs: 0,
      },
    };
    receipts.set(event.who, mine);
    if (event.what === "receive") noteReceipt(mine, event, settings);
    if (event.what === "send") atSend.set(event.send, { send: event, seen: { ...mine } });
    if (event.what !== "apply") continue;
    const sent = event.send === undefined ? undefined : atSend.get(event.send);
    const waited = sent && waitProblem(event, { ...sent, before: places.get(event.place) }, settings);
    if (waited !== undefined) {
      violations.push({ invariant: "S3", atMs: event.atMs, text: `${event.who} ${waited}`, about: event });
    }
    if (sent !== undefined) {
      mine.ownSentFastMs = sent.send.fastMs;
      mine.ownTerm = event.term ?? 0;
      // A write of its own may be unknown to it: that alone shows it no record.
      if (mine.lastHolder !== false) mine.lastHolder = event.who;
    }
    places.set(event.place, { holder: event.holder, pair: `${event.holder} ${event.renewTime}` });
  }
  return violations;
}

function noteReceipt(mine: Receipts, event: EventOf<"receive">, { retryPeriodMs }: HistorySettings): void {
  const { localMs, holder, renewTime, term, absent, from } = event;
  if (localMs === undefined) return;
  if (absent) {
    const goesOn = mine.absentSinceMs !== undefined && localMs - mine.absentLastMs <= 3 * retryPeriodMs + roundingMs;
    if (!goesOn) mine.absentSinceMs = localMs;
    mine.absentLastMs = localMs;
    return;
  }
  const pair = `${holder} ${renewTime}`;
  if (!mine.first.has(pair)) mine.first.set(pair, localMs);
  if (from === "hint") return; // it may be of any age
  mine.absentSinceMs = undefined;
  const isOlder = term !== undefined && term < mine.ownTerm; // a lagging replica, or a read from before its own write
  if (!isOlder) mine.lastHolder = holder;
}

function waitProblem(
  { kind, who, holder }: EventOf<"apply">,
  { send, seen, before }: { readonly send: Send; readonly seen: Receipts; readonly before: Place | undefined },
  { leaseDurationMs, renewDeadlineMs }: HistorySettings,
): string | undefined {
  if (send.localMs === undefined || holder !== who) return undefined;
  const dueMs = leaseDurationMs - roundingMs;
  if (kind === "create") {
    const { lastHolder, ownSentFastMs = -Infinity, absentSinceMs = Infinity } = seen;
    if (lastHolder === false) return undefined; // it never saw a record
    const validUntilMs = ownSentFastMs + renewDeadlineMs + readingMs;
    const stillValid = lastHolder === who && send.fastMs !== undefined && send.fastMs < validUntilMs;
    if (stillValid || send.localMs - absentSinceMs >= dueMs) return undefined;
    return `creates the record after an absence of ${(send.localMs - absentSinceMs).toFixed(0)} ms`;
  }
  if (before?.holder === undefined || before.holder === "" || before.holder === who) return undefined;
  const firstMs = seen.first.get(before.pair);
  const waitedMs = send.localMs - (firstMs ?? Infinity);
  return waitedMs >= dueMs ? undefined : `replaces the record of ${before.holder} after ${waitedMs.toFixed(0)} ms`;
}
