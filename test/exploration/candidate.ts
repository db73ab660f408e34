import type { Action } from "../../src/election/action.ts";
import { beginTerm, type Readings } from "../../src/election/election-state.ts";
import { Observation } from "../../src/election/observation.ts";
import { Outcomes } from "../../src/election/outcomes.ts";
import { drawRetryPause, pauseAfterFailure } from "../../src/election/pauses.ts";
import { heldPair, type SentWrite } from "../../src/election/sent-table.ts";
import { reportLeader } from "../../src/election/sightings.ts";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import type { ObservedRecord } from "../../src/lock/resource-lock.ts";
import { honest, type Rules } from "./setup.ts";
import type { Answer, Call, Candidate, World } from "./world.ts";

/** More than these without an event or the passing of time would be a loop: drain, close, release twice, and a read. */
const mostActions = 6;

/** The least draw of every chance: the shortest pauses, no spread at expiry. */
const random = { next: (): number => 0, uuid: (): string => "" };

/**
 * Plays one candidate: what `LockTraffic`, `ReleaseTraffic` and `TermKeeper` do around the decision, without promises,
 * so that the whole of it can be copied at any moment. Folding and deciding are the real ones.
 */
export class Player {
  readonly #world: World;
  readonly #candidate: Candidate;
  readonly #rules: Rules;
  readonly #parts: { readonly settings: Rules["settings"]; readonly random: typeof random };

  constructor(world: World, candidate: Candidate, rules: Rules) {
    this.#world = world;
    this.#candidate = candidate;
    this.#rules = rules;
    this.#parts = { settings: rules.settings, random };
  }

  /** Decides, acts, and repeats until the decision is to wait. */
  turn(): void {
    const candidate = this.#candidate;
    const { state } = candidate;
    for (let actions = 0; actions <= mostActions; actions += 1) {
      state.effects.length = 0;
      const action = this.#rules.decide(state, this.#look(), this.#rules.settings);
      if (action.do === "wait") return this.#wait(action.untilMs);
      this.#act(action);
    }
    this.#world.broken.push(`L5: ${candidate.identity} acts more than ${mostActions} times in a row`);
  }

  /** What is overdue after time has passed: deadlines in the order of their sends, then the timer. */
  catchUp(): void {
    const candidate = this.#candidate;
    candidate.late = false;
    for (const call of candidate.calls) {
      if (call.told || candidate.now.observerMs < call.deadlineMs || !candidate.calls.includes(call)) continue;
      this.#fail(call, call.kind === "read" ? undefined : { ...call, told: true });
      this.turn();
    }
    if (candidate.now.observerMs >= candidate.wakeMs) this.turn();
  }

  /** The connection of a call breaks: its end is unknown, but the request may still arrive. */
  breakOff(call: Call): void {
    const gone = call.kind === "read" || call.answer !== undefined;
    this.#fail(call, gone ? undefined : { ...call, told: true, mute: true });
    this.turn();
    this.#recover();
  }

  /** The server proves that it refused a write. */
  refuse(call: Call): void {
    this.#replace(call, undefined);
    const now = this.#look();
    const { release } = this.#candidate.state;
    if (call.write !== undefined) {
      this.#outcomes().refused(call.write, now);
    } else if (release !== undefined && call.releaseId === this.#candidate.releases && release.step !== "done") {
      this.#candidate.state.seq += 1;
      release.sinceSeq = this.#candidate.state.seq;
      release.lost = false;
      release.step = "write";
      release.notBeforeMs = now.observerMs + pauseAfterFailure(this.#candidate.state, now, this.#parts.settings);
    }
    this.turn();
    this.#recover();
  }

  /** The answer of a call arrives. */
  answer(call: Call, answer: Answer): void {
    this.#replace(call, undefined);
    if (call.kind === "write") this.#foldWrite(call, answer);
    else this.#foldRelease(call, answer);
    this.turn();
    this.#recover();
  }

  /** A read is answered with what was stored at some moment since its send. */
  answerRead(call: Call, found: ObservedRecord | undefined): void {
    this.#replace(call, undefined);
    this.#foldRead(call, found);
    this.turn();
    this.#recover();
  }

  /** A hint that carries a record, of whatever age. */
  hint(observed: ObservedRecord): void {
    this.#noteReceipt(observed);
    this.#observation().record(observed, { now: this.#look(), readSeq: undefined });
    this.turn();
    this.#recover();
  }

  /** The leader wants to go. */
  resign(): void {
    const { term } = this.#candidate.state;
    if (term !== undefined) term.ending ??= { reason: "resigned" };
    this.turn();
  }

  /** A candidate that stood handles one event first, and its overdue timers then. */
  #recover(): void {
    if (this.#candidate.late) this.catchUp();
  }

  #look(): Readings {
    const { state, closed, now } = this.#candidate;
    if (closed && state.term !== undefined && !state.term.closed) state.term.loss ??= "expired";
    return now;
  }

  #wait(untilMs: number): void {
    const candidate = this.#candidate;
    const { state, now, identity } = candidate;
    candidate.wakeMs = untilMs;
    if (untilMs <= now.observerMs) this.#world.broken.push(`L5: ${identity} waits for the present`);
    const leftMs = state.term === undefined ? Infinity : state.term.validUntilMs - now.leaderMs;
    if (untilMs - now.observerMs > leftMs) this.#world.broken.push(`S2: ${identity} sleeps past its validity`);
    const awaits = candidate.calls.some(({ told }) => !told) || state.watchLive;
    if (untilMs === Infinity && !awaits) this.#world.broken.push(`L1: ${identity} waits for ever, for nothing`);
  }

  #act(action: Exclude<Action, { do: "wait" }>): void {
    switch (action.do) {
      case "read":
        return this.#read();
      case "create":
        return this.#acquire(action.term, undefined);
      case "takeOver":
        return this.#acquire(action.term, seenOf(this.#candidate));
      case "renew":
        return this.#renew(action.term);
      case "begin":
        return this.#begin(action.term);
      case "drain":
      case "close":
      case "demote":
        return this.#end(action);
      case "release":
        return this.#candidate.state.release === undefined ? this.#startRelease() : this.#sendRelease();
      case "endRelease":
        return this.#endRelease();
      case "overrun":
      case "finish":
        throw new Error(`nothing here leads to ${action.do}`);
    }
  }

  #read(): void {
    const candidate = this.#candidate;
    const { state, now } = candidate;
    candidate.calls = candidate.calls.filter(({ kind }) => kind !== "read"); // superseded: tells nothing any more
    state.hintPending = false;
    state.seq += 1;
    state.reading = { seq: state.seq, sentMs: now.observerMs };
    state.lastReadSentMs = now.observerMs;
    this.#send({ kind: "read", seq: state.seq });
  }

  #acquire(term: number, replaced: ObservedRecord | undefined): void {
    this.#candidate.state.acquiring = this.#write({ kind: "acquire", term }, replaced);
  }

  #renew(term: number): void {
    const { state } = this.#candidate;
    const { confirmed } = state.sent;
    if (confirmed === undefined || state.term === undefined) throw new Error("a renewal without a term");
    const write = this.#write({ kind: "renew", term }, confirmed);
    if (state.term.challenged) state.term.lastEarlyRenewMs = write.sentAtMs;
  }

  #write(
    { kind, term }: { readonly kind: SentWrite["kind"]; readonly term: number },
    replaced: ObservedRecord | undefined,
  ): SentWrite {
    const { state, now, identity } = this.#candidate;
    const renewTime = this.#renewTime();
    const record: LeaderElectionRecord = {
      ...{ holderIdentity: identity, leaseDurationSeconds: honest.leaseDurationMs / 1000, acquireTime: "" },
      ...{ renewTime, leaderTransitions: term },
    };
    state.seq += 1;
    const expected = replaced?.version;
    const write: SentWrite = {
      ...{ kind, pair: heldPair(record), record, sentAtMs: now.leaderMs, sentSeq: state.seq, expected },
      ...{ status: "underWay", endedSeq: 0 },
    };
    state.sent.add(write);
    state.lastWriteMs = now.observerMs;
    this.#send({ kind: "write", write, record, expected });
    return write;
  }

  #renewTime(): string {
    this.#candidate.writes += 1;
    return `${this.#candidate.identity}${String(this.#candidate.writes).padStart(3, "0")}`;
  }

  #send(call: Partial<Call> & Pick<Call, "kind">, timeoutMs: number = this.#timeoutMs()): void {
    const candidate = this.#candidate;
    const sentMs = candidate.now.observerMs;
    this.#world.sends += 1;
    candidate.calls = [
      ...candidate.calls,
      {
        ...{ seq: 0, write: undefined, releaseId: 0, record: undefined, expected: undefined },
        ...{
          sentMs,
          deadlineMs: sentMs + timeoutMs,
          knowing: candidate.everSaw,
          told: false,
          mute: false,
          answer: undefined,
        },
        readable: call.kind === "read" ? [this.#world.stored] : [],
        ...call,
      },
    ];
  }

  #timeoutMs(): number {
    const { state, now } = this.#candidate;
    const remainingMs = state.term === undefined ? Infinity : state.term.validUntilMs - now.leaderMs;
    return Math.max(1, Math.min(this.#rules.settings.attemptTimeoutMs, remainingMs));
  }

  #replace(call: Call, by: Call | undefined): void {
    const { calls } = this.#candidate;
    const rest = calls.map((other) => (other === call ? by : other));
    this.#candidate.calls = rest.filter((other) => other !== undefined);
  }

  /** A call ends without an answer: at its deadline, or because the connection broke. */
  #fail(call: Call, rest: Call | undefined): void {
    const { state } = this.#candidate;
    this.#replace(call, rest);
    const now = this.#look();
    if (call.write !== undefined) {
      this.#outcomes().unknown(call.write, now);
      this.#rules.folded?.(state, "unknown", now);
    } else if (call.kind === "release") {
      this.#settleRelease(call, "unknown");
    } else if (state.reading?.seq === call.seq) {
      state.reading = undefined;
      this.#observation().failure(now, 0);
    }
  }

  #foldRead({ seq }: Call, found: ObservedRecord | undefined): void {
    const candidate = this.#candidate;
    const { state } = candidate;
    if (state.reading?.seq !== seq) return;
    state.reading = undefined;
    const receipt = { now: this.#look(), readSeq: seq };
    if (found !== undefined) {
      this.#noteReceipt(found);
      this.#observation().record(found, receipt);
    } else {
      this.#noteAbsence();
      this.#observation().absence(receipt);
    }
  }

  #foldWrite({ write, record }: Call, answer: Answer): void {
    const now = this.#look();
    if (write === undefined || record === undefined) throw new Error("a write without a record");
    if (answer.kind === "written") {
      this.#candidate.everSaw = true;
      this.#outcomes().confirm(write, { record, version: answer.version }, now);
      this.#rules.folded?.(this.#candidate.state, "written", now);
    } else {
      this.#outcomes().lostRace(write);
    }
  }

  #foldRelease(call: Call, answer: Answer): void {
    this.#settleRelease(call, answer.kind === "written" ? "written" : "lost");
  }

  #settleRelease({ releaseId }: Call, end: "written" | "lost" | "unknown"): void {
    const { state, releases } = this.#candidate;
    const { release } = state;
    if (release === undefined || releaseId !== releases || release.step === "done") return;
    state.seq += 1;
    release.sinceSeq = state.seq;
    release.step = end === "written" ? "done" : "read";
    if (end === "written") release.applied = true;
    release.lost = end === "lost";
  }

  #begin(term: number): void {
    const { state, now, identity } = this.#candidate;
    const { confirmed } = state.sent;
    if (confirmed === undefined) throw new Error("a term without an acquisition");
    state.term = beginTerm(term, now.leaderMs, confirmed.write.sentAtMs + this.#rules.settings.renewDeadlineMs);
    state.begunTerm = term;
    state.begunWrite = confirmed.write;
    state.stillborn = 0;
    state.phase = "leading";
    this.#candidate.closed = false;
    this.#rules.folded?.(state, "written", now);
    reportLeader(state, identity, term);
    if (term <= this.#world.lastBegun) {
      this.#world.broken.push(`S5: ${identity} begins term ${term} after term ${this.#world.lastBegun}`);
    }
    this.#world.lastBegun = Math.max(this.#world.lastBegun, term);
  }

  /** The work ends as soon as it is told to, and so does its callback: what waits for them is not the subject here. */
  #end(action: Extract<Action, { do: "drain" | "close" | "demote" }>): void {
    const { state, now } = this.#candidate;
    const { term } = state;
    if (term === undefined) throw new Error(`${action.do} without a term`);
    if (action.do === "drain") {
      state.phase = "draining";
      term.drainUntilMs = now.observerMs + this.#rules.settings.drainTimeoutMs;
      term.workEnded = true;
    } else if (action.do === "close") {
      term.closed = true;
      term.stopCallbackEnded = true;
    } else {
      if (action.reason === "erased") state.erasedValidUntilMs = term.validUntilMs;
      state.phase = "following";
      this.#leave(term.ending?.reason ?? action.reason);
    }
  }

  #leave(reason: Extract<Action, { do: "demote" }>["reason"]): void {
    const { state, now } = this.#candidate;
    const holdMs = reason === "resigned" ? drawRetryPause(this.#parts) : 0;
    state.holdUntilMs = Math.max(state.holdUntilMs, now.observerMs + holdMs);
    state.lastReason = reason;
    state.term = undefined;
    state.releaseGivenUp = false;
  }

  #startRelease(): void {
    const candidate = this.#candidate;
    const { state, now } = candidate;
    const { settings } = this.#rules;
    const { confirmed } = state.sent;
    if (confirmed === undefined) throw new Error("a release of nothing");
    const target = { record: confirmed.record, version: confirmed.version };
    candidate.releases += 1;
    state.release = {
      ...{ untilMs: now.observerMs + settings.releaseTimeoutMs, target, to: undefined },
      ...{ step: "write", applied: false, notBeforeMs: now.observerMs, sinceSeq: state.seq, tries: 0, lost: false },
    };
    state.release.notBeforeMs = Math.max(now.observerMs, state.lastWriteMs + settings.minWriteIntervalMs);
    this.#rules.releasing?.(state);
    state.phase = "releasing";
    if (state.term !== undefined) return this.#leave(state.term.ending?.reason ?? "stopped");
    if (confirmed.write === state.begunWrite) return;
    const pauseMs = Math.min(settings.leaseDurationMs, drawRetryPause(this.#parts) * 2 ** state.stillborn);
    state.stillborn = Math.min(state.stillborn + 1, 20);
    state.holdUntilMs = Math.max(state.holdUntilMs, now.observerMs + pauseMs);
  }

  #sendRelease(): void {
    const { state, now, releases } = this.#candidate;
    const { release } = state;
    if (release === undefined) throw new Error("a try of no release");
    const record: LeaderElectionRecord = {
      ...{ holderIdentity: "", leaseDurationSeconds: 1, acquireTime: "", renewTime: this.#renewTime() },
      leaderTransitions: release.target.record.leaderTransitions,
    };
    release.step = "sent";
    release.tries += 1;
    state.lastWriteMs = now.observerMs;
    const timeoutMs = Math.min(this.#rules.settings.attemptTimeoutMs, release.untilMs - now.observerMs);
    this.#send({ kind: "release", releaseId: releases, record, expected: release.target.version }, timeoutMs);
  }

  #endRelease(): void {
    const { state, now } = this.#candidate;
    const { release } = state;
    if (release === undefined) throw new Error("the end of no release");
    state.release = undefined;
    state.phase = "following";
    if (release.applied) {
      state.seen = { kind: "nothing" };
    } else if (release.step !== "done") {
      state.releaseGivenUp = true;
      state.holdUntilMs = Math.max(state.holdUntilMs, now.observerMs + drawRetryPause(this.#parts));
    }
  }

  #noteReceipt(observed: ObservedRecord): void {
    const candidate = this.#candidate;
    const { stored } = this.#world;
    candidate.everSaw = true;
    candidate.absentSinceMs = undefined;
    if (stored !== undefined && heldPair(stored.record) === heldPair(observed.record)) {
      candidate.currentSinceMs ??= candidate.now.observerMs;
    }
  }

  #noteAbsence(): void {
    const candidate = this.#candidate;
    const { observerMs } = candidate.now;
    const goesOn = observerMs - candidate.absentLastMs <= 3 * honest.retryPeriodMs;
    if (candidate.absentSinceMs === undefined || !goesOn) candidate.absentSinceMs = observerMs;
    candidate.absentLastMs = observerMs;
  }

  #observation(): Observation {
    return new Observation(this.#candidate.state, this.#parts);
  }

  #outcomes(): Outcomes {
    return new Outcomes(this.#candidate.state, this.#parts);
  }
}

function seenOf({ state: { seen } }: Candidate): ObservedRecord {
  if (seen.kind !== "record") throw new Error(`a takeover of what is ${seen.kind}`);
  return seen;
}
