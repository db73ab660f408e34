import { errorCode, LeadershipLostError } from "../errors.ts";
import type { Campaign } from "./campaign.ts";
import type { Leadership } from "./leadership.ts";
import type { LeaderCallbacks } from "./settings.ts";
import type { CampaignWork, WorkEnd } from "./term-run.ts";

/** The callbacks of `run` as the work of a campaign. */
export function callbackWork(callbacks: LeaderCallbacks, whenWorkReturns: "keep" | "resign"): CampaignWork {
  return {
    onlyOneTerm: false,
    start: async (leadership) => {
      await callbacks.onStartedLeading(leadership);
      return whenWorkReturns === "resign" ? "workReturned" : "keep";
    },
    stopped: (reason) => callbacks.onStoppedLeading?.(reason),
    newLeader: (identity) => callbacks.onNewLeader?.(identity),
  };
}

/** Errors that waiting cannot help. */
const hopelessCodes: ReadonlySet<string> = new Set([
  ...["ACCESS_DENIED", "UNSAFE_STORAGE", "UNSUPPORTED", "INVALID_SETTINGS", "INVALID_KEY", "PACKAGE_MISSING", "CLOSED"],
]);

/** A promise and what settles it. */
class Deferred<T> {
  readonly promise: Promise<T>;
  resolve: (value: T) => void = () => {};
  reject: (error: unknown) => void = () => {};

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.promise.catch(() => {}); // whoever waits hears of it; nobody may be waiting
  }
}

/** The one term of `acquire`: held until it is disposed of. */
export class AcquiredTerm implements CampaignWork {
  readonly onlyOneTerm = true;
  readonly #held = new Deferred<Leadership>();
  readonly #ended = new Deferred<WorkEnd>();
  #settled: Promise<void> = Promise.resolve();

  start(leadership: Leadership): Promise<WorkEnd> {
    this.#held.resolve(leadership);
    return this.#ended.promise;
  }

  stopped(): void {}

  newLeader(): void {}

  hopeless(error: unknown): boolean {
    const isHopeless = hopelessCodes.has(errorCode(error) ?? "");
    if (isHopeless) this.#held.reject(error);
    return isHopeless;
  }

  async dispose(): Promise<void> {
    this.#ended.resolve("workReturned");
    await this.#settled;
  }

  /** Resolves with the term, or rejects once the campaign has settled without one. */
  async acquired(campaign: Campaign | undefined, signal: AbortSignal | undefined): Promise<Leadership> {
    this.#settled = campaign?.settled ?? Promise.resolve();
    void this.#settled.then(() => {
      const details = { reason: "stopped", phase: "refused", operation: "acquire" } as const;
      const stopped = new LeadershipLostError("the campaign was stopped before it led", details);
      this.#held.reject(signal?.aborted === true ? signal.reason : stopped);
    });
    return this.#held.promise;
  }
}

/** The terms of `terms`, one for each pass of the loop: the body of the loop is the work. */
export class TermQueue implements CampaignWork, AsyncIterableIterator<Leadership> {
  readonly onlyOneTerm = false;
  readonly #begin: (work: CampaignWork) => Campaign | undefined;
  #campaign: Campaign | undefined;
  #body: Deferred<WorkEnd> | undefined;
  #waiting: Deferred<IteratorResult<Leadership, undefined>> | undefined;
  #begun = false;
  #done = false;

  constructor(begin: (work: CampaignWork) => Campaign | undefined) {
    this.#begin = begin;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Leadership, undefined>> {
    if (this.#done) return { done: true, value: undefined };
    this.#waiting ??= new Deferred();
    const { promise } = this.#waiting;
    this.#body?.resolve("workReturned");
    this.#body = undefined;
    if (!this.#begun) this.#startCampaign();
    return promise;
  }

  async return(): Promise<IteratorResult<Leadership, undefined>> {
    this.#campaign?.stop();
    this.#body?.resolve("stopped");
    await this.#campaign?.settled;
    this.#end();
    return { done: true, value: undefined };
  }

  async throw(error?: unknown): Promise<IteratorResult<Leadership, undefined>> {
    await this.return();
    throw error;
  }

  start(leadership: Leadership): Promise<WorkEnd> {
    this.#body = new Deferred();
    const { promise } = this.#body;
    this.#waiting?.resolve({ done: false, value: leadership });
    this.#waiting = undefined;
    return promise;
  }

  stopped(): void {}

  newLeader(): void {}

  #startCampaign(): void {
    this.#begun = true;
    try {
      this.#campaign = this.#begin(this);
    } catch (error) {
      this.#done = true;
      this.#waiting?.reject(error);
      return;
    }
    void (this.#campaign?.settled ?? Promise.resolve()).then(() => this.#end());
  }

  #end(): void {
    this.#done = true;
    this.#waiting?.resolve({ done: true, value: undefined });
    this.#waiting = undefined;
  }
}
