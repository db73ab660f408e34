import type { ElectionState, Readings } from "./election-state.ts";
import type { FoldParts } from "./fold-parts.ts";
import type { StopReason } from "./leadership.ts";
import type { ResolvedSettings } from "./settings.ts";

/** The wait before a record that was not renewed may be replaced: never the challenger's duration alone. */
export function waitMs(storedMs: number | undefined, settings: ResolvedSettings): number {
  return Math.max(storedMs ?? 0, settings.leaseDurationMs) + settings.holderGraceMs;
}

/** The pause of a candidate: a retry period and up to 1.2 more, so that candidates spread. */
export function drawRetryPause({ settings, random }: FoldParts): number {
  return settings.retryPeriodMs * (1 + 1.2 * random.next());
}

/** After a failed renewal: a third of what remains, at most a retry period, at least an eighth of one. */
export function pauseAfterFailure(state: ElectionState, now: Readings, settings: ResolvedSettings): number {
  const remainingMs = Math.max(0, (state.term?.validUntilMs ?? now.leaderMs) - now.leaderMs);
  const leastMs = Math.max(settings.retryPeriodMs / 8, settings.minWriteIntervalMs);
  return Math.max(leastMs, Math.min(settings.retryPeriodMs, remainingMs / 3));
}

/** Honours what a storage asked for, up to a minute. */
export function beQuiet(state: ElectionState, now: Readings, retryAfterMs: number): void {
  const untilMs = now.observerMs + Math.min(retryAfterMs, 60_000);
  if (retryAfterMs > 0) state.quietUntilMs = Math.max(state.quietUntilMs, untilMs);
}

/** Whoever gave up its term by itself lets others go first. */
export function holdsBack(reason: StopReason | undefined): boolean {
  return reason === "resigned" || reason === "workReturned";
}
