import type { ResourceLock } from "../lock/resource-lock.ts";
import type { Clock } from "../system/clock.ts";
import type { Logger } from "../system/logger.ts";
import type { Random } from "../system/random.ts";
import type { Leadership, StopReason } from "./leadership.ts";

/** What the elector calls. Each of them may throw or reject: that goes to `onError` and breaks nothing. */
export interface LeaderCallbacks {
  onStartedLeading(leadership: Leadership): void | Promise<void>;
  onStoppedLeading?(reason: StopReason): void | Promise<void>;
  onNewLeader?(identity: string): void | Promise<void>;
}

/** Where a swallowed error came from. */
export type ErrorPlace = "read" | "write" | "release" | "watch" | "work" | (string & {});

/** Everything that a `LeaderElector` takes; durations are in milliseconds. */
export interface LeaderElectorOptions {
  readonly lock: ResourceLock;
  readonly callbacks?: LeaderCallbacks;
  readonly name?: string;
  readonly leaseDurationMs?: number;
  readonly renewDeadlineMs?: number;
  readonly retryPeriodMs?: number;
  readonly renewIntervalMs?: number;
  readonly attemptTimeoutMs?: number;
  readonly driftRatio?: number;
  readonly stepMarginMs?: number;
  readonly holderGraceMs?: number;
  readonly herdJitterMs?: number;
  readonly drainTimeoutMs?: number;
  readonly releaseTimeoutMs?: number;
  readonly onMissing?: "create" | "wait";
  readonly maxHonouredLeaseMs?: number;
  readonly whenWorkReturns?: "keep" | "resign";
  readonly recampaign?: boolean;
  readonly workBackoffMs?: { readonly minMs: number; readonly maxMs: number };
  readonly termFloor?: () => Promise<number>;
  readonly onError?: (error: unknown, where: ErrorPlace) => void;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
}
