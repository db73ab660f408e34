import { Excuses } from "./excuses.ts";
import { check, type EventOf, type HistoryEvent, type Violation } from "./history.ts";
import { isSteady } from "./plan.ts";
import { roundTripMs, type PlayedRun } from "./sim-run.ts";

/** What a run is worth: its broken promises, and how much was led. */
export interface Verdict {
  readonly violations: readonly Violation[];
  /** How much of the calm was led: from the bound of L1 until the leader was asked to resign. */
  readonly ledShare: number;
}

/** Judges a run: safety by its history, liveness by what came after healing, as far as its plan allows to demand it. */
export function judge(run: PlayedRun): Verdict {
  const { plan, events } = run;
  const excuses = new Excuses(run);
  const terms = termsOf(events, run.endMs);
  const ledShare = ledShareOf(run, terms);
  const violations = [
    ...check(events, plan.preset).filter((violation) => excuses.demands(violation)),
    ...zombieProblems(run),
    ...leaderAfterHealing(run, terms, ledShare),
    ...successionProblems(run, terms),
    ...floodProblems(run, terms),
    ...lostTermProblems(run),
    ...settlingProblems(run),
    ...paceProblems(run),
    ...bugs(events),
  ];
  return { violations: violations.toSorted((one, other) => one.atMs - other.atMs), ledShare };
}

/** The time of one term, as its callbacks tell it. */
export interface Term {
  readonly who: string;
  readonly fromMs: number;
  untilMs: number;
}

/** From the start to the stop of each term. */
export function termsOf(events: readonly HistoryEvent[], endMs: number): Term[] {
  const terms: Term[] = [];
  const open = new Map<string, Term>();
  for (const { what, who, atMs, ...rest } of events) {
    if (what === "start") {
      const term = { who, fromMs: atMs, untilMs: endMs };
      terms.push(term);
      open.set(who, term);
    } else if (what === "stop" || ("text" in rest && rest.text === "killed")) {
      const term = open.get(who);
      if (term !== undefined) term.untilMs = atMs;
      open.delete(who);
    }
  }
  return terms;
}

function ledShareOf({ healedAtMs, leaderWithinMs, resignedAtMs }: PlayedRun, terms: readonly Term[]): number {
  const fromMs = healedAtMs + leaderWithinMs;
  let ledMs = 0;
  for (const term of terms) ledMs += Math.max(0, Math.min(term.untilMs, resignedAtMs) - Math.max(term.fromMs, fromMs));
  return ledMs / (resignedAtMs - fromMs);
}

/** L1, and that somebody leads most of the time. */
function leaderAfterHealing(run: PlayedRun, terms: readonly Term[], ledShare: number): Violation[] {
  const { plan, healedAtMs, leaderWithinMs, stoppedAtMs } = run;
  const steady = isSteady(plan);
  const untilMs = steady ? healedAtMs + leaderWithinMs : stoppedAtMs; // elsewhere a back-off, or old work, comes first
  const first = terms.find((term) => term.untilMs > healedAtMs);
  const problems: Violation[] = [];
  // No new term begins where the work of an earlier one goes on; a term that drained has yet to run out.
  const freeAtMs = freeOfWorkAtMs(run) + plan.preset.renewDeadlineMs / (1 - plan.drift);
  if (!steady && freeAtMs + leaderWithinMs > stoppedAtMs) return problems;
  if (waitsForLongLease(run.events)) return problems;
  if (first === undefined || first.fromMs > untilMs) {
    const told = first === undefined ? "nobody leads" : `the first leader comes ${ms(first.fromMs - healedAtMs)}`;
    const text = `${told} after everything has healed; within ${ms(untilMs - healedAtMs)} one must`;
    problems.push({ invariant: "L1", atMs: untilMs, text });
  }
  if (steady && ledShare < 0.95) {
    const text = `only ${(100 * ledShare).toFixed(0)} % of the calm time was led`;
    problems.push({ invariant: "ledShare", atMs: stoppedAtMs, text });
  }
  return problems;
}

/** A lease too long to be honoured was deleted: its holder is left the longest that is honoured, an hour (F4). */
function waitsForLongLease(events: readonly HistoryEvent[]): boolean {
  const alarm = events.findIndex((event) => event.what === "alarm" && event.kind === "hostileDuration");
  const isDeletion = (event: HistoryEvent): boolean =>
    event.what === "apply" && event.kind === "outside" && event.version === undefined;
  return alarm >= 0 && events.slice(alarm).some(isDeletion);
}

/** From when on, after healing, somebody is there whose work of earlier terms has ended. */
function freeOfWorkAtMs({ candidates, events, healedAtMs }: PlayedRun): number {
  const freeAtMs = new Map<string, number>();
  for (const one of candidates) if (!one.host.dead) freeAtMs.set(one.identity, healedAtMs);
  const ends = events.filter(({ what, atMs }) => what === "workEnds" && atMs > healedAtMs);
  for (const { who, what, atMs } of events) {
    if (atMs > healedAtMs) break;
    if (what === "stopCalled") freeAtMs.delete(who);
    if (!freeAtMs.has(who) || (what !== "workBegins" && what !== "workEnds")) continue;
    const endMs = what === "workEnds" ? healedAtMs : (ends.find((end) => end.who === who)?.atMs ?? Infinity);
    freeAtMs.set(who, endMs);
  }
  return Math.min(...freeAtMs.values());
}

/**
 * L2: after the release of the leader that resigned, another candidate starts at once. Not demanded of two locks: a
 * renewal in flight may leave the release in one of them only, and then the lease runs out.
 */
function successionProblems(
  { plan, events, resignedAtMs, stoppedAtMs }: PlayedRun,
  terms: readonly Term[],
): Violation[] {
  if (!isSteady(plan) || plan.candidates < 2 || plan.multiLock) return [];
  const release = events.find(
    ({ what, atMs, ...rest }) => what === "apply" && atMs > resignedAtMs && "holder" in rest && rest.holder === "",
  );
  if (release === undefined || release.atMs > stoppedAtMs) return [];
  const { watch, preset, drift } = plan;
  const rounds = watch === "records" ? 3 : 4;
  // Whoever resigned holds back for as long as others need between two polls: without a watch it may be first.
  const polls = watch === "none";
  const pollMs = polls ? (2.2 * preset.retryPeriodMs) / (1 - drift) : 0;
  const withinMs = pollMs + rounds * roundTripMs(plan) + spreadMs;
  const next = terms.find(({ who, fromMs }) => fromMs >= release.atMs && (polls || who !== release.who));
  const tookMs = (next?.fromMs ?? Infinity) - release.atMs;
  if (tookMs <= withinMs) return [];
  const text = `a successor starts ${ms(tookMs)} after the release; within ${ms(withinMs)} one must`;
  return [{ invariant: "L2", atMs: release.atMs, text }];
}

/** L6: a flood of hints delays the takeover from a dead leader no further than they may. */
function floodProblems({ flood }: PlayedRun, terms: readonly Term[]): Violation[] {
  if (flood === undefined) return [];
  const { renewedAtMs, killedAtMs, withinMs } = flood;
  const tookMs = (terms.find(({ fromMs }) => fromMs > killedAtMs)?.fromMs ?? Infinity) - renewedAtMs;
  if (tookMs <= withinMs) return [];
  const text = `${ms(tookMs)} from its last renewal to the next leader in a flood of hints; ${ms(withinMs)} at most`;
  return [{ invariant: "L6", atMs: renewedAtMs + withinMs, text }];
}

/** Candidates spread over the round trip that they have measured, be it in worse times; never further than this. */
const spreadMs = 1_000;

const involuntary: ReadonlySet<string> = new Set(["expired", "taken", "erased"]);

/** S8: a term whose work was told that it is over is stopped, not renewed; this work ends for nothing else. */
function zombieProblems({ plan, events }: PlayedRun): Violation[] {
  if (plan.work !== "short" && plan.work !== "long") return [];
  const ended = new Map<string, number>();
  const newest = new Map<string, string>(); // of two locks, the second half of a renewal may come later
  const problems: Violation[] = [];
  for (const event of events) {
    const { what, who, atMs } = event;
    if (what === "workEnds") ended.set(who, event.term);
    if (what === "stop") ended.delete(who); // it renews on while the stop callback runs
    if (what !== "send" || event.holder !== who || event.renewTime === undefined) continue;
    const isNew = event.renewTime > (newest.get(who) ?? "");
    if (isNew) newest.set(who, event.renewTime);
    if (!isNew || event.term === undefined || event.term !== ended.get(who)) continue;
    problems.push({ invariant: "S8", atMs, text: `${who} renews term ${event.term}, whose work has ended` });
    ended.delete(who); // told once
  }
  return problems;
}

/** L3: a term that began after healing is not lost, since every answer comes in time (but it may be fenced). */
export function lostTermProblems({ events, healedAtMs }: Pick<PlayedRun, "events" | "healedAtMs">): Violation[] {
  const begun = new Set<string>();
  const problems: Violation[] = [];
  for (const event of events) {
    if (event.atMs <= healedAtMs) continue;
    if (event.what === "start") begun.add(`${event.who} ${event.term}`);
    if (event.what !== "stop" || !involuntary.has(event.reason) || !begun.has(`${event.who} ${event.term}`)) continue;
    const text = `${event.who} loses term ${event.term} (${event.reason}), which began after healing`;
    problems.push({ invariant: "L3", atMs: event.atMs, text });
  }
  return problems;
}

/** L4: a stop settles within the drain, the release and 100 ms, by its own clock; where its process stood, later. */
function settlingProblems({ plan, events, candidates }: PlayedRun): Violation[] {
  const { renewDeadlineMs } = plan.preset;
  const withinMs = 1.5 * renewDeadlineMs + 100;
  const called = new Map<string, EventOf<"stopCalled">>();
  const problems: Violation[] = [];
  for (const event of events) {
    if (event.what === "stopCalled") called.set(event.who, event);
    if (event.what !== "settled") continue;
    const call = called.get(event.who);
    called.delete(event.who);
    const host = candidates.find(({ identity }) => identity === event.who)?.host;
    if (call === undefined || host === undefined || host.lastStoodMs > call.atMs) continue;
    const tookMs = (event.localMs ?? 0) - (call.localMs ?? 0);
    if (tookMs <= withinMs + 0.01) continue;
    const text = `${event.who} settles ${ms(tookMs)} after its stop; within ${ms(withinMs)} it must`;
    problems.push({ invariant: "L4", atMs: event.atMs, text });
  }
  for (const { identity, settled } of candidates) {
    const call = called.get(identity);
    if (call === undefined || settled) continue;
    problems.push({ invariant: "L4", atMs: call.atMs, text: `${identity} never settles after its stop` });
  }
  return problems;
}

/** L5: requests of one candidate in one minute, under any fault; and wake-ups in one second. */
function paceProblems({ plan, network, candidates, endMs }: PlayedRun): Violation[] {
  const { retryPeriodMs, renewDeadlineMs, leaseDurationMs } = plan.preset;
  const renewals = 60_000 / Math.min(leaseDurationMs / 3, renewDeadlineMs / 2);
  const factor = (plan.multiLock ? 2 : 1) * (1 + plan.drift); // a fast clock has more than a minute in a minute
  const most = factor * (renewals + 150_000 / retryPeriodMs + 130) + 1;
  const busy = [...network.requests].filter(([, count]) => count > most);
  const problems: Violation[] = busy.map(([key, count]) => {
    const [who, minute] = key.split(" ");
    const text = `${who} sent ${count} requests in minute ${minute}, at most ${most.toFixed(0)} are allowed`;
    return { invariant: "L5", atMs: Number(minute) * 60_000, text };
  });
  // The work's own sleeps; and in a flood, what each hint of another version of a free record sets anew.
  const stepsPerSecond = 8_000 / retryPeriodMs + (plan.faults.has("hintFlood") ? 100 : 0);
  for (const { identity, host } of candidates) {
    if (host.mostWakeUps <= (50 + stepsPerSecond) * (1 + plan.drift)) continue;
    const text = `${identity} woke up ${host.mostWakeUps} times in one second`;
    problems.push({ invariant: "L5", atMs: endMs, text });
  }
  return problems;
}

/** What the elector itself reports as impossible. */
export function bugs(events: readonly HistoryEvent[]): Violation[] {
  return events.flatMap((event) => {
    const broken = (event.what === "note" && event.text.startsWith("bug:")) || isInvariantAlarm(event);
    if (!broken) return [];
    return [{ invariant: "bug", atMs: event.atMs, text: `${event.who}: ${"text" in event ? event.text : "alarm"}` }];
  });
}

function isInvariantAlarm(event: HistoryEvent): boolean {
  return event.what === "alarm" && event.kind === "invariant";
}

function ms(value: number): string {
  return `${value.toFixed(0)} ms`;
}
