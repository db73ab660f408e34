/** One thing that happened, at a true time. */
export type HistoryEvent =
  | { readonly what: "act"; readonly atMs: number; readonly who: string; readonly term: number }
  | { readonly what: "start"; readonly atMs: number; readonly who: string; readonly term: number }
  | {
      readonly what: "stop";
      readonly atMs: number;
      readonly who: string;
      readonly term: number;
      readonly reason: string;
    }
  | {
      readonly what: "newLeader";
      readonly atMs: number;
      readonly who: string;
      readonly leader: string;
      readonly term: number;
    }
  | { readonly what: "settled"; readonly atMs: number; readonly who: string }
  | { readonly what: "workBegins" | "workEnds"; readonly atMs: number; readonly who: string; readonly term: number }
  | {
      readonly what: "fence";
      readonly atMs: number;
      readonly who: string;
      readonly term: number;
      readonly accepted: boolean;
    }
  | { readonly what: "note"; readonly atMs: number; readonly who: string; readonly text: string };

/** A write as the server applied it. */
export interface ServerWrite {
  readonly atMs: number;
  readonly by: string;
  readonly kind: "create" | "replace" | "remove" | "outside";
  readonly holder: string | undefined;
  readonly renewTime: string | undefined;
  readonly term: number | undefined;
}

/** A broken promise: which one, and what shows it. */
export interface Violation {
  readonly invariant: string;
  readonly atMs: number;
  readonly text: string;
}

/** Judges a history by the promises: exclusion, growing terms, callbacks, releases, the fence. */
export function check(events: readonly HistoryEvent[], writes: readonly ServerWrite[]): Violation[] {
  return [
    ...checkExclusion(events),
    ...checkCallbacks(events),
    ...checkTerms(events),
    ...checkWrites(events, writes),
    ...checkFence(events),
  ];
}

/** S1: the acts of two terms never interleave. */
function checkExclusion(events: readonly HistoryEvent[]): Violation[] {
  const violations: Violation[] = [];
  const last = new Map<string, number>();
  let current: { key: string; sinceMs: number } | undefined;
  const over = new Set<string>();
  for (const event of events) {
    if (event.what !== "act") continue;
    const key = `${event.who} term ${event.term}`;
    if (current !== undefined && current.key !== key) over.add(current.key);
    if (over.has(key)) {
      const text = `${key} acts after ${current?.key} acted (last act of it ${last.get(key)})`;
      violations.push({ invariant: "S1", atMs: event.atMs, text });
      over.delete(key);
    }
    if (current?.key !== key) current = { key, sinceMs: event.atMs };
    last.set(key, event.atMs);
  }
  return violations;
}

/** S10: one start per term, at most one stop, stop after start, no interleaving, nothing after `run` settled. */
function checkCallbacks(events: readonly HistoryEvent[]): Violation[] {
  const violations: Violation[] = [];
  const open = new Map<string, number>();
  const started = new Set<string>();
  const settled = new Set<string>();
  for (const event of events) {
    const bad = (text: string): void => {
      violations.push({ invariant: "S10", atMs: event.atMs, text: `${event.who}: ${text}` });
    };
    if (
      settled.has(event.who) &&
      event.what !== "settled" &&
      event.what !== "note" &&
      event.what !== "workEnds" &&
      event.what !== "fence"
    ) {
      bad(`${event.what} after run settled`);
    }
    if (event.what === "settled") settled.add(event.who);
    if (event.what === "start") {
      if (open.has(event.who)) bad(`start of ${event.term} while ${open.get(event.who)} is not stopped`);
      if (started.has(`${event.who}/${event.term}`)) bad(`second start of ${event.term}`);
      started.add(`${event.who}/${event.term}`);
      open.set(event.who, event.term);
    }
    if (event.what === "stop") {
      if (!open.delete(event.who)) bad(`stop (${event.reason}) without a start`);
    }
    if (event.what === "act" && open.get(event.who) !== event.term) bad(`act in term ${event.term}, which is not open`);
  }
  return violations;
}

/** S5, S13: terms of successive leaders grow. */
function checkTerms(events: readonly HistoryEvent[]): Violation[] {
  const violations: Violation[] = [];
  let highest = 0;
  let leader = "";
  for (const event of events) {
    if (event.what !== "start") continue;
    if (event.term <= highest) {
      const text = `${event.who} starts term ${event.term} after ${leader} had ${highest}`;
      violations.push({ invariant: "S5", atMs: event.atMs, text });
    }
    highest = Math.max(highest, event.term);
    leader = event.who;
  }
  return violations;
}

/** S4: no pair of a holder occurs twice. S6: a release replaces one's own record. S7: none while work runs. */
function checkWrites(events: readonly HistoryEvent[], writes: readonly ServerWrite[]): Violation[] {
  const violations: Violation[] = [];
  const pairs = new Set<string>();
  let before: ServerWrite | undefined;
  const working = workIntervals(events);
  for (const write of writes) {
    if (write.by !== "outside" && write.holder !== undefined && write.holder !== "") {
      const pair = `${write.holder} ${write.renewTime}`;
      if (pairs.has(pair))
        violations.push({ invariant: "S4", atMs: write.atMs, text: `the pair ${pair} occurs twice` });
      pairs.add(pair);
    }
    if (write.holder === "" && write.by !== "outside") {
      if (before?.holder !== write.by) {
        const text = `${write.by} releases the record of ${before?.holder ?? "nobody"}`;
        violations.push({ invariant: "S6", atMs: write.atMs, text });
      }
      for (const interval of working.get(write.by) ?? []) {
        if (interval.fromMs < write.atMs && write.atMs < interval.untilMs) {
          violations.push({ invariant: "S7", atMs: write.atMs, text: `${write.by} releases while its work runs` });
        }
      }
    }
    before = write;
  }
  return violations;
}

function workIntervals(events: readonly HistoryEvent[]): Map<string, { fromMs: number; untilMs: number }[]> {
  const intervals = new Map<string, { fromMs: number; untilMs: number }[]>();
  for (const event of events) {
    if (event.what === "workBegins") {
      const list = intervals.get(event.who) ?? [];
      intervals.set(event.who, list);
      list.push({ fromMs: event.atMs, untilMs: Infinity });
    } else if (event.what === "workEnds") {
      const open = intervals.get(event.who)?.at(-1);
      if (open !== undefined) open.untilMs = event.atMs;
    }
  }
  return intervals;
}

/** S12: the fenced resource accepted terms in an order that never goes back. */
function checkFence(events: readonly HistoryEvent[]): Violation[] {
  const violations: Violation[] = [];
  let highest = 0;
  let holder = "";
  for (const event of events) {
    if (event.what !== "fence" || !event.accepted) continue;
    if (event.term < highest || (event.term === highest && holder !== event.who)) {
      const text = `term ${event.term} of ${event.who} accepted after ${highest} of ${holder}`;
      violations.push({ invariant: "S12", atMs: event.atMs, text });
    }
    highest = Math.max(highest, event.term);
    holder = event.who;
  }
  return violations;
}
