import { EventEmitter } from "eventemitter3";
import { AlreadyRunningError, InvalidSettingsError } from "../errors.ts";
import type { ResourceLock } from "../lock/resource-lock.ts";
import { AcquiredTerm } from "./acquired-term.ts";
import { callbackWork } from "./callback-work.ts";
import { Campaign } from "./campaign.ts";
import { tolerancesOf, type Tolerances } from "./durations.ts";
import type { Emit, ElectorEvents } from "./events.ts";
import { checkHealth } from "./health.ts";
import type { Leadership } from "./leadership.ts";
import {
  resolveSettings,
  type ElectorParts,
  type ErrorPlace,
  type LeaderElectorOptions,
  type ResolvedSettings,
} from "./settings.ts";
import { TermQueue } from "./term-queue.ts";
import type { CampaignWork } from "./term-run.ts";

/** What every face takes. */
export interface CampaignCallOptions {
  /** Ends the campaign as `stop` does. */
  readonly signal?: AbortSignal;
}

/** What an elector is doing. */
export type ElectorState = "idle" | "following" | "leading" | "draining" | "stopped";

/** Which elector a lock object belongs to: a lock is one candidate, for ever. */
const electorOf = new WeakMap<ResourceLock, LeaderElector>();

/**
 * Leader election: at most one of the candidates that contend for one lease leads, and its term is told as a callback
 * (`run`), as an async iterable (`terms`) or as a disposable (`acquire`).
 *
 * **The time model.** A leader reads its clock before it sends a conditional write. Only if that very write is known to
 * be applied, its term is valid until `renewDeadlineMs` after that reading. A candidate reads its clock after it
 * received a record that it had not seen before, and may replace it, naming its version, `leaseDurationMs` later at the
 * earliest. The leader's interval began before the write was applied, the candidate's after, so they cannot overlap
 * while the rates (not the times) of the two clocks are less than `leaseDurationMs / renewDeadlineMs` apart.
 *
 * Not promised: anything for work that uses neither `leadership.signal` nor `leadership.guard`, and exclusion while a
 * host's clocks stand still (a paused virtual machine) without a fenced resource. See `docs/guarantees.md`.
 *
 * ```ts
 * const elector = new LeaderElector({
 *   lock: new StorageLock({ storage, namespace: "billing", name: "invoices" }),
 *   callbacks: { onStartedLeading: (leadership) => sendInvoices(leadership) },
 * });
 * await elector.run({ signal });
 * ```
 */
export class LeaderElector {
  /** How much trouble the settings survive. */
  readonly tolerances: Tolerances;
  readonly #settings: ResolvedSettings;
  readonly #parts: ElectorParts;
  readonly #emitter = new EventEmitter<{ [Name in keyof ElectorEvents]: (event: ElectorEvents[Name]) => void }>();
  #campaign: Campaign | undefined;
  #stopRequested = false;

  /** @throws {InvalidSettingsError} with all problems of the options at once. */
  constructor(options: LeaderElectorOptions) {
    const { settings, parts } = resolveSettings(options);
    this.#settings = settings;
    this.#parts = parts;
    this.tolerances = tolerancesOf(settings);
  }

  /** The lock's identity. */
  get identity(): string {
    return this.#settings.identity;
  }

  /** The name in metrics and logs. */
  get name(): string {
    return this.#settings.name;
  }

  /** The holder that was observed last, also if its lease has run out; `undefined` before one was seen. */
  get leader(): string | undefined {
    return this.#campaign?.state.reported?.identity;
  }

  get state(): ElectorState {
    const campaign = this.#campaign;
    if (campaign === undefined) return "idle";
    if (campaign.finished) return "stopped";
    return campaign.state.phase === "releasing" ? "draining" : campaign.state.phase;
  }

  /** Whether this candidate leads at this very instant, by its own clock. */
  isLeader(): boolean {
    return this.#campaign?.isLeader() ?? false;
  }

  /**
   * Campaigns, and calls the callbacks for each term. Resolves after `stop` (or the abort of `signal`, or the first
   * term with `recampaign: false`), once the lease is released or left to run out; never rejects because of the
   * storage.
   *
   * Abort ends the term as `stopped`: the work drains, then the lease is released.
   *
   * @throws {AlreadyRunningError} if the elector or its lock campaigns already.
   * @throws {InvalidSettingsError} without `callbacks`.
   */
  async run(options: CampaignCallOptions = {}): Promise<void> {
    const { callbacks } = this.#parts;
    if (callbacks === undefined) throw new InvalidSettingsError(["callbacks are missing: run needs onStartedLeading"]);
    await this.#start(callbackWork(callbacks, this.#settings.whenWorkReturns), options.signal)?.settled;
  }

  /**
   * Campaigns while it is iterated: each term is one pass of the loop. The next pass releases the lease and campaigns
   * again (after a loss it waits for the body first); `break`, `return` and a throw end the campaign and release the
   * lease. Abort of `signal` ends the iteration the same way.
   *
   * @throws {AlreadyRunningError} from the first pass, if the elector or its lock campaigns already.
   */
  terms(options: CampaignCallOptions = {}): AsyncIterableIterator<Leadership> {
    return new TermQueue((work) => this.#start(work, options.signal));
  }

  /**
   * Waits until this candidate leads, and resolves with its term; dispose of it to release the lease. A lost term is
   * not followed by a second one.
   *
   * Abort ends the campaign and rejects with `signal.reason`. A write already sent may still be applied; a win that
   * comes late is released.
   *
   * @throws {AccessDeniedError} and other errors that waiting cannot help, at once.
   * @throws {AlreadyRunningError} if the elector or its lock campaigns already.
   */
  async acquire(options: CampaignCallOptions = {}): Promise<Leadership> {
    options.signal?.throwIfAborted();
    const term = new AcquiredTerm();
    return term.acquired(this.#start(term, options.signal), options.signal);
  }

  /**
   * Ends the term, if there is one, and the campaign; resolves when that is done, within `drainTimeoutMs` plus
   * `releaseTimeoutMs`, whatever the storage does. Before a campaign it makes the next one settle at once. Do not await
   * it inside the work: the drain waits for the work.
   */
  async stop(): Promise<void> {
    const campaign = this.#campaign;
    if (campaign === undefined || campaign.finished) {
      this.#stopRequested = campaign === undefined;
      return;
    }
    campaign.stop();
    await campaign.settled;
  }

  /**
   * Ends one's own term on purpose, and campaigns again after a pause. With `to`, others leave that candidate one retry
   * period to take over. Resolves when the term is over; at once if there is none. Do not await it inside the work.
   */
  async resign(options: { readonly to?: string } = {}): Promise<void> {
    await this.#campaign?.resign(options.to);
  }

  /**
   * client-go's health check: fine unless this candidate leads and could not renew for a lease duration and
   * `toleranceMs` (default 0), work of an ended term still runs, or the record's term went back.
   *
   * @throws {Error} that names the lock and says what is wrong.
   */
  check(toleranceMs = 0): void {
    const campaign = this.#campaign;
    if (campaign !== undefined)
      checkHealth(campaign, { toleranceMs, settings: this.#settings, lock: this.#parts.lock });
  }

  /**
   * Calls `listener` for each event of that name; the returned function ends that. A listener that throws breaks
   * nothing.
   */
  on<Name extends keyof ElectorEvents>(name: Name, listener: (event: ElectorEvents[Name]) => void): () => void {
    const safe = (event: ElectorEvents[Name]): void => {
      try {
        listener(event);
      } catch (error) {
        if (name !== "error") this.#trouble(error, name); // a failing error listener has nobody left to tell
      }
    };
    // cast: the emitter's conditional listener type does not resolve for a generic name
    const add = this.#emitter.on.bind(this.#emitter) as (name: Name, listener: typeof safe) => void;
    add(name, safe);
    const remove = this.#emitter.off.bind(this.#emitter) as typeof add; // cast: as above
    return () => remove(name, safe);
  }

  /** As `on`, for the next event only. */
  once<Name extends keyof ElectorEvents>(name: Name, listener: (event: ElectorEvents[Name]) => void): () => void {
    const off = this.on(name, (event) => {
      off();
      listener(event);
    });
    return off;
  }

  /** `undefined` if a stop was asked for before. */
  #start(work: CampaignWork, signal: AbortSignal | undefined): Campaign | undefined {
    const { lock, logger } = this.#parts;
    if (this.#campaign !== undefined && !this.#campaign.finished) {
      throw new AlreadyRunningError(`the elector of "${this.name}" campaigns already: await its end first`);
    }
    const other = electorOf.get(lock);
    if (other !== undefined && other !== this) {
      throw new AlreadyRunningError(`the lock of "${this.name}" serves another elector: give each its own lock object`);
    }
    electorOf.set(lock, this);
    if (this.#stopRequested || signal?.aborted === true) {
      this.#stopRequested = false;
      return undefined;
    }
    const campaign = new Campaign({
      ...{ settings: this.#settings, parts: this.#parts, work, emit: this.#emit },
      trouble: (error, where) => this.#trouble(error, where),
    });
    this.#campaign = campaign;
    logger.info("campaigning", { name: this.name, identity: this.identity, tolerances: this.tolerances });
    const onAbort = (): void => campaign.stop();
    signal?.addEventListener("abort", onAbort, { once: true });
    void campaign.settled.then(() => signal?.removeEventListener("abort", onAbort));
    campaign.start();
    return campaign;
  }

  readonly #emit: Emit = (name, event) => {
    // cast: the emitter's conditional argument type does not resolve for a generic name
    (this.#emitter.emit.bind(this.#emitter) as (name: string, event: unknown) => boolean)(name, event);
  };

  #trouble(error: unknown, where: ErrorPlace): void {
    this.#emit("error", { error, where });
    this.#parts.logger.debug(`trouble in ${where}`, { name: this.name, error });
    try {
      this.#parts.onError(error, where);
    } catch (failure) {
      this.#parts.logger.error("onError threw", { name: this.name, error: failure });
    }
  }
}
