import { checkClaims, checkWaits } from "./history-waits.ts";
import { checkCallbacks, checkFence, checkNewLeaders, checkStarts } from "./history-terms.ts";
import { checkLosses } from "./history-losses.ts";
import { checkAcquisitions } from "./history-acquisitions.ts";
import { checkChain, checkReleases } from "./history-writes.ts";

/** A record as it was sent, received, or stored; all absent where nothing was, or what cannot be read. */
export interface HistoryRecord {
  readonly holder?: string | undefined;
  readonly renewTime?: string | undefined;
  readonly term?: number | undefined;
}

/**
 * One thing that happened, at a true time, to one candidate. `localMs` is its monotonic clock, `fastMs` the same plus
 * the time suspended; both are left out where a log does not have them, and then nothing is demanded of them.
 */
export type HistoryEvent = { readonly atMs: number; readonly who: string } & (
  | { readonly what: "act"; readonly term: number; readonly endMs?: number; readonly fastMs?: number }
  | { readonly what: "start"; readonly term: number }
  | { readonly what: "stop"; readonly term: number; readonly reason: string }
  | { readonly what: "workBegins" | "workEnds"; readonly term: number }
  | { readonly what: "newLeader"; readonly leader: string; readonly term: number }
  | { readonly what: "alarm"; readonly kind: string }
  | { readonly what: "stopCalled"; readonly localMs?: number }
  | { readonly what: "settled"; readonly localMs?: number }
  | { readonly what: "fence"; readonly term: number; readonly accepted: boolean }
  | ({
      readonly what: "send";
      readonly send: number;
      readonly named?: string | undefined;
      readonly localMs?: number;
      readonly fastMs?: number;
    } & HistoryRecord)
  | ({
      readonly what: "receive";
      readonly from: "read" | "hint";
      /** When the read was sent. */
      readonly askedMs?: number | undefined;
      readonly absent: boolean;
      readonly localMs?: number;
    } & HistoryRecord)
  | ({
      readonly what: "apply";
      readonly place: string;
      readonly kind: "create" | "replace" | "remove" | "outside";
      readonly send?: number | undefined;
      readonly version?: string | undefined;
      readonly named?: string | undefined;
      readonly replaced?: string | undefined;
    } & HistoryRecord)
  | { readonly what: "note"; readonly text: string }
);

/** The events of one kind. */
export type EventOf<What extends HistoryEvent["what"]> = Extract<HistoryEvent, { readonly what: What }>;

/** A broken promise: which one, and what shows it. */
export interface Violation {
  readonly invariant: string;
  readonly atMs: number;
  readonly text: string;
  /** The event that shows it, where one does. */
  readonly about?: HistoryEvent;
  /** The leaders that it is about, where it is about leaders. */
  readonly leaders?: readonly Leader[];
}

/** Somebody's term, and when it began. */
export interface Leader {
  readonly who: string;
  readonly term: number;
  readonly sinceMs: number;
}

/** The numbers that waits and validity are judged by. */
export interface HistorySettings {
  readonly leaseDurationMs: number;
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
  /** How long a step may still take effect after its term has ended; default 0. */
  readonly stepMarginMs?: number;
}

/**
 * Judges a history by the safety promises S1 to S13, and L3 as far as it alone can tell; O(n log n). Without settings,
 * S2 and S3 are not judged.
 */
export function check(history: readonly HistoryEvent[], settings?: HistorySettings): Violation[] {
  const events = history.toSorted((one, other) => one.atMs - other.atMs); // stable: the order of a log is kept
  return [
    ...checkExclusion(events, settings?.stepMarginMs ?? 0),
    ...(settings === undefined ? [] : [...checkClaims(events, settings), ...checkWaits(events, settings)]),
    ...checkChain(events),
    ...checkStarts(events),
    ...checkAcquisitions(events),
    ...checkLosses(events),
    ...checkReleases(events),
    ...checkCallbacks(events),
    ...checkFence(events),
    ...checkNewLeaders(events),
  ];
}

interface Span {
  readonly who: string;
  readonly term: number;
  readonly beginMs: number;
  endMs: number;
}

/** S1: from its first step to the end of its last one, plus the margin, no term has a step of another term within. */
function checkExclusion(events: readonly HistoryEvent[], stepMarginMs: number): Violation[] {
  const spans = new Map<string, Span>();
  for (const event of events) {
    if (event.what !== "act") continue;
    const { who, term, atMs } = event;
    const endMs = (event.endMs ?? atMs) + stepMarginMs;
    const span = spans.get(`${who} ${term}`);
    if (span === undefined) spans.set(`${who} ${term}`, { who, term, beginMs: atMs, endMs });
    else span.endMs = Math.max(span.endMs, endMs);
  }
  const violations: Violation[] = [];
  let last: Span | undefined;
  for (const span of spans.values()) {
    if (last !== undefined && span.beginMs < last.endMs) {
      const ms = (last.endMs - span.beginMs).toFixed(1);
      const text = `${told(span)} begins ${ms} ms before the last act of ${told(last)}`;
      const leaders = [last, span].map(({ who, term, beginMs }) => ({ who, term, sinceMs: beginMs }));
      violations.push({ invariant: "S1", atMs: span.beginMs, text, leaders });
    }
    if (last === undefined || span.endMs > last.endMs) last = span;
  }
  return violations;
}

function told({ who, term }: Span): string {
  return `${who} (term ${term})`;
}
