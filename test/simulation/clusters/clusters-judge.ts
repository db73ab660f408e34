import { check, type EventOf, type HistoryEvent, type Violation } from "../history.ts";
import { bugs, lostTermProblems, termsOf, type Term, type Verdict } from "../judge.ts";
import { gentle, waitOf } from "./cluster-plan.ts";
import type { PlayedClusters } from "./clusters-run.ts";
import type { BookedWrite } from "./signal-book.ts";

/** Clocks are read in whole milliseconds and in steps of 10 ms, suspended time is noticed above 20 ms. */
const readingMs = 35;
const roundingMs = 0.01;
/** What a call to each side, herd windows and pauses after a lost race add, with nothing disturbed. */
const spreadMs = 2_000;

/** Judges a run of two clusters: safety by its history and by what the storage took, liveness by what came later. */
export function judgeClusters(run: PlayedClusters): Verdict {
  const { events, endMs } = run;
  const terms = termsOf(events, endMs);
  const ledShare = ledShareOf(run, terms);
  const violations = [
    ...check(events).filter((violation) => !isExpiry(run, violation)),
    ...validityProblems(run),
    ...storedProblems(run),
    ...leaderProblems(run, terms, ledShare),
    ...successionProblems(run, terms),
    ...lostTermProblems({ events: unforced(run), healedAtMs: isGentle(run) ? 0 : run.ledFromMs }),
    ...outageProblems(run),
    ...bugs(events),
  ];
  return { violations: violations.toSorted((one, other) => one.atMs - other.atMs), ledShare };
}

/** Row 2: a deleted lease is freed once it ran out, whatever a frozen holder believes; it has released nothing. */
function isExpiry({ book, plan }: PlayedClusters, { invariant, atMs }: Violation): boolean {
  if (invariant !== "S7") return false;
  const index = book.writes.findIndex((write) => write.atMs === atMs && write.holder === "");
  const [before, freed] = [book.writes[index - 1], book.writes[index]];
  return before !== undefined && freed !== undefined && freed.atMs - before.atMs >= waitMsOf(before, plan);
}

/** How long others must wait for the holder of a record, by the fastest clock. */
function waitMsOf({ leaseMs = Infinity }: BookedWrite, { api }: PlayedClusters["plan"]): number {
  return leaseMs / (1 + api.drift) - roundingMs;
}

/** S2: whoever acts has a signal in the storage, of its term, sent less than its deadline ago by its own fast clock. */
function validityProblems({ events, book }: PlayedClusters): Violation[] {
  const violations: Violation[] = [];
  const sentFastMs = new Map<string, number>();
  const writes = [...book.writes];
  for (const event of events) {
    while (writes[0] !== undefined && writes[0].atMs <= event.atMs) noteSignal(sentFastMs, writes.shift());
    if (event.what !== "act" || event.fastMs === undefined) continue;
    const { who, term, atMs, fastMs } = event;
    const ms = fastMs - (sentFastMs.get(`${who} ${term}`) ?? -Infinity);
    if (ms < (book.presets.get(who)?.renewDeadlineMs ?? 0) + readingMs) continue;
    const text = Number.isFinite(ms)
      ? `${who} acts in term ${term} ${ms.toFixed(0)} ms after its last signal in the storage was sent`
      : `${who} acts in term ${term} without a signal in the storage`;
    violations.push({ invariant: "S2", atMs, text });
  }
  return violations;
}

function noteSignal(sentFastMs: Map<string, number>, write: BookedWrite | undefined): void {
  if (write?.signal === undefined || write.holder === undefined) return;
  const key = `${write.holder} ${write.term}`;
  sentFastMs.set(key, Math.max(sentFastMs.get(key) ?? -Infinity, write.signal.fastMs));
}

/**
 * S3: another's record is replaced only after its own duration. S6: only its holder's release of that very term frees
 * it sooner. K-64: each renewal is a signal that was sent. S5: no term in the storage falls, unless a hand was in it.
 */
function storedProblems({ book, plan }: PlayedClusters): Violation[] {
  const violations: Violation[] = [];
  for (const [index, write] of book.writes.entries()) {
    const before = book.writes[index - 1];
    const { atMs, holder, by, renewTime } = write;
    if (holder === undefined) continue;
    const bad = (invariant: string, text: string): void => void violations.push({ invariant, atMs, text });
    if (holder !== "" && write.signal === undefined)
      bad("K-64", `${by} stores ${holder}, ${renewTime}: nobody sent it`);
    if (before?.holder === undefined || (write.term ?? 0) < (before.term ?? 0)) {
      if (before?.holder !== undefined) bad("S5", `${by} lets the term fall from ${before.term} to ${write.term}`);
      continue;
    }
    if (before.holder === "" || before.name === write.name) continue; // neighbours are kept apart by their own lock
    const waitedMs = atMs - before.atMs;
    const waitMs = waitMsOf(before, plan);
    if (waitedMs >= waitMs) continue;
    const told = `${by} replaces the record of ${before.holder} (term ${before.term}) after ${waitedMs.toFixed(0)} ms`;
    if (holder !== "") bad("S3", `${told}; it must wait ${waitMs.toFixed(0)} ms`);
    const isReleased = book.releases.some(
      (release) =>
        release.holder === before.name &&
        release.atMs <= atMs &&
        // Under upstream's definition the controller counts terms by names, and candidates may ask for others.
        (plan.prunes || release.term === undefined || release.term === before.term),
    );
    if (holder === "" && !isReleased) bad("S6", `${told}, which its holder has not released`);
  }
  return violations;
}

function ledShareOf({ ledFromMs, killed, resignedAtMs }: PlayedClusters, terms: readonly Term[]): number {
  const untilMs = killed?.atMs ?? resignedAtMs;
  let ledMs = 0;
  for (const term of terms) ledMs += Math.max(0, Math.min(term.untilMs, untilMs) - Math.max(term.fromMs, ledFromMs));
  return ledMs / (untilMs - ledFromMs);
}

/** L1, and that somebody leads most of the time. */
function leaderProblems(run: PlayedClusters, terms: readonly Term[], ledShare: number): Violation[] {
  const { healedAtMs, ledFromMs, resignedAtMs } = run;
  const problems: Violation[] = [];
  const first = terms.find(({ untilMs }) => untilMs > healedAtMs);
  if (first === undefined || first.fromMs > ledFromMs) {
    const told = first === undefined ? "nobody leads" : `the first leader comes ${ms(first.fromMs - healedAtMs)}`;
    const text = `${told} after everything has healed; within ${ms(ledFromMs - healedAtMs)} one must`;
    problems.push({ invariant: "L1", atMs: ledFromMs, text });
  }
  if (ledShare < 0.9) {
    const text = `only ${(100 * ledShare).toFixed(0)} % of the calm time was led`;
    problems.push({ invariant: "ledShare", atMs: resignedAtMs, text });
  }
  return problems;
}

/** Section 4: after the death of a leader within L + P + 2 s, after a release within P + 2 s, by the slowest clock. */
function successionProblems(run: PlayedClusters, terms: readonly Term[]): Violation[] {
  const { plan, events, killed, resignedAtMs, stoppedAtMs } = run;
  const { drift } = plan.api;
  const problems: Violation[] = [];
  const retryPeriodMs = Math.max(...plan.candidates.map(({ preset }) => preset.retryPeriodMs));
  if (killed !== undefined) {
    const waitMs = Math.max(...plan.candidates.map(({ preset }) => waitOf(preset, plan.scope)));
    const withinMs = (waitMs + retryPeriodMs + spreadMs + lateAnswerMs(plan, retryPeriodMs)) / (1 - drift);
    const tookMs = (terms.find(({ fromMs }) => fromMs > killed.atMs)?.fromMs ?? Infinity) - killed.atMs;
    const text = `the next leader comes ${ms(tookMs)} after a death; within ${ms(withinMs)} one must`;
    if (tookMs > withinMs) problems.push({ invariant: "L1", atMs: killed.atMs + withinMs, text });
    problems.push(...headStartProblems(run, terms));
  }
  const resigned = resignedAt(events, resignedAtMs);
  const remaining = plan.candidates.length - (killed === undefined ? 0 : 1);
  if (resigned === undefined || remaining < 2 || resigned > stoppedAtMs) return problems;
  const withinMs = (2.2 * retryPeriodMs + spreadMs) / (1 - drift);
  const tookMs = (terms.find(({ fromMs }) => fromMs > resigned)?.fromMs ?? Infinity) - resigned;
  const text = `a successor starts ${ms(tookMs)} after the resignation; within ${ms(withinMs)} one must`;
  if (tookMs > withinMs) problems.push({ invariant: "L2", atMs: resigned + withinMs, text });
  return problems;
}

/** K-107: in scope cluster a neighbour follows a leader that dies, unless clocks or durations are far apart. */
function headStartProblems({ plan, killed, clusterOf }: PlayedClusters, terms: readonly Term[]): Violation[] {
  const isFair = plan.api.drift < 0.01 && !plan.prunes && !plan.faults.has("mixedSpecs");
  const next = terms.find(({ fromMs }) => fromMs > (killed?.atMs ?? Infinity));
  if (plan.scope !== "cluster" || !isFair || killed === undefined || next === undefined) return [];
  if (clusterOf(next.who) === clusterOf(killed.who)) return [];
  const text = `${next.who} follows ${killed.who}, which has neighbours`;
  return [{ invariant: "K-107", atMs: next.fromMs, text }];
}

/**
 * Where each term of a cluster has a name of its own, a neighbour asks before the older name has run out, so that the
 * controller may answer when the signal is too old to begin a term: then it is released, and asked for anew.
 */
function lateAnswerMs({ scope, prunes }: PlayedClusters["plan"], retryPeriodMs: number): number {
  return scope === "cluster" && prunes ? 2.2 * retryPeriodMs + spreadMs : 0;
}

/** When the work of whoever resigned has ended, so that the lease can be released. */
function resignedAt(events: readonly HistoryEvent[], fromMs: number): number | undefined {
  const later = events.filter(({ atMs }) => atMs >= fromMs);
  const stop = later.find((event) => event.what === "stop" && event.reason === "resigned");
  if (stop === undefined) return undefined;
  const workEnds = later.find(({ what, who }) => what === "workEnds" && who === stop.who);
  return Math.max(stop.atMs, workEnds?.atMs ?? stop.atMs);
}

/** #74: among these one lost status write, which is written again at once. */
function isGentle({ plan }: PlayedClusters): boolean {
  return [...plan.faults].every((fault) => gentle.has(fault));
}

/** The history without the death that was our own doing. */
function unforced({ events, killed }: PlayedClusters): readonly HistoryEvent[] {
  return killed === undefined ? events : events.filter(({ who }) => who !== killed.who);
}

const outage = "the storage is away for an hour";

/** #77: while the storage is away nobody begins a term, and each controller asks it at most once in 5 s and key. */
function outageProblems({ events, plan, controllers, storageNetwork }: PlayedClusters): Violation[] {
  const away = events.find((event): event is EventOf<"note"> => event.what === "note" && event.text === outage);
  if (away === undefined) return [];
  const fromMs = away.atMs + 60_000;
  const untilMs = away.atMs + 3_600_000;
  const starts = events.filter(({ what, atMs }) => what === "start" && atMs > fromMs && atMs < untilMs);
  const problems: Violation[] = starts.map(({ atMs, who }) => ({
    ...{ invariant: "flapping", atMs, text: `${who} begins a term while the storage is away` },
  }));
  // The record, and the key that shows whether the storage answers at all.
  const most = 3 * 13 * (1 + plan.api.drift);
  const names = new Set(controllers.map(({ name }) => name));
  for (const [key, count] of storageNetwork.requests) {
    const [name = "", minute] = key.split(" ");
    const atMs = Number(minute) * 60_000;
    if (!names.has(name) || atMs < fromMs || atMs + 60_000 > untilMs || count <= most) continue;
    problems.push({ invariant: "pace", atMs, text: `${name} asks a storage that is away ${count} times in a minute` });
  }
  return problems;
}

function ms(value: number): string {
  return `${value.toFixed(0)} ms`;
}
