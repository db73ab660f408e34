import { constants } from "node:os";
import process from "node:process";
import { LeaderElector } from "../election/leader-elector.ts";
import type { Leadership } from "../election/leadership.ts";
import { errorCode } from "../errors.ts";
import type { ResourceLock } from "../lock/resource-lock.ts";
import { type Clock, sleep } from "../system/clock.ts";
import { systemMachineClock } from "../system/machine-clock.ts";
import { type ControlSocket, openControlSocket } from "./control-socket.ts";
import { formatDuration } from "./durations.ts";
import { runExitCodes, signalExitCode } from "./exit-codes.ts";
import { commandEnvironment, GuardedGroup } from "./guarded-group.ts";
import type { Log } from "./log.ts";
import { quietLogger } from "./quiet-logger.ts";
import { type RunSettings, stepMarginMs } from "./run-settings.ts";
import { listenToRunSignals } from "./run-signals.ts";
import { type TermEnd, TermSupervisor } from "./term-supervisor.ts";

/** What a `GuardedRun` needs. */
export interface GuardedRunOptions {
  readonly settings: RunSettings;
  readonly lock: ResourceLock;
  /** For the command's `TENURE_STORAGE`; holds no secret. */
  readonly storage: string;
  readonly log: Log;
  readonly clock: Clock;
}

/** More than the command gets after SIGTERM: the kill and the look whether it is gone belong to the drain as well. */
const drainReserveMs = 2_000;
/** Without `--restart`, how long a killed group may take to be gone before `run` exits and lets the lease run out. */
const goneMs = 2_000;
const killPauseMs = 20;
/** Between two guardians that went while standing by. */
const guardianPauseMs = 1_000;

/** `tenure run`: campaigns, and has a guardian run the command while it leads. */
export class GuardedRun {
  readonly #options: GuardedRunOptions;
  readonly #elector: LeaderElector;
  readonly #gaveUp: Promise<number>;
  #giveUp: (code: number) => void = () => {};
  #control: ControlSocket | undefined;
  #group: GuardedGroup | undefined;
  #term: TermSupervisor | undefined;
  #leadership: Leadership | undefined;
  #exitCode: number | undefined;
  #stopSignal: NodeJS.Signals | undefined;
  #stopSignals = 0;
  #cancelWait = (): void => {};
  #lastTrouble = "";

  constructor(options: GuardedRunOptions) {
    this.#options = options;
    this.#gaveUp = new Promise((resolve) => {
      this.#giveUp = resolve;
    });
    const { settings, lock, log, clock } = options;
    const { leaseDurationMs, renewDeadlineMs, retryPeriodMs } = settings;
    this.#elector = new LeaderElector({
      lock,
      clock,
      logger: quietLogger(log),
      leaseDurationMs,
      renewDeadlineMs,
      retryPeriodMs,
      name: settings.name,
      stepMarginMs: stepMarginMs(settings),
      holderGraceMs: settings.holderGraceMs,
      drainTimeoutMs: settings.graceMs + drainReserveMs,
      whenWorkReturns: "resign",
      recampaign: settings.restart,
      callbacks: {
        onStartedLeading: (leadership) => this.#lead(leadership),
        onNewLeader: (identity) => log.info(`"${settings.name}" is led by ${identity}`),
      },
      onError: (error, where) => this.#trouble(error, where),
    });
  }

  /** Resolves with the exit code, after the release; or without one where the group would not go. */
  async run(): Promise<number> {
    const { settings, log } = this.#options;
    const { name } = settings;
    this.#control = await openControlSocket({
      name,
      status: () => this.#status(),
      leads: () => this.#term !== undefined,
      resign: (to) => this.#elector.resign(to === undefined ? {} : { to }),
    });
    log.info(`campaigning for "${name}" as ${this.#elector.identity}`, { control: this.#control.path });
    listenToRunSignals((signal) => this.#onSignal(signal));
    try {
      this.#standBy();
      const elected = this.#elector.run().then(() => this.#exitCode ?? this.#codeWithoutCommand());
      return await Promise.race([elected, this.#gaveUp]);
    } finally {
      this.#cancelWait();
      const group = this.#group;
      this.#group = undefined; // its end is no news any more
      group?.kill();
      await this.#control.close();
    }
  }

  /** A signal that `run` itself got. */
  #onSignal(signal: NodeJS.Signals): void {
    const { log } = this.#options;
    if (signal !== "SIGTERM" && signal !== "SIGINT" && this.#term !== undefined) return this.#term.forward(signal);
    if (signal === "SIGUSR2" || signal === "SIGWINCH") return;
    this.#stopSignal ??= signal;
    this.#stopSignals += 1;
    if (this.#stopSignals === 1) {
      log.info(`${signal}: ${this.#term === undefined ? "stops standing by" : "stops the command, then releases"}`);
      void this.#elector.stop();
    } else if (this.#stopSignals === 2) {
      log.warn(`${signal} again: kills the command`);
      this.#term?.killNow();
    } else {
      log.warn(`${signal} again: exits at once, the lease runs out`);
      const running = this.#term === undefined ? undefined : runExitCodes.killed;
      this.#giveUp(this.#exitCode ?? running ?? this.#codeWithoutCommand());
    }
  }

  /** Starts a guardian for the next term, and the time that this campaign may take. */
  #standBy(): void {
    const { settings, clock } = this.#options;
    const group = new GuardedGroup({ clock, silenceMs: settings.renewDeadlineMs });
    this.#group = group;
    void group.guardianGone.then(() => this.#guardianGone(group));
    const waitMs = settings.waitMs === 0 ? settings.renewDeadlineMs : settings.waitMs;
    if (waitMs === undefined) return;
    const offs = settings.waitMs === 0 ? this.#listenForRefusals() : [];
    const why = settings.waitMs === 0 ? "another one may lead" : `not leading after ${formatDuration(waitMs)}`;
    const cancel = clock.setTimer(clock.monotonicMs() + waitMs, () => this.#notLeader(why));
    this.#cancelWait = () => {
      cancel();
      for (const off of offs) off();
    };
  }

  /** With `--no-wait` the first sign that this campaign would have to wait ends it. */
  #listenForRefusals(): (() => void)[] {
    const elector = this.#elector;
    return [
      elector.on("newLeader", ({ identity }) => {
        if (identity !== elector.identity) this.#notLeader(`${identity} holds the lease`);
      }),
      elector.on("lostRace", () => this.#notLeader("another one was faster")),
      elector.on("attemptFailed", ({ error }) =>
        this.#notLeader(error instanceof Error ? error.message : String(error)),
      ),
      elector.on("alarm", ({ message }) => this.#notLeader(message)),
    ];
  }

  #notLeader(why: string): void {
    if (this.#term !== undefined || this.#exitCode !== undefined) return;
    this.#cancelWait();
    this.#options.log.warn(`did not become leader: ${why}`);
    this.#exitCode = runExitCodes.notLeader;
    void this.#elector.stop();
  }

  #guardianGone(group: GuardedGroup): void {
    if (group !== this.#group || this.#term !== undefined || this.#exitCode !== undefined) return;
    const { log, settings, clock } = this.#options;
    log.error("the guardian is gone");
    if (settings.restart) {
      this.#cancelWait();
      clock.setTimer(clock.monotonicMs() + guardianPauseMs, () => this.#standBy());
    } else {
      this.#exitCode = runExitCodes.failed;
      void this.#elector.stop();
    }
  }

  /** The elector's work: ends when the group is gone, not when the command is. */
  async #lead(leadership: Leadership): Promise<void> {
    const group = this.#group;
    if (group === undefined) throw new Error("bug: a term without a guardian");
    this.#cancelWait();
    this.#lastTrouble = "";
    const { log, settings } = this.#options;
    log.info(`leads "${settings.name}"`, { term: leadership.term });
    const term = this.#newTerm(leadership, group);
    this.#term = term;
    this.#leadership = leadership;
    let end: TermEnd | undefined;
    try {
      await leadership.guard(async (_term, lost) => {
        end = await term.run(lost);
        if (!end.gone) await this.#linger(term, end);
      });
    } catch (error) {
      if (errorCode(error) !== "LEADERSHIP_LOST") end = await this.#failedTerm(group, error);
    }
    this.#term = undefined;
    this.#leadership = undefined;
    this.#afterTerm(end ?? { how: "notStarted", exitCode: runExitCodes.lost, told: false, gone: true });
  }

  #newTerm(leadership: Leadership, group: GuardedGroup): TermSupervisor {
    const { settings, clock, storage } = this.#options;
    const env = {
      ...commandEnvironment(process.env),
      TENURE_NAME: settings.name,
      TENURE_IDENTITY: leadership.identity,
      TENURE_TERM: String(leadership.term),
      TENURE_STORAGE: storage,
      TENURE_CONTROL: this.#control?.path ?? "",
    };
    const { file, args, killAfterMs, graceMs } = settings;
    return new TermSupervisor({
      leadership,
      group,
      killAfterMs,
      graceMs,
      goneMs,
      clock,
      command: {
        file,
        args,
        env,
      },
      machineClock: systemMachineClock,
      onRenewed: (listener) => this.#elector.on("renewed", listener),
    });
  }

  /** A process that SIGKILL does not end (it hangs in the kernel, or is another user's): no release, no next term. */
  async #linger(term: TermSupervisor, end: TermEnd): Promise<void> {
    const { log, settings } = this.#options;
    log.error("processes of the command are left after SIGKILL: the lease is left to run out");
    if (!settings.restart) this.#giveUp(end.exitCode);
    await term.waitUntilGone(Number.POSITIVE_INFINITY);
  }

  /** A bug of ours: the command must not live on without its supervisor. */
  async #failedTerm(group: GuardedGroup, error: unknown): Promise<TermEnd> {
    const { clock } = this.#options;
    for (group.kill(); !group.isGone(); group.kill()) await sleep(clock, killPauseMs);
    const message = `bug: ${error instanceof Error ? error.message : String(error)}`;
    return { how: "guardianLost", exitCode: runExitCodes.failed, told: false, gone: true, message };
  }

  #afterTerm(end: TermEnd): void {
    const { log, settings } = this.#options;
    const why = end.message === undefined ? "" : `: ${end.message}`;
    log.info(`${endTexts[end.how]}${why}`, { name: settings.name });
    const ownEnd = end.how === "ended" && !end.told;
    if (settings.restart && !ownEnd && this.#stopSignals === 0) {
      this.#group?.kill();
      return this.#standBy();
    }
    this.#exitCode ??= end.how === "notStarted" && this.#stopSignals > 0 ? this.#codeWithoutCommand() : end.exitCode;
    void this.#elector.stop();
  }

  #codeWithoutCommand(): number {
    return this.#stopSignal === undefined ? runExitCodes.failed : signalExitCode(this.#stopSignal, constants.signals);
  }

  #status(): Readonly<Record<string, unknown>> {
    const leadership = this.#leadership;
    return {
      name: this.#options.settings.name,
      identity: this.#elector.identity,
      holder: this.#elector.leader ?? null,
      leading: leadership?.isHeld() ?? false,
      term: leadership?.term ?? null,
      remainingMs: Math.round(leadership?.remainingMs() ?? 0),
    };
  }

  #trouble(error: unknown, where: string): void {
    const text = `${where}: ${error instanceof Error ? error.message : String(error)}`;
    // the same trouble is met at each attempt: told once, and again after a term
    if (text !== this.#lastTrouble) this.#options.log.warn(text);
    this.#lastTrouble = text;
  }
}

const endTexts: Readonly<Record<TermEnd["how"], string>> = {
  ended: "the command has ended",
  killed: "the command was killed",
  lost: "leadership lost, the command was stopped",
  guardianLost: "the command was killed",
  notStarted: "the term ended before the command was started",
};
