import assert from "node:assert/strict";
import { LeaderElector } from "../election/leader-elector.ts";
import type { Leadership, StopReason } from "../election/leadership.ts";
import type { ErrorPlace, LeaderElectorOptions } from "../election/settings.ts";
import type { LeaderElectionRecord } from "../lock/leader-election-record.ts";
import type { ObservedRecord, ResourceLock } from "../lock/resource-lock.ts";
import type { Clock } from "../system/clock.ts";
import { microTime } from "../system/micro-time.ts";
import type { Random } from "../system/random.ts";
import { DisturbedLock } from "./disturbed-lock.ts";
import { assertPace, assertWakeUps } from "./elector-pace.ts";
import type { ManualClock } from "./manual-clock.ts";

/** What a case of the elector suite is given: a lease of its own, which nobody has written yet. */
export interface ElectorSuiteContext {
  /** What the locks measure time with. No call of theirs may need time to pass. */
  readonly clock: ManualClock;
  /** A lock of a new candidate over this lease. */
  connect(): ResourceLock | Promise<ResourceLock>;
  /** Stores this record as a foreign program would, under a new version, whatever is there; `undefined` deletes it. */
  put(record: LeaderElectionRecord | undefined): void | Promise<void>;
}

/** Chance that a case sets. */
export class SetRandom implements Random {
  value = 0;
  #uuids = 0;

  next(): number {
    return this.value;
  }

  uuid(): string {
    this.#uuids += 1;
    return `00000000-0000-4000-8000-${String(this.#uuids).padStart(12, "0")}`;
  }
}

/** How a candidate of a case differs from the others. */
export interface CandidateOptions {
  readonly settings?: Omit<LeaderElectorOptions, "lock" | "callbacks">;
  /** Default: waits for the end of its term. */
  readonly work?: (leadership: Leadership) => void | Promise<void>;
  readonly stopped?: (reason: StopReason) => void | Promise<void>;
  readonly identity?: string;
  readonly watched?: boolean | "through";
}

/**
 * 10 s of lease, and numbers that make every look predictable: no herd window, and draws of 0 until a case says
 * otherwise.
 */
const settingsOfCases = { leaseDurationMs: 10_000, renewDeadlineMs: 8_000, retryPeriodMs: 2_000, herdJitterMs: 0 };

const mostWakeUpsAtOnce = 1_000;

/** One elector with its lock, and all that was told by it, in order. */
export class Candidate {
  readonly lock: DisturbedLock;
  readonly elector: LeaderElector;
  readonly random: SetRandom = new SetRandom();
  /**
   * `newLeader <identity>`, `start <term>`, `signal`, `end of work`, `stop <reason>`, and each write as `write
   * <holder>`.
   */
  readonly story: string[] = [];
  readonly terms: Leadership[] = [];
  readonly alarms: string[] = [];
  readonly errors: { readonly error: unknown; readonly where: ErrorPlace }[] = [];
  readonly wakeUps: number[] = [];
  readonly #options: CandidateOptions;
  readonly #calls: { readonly operation: "get" | "create" | "update"; readonly atMs: number }[] = [];
  #running: Promise<void> | undefined;
  settled = false;

  constructor(lock: DisturbedLock, clock: Clock, options: CandidateOptions) {
    this.lock = lock;
    this.#options = options;
    this.elector = new LeaderElector({
      ...{ lock, clock: this.#counting(clock), random: this.random, ...settingsOfCases, ...options.settings },
      onError: (error, where) => void this.errors.push({ error, where }),
      callbacks: {
        onStartedLeading: (leadership) => this.#work(leadership),
        onStoppedLeading: (reason) => {
          this.story.push(`stop ${reason}`);
          return options.stopped?.(reason);
        },
        onNewLeader: (identity) => void this.story.push(`newLeader ${identity}`),
      },
    });
    this.elector.on("alarm", ({ kind }) => this.alarms.push(kind));
  }

  /** The term under way, or the last one. */
  get term(): Leadership {
    const term = this.terms.at(-1);
    assert.ok(term, `${this.lock.identity} never led`);
    return term;
  }

  /** Starts `run`; that it settles is checked at the end of the case. */
  run(): this {
    const log = this.lock.log;
    const push = log.push.bind(log);
    log.push = (...calls) => {
      this.#calls.push(...calls);
      for (const { record } of calls) if (record !== undefined) this.story.push(`write "${record.holderIdentity}"`);
      return push(...calls);
    };
    this.#running = this.elector.run().then(() => void (this.settled = true));
    return this;
  }

  /** Stops, and checks that this took no longer than it may, and that no busy loop was run meanwhile. */
  async finish(clock: ManualClock): Promise<void> {
    if (this.#running === undefined) return;
    const { renewDeadlineMs: validityMs, leaseDurationMs, retryPeriodMs, ...own } = this.#settings();
    void this.elector.stop();
    const mostMs = (own.drainTimeoutMs ?? validityMs) + (own.releaseTimeoutMs ?? validityMs / 2) + 100;
    await clock.advanceUntil(() => this.settled, mostMs);
    await this.#running;
    assert.equal(this.elector.isLeader(), false);
    const renewIntervalMs = own.renewIntervalMs ?? Math.min(leaseDurationMs / 3, validityMs / 2);
    assertPace(this.#calls, {
      ...{ retryPeriodMs, renewIntervalMs },
      ...{ hints: this.lock.hints, terms: this.terms.length + 1 },
    });
    assertWakeUps(this.wakeUps);
  }

  #settings(): Omit<LeaderElectorOptions, "lock"> & typeof settingsOfCases {
    return { ...settingsOfCases, ...this.#options.settings };
  }

  async #work(leadership: Leadership): Promise<void> {
    this.terms.push(leadership);
    this.story.push(`start ${leadership.term}`);
    leadership.signal.addEventListener("abort", () => this.story.push("signal"), { once: true });
    try {
      await (this.#options.work ?? untilAborted)(leadership);
    } finally {
      this.story.push("end of work");
    }
  }

  #counting(clock: Clock): Clock {
    return {
      ...{ monotonicMs: () => clock.monotonicMs(), bootMs: () => clock.bootMs(), wallMs: () => clock.wallMs() },
      setTimer: (untilMs, run) =>
        clock.setTimer(untilMs, () => {
          this.wakeUps.push(clock.monotonicMs());
          // else a loop: let the test end, and tell
          if (this.wakeUps.at(-mostWakeUpsAtOnce) !== clock.monotonicMs()) run();
        }),
    };
  }
}

/** Work that ends with its term. */
export async function untilAborted({ signal }: Pick<Leadership, "signal">): Promise<void> {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}

/** The candidates of one case, and what is stored. */
export class ElectorStage {
  readonly clock: ManualClock;
  readonly #context: ElectorSuiteContext;
  readonly #candidates: Candidate[] = [];
  #puts = 0;

  constructor(context: ElectorSuiteContext) {
    this.#context = context;
    this.clock = context.clock;
  }

  async lock(options: Pick<CandidateOptions, "identity" | "watched"> = {}): Promise<DisturbedLock> {
    return new DisturbedLock(await this.#context.connect(), { clock: this.clock, ...options });
  }

  /** A candidate that does not campaign yet. */
  async candidate(options: CandidateOptions = {}): Promise<Candidate> {
    const candidate = new Candidate(await this.lock(options), this.clock, options);
    this.#candidates.push(candidate);
    return candidate;
  }

  /** A candidate that leads in term 1. */
  async leader(options: CandidateOptions = {}): Promise<Candidate> {
    const candidate = (await this.candidate(options)).run();
    await this.clock.advance();
    assert.equal(candidate.elector.isLeader(), true, "it does not lead");
    return candidate;
  }

  /** A record as another program writes it; each call has a time of its own. */
  record(fields: Partial<LeaderElectionRecord> = {}): LeaderElectionRecord {
    this.#puts += 1;
    const renewTime = microTime(this.clock.wallMs() * 1000 + this.#puts);
    const times = { acquireTime: renewTime, renewTime };
    return { holderIdentity: "bing", leaseDurationSeconds: 10, ...times, leaderTransitions: 0, ...fields };
  }

  async put(record: LeaderElectionRecord | undefined): Promise<void> {
    await this.#context.put(record);
    await this.clock.advance();
  }

  /** What is stored, or `undefined`. */
  async stored(): Promise<ObservedRecord | undefined> {
    return (await this.#context.connect()).get();
  }

  async holder(): Promise<string | undefined> {
    return (await this.stored())?.record.holderIdentity;
  }

  /** How many calls all candidates have made. */
  get calls(): number {
    return this.#candidates.reduce((sum, { lock }) => sum + lock.log.length, 0);
  }

  async finish(): Promise<void> {
    for (const candidate of this.#candidates) await candidate.finish(this.clock);
  }
}
