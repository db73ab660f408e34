import { Deferred } from "../system/deferred.ts";
import type { Campaign } from "./campaign.ts";
import type { Leadership } from "./leadership.ts";
import type { CampaignWork, WorkEnd } from "./term-run.ts";

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
