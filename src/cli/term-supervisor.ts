import { constants } from "node:os";
import type { Leadership } from "../election/leadership.ts";
import { sleep, type Clock } from "../system/clock.ts";
import { type Instant, instantAfter, type MachineClock } from "../system/machine-clock.ts";
import { runExitCodes, signalExitCode } from "./exit-codes.ts";
import type { GroupEnd, GuardedGroup } from "./guarded-group.ts";
import { ValidityWatch } from "./validity-watch.ts";

/** How a term of `tenure run` ended. */
export interface TermEnd {
  /** `ended`: the command's own end, or that after our SIGTERM. `killed`: by `--grace` or a second signal. */
  readonly how: "ended" | "killed" | "lost" | "guardianLost" | "notStarted";
  readonly exitCode: number;
  /** Whether the command was told to end: the term was resigned or stopped. */
  readonly told: boolean;
  /** Whether no process of the group lives any more. Otherwise nothing may be released. */
  readonly gone: boolean;
  readonly message?: string;
}

/** What a `TermSupervisor` needs. */
export interface TermSupervisorOptions {
  readonly leadership: Leadership;
  readonly group: Pick<
    GuardedGroup,
    "ready" | "guardianGone" | "end" | "start" | "extend" | "signal" | "kill" | "isGone"
  >;
  readonly command: {
    readonly file: string;
    readonly args: readonly string[];
    readonly env: Readonly<Record<string, string>>;
  };
  readonly killAfterMs: number;
  readonly graceMs: number;
  /** How long a group that was killed may take to be gone. */
  readonly goneMs: number;
  readonly clock: Clock;
  readonly machineClock: MachineClock;
  /** Subscribes to confirmed renewals; the returned function unsubscribes. */
  readonly onRenewed: (listener: () => void) => () => void;
}

const firstLookMs = 2;
const longestLookMs = 50;

/**
 * Runs the command for one term, and ends with it: starts it while the term is held, tells the guardian each confirmed
 * validity, and has the last word on who ends the group. Settles when the group is gone, not when the command is.
 */
export class TermSupervisor {
  readonly #options: TermSupervisorOptions;
  #told = false;
  #killed = false;
  #expired = false;
  #cancelGrace = (): void => {};

  constructor(options: TermSupervisorOptions) {
    this.#options = options;
  }

  /** `lost` falls at loss or expiry, also during a drain; `leadership.signal` as well when the term ends on purpose. */
  async run(lost: AbortSignal): Promise<TermEnd> {
    const { group, leadership } = this.#options;
    try {
      await group.ready;
    } catch (error) {
      return this.#result(lost, error instanceof Error ? error.message : String(error));
    }
    if (leadership.signal.aborted || lost.aborted || !leadership.isHeld()) {
      group.kill();
      return { how: "notStarted", exitCode: runExitCodes.lost, told: false, gone: await this.waitUntilGone() };
    }
    const watch = this.#startCommand();
    const unlink = this.#link(watch, lost);
    await group.guardianGone;
    const result = await this.#result(lost);
    unlink();
    watch.stop();
    return result;
  }

  /** A second signal: SIGKILL at once. */
  killNow(): void {
    this.#killed = true;
    this.#options.group.kill();
  }

  /** Passes a signal on to the command's group. */
  forward(signal: NodeJS.Signals): void {
    this.#options.group.signal(signal);
  }

  #startCommand(): ValidityWatch {
    const { group, command, clock, machineClock, killAfterMs } = this.#options;
    const until = this.#until();
    group.start({ ...command, until, killAfterMs });
    // no SIGTERM of its own: that is the guardian's, which may stand, and then SIGKILL comes from here at the same
    // instant
    const onKill = (): void => {
      this.#expired = true;
      group.kill();
    };
    return new ValidityWatch({ clock, machineClock, until, killAfterMs, onOver: () => {}, onKill });
  }

  /**
   * Never later than the term's own end: the clocks are read first, and what passes in between makes the result
   * earlier.
   */
  #until(): Instant {
    const now = this.#options.machineClock.now();
    return instantAfter(now, this.#options.leadership.remainingMs());
  }

  #link(watch: ValidityWatch, lost: AbortSignal): () => void {
    const { leadership, onRenewed, group } = this.#options;
    const offRenewed = onRenewed(() => {
      // not held after a confirmation: the clocks are suspect, and the next renewal settles that
      if (group.end.termed || lost.aborted || !leadership.isHeld()) return;
      const until = this.#until();
      watch.extend(until);
      group.extend(until);
    });
    // at a loss both signals fall; a microtask later it is known which end this is
    const drain = (): void => queueMicrotask(() => this.#drain(lost));
    const lose = (): void => this.#lose(lost);
    leadership.signal.addEventListener("abort", drain, { once: true });
    lost.addEventListener("abort", lose, { once: true });
    return () => {
      offRenewed();
      this.#cancelGrace();
      leadership.signal.removeEventListener("abort", drain);
      lost.removeEventListener("abort", lose);
    };
  }

  #drain(lost: AbortSignal): void {
    if (lost.aborted) return;
    const { group, clock, graceMs } = this.#options;
    this.#told = true;
    group.signal("SIGTERM", "SIGCONT");
    this.#cancelGrace = clock.setTimer(clock.monotonicMs() + graceMs, () => this.killNow());
  }

  #lose(lost: AbortSignal): void {
    // an expired lease leaves --kill-after, which guardian and watch count; any other loss may mean that another
    // leads already
    if (reasonOf(lost) === "expired" && !this.#told) return;
    this.#options.group.kill();
  }

  async #result(lost: AbortSignal, message?: string): Promise<TermEnd> {
    const { group } = this.#options;
    // judged before waiting: a loss that comes while a killed group lingers is not what ended the command
    const how = this.#judge(group.end, lost);
    const gone = await this.waitUntilGone();
    return { ...how, told: this.#told, gone, ...(message !== undefined && { message }) };
  }

  #judge(end: GroupEnd, lost: AbortSignal): Pick<TermEnd, "how" | "exitCode" | "message"> {
    if (end.failed !== undefined) {
      const exitCode = end.failed.code === "ENOENT" ? runExitCodes.notFound : runExitCodes.notExecutable;
      return { how: "ended", exitCode, message: end.failed.message };
    }
    if (end.ended?.inTime === true) return { how: "ended", exitCode: commandExitCode(end.ended) };
    if (this.#killed) return { how: "killed", exitCode: runExitCodes.killed };
    const lostTerm = end.termed || this.#expired || lost.aborted || end.ended !== undefined;
    if (lostTerm && !end.silent) return { how: "lost", exitCode: runExitCodes.lost };
    const message = end.silent ? "the guardian answered no more" : "the guardian is gone";
    return { how: "guardianLost", exitCode: runExitCodes.failed, message };
  }

  /** Kills what is left of the group until it is gone; says whether it is, after `patienceMs` at the latest. */
  async waitUntilGone(patienceMs: number = this.#options.goneMs): Promise<boolean> {
    const { group, clock } = this.#options;
    const untilMs = clock.monotonicMs() + patienceMs;
    for (let pauseMs = firstLookMs; !group.isGone(); pauseMs = Math.min(pauseMs * 2, longestLookMs)) {
      group.kill();
      if (clock.monotonicMs() >= untilMs) return false;
      await sleep(clock, pauseMs);
    }
    return true;
  }
}

function commandExitCode(ended: { readonly code: number | null; readonly signal: NodeJS.Signals | null }): number {
  if (ended.signal !== null) return signalExitCode(ended.signal, constants.signals);
  return ended.code ?? runExitCodes.failed;
}

function reasonOf(lost: AbortSignal): unknown {
  const error: unknown = lost.reason;
  return error instanceof Error ? Reflect.get(error, "reason") : undefined;
}
