import { appliedOf, errorCode } from "../errors.ts";
import type { LeaderElectionRecord } from "../lock/leader-election-record.ts";
import { maxReadableTerm } from "../lock/record-codec.ts";
import type { LockOutcome, ObservedRecord } from "../lock/resource-lock.ts";
import type { CampaignContext } from "./campaign-context.ts";
import type { AttemptName } from "./events.ts";
import { spendHintToken } from "./hint-tokens.ts";
import { LockCalls, type Call, type CallEnd, type LockCallOptions } from "./lock-calls.ts";
import { isLost, isWritten, retryAfterOf } from "./write-answers.ts";
import { Observation } from "./observation.ts";
import { Outcomes } from "./outcomes.ts";
import { drawRetryPause } from "./pauses.ts";
import { ReleaseTraffic } from "./release-traffic.ts";
import { RenewTimes } from "./renew-times.ts";
import { heldPair, type RecordVersion, type SentWrite } from "./sent-table.ts";

/** What an acquisition or renewal says besides who and when. */
interface RecordPlan {
  readonly kind: SentWrite["kind"];
  readonly op: AttemptName;
  readonly term: number;
  /** The record that is replaced, and its version; nothing for a creation. */
  readonly replaced: { readonly record: LeaderElectionRecord; readonly version: RecordVersion } | undefined;
}

/** Sends what was decided, and folds what comes back. No decision is taken in here. */
export class LockTraffic {
  readonly #context: CampaignContext;
  readonly #calls: LockCalls;
  readonly #observation: Observation;
  readonly #outcomes: Outcomes;
  #read: Call | undefined;
  readonly #renewTimes: RenewTimes;
  readonly #releases: ReleaseTraffic;

  constructor(context: CampaignContext) {
    this.#context = context;
    this.#calls = new LockCalls(context.parts.clock);
    this.#observation = new Observation(context.state, context);
    this.#outcomes = new Outcomes(context.state, context);
    this.#renewTimes = new RenewTimes(context.clocks);
    this.#releases = new ReleaseTraffic(context, this.#calls, this.#renewTimes);
  }

  /** One try of the release that the state describes. */
  release(): void {
    this.#releases.send();
  }

  abandonAll(): void {
    this.#calls.abandonAll();
  }

  read(): void {
    const { state, clocks, parts } = this.#context;
    this.#read?.abandon(); // a newer read supersedes it: what was sent before an event cannot judge it
    const nowMs = clocks.observerMs();
    if (state.hintPending) spendHintToken(state, nowMs);
    state.hintPending = false;
    state.seq += 1;
    const seq = state.seq;
    state.reading = { seq, sentMs: nowMs };
    state.lastReadSentMs = nowMs;
    const call = (options: LockCallOptions): Promise<ObservedRecord | undefined> => parts.lock.get(options);
    this.#read = this.#calls.start(this.#timeoutMs(), call, (end) => {
      if (state.reading?.seq !== seq) return; // abandoned: its late answer tells nothing
      state.reading = undefined;
      this.#context.turn(() => this.#foldRead(end, seq));
    });
  }

  #foldRead(end: CallEnd<ObservedRecord | undefined>, readSeq: number): void {
    const { emit } = this.#context;
    const now = this.#context.look();
    const receipt = { now, readSeq };
    if (end.ok) {
      this.#measure(end.ms);
      emit("attempt", { op: "read", result: "read" });
      if (end.value === undefined) this.#observation.absence(receipt);
      else this.#observation.record(end.value, receipt);
    } else if (errorCode(end.error) === "CORRUPT_DATA") {
      emit("attempt", { op: "read", result: "read" });
      this.#observation.unreadable(end.error, receipt);
    } else {
      this.#observation.failure(now, retryAfterOf(end.error));
      this.#context.failed("read", "failed", end.error);
    }
  }

  /** A hint that carried the record counts as a read received now. */
  foldHint(observed: ObservedRecord | undefined): void {
    if (observed === undefined) {
      this.#context.state.hintPending = true;
      return;
    }
    this.#observation.record(observed, { now: this.#context.look(), readSeq: undefined });
  }

  /**
   * Asks the floor first, where there is one: a re-created record must not start below what a fenced resource accepted.
   */
  create(term: number): void {
    const { state, parts, settings } = this.#context;
    const { termFloor } = parts;
    if (termFloor === undefined || state.floor === "known") {
      state.floor = "unasked";
      return this.#acquire({ kind: "acquire", op: "create", term, replaced: undefined });
    }
    state.floor = "asking";
    this.#calls.start(
      settings.attemptTimeoutMs,
      () => termFloor(),
      (end) => {
        this.#context.turn(() => this.#foldFloor(end));
      },
    );
  }

  #foldFloor(end: CallEnd<number>): void {
    const { state, clocks, trouble } = this.#context;
    if (state.floor !== "asking") return;
    const usable = end.ok && Number.isInteger(end.value) && end.value >= 0 && end.value <= maxReadableTerm;
    if (usable) {
      state.floorTerm = Math.max(state.floorTerm, end.value);
      state.floor = "known";
    } else {
      state.floor = "unasked";
      state.acquirePauseUntilMs = clocks.observerMs() + drawRetryPause(this.#context);
      const error = end.ok ? new RangeError(`termFloor told ${String(end.value)}: not a term`) : end.error;
      trouble(error, "termFloor");
    }
  }

  takeOver(term: number): void {
    const { seen } = this.#context.state;
    if (seen.kind !== "record") return; // decide never asks for it
    this.#acquire({ kind: "acquire", op: "takeOver", term, replaced: seen });
  }

  renew(term: number): void {
    const { state } = this.#context;
    const { confirmed } = state.sent;
    if (confirmed === undefined || state.term === undefined) return; // decide never asks for it
    const write = this.#send({ kind: "renew", op: "renew", term, replaced: confirmed });
    if (state.term.challenged) state.term.lastEarlyRenewMs = write.sentAtMs;
  }

  #acquire(plan: RecordPlan): void {
    this.#context.clocks.rebase(); // a jump after this send is told apart from one before it
    this.#context.state.acquiring = this.#send(plan);
  }

  #send(plan: RecordPlan): SentWrite {
    const { state, clocks, parts } = this.#context;
    const renewTime = this.#renewTimes.next();
    const record = this.#recordOf(plan, renewTime);
    state.seq += 1;
    const { observerMs, leaderMs } = clocks.readings(); // before the send: our term must end before others may start
    const write: SentWrite = {
      ...{ kind: plan.kind, pair: heldPair(record), record, sentAtMs: leaderMs, sentSeq: state.seq },
      ...{ expected: plan.replaced?.version, status: "underWay", endedSeq: 0 },
    };
    state.sent.add(write);
    state.lastWriteMs = observerMs;
    const { lock } = parts;
    const expected = plan.replaced?.version;
    const call = (options: LockCallOptions): Promise<LockOutcome> =>
      expected === undefined ? lock.create(record, options) : lock.update(record, expected, options);
    this.#calls.start(this.#timeoutMs(), call, (end) => {
      this.#context.turn(() => this.#foldWrite(write, plan.op, end));
    });
    return write;
  }

  #recordOf({ kind, term, replaced }: RecordPlan, renewTime: string): LeaderElectionRecord {
    const { settings } = this.#context;
    const renews = kind === "renew";
    const strategy = replaced?.record.strategy;
    const preferredHolder = renews ? replaced?.record.preferredHolder : undefined; // each acquisition clears it
    return {
      holderIdentity: settings.identity,
      leaseDurationSeconds: Math.ceil(settings.leaseDurationMs / 1000), // up: others wait longer, never shorter
      acquireTime: renews && replaced !== undefined ? replaced.record.acquireTime : renewTime,
      renewTime,
      leaderTransitions: term,
      ...(strategy !== undefined && { strategy }),
      ...(preferredHolder !== undefined && { preferredHolder }),
    };
  }

  #foldWrite(write: SentWrite, op: AttemptName, end: CallEnd<LockOutcome>): void {
    const { emit } = this.#context;
    const now = this.#context.look();
    if (!end.ok) {
      const unproven = appliedOf(end.error) === "unknown";
      if (unproven) this.#outcomes.unknown(write, now);
      else this.#outcomes.refused(write, now, retryAfterOf(end.error));
      if (unproven) emit("outcomeUnknown", { op });
      return this.#context.failed(op, unproven ? "unknown" : "failed", end.error);
    }
    this.#measure(end.ms);
    const { value: outcome } = end;
    if (isWritten(outcome)) {
      const record = { ...write.record, leaderTransitions: outcome.term ?? write.record.leaderTransitions };
      this.#outcomes.confirm(write, { record, version: outcome.version }, now);
      emit("attempt", { op, result: "written" });
    } else if (isLost(outcome)) {
      this.#outcomes.lostRace(write);
      emit("attempt", { op, result: "lost" });
      emit("lostRace", { op });
    } else {
      this.#outcomes.unknown(write, now);
      this.#context.failed(
        op,
        "unknown",
        new TypeError("the lock answered a write with neither a version nor a refusal"),
      );
    }
  }

  /** The deadline of a call; a leader's calls also end with its validity. */
  #timeoutMs(): number {
    const { state, settings, clocks } = this.#context;
    const remainingMs = state.term === undefined ? Infinity : state.term.validUntilMs - clocks.leaderMs();
    return Math.max(1, Math.min(settings.attemptTimeoutMs, remainingMs));
  }

  #measure(ms: number): void {
    const { state } = this.#context;
    // The first one connects: after a push it must not hold up a takeover.
    if (state.rttMs > 0) state.warmRttMs = smoothed(state.warmRttMs, ms);
    state.rttMs = smoothed(state.rttMs, ms);
  }
}

/** Down at once, up slowly: what was measured during an outage must not spread takeovers for hours. */
function smoothed(beforeMs: number, ms: number): number {
  return beforeMs === 0 || ms < beforeMs ? ms : 0.8 * beforeMs + 0.2 * ms;
}
