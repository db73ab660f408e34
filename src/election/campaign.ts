import type { Action } from "./action.ts";
import type { CampaignContext } from "./campaign-context.ts";
import { CampaignNews } from "./campaign-news.ts";
import { decide } from "./decide.ts";
import { ElectionClocks } from "./election-clocks.ts";
import { initialState, type ElectionState, type Readings } from "./election-state.ts";
import type { Emit } from "./events.ts";
import { LockTraffic } from "./lock-traffic.ts";
import { waitMs } from "./pauses.ts";
import { RecordWatch } from "./record-watch.ts";
import type { ElectorParts, ErrorPlace, ResolvedSettings } from "./settings.ts";
import { TermKeeper } from "./term-keeper.ts";
import type { CampaignWork } from "./term-run.ts";

/** What a campaign is made of. */
export interface CampaignOptions {
  readonly settings: ResolvedSettings;
  readonly parts: ElectorParts;
  readonly work: CampaignWork;
  readonly emit: Emit;
  readonly trouble: (error: unknown, where: ErrorPlace) => void;
}

/** More actions than this without a pause are a bug, and would flood the storage. */
const mostActionsInARow = 100;

/**
 * One campaign, from its start until it settles: one loop, one timer. Answers, hints, the timer, stop and the end of
 * the work are folded into the state; then it decides, acts, and repeats until the decision is to wait.
 */
export class Campaign {
  readonly #settings: ResolvedSettings;
  readonly #parts: ElectorParts;
  readonly #work: CampaignWork;
  readonly #state: ElectionState;
  readonly #clocks: ElectionClocks;
  readonly #context: CampaignContext;
  readonly #traffic: LockTraffic;
  readonly #keeper: TermKeeper;
  readonly #watch: RecordWatch;
  readonly #news: CampaignNews;
  readonly settled: Promise<void>;
  #settle = (): void => {};
  #cancelTimer = (): void => {};
  #turning = false;
  #turnAgain = false;
  #finished = false;
  #stoppedAtMs: number | undefined;
  #termWaiters: (() => void)[] = [];

  constructor({ settings, parts, work, emit, trouble }: CampaignOptions) {
    this.#settings = settings;
    this.#parts = parts;
    this.#work = work;
    this.#clocks = new ElectionClocks(parts.clock);
    this.#state = initialState(settings.identity, this.#clocks.observerMs());
    this.#context = {
      ...{ state: this.#state, parts, settings, random: parts.random, clocks: this.#clocks, emit },
      trouble: (error, where) => {
        trouble(error, where);
        const isNeeded = where === "read" || where === "write"; // and not a watch, which may be refused
        if (isNeeded && work.hopeless?.(error) === true) this.stop();
      },
      failed: (op, result, error) => {
        emit("attempt", { op, result });
        emit("attemptFailed", { op, error });
        this.#context.trouble(error, op === "read" || op === "release" ? op : "write");
      },
      look: () => this.#look(),
      turn: (fold) => this.#turn(fold),
    };
    this.#traffic = new LockTraffic(this.#context);
    this.#keeper = new TermKeeper(this.#context, work, () => this.#termOver());
    this.#watch = new RecordWatch(parts, {
      opened: () => this.#watchOpened(),
      hinted: (observed) => this.#turn(() => this.#traffic.foldHint(observed)),
      lost: (error) => this.#watchLost(error),
    });
    this.#news = new CampaignNews(this.#context, {
      renewed: (validUntilMs) => this.#keeper.extend(validUntilMs),
      newLeader: (identity) => work.newLeader(identity),
      reopenWatch: () => this.#watch.reopen(),
    });
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  get state(): ElectionState {
    return this.#state;
  }

  get clocks(): ElectionClocks {
    return this.#clocks;
  }

  get overrun(): boolean {
    return this.#keeper.overrun;
  }

  get finished(): boolean {
    return this.#finished;
  }

  isLeader(): boolean {
    return this.#state.term !== undefined && this.#keeper.run?.leadership.isHeld() === true;
  }

  start(): void {
    this.#watch.start();
    this.#turn();
  }

  /** Ends the term, if there is one, and the campaign. */
  stop(): void {
    if (this.#stoppedAtMs !== undefined || this.#finished) return;
    this.#stoppedAtMs = this.#clocks.observerMs();
    const { term } = this.#state;
    if (term === undefined) this.#finishSoon();
    else term.ending ??= { reason: "stopped" };
    this.#turn();
  }

  /** Ends the term on purpose; resolves when it was released, or is left to run out. */
  async resign(to: string | undefined): Promise<void> {
    const { term } = this.#state;
    if (term === undefined) return;
    term.ending ??= { reason: "resigned", to };
    const over = new Promise<void>((resolve) => this.#termWaiters.push(resolve));
    this.#turn();
    await over;
  }

  #turn(fold?: () => void): void {
    if (this.#finished) return;
    try {
      fold?.();
    } catch (error) {
      this.#broken(error);
    }
    this.#turnAgain = true;
    if (this.#turning) return;
    this.#turning = true;
    try {
      for (let actions = 0; this.#turnAgain && !this.#finished; actions += 1) {
        this.#turnAgain = false;
        this.#step(actions);
      }
    } catch (error) {
      this.#broken(error);
    } finally {
      this.#turning = false;
    }
  }

  #step(actions: number): void {
    if (actions > mostActionsInARow) throw new Error("bug: the election does not come to rest");
    this.#news.tell(this.#clocks.readings());
    const action = decide(this.#state, this.#look(), this.#settings);
    if (action.do === "wait") return this.#sleepUntil(action.untilMs);
    this.#turnAgain = true;
    this.#act(action);
  }

  #act(action: Exclude<Action, { do: "wait" }>): void {
    switch (action.do) {
      case "read":
        return this.#traffic.read();
      case "create":
        this.#noteVacancy();
        return this.#traffic.create(action.term);
      case "takeOver":
        this.#noteVacancy();
        return this.#traffic.takeOver(action.term);
      case "begin":
        this.#keeper.begin(action.term);
        this.#news.tell(this.#clocks.readings()); // onNewLeader comes before onStartedLeading
        return this.#keeper.startWork();
      case "renew":
        return this.#traffic.renew(action.term);
      case "drain":
        return this.#keeper.drain(action.reason);
      case "close":
        return this.#keeper.close();
      case "demote":
        return this.#keeper.demote(action.reason);
      case "release":
        if (this.#state.release === undefined) this.#keeper.startRelease();
        else this.#traffic.release();
        return;
      case "endRelease":
        return this.#keeper.endRelease();
      case "overrun":
        return this.#keeper.tellOverrun();
      case "finish":
        if (this.#state.workRunning && !this.#keeper.overrun) this.#keeper.tellOverrun();
        return this.#finish();
    }
  }

  #sleepUntil(untilMs: number): void {
    this.#cancelTimer();
    if (untilMs === Infinity) return;
    this.#cancelTimer = this.#parts.clock.setTimer(untilMs, () => this.#turn());
  }

  #look(): Readings {
    const now = this.#clocks.readings();
    const { term } = this.#state;
    // Who looked first has closed the term; an answer that is folded only now must not revive it.
    if (term !== undefined && !term.closed && this.#keeper.run?.leadership.closed === true) term.loss ??= "expired";
    if (term !== undefined && term.suspectSeq === undefined && this.#clocks.suspect) {
      this.#state.seq += 1;
      term.suspectSeq = this.#state.seq;
      this.#context.emit("suspect", { term: term.number });
    }
    return now;
  }

  /** Since when the lease is free for others: what a takeover is measured from. */
  #noteVacancy(): void {
    const { seen } = this.#state;
    const nowMs = this.#clocks.observerMs();
    if (seen.kind === "absent") return this.#keeper.noteVacancy(seen.sinceMs);
    if (seen.kind !== "record") return this.#keeper.noteVacancy(nowMs);
    const held = seen.record.holderIdentity !== "" && seen.record.holderIdentity !== this.#settings.identity;
    this.#keeper.noteVacancy(seen.firstReceiptMs + (held ? waitMs(seen.storedMs, this.#settings) : 0));
  }

  #watchOpened(): void {
    this.#state.seq += 1;
    this.#state.watchOpenedSeq = this.#state.seq;
    this.#context.emit("watchLive", {});
  }

  #watchLost(error: unknown): void {
    this.#state.watchLive = false;
    this.#state.watchOpenedSeq = undefined;
    this.#context.emit("watchLost", {});
    if (error !== undefined) this.#context.trouble(error, "watch");
    this.#turn();
  }

  #termOver(): void {
    for (const tell of this.#termWaiters.splice(0)) tell();
    if (this.#stoppedAtMs !== undefined) return this.#finishSoon();
    const wasLast = !this.#settings.recampaign || this.#work.onlyOneTerm;
    // A stillborn acquisition is released without having been a term.
    if (wasLast && this.#state.begunTerm > 0) this.#state.finishing ??= { untilMs: Infinity };
  }

  /** No further term: what is under way gets its time, counted from the request, and no more. */
  #finishSoon(): void {
    const nowMs = this.#clocks.observerMs();
    const { drainTimeoutMs, releaseTimeoutMs } = this.#settings;
    const drainedMs = (this.#stoppedAtMs ?? nowMs) + drainTimeoutMs;
    const graceMs = nowMs + Math.min(drainTimeoutMs, releaseTimeoutMs);
    const stayMs = this.#state.workRunning ? drainedMs : Math.min(graceMs, drainedMs + releaseTimeoutMs);
    const untilMs = this.#keeper.overrun ? nowMs : stayMs;
    this.#state.finishing = { untilMs: Math.min(this.#state.finishing?.untilMs ?? Infinity, untilMs) };
  }

  #finish(): void {
    this.#finished = true;
    this.#cancelTimer();
    this.#watch.stop();
    this.#traffic.abandonAll();
    for (const tell of this.#termWaiters.splice(0)) tell();
    this.#settle();
  }

  /**
   * A broken invariant ends the term, in production too: nobody leads when unsure. It never reaches the user's work.
   */
  #broken(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#context.emit("alarm", { kind: "invariant", message });
    this.#context.trouble(error, "election");
    const { state } = this.#context;
    this.#keeper.abandon();
    state.release = undefined;
    state.phase = "following";
    state.seen = { kind: "nothing" };
    // Nothing is asked or claimed for a lease: a bug that repeats must not flood the storage.
    const untilMs = this.#clocks.observerMs() + this.#settings.leaseDurationMs;
    Object.assign(state, { holdUntilMs: untilMs, nextPollMs: untilMs, readPauseUntilMs: untilMs });
    Object.assign(state, { hintPending: false, mustReadSinceSeq: undefined, acquiring: undefined, floor: "unasked" });
    this.#sleepUntil(Math.min(untilMs, state.finishing?.untilMs ?? Infinity));
  }
}
