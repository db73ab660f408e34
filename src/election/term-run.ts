import type { Leadership, StopReason } from "./leadership.ts";
import type { TermLeadership } from "./term-leadership.ts";

/** How the work of a term ended: `keep` leaves the term held, `stopped` ends the whole campaign. */
export type WorkEnd = "keep" | "workReturned" | "stopped";

/** What a campaign runs; the three faces of the elector differ in this alone. */
export interface CampaignWork {
  /** The work of one term. */
  start(leadership: Leadership): Promise<WorkEnd>;
  stopped(reason: StopReason): unknown;
  newLeader(identity: string): unknown;
  /** An error after which waiting cannot help (no access, unsafe storage); says whether the campaign ends. */
  hopeless?(error: unknown): boolean;
  /** What disposing of a term means; by default it ends the term, and nothing is waited for. */
  dispose?(): Promise<void>;
  readonly onlyOneTerm: boolean;
}

/** What a run tells the loop. */
export interface TermRunListener {
  workEnded(run: TermRun, end: WorkEnd): void;
  workFailed(run: TermRun, error: unknown): void;
  stopCallbackFailed(error: unknown): void;
  /** Something that the loop may wait for has changed. */
  changed(): void;
}

/** The work of one term and its end: exactly one start, at most one stop, and only after the start. */
export class TermRun {
  readonly leadership: TermLeadership;
  readonly #work: CampaignWork;
  readonly #listener: TermRunListener;
  runningSteps = 0;
  #started = false;
  #workEnded = false;
  #stopCalled = false;
  #stopEnded = false;

  constructor(leadership: TermLeadership, work: CampaignWork, listener: TermRunListener) {
    this.leadership = leadership;
    this.#work = work;
    this.#listener = listener;
  }

  get started(): boolean {
    return this.#started;
  }

  get workEnded(): boolean {
    return !this.#started || this.#workEnded;
  }

  get stopEnded(): boolean {
    return !this.#started || this.#stopEnded;
  }

  /** Work, steps and `onStoppedLeading` are all over. */
  get ended(): boolean {
    return this.workEnded && this.runningSteps === 0 && this.stopEnded;
  }

  start(): void {
    if (this.#started) return;
    this.#started = true;
    const work = new Promise<WorkEnd>((resolve) => {
      resolve(this.#work.start(this.leadership)); // work that throws at once rejects this, too
    });
    work.then(
      (end) => {
        this.#workEnded = true;
        this.#listener.workEnded(this, end);
      },
      (error: unknown) => {
        this.#workEnded = true;
        this.#listener.workFailed(this, error);
      },
    );
  }

  stop(reason: StopReason): void {
    if (!this.#started || this.#stopCalled) return;
    this.#stopCalled = true;
    const stopped = new Promise((resolve) => {
      resolve(this.#work.stopped(reason));
    });
    stopped
      .catch((error: unknown) => this.#listener.stopCallbackFailed(error))
      .then(() => {
        this.#stopEnded = true;
        this.#listener.changed();
      })
      .catch(() => {}); // a listener of ours does not throw; the promise needs an end all the same
  }
}
