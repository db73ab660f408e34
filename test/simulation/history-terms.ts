import type { HistoryEvent, Leader, Violation } from "./history.ts";

/** S5: terms of successive leaders grow, over releases, restarts and labels. */
export function checkStarts(events: readonly HistoryEvent[]): Violation[] {
  const violations: Violation[] = [];
  let highest: Leader = { who: "", term: 0, sinceMs: 0 };
  for (const event of events) {
    if (event.what !== "start") continue;
    const leader = { who: event.who, term: event.term, sinceMs: event.atMs };
    if (event.term <= highest.term) {
      const text = `${event.who} starts term ${event.term} after ${highest.who} had ${highest.term}`;
      violations.push({ invariant: "S5", atMs: event.atMs, text, leaders: [highest, leader] });
    }
    if (event.term > highest.term) highest = leader;
  }
  return violations;
}

/** What one candidate has shown of its terms so far. */
interface Story {
  open: number | undefined;
  readonly started: Set<number>;
  settled: boolean;
}

/** What may be told of a candidate whose run has settled: work that overran, and what the network still brings. */
const afterSettled: ReadonlySet<string> = new Set(["settled", "note", "workEnds", "fence", "apply", "receive"]);

/**
 * S8, S10: one start for each term, at most one stop, only after its start; no step outside of an open term; terms do
 * not interleave; nothing after the run has settled.
 */
export function checkCallbacks(events: readonly HistoryEvent[]): Violation[] {
  const violations: Violation[] = [];
  const stories = new Map<string, Story>();
  for (const event of events) {
    const story = stories.get(event.who) ?? { open: undefined, started: new Set(), settled: false };
    stories.set(event.who, story);
    const bad = callbackProblem(event, story);
    if (bad !== undefined) {
      const invariant = event.what === "act" ? "S8" : "S10";
      violations.push({ invariant, atMs: event.atMs, text: `${event.who}: ${bad}` });
    }
    if (event.what === "settled") story.settled = true;
    if (event.what === "stop") story.open = undefined;
    if (event.what === "start") {
      story.open = event.term;
      story.started.add(event.term);
    }
  }
  return violations;
}

function callbackProblem(event: HistoryEvent, { open, started, settled }: Story): string | undefined {
  if (settled && !afterSettled.has(event.what)) return `${event.what} after its run has settled`;
  switch (event.what) {
    case "start":
      if (open !== undefined) return `start of ${event.term} while ${open} is not stopped`;
      return started.has(event.term) ? `second start of ${event.term}` : undefined;
    case "stop":
      if (open === undefined) return `stop (${event.reason}) without a start`;
      return event.reason === "" ? "stop without a reason" : undefined;
    case "act":
      return open === event.term ? undefined : `act in term ${event.term}, which is not open`;
    default:
      return undefined;
  }
}

/** S12: the fenced resource accepted terms in an order that never goes back, and each from one identity. */
export function checkFence(events: readonly HistoryEvent[]): Violation[] {
  const violations: Violation[] = [];
  let highest = 0;
  let holder = "";
  for (const event of events) {
    if (event.what !== "fence" || !event.accepted) continue;
    if (event.term < highest || (event.term === highest && holder !== event.who)) {
      const text = `term ${event.term} of ${event.who} accepted after ${highest} of ${holder}`;
      violations.push({ invariant: "S12", atMs: event.atMs, text });
    } else {
      [highest, holder] = [event.term, event.who];
    }
  }
  return violations;
}

/** What one candidate was told of leaders. */
interface Told {
  leader: string;
  highest: number;
  /** Once terms have gone back, stale looks may show old and new ones in turn: the alarm is raised once for each. */
  alarmed: boolean;
}

/** S13: each candidate reports leaders with growing terms; smaller ones only after the alarm `termRegression`. */
export function checkNewLeaders(events: readonly HistoryEvent[]): Violation[] {
  const violations: Violation[] = [];
  const candidates = new Map<string, Told>();
  for (const event of events) {
    const { who, atMs } = event;
    if (event.what !== "newLeader" && event.what !== "alarm") continue;
    const told = candidates.get(who) ?? { leader: "", highest: 0, alarmed: false };
    candidates.set(who, told);
    if (event.what === "alarm") {
      told.alarmed ||= event.kind === "termRegression";
      continue;
    }
    const { leader, term } = event;
    if (told.leader === leader) {
      violations.push({ invariant: "S13", atMs, text: `${who} is told of ${leader} twice in a row` });
    } else if (term < told.highest && !told.alarmed) {
      const text = `${who} is told of ${leader} with the smaller term ${term}, without an alarm`;
      violations.push({ invariant: "S13", atMs, text });
    }
    told.leader = leader;
    told.highest = Math.max(told.highest, term);
  }
  return violations;
}
