import { WorkOverrunError, errorCode } from "../errors.ts";
import { maxReadableTerm } from "../lock/record-codec.ts";
import { raise } from "./alarms.ts";
import type { CampaignContext } from "./campaign-context.ts";
import { beginTerm, type Readings, type TermState } from "./election-state.ts";
import type { StopReason } from "./leadership.ts";
import { drawRetryPause, holdsBack } from "./pauses.ts";
import { reportLeader } from "./sightings.ts";
import { TermLeadership, type TermHooks } from "./term-leadership.ts";
import { TermRun, type CampaignWork, type WorkEnd } from "./term-run.ts";

/** The life of each term: begin, drain, close, release or demote; one start, at most one stop, never interleaved. */
export class TermKeeper {
  readonly #context: CampaignContext;
  readonly #work: CampaignWork;
  /** Tells the campaign that a term is over: released, or left to run out. */
  readonly #termOver: () => void;
  #run: TermRun | undefined;
  #endStartedMs = 0;
  #failedTerms = 0;
  #vacantSinceMs = 0;
  overrun = false;

  constructor(context: CampaignContext, work: CampaignWork, termOver: () => void) {
    this.#context = context;
    this.#work = work;
    this.#termOver = termOver;
  }

  get run(): TermRun | undefined {
    return this.#run;
  }

  /** Since when nobody is known to hold the lease; told with the start of a term. */
  noteVacancy(sinceMs: number): void {
    this.#vacantSinceMs = sinceMs;
  }

  /** F7: an acquisition is confirmed, and its validity has not run out. */
  begin(term: number): void {
    const { state, settings, clocks, emit, parts } = this.#context;
    const { confirmed } = state.sent;
    if (confirmed === undefined) return; // decide never asks for it
    const now = clocks.readings();
    const validUntilMs = confirmed.write.sentAtMs + settings.renewDeadlineMs;
    const leadership = new TermLeadership({ term, identity: settings.identity, validUntilMs }, clocks, this.#hooks());
    state.term = beginTerm(term, now.leaderMs, validUntilMs);
    state.begunTerm = term;
    state.begunWrite = confirmed.write;
    state.stillborn = 0;
    state.phase = "leading";
    this.#run = new TermRun(leadership, this.#work, {
      workEnded: (run, end) => this.#workEnded(run, end),
      workFailed: (run, error) => this.#workFailed(run, error),
      stopCallbackFailed: (error) => this.#context.trouble(error, "onStoppedLeading"),
      changed: () => this.#changed(),
    });
    reportLeader(state, settings.identity, term);
    emit("elected", { term, takeoverMs: Math.max(0, now.observerMs - this.#vacantSinceMs) });
    parts.logger.info("became leader", { name: settings.name, term });
    this.#tellLock("became leader");
  }

  /** Starts the work of a fresh term, once it is held at this very instant. */
  startWork(): void {
    const run = this.#run;
    if (run === undefined || run.started || this.#context.state.term?.ending !== undefined) return;
    if (run.leadership.isHeld()) run.start();
  }

  drain(reason: StopReason): void {
    const { state, settings, clocks, emit } = this.#context;
    if (state.term === undefined) return;
    const nowMs = clocks.observerMs();
    this.#endStartedMs = nowMs;
    state.phase = "draining";
    state.term.drainUntilMs = nowMs + settings.drainTimeoutMs;
    emit("draining", { term: state.term.number, reason });
    this.#run?.leadership.drain(reason);
    this.#sync();
  }

  /** The work has ended: no step may start any more, and renewal goes on while `onStoppedLeading` runs. */
  close(): void {
    const { term } = this.#context.state;
    if (term?.ending === undefined) return;
    term.closed = true;
    this.#end(term, term.ending.reason);
    this.#sync();
  }

  /** The term is over without a release: it was lost, or its work does not end in time. */
  demote(reason: StopReason): void {
    const { state, settings, clocks } = this.#context;
    const { term } = state;
    if (term === undefined) return;
    const now = clocks.readings();
    const overrun = term.ending !== undefined && reason === term.ending.reason && now.observerMs >= term.drainUntilMs;
    if (state.phase !== "draining") this.#endStartedMs = now.observerMs;
    if (!term.closed) this.#end(term, term.ending?.reason ?? reason);
    state.phase = "following";
    state.workRunning = this.#run?.ended === false;
    state.overrunAtMs = state.workRunning ? now.observerMs + settings.drainTimeoutMs : undefined;
    if (overrun) this.tellOverrun();
    this.#leave(term, term.ending?.reason ?? reason, now);
  }

  /** After a bug nothing is sure: the work loses its term at once, whatever else goes wrong. */
  abandon(): void {
    this.#run?.leadership.close("expired");
    try {
      this.demote("expired");
    } catch (error) {
      const { state, trouble } = this.#context;
      this.#run?.stop("expired"); // once: work whose end nobody asked for would never count as ended
      Object.assign(state, { term: undefined, phase: "following", workRunning: this.#run?.ended === false });
      trouble(error, "election");
    }
  }

  /** Turns a term whose work has ended into a release of its record. */
  startRelease(): void {
    const { state, settings, clocks } = this.#context;
    const { confirmed } = state.sent;
    if (confirmed === undefined) return;
    const now = clocks.readings();
    const { term } = state;
    if (this.#run?.ended === false) throw new Error("bug: a release while work of the term still runs"); // S7
    const target = { record: confirmed.record, version: confirmed.version };
    state.release = {
      ...{ untilMs: now.observerMs + settings.releaseTimeoutMs, target, to: term?.ending?.to },
      ...{ step: "write", applied: false, notBeforeMs: now.observerMs, sinceSeq: state.seq, tries: 0, lost: false },
    };
    state.release.notBeforeMs = Math.max(now.observerMs, state.lastWriteMs + settings.minWriteIntervalMs);
    state.phase = "releasing";
    if (term !== undefined) this.#leave(term, term.ending?.reason ?? "stopped", now);
    else if (confirmed.write.kind === "acquire" && confirmed.write !== state.begunWrite) this.#noteStillborn(now);
  }

  endRelease(): void {
    const { state, clocks } = this.#context;
    const { release } = state;
    if (release === undefined) return;
    state.release = undefined;
    state.phase = "following";
    if (release.applied) state.seen = { kind: "nothing" }; // what is there now, nobody has seen
    const givenUp = !release.applied && release.step !== "done";
    if (givenUp) state.releaseGivenUp = true;
    // Others go first, counted from here: a release that took long must not use up their time.
    if (givenUp || holdsBack(state.lastReason)) {
      state.holdUntilMs = Math.max(state.holdUntilMs, clocks.observerMs() + drawRetryPause(this.#context));
    }
    this.#termOver();
  }

  tellOverrun(): void {
    const { state, settings, trouble } = this.#context;
    state.overrunAtMs = undefined;
    this.overrun = true;
    const text = `the work of "${settings.name}" did not end within ${settings.drainTimeoutMs} ms; the lease runs out`;
    raise(state, "workOverrun", { cause: String(state.begunTerm), message: text });
    trouble(new WorkOverrunError(text, { operation: "drain" }), "work");
  }

  /** A confirmed renewal: the work's own view of the term grows. */
  extend(validUntilMs: number): void {
    this.#run?.leadership.extend(validUntilMs);
    if (!this.#context.clocks.suspect) this.#run?.leadership.settle();
    this.startWork();
  }

  /** F8: a slow link must not starve others. */
  #noteStillborn(now: Readings): void {
    const { state, settings } = this.#context;
    const pauseMs = Math.min(settings.leaseDurationMs, drawRetryPause(this.#context) * 2 ** state.stillborn);
    state.stillborn = Math.min(state.stillborn + 1, 20);
    state.holdUntilMs = Math.max(state.holdUntilMs, now.observerMs + pauseMs);
  }

  #end(term: TermState, reason: StopReason): void {
    const { emit, settings, parts } = this.#context;
    this.#run?.leadership.close(reason);
    emit("stopped", { term: term.number, reason });
    parts.logger.info("stopped leading", { name: settings.name, term: term.number, reason });
    this.#tellLock("stopped leading");
    this.#run?.stop(reason);
  }

  /** What the end of a term means for the next campaign. */
  #leave(term: TermState, reason: StopReason, now: Readings): void {
    const { state, settings, random, emit } = this.#context;
    const wasLong = now.leaderMs - term.startedMs > 10 * settings.leaseDurationMs;
    if (wasLong) this.#failedTerms = 0;
    let holdMs = 0;
    if (reason === "workFailed") {
      const { minMs, maxMs } = settings.workBackoffMs;
      const mostMs = Math.min(maxMs, minMs * 2 ** Math.min(this.#failedTerms + 1, 30));
      holdMs = minMs + random.next() * (mostMs - minMs);
      this.#failedTerms += 1;
    } else if (holdsBack(reason)) {
      holdMs = drawRetryPause(this.#context);
    }
    state.holdUntilMs = Math.max(state.holdUntilMs, now.observerMs + holdMs);
    state.lastReason = reason;
    state.term = undefined;
    state.releaseGivenUp = false;
    if (!state.workRunning) emit("drained", { term: term.number, ms: now.observerMs - this.#endStartedMs });
    if (state.phase === "following") this.#termOver();
  }

  #workEnded(run: TermRun, end: WorkEnd): void {
    if (run === this.#run && end !== "keep") this.#endBy(end);
    this.#changed();
  }

  #workFailed(run: TermRun, error: unknown): void {
    const { signal } = run.leadership;
    // Work that was asked to stop may end by throwing what it was told; that is no failure.
    const wasTold = signal.aborted && (error === signal.reason || errorCode(error) === "LEADERSHIP_LOST");
    if (errorCode(error) === "STALE_TERM") this.#fenced(error);
    if (!wasTold) this.#context.trouble(error, "work");
    if (run === this.#run && !wasTold) this.#endBy("workFailed");
    this.#changed();
  }

  #endBy(reason: StopReason): void {
    const { term } = this.#context.state;
    if (term !== undefined) term.ending ??= { reason };
  }

  /** A guarded resource has accepted a larger term: this one is over, and the next must be larger still. */
  #fenced(error: unknown): void {
    const { state } = this.#context;
    const acceptedTerm = acceptedTermOf(error);
    if (acceptedTerm > state.floorTerm && acceptedTerm <= maxReadableTerm) state.floorTerm = acceptedTerm;
    if (state.term !== undefined && acceptedTerm >= state.term.number) state.term.loss ??= "fenced";
  }

  /** Work, steps and callbacks are facts of the run; the state mirrors them for `decide`. */
  #changed(): void {
    this.#sync();
    this.#context.turn();
  }

  #sync(): void {
    const { state, clocks, emit } = this.#context;
    const run = this.#run;
    if (run === undefined) return;
    if (state.term !== undefined) {
      state.term.workEnded = run.workEnded;
      state.term.runningSteps = run.runningSteps;
      state.term.stopCallbackEnded = run.stopEnded;
    } else if (state.workRunning && run.ended) {
      state.workRunning = false;
      this.overrun = false;
      state.overrunAtMs = undefined;
      emit("drained", { term: run.leadership.term, ms: clocks.observerMs() - this.#endStartedMs });
    }
  }

  #hooks(): TermHooks {
    const { state, emit } = this.#context;
    return {
      wake: () => queueMicrotask(() => this.#context.turn()),
      stepsChanged: (running) => {
        if (this.#run !== undefined) this.#run.runningSteps = running;
        this.#sync();
        // The end of a step matters only to an end that waits for it; a turn for each step would cost more than most
        // steps.
        const awaited = state.term === undefined || state.term.ending !== undefined;
        if (running === 0 && awaited) queueMicrotask(() => this.#context.turn());
      },
      guardRefused: () => emit("guardRefused", { term: state.begunTerm }),
      fenced: (error) => {
        this.#fenced(error);
        this.#context.turn();
      },
      dispose: async () => {
        if (this.#work.dispose !== undefined) return this.#work.dispose();
        this.#endBy("workReturned");
        this.#context.turn();
      },
    };
  }

  #tellLock(message: string): void {
    const { parts, trouble } = this.#context;
    try {
      parts.lock.recordEvent?.(message);
    } catch (error) {
      trouble(error, "recordEvent");
    }
  }
}

function acceptedTermOf(error: unknown): number {
  const accepted: unknown =
    typeof error === "object" && error !== null ? Reflect.get(error, "acceptedTerm") : undefined;
  return typeof accepted === "number" && Number.isSafeInteger(accepted) ? accepted : 0;
}
