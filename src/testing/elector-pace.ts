import assert from "node:assert/strict";

/** One request, or one wake-up of a timer. */
export interface PacedCall {
  readonly atMs: number;
  readonly operation: "get" | "create" | "update";
}

/** What the bounds of an elector follow from. */
export interface PaceLimits {
  readonly retryPeriodMs: number;
  readonly renewIntervalMs: number;
  /** How many bare hints it got: each may cost a read, ten at once and two per second afterwards. */
  readonly hints?: number;
  /** How many terms it began or ended on purpose: each may cost a read, an acquisition and a release. */
  readonly terms?: number;
  /**
   * `leader`: nothing but renewals; `standby`: nothing but polling; default `any`: what is allowed under every fault.
   */
  readonly kind?: "leader" | "standby" | "any";
}

const minuteMs = 60_000;

/**
 * The requests of one elector keep within the pace that it promises, in every minute and in every second: no fault, and
 * no answer, makes it a busy loop. Without faults a leader writes once per renewal interval and reads nothing, a
 * standby reads once per retry period at most and writes nothing.
 */
export function assertPace(calls: readonly PacedCall[], limits: PaceLimits): void {
  const { retryPeriodMs, renewIntervalMs, hints = 0, terms = 0, kind = "any" } = limits;
  const reads = calls.filter(({ operation }) => operation === "get");
  const writes = calls.filter(({ operation }) => operation !== "get");
  const extra = Math.min(hints, 130) + 4 * terms;
  const extraPerSecond = Math.min(hints, 12) + 4 * terms;
  if (kind === "leader") {
    assertMost(reads, minuteMs, { most: extra, what: "reads of a leader" });
    assertMost(writes, minuteMs, { most: minuteMs / renewIntervalMs + 1 + extra, what: "writes of a leader" });
  }
  if (kind === "standby") {
    assertMost(reads, minuteMs, { most: minuteMs / retryPeriodMs + 1 + extra, what: "reads of a standby" });
    assertMost(writes, minuteMs, { most: extra, what: "writes of a standby" });
  }
  const perMinute = Math.max(150_000 / retryPeriodMs, minuteMs / renewIntervalMs);
  assertMost(calls, minuteMs, { most: perMinute + extra, what: "requests" });
  assertMost(calls, 1_000, { most: 8 + perMinute / 60 + extraPerSecond, what: "requests" });
}

/** Timers do not wake an elector more than fifty times in any second. */
export function assertWakeUps(wakeUps: readonly number[]): void {
  const calls = wakeUps.map((atMs) => ({ atMs, operation: "get" }) as const);
  assertMost(calls, 1_000, { most: 50, what: "wake-ups" });
}

/** Counts in each window that begins with a call. */
function assertMost(calls: readonly PacedCall[], windowMs: number, bound: { most: number; what: string }): void {
  let end = 0;
  for (const [begin, { atMs }] of calls.entries()) {
    while (end < calls.length && (calls[end]?.atMs ?? Infinity) < atMs + windowMs) end += 1;
    const count = end - begin;
    const where = `within ${windowMs} ms from ${atMs} ms`;
    assert.ok(count <= bound.most, `${count} ${bound.what} ${where}, more than ${bound.most}`);
  }
}
