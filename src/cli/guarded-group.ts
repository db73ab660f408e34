import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import type { Socket } from "node:net";
import { fileURLToPath } from "node:url";
import type { Clock } from "../system/clock.ts";
import type { Instant } from "../system/machine-clock.ts";
import type { GuardianOrder, GuardianReport } from "./guardian-protocol.ts";
import { lineReader } from "./line-reader.ts";
import { isGroupGone, signalGroup } from "./process-group.ts";
import { stdinForCommand } from "./stdin-for-command.ts";

/** What the guardian said about the command before it went. */
export interface GroupEnd {
  readonly ended?: GuardianReport & { is: "ended" };
  readonly failed?: GuardianReport & { is: "failed" };
  /**
   * The guardian ended the group because the validity was over. That ends the term, even if a late answer still
   * confirms.
   */
  readonly termed: boolean;
  /** The guardian answered no more, and was killed. */
  readonly silent: boolean;
}

/** What a `GuardedGroup` needs. */
export interface GuardedGroupOptions {
  readonly clock: Clock;
  /** How long the guardian may leave an order without an answer; then the group is killed. */
  readonly silenceMs: number;
}

/** `"start"` without its number, and so on. */
type Unnumbered<T> = T extends unknown ? Omit<T, "seq"> : never;

/**
 * After a freeze of our own the answers are there, but unread when the overdue timer fires: look once more after this
 * long.
 */
const secondLookMs = 50;

/** A guardian that is not ready by then never will be: nobody may lead without one. */
const startPatienceMs = 10_000;

const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
const guardianPath = fileURLToPath(new URL(`./guardian.${extension}`, import.meta.url));

/**
 * The supervisor's end of one guardian and its process group. The guardian starts at once, the command with `start`:
 * so the group's number is known before the command exists.
 */
export class GuardedGroup {
  readonly #options: GuardedGroupOptions;
  readonly #guardian: ChildProcess;
  readonly #socket: Socket;
  readonly #number: number;
  #seq = 0;
  #answered = 0;
  #cancelSilence: (() => void) | undefined;
  #end: GroupEnd = { termed: false, silent: false };
  /** Resolves when the guardian is ready, rejects when it cannot start or went before. */
  readonly ready: Promise<void>;
  /** Resolves when the guardian is gone and all that it said has been read. */
  readonly guardianGone: Promise<GroupEnd>;

  constructor(options: GuardedGroupOptions) {
    this.#options = options;
    let [onReady, onNeverReady]: [() => void, (error: Error) => void] = [() => {}, () => {}];
    this.ready = new Promise((resolve, reject) => {
      [onReady, onNeverReady] = [resolve, reject];
    });
    this.#guardian = spawn(process.execPath, [guardianPath], {
      detached: true, // leader of a new group and session
      stdio: [stdinForCommand(), "inherit", "inherit", "pipe"],
      env: guardianEnvironment(process.env),
    });
    this.#number = this.#guardian.pid ?? 0;
    this.#socket = this.#guardian.stdio[3] as Socket; // cast: "pipe" makes a socket pair
    const hear = (line: string): void => {
      this.#hear(JSON.parse(line) as GuardianReport, onReady); // cast: the guardian is of the same package
    };
    this.#socket.on("data", lineReader(hear));
    this.#socket.on("error", () => {}); // its end follows, and says as much
    const { clock } = options;
    const cancelPatience = clock.setTimer(clock.monotonicMs() + startPatienceMs, () => this.#silence());
    this.guardianGone = this.#waitForGuardian(onNeverReady);
    this.ready.then(cancelPatience, cancelPatience); // whoever waits for it hears why; nobody has to
  }

  /** What the guardian has said so far. */
  get end(): GroupEnd {
    return this.#end;
  }

  /** Starts the command, unless `until` has been reached when the guardian reads it. */
  start(order: Omit<GuardianOrder & { do: "start" }, "do" | "seq">): void {
    this.#send({ do: "start", ...order });
  }

  /** A write was confirmed: the term is valid until then. */
  extend(until: Instant): void {
    this.#send({ do: "until", until });
  }

  /** Has the guardian signal the group. */
  signal(...signals: NodeJS.Signals[]): void {
    this.#send({ do: "signal", signals });
  }

  /** SIGKILL to the whole group, the guardian included. */
  kill(): void {
    if (this.#number > 0) signalGroup(this.#number, "SIGKILL");
  }

  /** Whether no process of the group can act any more. */
  isGone(): boolean {
    return this.#number === 0 || isGroupGone(this.#number);
  }

  #send(order: Unnumbered<GuardianOrder>): void {
    if (this.#socket.destroyed || !this.#socket.writable) return;
    this.#seq += 1;
    this.#socket.write(`${JSON.stringify({ ...order, seq: this.#seq })}\n`);
    if (this.#cancelSilence === undefined) this.#awaitAnswer(this.#seq);
  }

  #awaitAnswer(seq: number): void {
    const { clock, silenceMs } = this.#options;
    const lookAfter = (ms: number, ifSilent: () => void): void => {
      this.#cancelSilence = clock.setTimer(clock.monotonicMs() + ms, () => {
        this.#cancelSilence = undefined;
        if (this.#answered < seq) ifSilent();
        else if (this.#answered < this.#seq) this.#awaitAnswer(this.#seq);
      });
    };
    lookAfter(silenceMs, () => lookAfter(secondLookMs, () => this.#silence()));
  }

  #silence(): void {
    this.#end = { ...this.#end, silent: true };
    this.kill();
  }

  #hear(report: GuardianReport, onReady: () => void): void {
    switch (report.is) {
      case "ready":
        return onReady();
      case "answer":
        this.#answered = report.seq;
        return;
      case "termed":
        this.#end = { ...this.#end, termed: true };
        return;
      case "ended":
        this.#end = { ...this.#end, ended: report };
        return;
      case "failed":
        this.#end = { ...this.#end, failed: report };
    }
  }

  async #waitForGuardian(reject: (error: Error) => void): Promise<GroupEnd> {
    let startError: Error | undefined;
    await Promise.all([
      new Promise<void>((resolve) => {
        this.#guardian.once("exit", () => resolve());
        this.#guardian.once("error", (error) => {
          startError = error;
          resolve();
        });
      }),
      // its end is read only after everything that the guardian wrote
      new Promise<void>((resolve) => this.#socket.once("close", () => resolve())),
    ]);
    this.#cancelSilence?.();
    reject(startError ?? new Error("the guardian went before it was ready"));
    return this.#end;
  }
}

/** `NODE_OPTIONS` and its kin are for the command, which gets them with the start. */
const nodeVariables: readonly string[] = ["NODE_OPTIONS", "NODE_DEBUG", "NODE_V8_COVERAGE", "NODE_EXTRA_CA_CERTS"];

/** What the guardian must not see and the command must. */
export function commandEnvironment(environment: NodeJS.ProcessEnv): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of nodeVariables) {
    const value = environment[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}

function guardianEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const rest = { ...environment };
  for (const name of nodeVariables) delete rest[name];
  return rest;
}
