import { InvalidSettingsError } from "../errors.ts";
import type { ResourceLock } from "../lock/resource-lock.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { silentLogger, type Logger } from "../system/logger.ts";
import { systemRandom, type Random } from "../system/random.ts";
import type { Leadership, StopReason } from "./leadership.ts";
import { durationProblems, resolveDurations, shown, type Durations } from "./durations.ts";

/**
 * What `run` calls. Each may return a promise, which is awaited; what it resolves with is ignored. Each may throw or
 * reject: that goes to `onError` and breaks nothing.
 */
export interface LeaderCallbacks {
  /**
   * The work of one term, called once per term and only while the term is held. If it throws, the term ends
   * (`workFailed`); if it returns, `whenWorkReturns` decides. It must end when `leadership.signal` aborts.
   */
  onStartedLeading(leadership: Leadership): unknown;
  /** Called at most once per term, only after `onStartedLeading`, with the reason why the term ended. */
  onStoppedLeading?(reason: StopReason): unknown;
  /** Called once for each change of the holder, also when it becomes this candidate, with its identity. */
  onNewLeader?(identity: string): unknown;
}

/** Where a swallowed error came from: a call of the lock, the work, or the name of the callback or listener. */
export type ErrorPlace = "read" | "write" | "release" | "watch" | "work" | (string & {});

/** Everything that a `LeaderElector` takes. Durations are in milliseconds, and at most 2³¹−1. */
export interface LeaderElectorOptions {
  /** Where the lease is contended for; one lock object serves one elector, for ever. */
  readonly lock: ResourceLock;
  /** Needed by `run` only. */
  readonly callbacks?: LeaderCallbacks;
  /** In metrics and logs; default: the lock's description. */
  readonly name?: string;
  /**
   * How long others wait after receiving an unchanged record; default 15 000. More delays the takeover after a crash.
   */
  readonly leaseDurationMs?: number;
  /** How long a term stays valid after the sending of its last confirmed write; default 10 000. */
  readonly renewDeadlineMs?: number;
  /** The pause after a failure, the polling without a watch, and the patience with a silent write; default 2 000. */
  readonly retryPeriodMs?: number;
  /** From one renewal to the next while all is well; default min(leaseDurationMs / 3, renewDeadlineMs / 2). */
  readonly renewIntervalMs?: number;
  /** The deadline of one call of the lock; default half of renewDeadlineMs, at least 1 000. */
  readonly attemptTimeoutMs?: number;
  /** The tolerated ratio of two hosts' clock rates; default and least 1.2. */
  readonly driftRatio?: number;
  /** How long a step of the work may still take effect after its signal aborted; default 0. */
  readonly stepMarginMs?: number;
  /** An extra wait before replacing a holder, for fleets that share the lease with client-go; default 0. */
  readonly holderGraceMs?: number;
  /** The smallest window of the random delay at expiry; default min(50, retryPeriodMs). */
  readonly herdJitterMs?: number;
  /** How long the work and `onStoppedLeading` may take after a voluntary end; default renewDeadlineMs. */
  readonly drainTimeoutMs?: number;
  /** How long a release is tried; default half of renewDeadlineMs. */
  readonly releaseTimeoutMs?: number;
  /**
   * What a candidate that never saw a record does: `"create"` (default) at once, or `"wait"` for leaseDurationMs first.
   */
  readonly onMissing?: "create" | "wait";
  /** A stored duration beyond this raises an alarm, and such a lease is never taken over; default 3 600 000. */
  readonly maxHonouredLeaseMs?: number;
  /** Whether a term is kept (`"keep"`, default) or ends (`"resign"`) when the work of `run` returns. */
  readonly whenWorkReturns?: "keep" | "resign";
  /** Whether to campaign again after any end but `stopped`; default true. */
  readonly recampaign?: boolean;
  /**
   * The least and the greatest pause after failed work; default 1 000 and 60 000. Doubles, and a long term resets it.
   */
  readonly workBackoffMs?: { readonly minMs: number; readonly maxMs: number };
  /** The highest term that is known to be taken (by a fenced resource); asked before a record is created. */
  readonly termFloor?: () => Promise<number>;
  /** Hears every trouble that the elector swallows. */
  readonly onError?: (error: unknown, where: ErrorPlace) => void;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
}

/** Settings that are complete and checked: plain data, durations in milliseconds. */
export interface ResolvedSettings extends Durations {
  readonly name: string;
  readonly identity: string;
  readonly minWriteIntervalMs: number;
  readonly onMissing: "create" | "wait";
  readonly whenWorkReturns: "keep" | "resign";
  readonly recampaign: boolean;
}

/** The objects that do work. */
export interface ElectorParts {
  readonly lock: ResourceLock;
  readonly callbacks: LeaderCallbacks | undefined;
  readonly termFloor: (() => Promise<number>) | undefined;
  readonly onError: (error: unknown, where: ErrorPlace) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const optionNames: ReadonlySet<string> = new Set([
  ...["lock", "callbacks", "name", "leaseDurationMs", "renewDeadlineMs", "retryPeriodMs", "renewIntervalMs"],
  ...["attemptTimeoutMs", "driftRatio", "stepMarginMs", "holderGraceMs", "herdJitterMs", "drainTimeoutMs"],
  ...["releaseTimeoutMs", "onMissing", "maxHonouredLeaseMs", "whenWorkReturns", "recampaign", "workBackoffMs"],
  ...["termFloor", "onError", "clock", "random", "logger"],
]);

/**
 * Checks the options once and completes them; past this point no default is looked up any more.
 *
 * @throws {InvalidSettingsError} with *all* problems, each naming the option, its value and the bound.
 */
export function resolveSettings(options: LeaderElectorOptions): { settings: ResolvedSettings; parts: ElectorParts } {
  if (typeof options !== "object" || options === null) {
    throw new InvalidSettingsError(["options must be an object with at least a lock"]);
  }
  const problems = [
    ...Object.keys(options)
      .filter((name) => !optionNames.has(name))
      .map((name) => `${name} is not an option`),
    ...lockProblems(options.lock),
    ...choiceProblems(options),
    ...partProblems(options),
  ];
  const minWriteIntervalMs = options.lock?.minWriteIntervalMs ?? 0;
  const durations = resolveDurations(options);
  problems.push(...durationProblems(durations, minWriteIntervalMs));
  if (problems.length > 0) throw new InvalidSettingsError(problems, { operation: "construct" });
  const settings: ResolvedSettings = {
    ...durations,
    name: options.name ?? options.lock.description,
    identity: options.lock.identity,
    minWriteIntervalMs,
    onMissing: options.onMissing ?? "create",
    whenWorkReturns: options.whenWorkReturns ?? "keep",
    recampaign: options.recampaign ?? true,
  };
  return { settings, parts: resolveParts(options) };
}

function resolveParts(options: LeaderElectorOptions): ElectorParts {
  return {
    lock: options.lock,
    callbacks: options.callbacks,
    termFloor: options.termFloor,
    onError: options.onError ?? (() => {}),
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    logger: options.logger === undefined ? silentLogger : harmless(options.logger),
  };
}

/** Log lines are for people: a logger that throws must not cost a term. */
function harmless(logger: Logger): Logger {
  const safe =
    (level: keyof Logger): Logger[keyof Logger] =>
    (message, fields) => {
      try {
        logger[level](message, fields);
      } catch {
        // There is nobody left to tell: onError hears what matters, apart from the log.
      }
    };
  return { debug: safe("debug"), info: safe("info"), warn: safe("warn"), error: safe("error") };
}

function lockProblems(lock: ResourceLock | undefined): string[] {
  if (typeof lock !== "object" || lock === null) return ["lock is missing: pass a ResourceLock, such as a StorageLock"];
  const problems: string[] = [];
  if (typeof lock.identity !== "string" || lock.identity === "") {
    problems.push(`lock.identity (${shown(lock.identity)}) must be a non-empty text, unique to this instance`);
  }
  for (const method of ["get", "create", "update"] as const) {
    if (typeof lock[method] !== "function") problems.push(`lock.${method} must be a function`);
  }
  const least = lock.minWriteIntervalMs;
  if (least !== undefined && !(Number.isFinite(least) && least >= 0)) {
    problems.push(`lock.minWriteIntervalMs (${shown(least)}) must be a number of milliseconds, 0 or more`);
  }
  return problems;
}

function choiceProblems(options: LeaderElectorOptions): string[] {
  const problems: string[] = [];
  const oneOf = (name: string, value: unknown, choices: readonly unknown[]): void => {
    if (value === undefined || choices.includes(value)) return;
    const known = choices.map(shown).join(" or ");
    problems.push(`${name} (${shown(value)}) must be ${known}`);
  };
  oneOf("onMissing", options.onMissing, ["create", "wait"]);
  oneOf("whenWorkReturns", options.whenWorkReturns, ["keep", "resign"]);
  oneOf("recampaign", options.recampaign, [true, false]);
  if (options.name !== undefined && (typeof options.name !== "string" || options.name === "")) {
    problems.push(`name (${shown(options.name)}) must be a non-empty text`);
  }
  return problems;
}

function partProblems(options: LeaderElectorOptions): string[] {
  const problems: string[] = [];
  const callable = (name: string, value: unknown): void => {
    if (value !== undefined && typeof value !== "function") problems.push(`${name} must be a function`);
  };
  callable("termFloor", options.termFloor);
  callable("onError", options.onError);
  const { callbacks } = options;
  if (callbacks === undefined) return problems;
  if (typeof callbacks !== "object" || callbacks === null) return [...problems, "callbacks must be an object"];
  if (typeof callbacks.onStartedLeading !== "function") problems.push("callbacks.onStartedLeading must be a function");
  callable("callbacks.onStoppedLeading", callbacks.onStoppedLeading);
  callable("callbacks.onNewLeader", callbacks.onNewLeader);
  return problems;
}
