import { LeadershipLostError, errorCode } from "../errors.ts";
import { Deferred } from "../system/deferred.ts";
import type { ElectionClocks } from "./election-clocks.ts";
import type { GuardOptions, Leadership, StopReason } from "./leadership.ts";

/** What a term tells the loop that runs it. */
export interface TermHooks {
  /** A check found the term over, or the clocks suspect: the loop must look, but not inside the caller's check. */
  wake(): void;
  /** A guarded step has begun or ended. */
  stepsChanged(running: number): void;
  guardRefused(): void;
  /** A guarded resource has accepted a larger term. */
  fenced(error: unknown): void;
  /** `Symbol.asyncDispose`: the holder is done with the term. */
  dispose(): Promise<void>;
}

/** What a term starts with; `validUntilMs` is on the leader's clock. */
export interface TermStart {
  readonly term: number;
  readonly identity: string;
  readonly validUntilMs: number;
}

/**
 * One term, as its work sees it. Validity is computed at every look, never stored: the first who looks ends an expired
 * term and aborts its signals before it answers; the loop's timer is only the second line. After a stalled event loop,
 * other callbacks run before an overdue timer does.
 */
export class TermLeadership implements Leadership {
  readonly term: number;
  readonly identity: string;
  readonly #clocks: ElectionClocks;
  readonly #hooks: TermHooks;
  readonly #work = new AbortController();
  readonly #steps = new AbortController();
  #validUntilMs: number;
  #closed: StopReason | undefined;
  #running = 0;
  #settled: Deferred<void> | undefined;

  constructor(start: TermStart, clocks: ElectionClocks, hooks: TermHooks) {
    this.term = start.term;
    this.identity = start.identity;
    this.#validUntilMs = start.validUntilMs;
    this.#clocks = clocks;
    this.#hooks = hooks;
  }

  get signal(): AbortSignal {
    return this.#work.signal;
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  isHeld(): boolean {
    return this.remainingMs() > 0;
  }

  assertHeld(): void {
    if (!this.isHeld()) throw this.#refused("it is not held");
  }

  remainingMs(): number {
    if (this.#closed !== undefined) return 0;
    const leftMs = this.#validUntilMs - this.#clocks.leaderMs();
    if (leftMs > 0 && !this.#clocks.suspect) return leftMs;
    // Errs towards nobody leading: an answer under way may still have confirmed the term.
    if (leftMs <= 0) this.close("expired");
    this.#hooks.wake();
    return 0;
  }

  async guard<T>(step: (term: number, signal: AbortSignal) => T | Promise<T>, options: GuardOptions = {}): Promise<T> {
    if (!this.isHeld()) await this.#whileSuspect();
    const leftMs = this.remainingMs();
    if (leftMs === 0 || leftMs < (options.needMs ?? 0)) {
      this.#hooks.guardRefused();
      throw leftMs > 0 ? this.#tooShort(leftMs) : this.#refused("a step was refused");
    }
    this.#count(1);
    try {
      const value = await step(this.term, this.#steps.signal);
      if (!this.isHeld()) await this.#whileSuspect();
      if (!this.isHeld()) throw this.#outlasted(value);
      return value;
    } catch (error) {
      if (errorCode(error) === "STALE_TERM") this.#hooks.fenced(error);
      throw error;
    } finally {
      this.#count(-1);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#hooks.dispose();
  }

  /** A renewal was confirmed. Validity never shrinks. */
  extend(validUntilMs: number): void {
    this.#validUntilMs = Math.max(this.#validUntilMs, validUntilMs);
  }

  /** The clocks are trusted again: steps that wait may go on. */
  settle(): void {
    this.#settled?.resolve();
    this.#settled = undefined;
  }

  /** A voluntary end begins: the work is asked to stop, running steps may finish. */
  drain(reason: StopReason): void {
    if (!this.#work.signal.aborted) this.#work.abort(this.#refused("stop the work", reason));
  }

  /** The term is over, once and for all. The first reason stays. */
  close(reason: StopReason): void {
    if (this.#closed !== undefined) return;
    this.#closed = reason;
    const lost = this.#refused("stop the work");
    if (!this.#work.signal.aborted) this.#work.abort(lost);
    this.#steps.abort(lost);
    this.settle();
  }

  /**
   * Not held, and not closed either, means that the clocks are suspect: a step waits for the renewal that settles it.
   */
  async #whileSuspect(): Promise<void> {
    while (!this.isHeld() && this.#closed === undefined) {
      this.#settled ??= new Deferred();
      await this.#settled.promise;
    }
  }

  #count(change: 1 | -1): void {
    this.#running += change;
    this.#hooks.stepsChanged(this.#running);
  }

  #refused(what: string, reason = this.#closed ?? "expired"): LeadershipLostError {
    const details = { reason, phase: "refused", operation: "guard" } as const;
    return new LeadershipLostError(`term ${this.term} has ended (${reason}): ${what}`, details);
  }

  /** The term goes on, but not for as long as the step needs. */
  #tooShort(leftMs: number): LeadershipLostError {
    const details = { reason: "expired", phase: "refused", operation: "guard" } as const;
    return new LeadershipLostError(`term ${this.term} refused a step: only ${Math.floor(leftMs)} ms remain`, details);
  }

  #outlasted(value: unknown): LeadershipLostError {
    const reason = this.#closed ?? "expired";
    const details = { reason, phase: "outlasted", operation: "guard", value } as const;
    return new LeadershipLostError(`term ${this.term} has ended (${reason}): a step outlasted it`, details);
  }
}
