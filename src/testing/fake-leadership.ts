import type { Leadership, StopReason } from "../election/leadership.ts";
import { LeadershipLostError } from "../errors.ts";

/** What a `fakeLeadership` starts with. */
export interface FakeLeadershipOptions {
  /** Default 1. */
  readonly term?: number;
  /** Default `"fake"`. */
  readonly identity?: string;
  /** What `remainingMs()` says while the term is held; default 10 000. */
  readonly remainingMs?: number;
}

/** A `Leadership` whose end a test decides. */
export interface FakeLeadership extends Leadership {
  /** A voluntary end begins: `signal` aborts, the term is still held, running steps may finish. */
  drain(reason?: StopReason): void;
  /**
   * The term is over: `isHeld()` is false and both signals abort, `signal` and that of a running step. Default reason:
   * `expired`.
   */
  end(reason?: StopReason): void;
}

/**
 * A term without an election, for unit tests of work. It is held until `end(reason)`; disposing of it ends it too.
 *
 * ```ts
 * const leadership = fakeLeadership({ term: 7 });
 * const working = work(leadership);
 * leadership.end("taken");
 * await working; // has the work heeded its signal?
 * ```
 */
export function fakeLeadership(options: FakeLeadershipOptions = {}): FakeLeadership {
  const { term = 1, identity = "fake", remainingMs = 10_000 } = options;
  const draining = new AbortController();
  const closing = new AbortController();
  let endedBy: StopReason | undefined;
  const lost = (phase: "refused" | "outlasted", reason: StopReason, value?: { value: unknown }): LeadershipLostError =>
    new LeadershipLostError(`term ${term} of "${identity}" has ended: ${reason}`, { reason, phase, ...value });
  const leadership: FakeLeadership = {
    term,
    identity,
    signal: draining.signal,
    isHeld: () => endedBy === undefined,
    assertHeld() {
      if (endedBy !== undefined) throw lost("refused", endedBy);
    },
    remainingMs: () => (endedBy === undefined ? remainingMs : 0),
    async guard(step, { needMs = 0 } = {}) {
      leadership.assertHeld();
      if (leadership.remainingMs() < needMs) throw lost("refused", "expired");
      const value = await step(term, closing.signal);
      if (endedBy !== undefined) throw lost("outlasted", endedBy, { value });
      return value;
    },
    drain(reason = "stopped") {
      draining.abort(lost("refused", reason));
    },
    end(reason = "expired") {
      endedBy ??= reason;
      closing.abort(lost("refused", endedBy));
      draining.abort(lost("refused", endedBy));
    },
    async [Symbol.asyncDispose]() {
      leadership.end("workReturned");
    },
  };
  return leadership;
}
