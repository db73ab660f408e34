import { appliedOf } from "../errors.ts";
import type { LeaderElectionRecord } from "../lock/leader-election-record.ts";
import type { LockOutcome } from "../lock/resource-lock.ts";
import type { CampaignContext } from "./campaign-context.ts";
import { isLost, isWritten, retryAfterOf } from "./write-answers.ts";
import type { CallEnd, LockCallOptions, LockCalls } from "./lock-calls.ts";
import { pauseAfterFailure } from "./pauses.ts";
import type { RenewTimes } from "./renew-times.ts";

/** Sends the writes of a release, and folds what becomes of them. */
export class ReleaseTraffic {
  readonly #context: CampaignContext;
  readonly #calls: LockCalls;
  readonly #renewTimes: RenewTimes;

  constructor(context: CampaignContext, calls: LockCalls, renewTimes: RenewTimes) {
    this.#context = context;
    this.#calls = calls;
    this.#renewTimes = renewTimes;
  }

  /** One try: the holder is blanked, conditionally on what the state names as the last own record. */
  send(): void {
    const { state, parts, settings, clocks } = this.#context;
    const { release } = state;
    if (release === undefined) return; // decide never asks for it
    const { target } = release;
    const renewTime = this.#renewTimes.next();
    const { strategy } = target.record;
    const record: LeaderElectionRecord = {
      ...{ holderIdentity: "", leaseDurationSeconds: 1, acquireTime: renewTime, renewTime },
      leaderTransitions: target.record.leaderTransitions, // of the record that it replaces, never of an older one
      ...(strategy !== undefined && { strategy }),
      ...(release.to !== undefined && { preferredHolder: release.to }),
    };
    release.step = "sent";
    release.tries += 1;
    state.lastWriteMs = clocks.observerMs();
    const timeoutMs = Math.min(settings.attemptTimeoutMs, release.untilMs - state.lastWriteMs);
    const call = (options: LockCallOptions): Promise<LockOutcome> => parts.lock.update(record, target.version, options);
    this.#calls.start(timeoutMs, call, (end) => {
      if (state.release !== release || release.step === "done") return;
      this.#context.turn(() => this.#foldRelease(end));
    });
  }

  #foldRelease(end: CallEnd<LockOutcome>): void {
    const { state, emit, settings } = this.#context;
    const { release } = state;
    if (release === undefined) return;
    const now = this.#context.look();
    state.seq += 1;
    release.sinceSeq = state.seq;
    if (end.ok && isWritten(end.value)) {
      release.step = "done";
      release.applied = true;
      return emit("attempt", { op: "release", result: "written" });
    }
    release.step = "read";
    release.lost = end.ok && isLost(end.value);
    if (release.lost) {
      emit("lostRace", { op: "release" });
      return emit("attempt", { op: "release", result: "lost" });
    }
    const error = end.ok
      ? new TypeError("the lock answered a release with neither a version nor a refusal")
      : end.error;
    const unproven = appliedOf(error) === "unknown";
    if (!unproven) {
      release.step = "write";
      const pauseMs = Math.max(pauseAfterFailure(state, now, settings), retryAfterOf(error));
      release.notBeforeMs = now.observerMs + pauseMs;
    }
    this.#context.failed("release", unproven ? "unknown" : "failed", error);
  }
}
