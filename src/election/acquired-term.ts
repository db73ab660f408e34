import { errorCode } from "../errors.ts";
import { Deferred } from "../system/deferred.ts";
import type { Campaign } from "./campaign.ts";
import type { Leadership } from "./leadership.ts";
import type { CampaignWork, WorkEnd } from "./term-run.ts";

/** The one term of `acquire`: held until it is disposed of. */
export class AcquiredTerm implements CampaignWork {
  readonly onlyOneTerm = true;
  readonly #held = new Deferred<Leadership>();
  readonly #ended = new Deferred<WorkEnd>();
  #settled: Promise<void> = Promise.resolve();
  #begun = false;

  start(leadership: Leadership): Promise<WorkEnd> {
    this.#begun = true;
    this.#held.resolve(leadership);
    return this.#ended.promise;
  }

  stopped(): void {}

  newLeader(): void {}

  /** While it waits: a term that is held is not given up for one refused renewal. */
  hopeless(error: unknown): boolean {
    if (this.#begun) return false;
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
      const stopped = new DOMException("the campaign was stopped before it led", "AbortError");
      this.#held.reject(signal?.aborted === true ? signal.reason : stopped);
    });
    return this.#held.promise;
  }
}

/** Errors that waiting cannot help. */
const hopelessCodes: ReadonlySet<string> = new Set([
  ...["ACCESS_DENIED", "UNSAFE_STORAGE", "UNSUPPORTED", "INVALID_SETTINGS", "INVALID_KEY", "PACKAGE_MISSING", "CLOSED"],
]);
