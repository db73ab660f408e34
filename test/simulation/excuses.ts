import type { HistoryEvent, Leader, Violation } from "./history.ts";
import type { PlayedRun } from "./sim-run.ts";

/** The longest that a message is under way: late, doubled, or overtaken. */
const messagesMs = 20_000;
/** The longest that all clocks of a machine stand. */
const standsMs = 30_000;

/**
 * What broke the assumptions of the promises, and when: A1 (all clocks of a machine stood), A3 (a write was undone, or
 * the record was deleted). A promise is waived only around such a moment, for those whom it concerns, and only as far
 * as `docs/guarantees.md` says so.
 */
export class Excuses {
  readonly #run: PlayedRun;
  readonly #stood: readonly HistoryEvent[];
  /** The record went back: restored, or a creation that was sent twice came after a deletion. */
  readonly #wentBackMs: readonly number[];
  readonly #deletedMs: readonly number[];
  readonly #creations: readonly Creation[];
  /** How long what happened before may still count: a validity, messages on their way, a machine that stands. */
  readonly #afterMs: number;
  /** Within this time a second deletion hides a whole life of the record. */
  readonly #twiceMs: number;
  /** So far apart may be two looks at an absence: a shorter life of the record may be between them. */
  readonly #looksMs: number;

  constructor(run: PlayedRun) {
    this.#run = run;
    const { leaseDurationMs, renewDeadlineMs, retryPeriodMs } = run.plan.preset;
    const slowest = 1 - run.plan.drift;
    this.#afterMs = renewDeadlineMs / slowest + messagesMs + standsMs;
    this.#twiceMs = (leaseDurationMs + 3 * retryPeriodMs) / slowest;
    this.#looksMs = (3 * retryPeriodMs) / slowest;
    this.#stood = run.events.filter((event) => "text" in event && event.text.startsWith("allClocksStand"));
    const undone = undoneIn(run.events);
    [this.#wentBackMs, this.#deletedMs] = [undone.wentBackMs, undone.deletedMs];
    const creations = creationsIn(run.events);
    // Of two locks, each receipt is half of a look: who looked may have seen nothing.
    this.#creations = run.plan.multiLock ? creations.map(({ atMs }) => ({ atMs, seen: undefined })) : creations;
  }

  /** Whether this was promised, although it is broken. */
  demands({ invariant, atMs, about, leaders = [] }: Violation): boolean {
    switch (invariant) {
      case "S1":
        return !this.#isOverlapExcused(leaders, atMs);
      case "S5": // what one of two locks holds may be half of a write
        return leaders.length === 0 ? !this.#run.plan.multiLock : !this.#isSmallTermExcused(leaders, atMs);
      case "S4":
        return !this.#mayRepeat(about);
      case "S3":
        return !this.#run.plan.multiLock || (isOfSecondary(about) && !this.#wentBackBefore(atMs));
      case "S9": // what one of two locks tells is processed only with what the other one tells
        return !this.#run.plan.multiLock && !this.#isRepairedStranger(about);
      default:
        return true;
    }
  }

  /** Two leaders at a time: the clocks of one of them stood, or the record of the first was taken from under it. */
  #isOverlapExcused(leaders: readonly Leader[], atMs: number): boolean {
    const fromMs = atMs - this.#afterMs;
    if (leaders.some(({ who, sinceMs }) => this.#hasStood(who, sinceMs - this.#afterMs))) return true;
    if (happened(this.#wentBackMs, fromMs, atMs)) return true;
    // Created by somebody who had never seen it; or deleted twice, or soon after its creation: what was between missed.
    const deleted = this.#deletedMs.filter((ms) => ms > fromMs - this.#twiceMs && ms <= atMs);
    if (deleted.length === 0) return false;
    const twice = deleted.some((ms, index) => ms - (deleted[index - 1] ?? -Infinity) <= this.#twiceMs);
    const unseen = deleted.some((ms) => this.#creations.some((one) => isWithin(one.atMs, ms - this.#looksMs, ms)));
    if (twice || unseen) return true;
    return this.#creations.some(({ seen, ...one }) => seen === undefined && isWithin(one.atMs, fromMs, atMs));
  }

  /** A win that is started long after, and the terms of records that went back, or that nobody knew any more. */
  #isSmallTermExcused(leaders: readonly Leader[], atMs: number): boolean {
    const [highest, smaller] = leaders;
    if (highest === undefined || smaller === undefined) return false;
    const fromMs = highest.sinceMs - this.#afterMs;
    if (this.#hasStood(smaller.who, atMs - this.#afterMs)) return true;
    if (happened(this.#wentBackMs, fromMs, atMs)) return true;
    // Who creates the record anew is above all that it has seen, and 1 000 terms more.
    const tooFew = ({ seen = -Infinity }: Creation): boolean => seen + 1_000 < highest.term;
    return this.#creations.some((one) => isWithin(one.atMs, fromMs, atMs) && tooFew(one));
  }

  #wentBackBefore(atMs: number): boolean {
    return happened(this.#wentBackMs, atMs - this.#afterMs, atMs);
  }

  #hasStood(who: string, sinceMs: number): boolean {
    return this.#stood.some((event) => event.who === who && event.atMs >= sinceMs);
  }

  /** What is sent twice is applied twice, where the record is gone again, or has the same content as before. */
  #mayRepeat(about: HistoryEvent | undefined): boolean {
    if (about?.what !== "apply" || about.named !== about.replaced) return false;
    const { versions } = this.#run.plan;
    const undone = (times: readonly number[]): boolean => happened(times, about.atMs - messagesMs, about.atMs);
    if (about.kind === "create") return undone(this.#deletedMs);
    return versions === "content" && undone(this.#wentBackMs);
  }

  /**
   * A vandal's record was repaired before its leader noticed. A later leader may have the same term, and read what the
   * vandal wrote from a replica: of a record from before its own newest write that is a challenge, no loss (G5).
   */
  #isRepairedStranger(about: HistoryEvent | undefined): boolean {
    return this.#run.plan.faults.has("hostile") && about?.what === "receive" && about.holder === "stranger";
  }
}

function happened(times: readonly number[], fromMs: number, untilMs: number): boolean {
  return times.some((atMs) => isWithin(atMs, fromMs, untilMs));
}

function isWithin(atMs: number, fromMs: number, untilMs: number): boolean {
  return atMs > fromMs && atMs <= untilMs;
}

/**
 * Of two locks the older half counts, so the primary may be taken over before its newest record was waited for; the
 * secondary, which is written last, may not, unless the primary went back. An absence of one of the two is none.
 */
function isOfSecondary(about: HistoryEvent | undefined): boolean {
  return about?.what === "apply" && about.kind === "replace" && about.place === "second";
}

function undoneIn(events: readonly HistoryEvent[]): { wentBackMs: readonly number[]; deletedMs: readonly number[] } {
  const [wentBackMs, deletedMs]: [number[], number[]] = [[], []];
  const created = new Set<number>();
  let accident = "";
  for (const event of events) {
    if (event.what === "note" && event.who === "faults") accident = event.text;
    if (event.what !== "apply") continue;
    const { kind, version, send, atMs } = event;
    if (kind === "outside" && version === undefined) deletedMs.push(atMs);
    if (kind === "outside" && accident === "restored") wentBackMs.push(atMs);
    if (kind !== "create" || send === undefined) continue;
    if (created.has(send)) wentBackMs.push(atMs);
    created.add(send);
  }
  return { wentBackMs, deletedMs };
}

/** A creation that was applied, and the largest term that its sender had received before it sent it. */
interface Creation {
  readonly atMs: number;
  /** `undefined`: it had never seen a record, so it need not wait, and knows no term. */
  readonly seen: number | undefined;
}

function creationsIn(events: readonly HistoryEvent[]): Creation[] {
  const largest = new Map<string, number>();
  const atSend = new Map<number, number | undefined>();
  const creations: Creation[] = [];
  for (const event of events) {
    const { what, who, atMs } = event;
    if (what === "receive" && !event.absent) largest.set(who, Math.max(largest.get(who) ?? 0, event.term ?? 0));
    if (what === "send" && event.named === undefined) atSend.set(event.send, largest.get(who));
    if (what !== "apply" || event.kind !== "create" || event.send === undefined) continue;
    creations.push({ atMs, seen: atSend.get(event.send) });
  }
  return creations;
}
