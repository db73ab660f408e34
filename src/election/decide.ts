import type { Action } from "./action.ts";
import { decideFollowing } from "./decide-following.ts";
import { decideLeading } from "./decide-leading.ts";
import type { ElectionState, Readings } from "./election-state.ts";
import type { ResolvedSettings } from "./settings.ts";

/**
 * Who may lead, and what comes next: the whole decision, as a pure function of what was received, sent and answered. No
 * clock, no storage and no chance in here; the first row of the tables in `docs/concepts.md` that matches wins.
 */
export function decide(state: ElectionState, now: Readings, settings: ResolvedSettings): Action {
  switch (state.phase) {
    case "following":
      return decideFollowing(state, now, settings);
    case "leading":
    case "draining":
      return decideLeading(state, now, settings);
    case "releasing":
      return decideReleasing(state, now);
  }
}

/**
 * A release is written on one's own last version; after a lost race or an unknown outcome a read says whether to go on.
 */
function decideReleasing(state: ElectionState, now: Readings): Action {
  const { release } = state;
  const nowMs = now.observerMs;
  if (release === undefined || release.step === "done" || nowMs >= release.untilMs) return { do: "endRelease" };
  const { untilMs, notBeforeMs, step } = release;
  if (step === "sent") return { do: "wait", untilMs };
  const pausedUntilMs = Math.max(notBeforeMs, state.quietUntilMs, step === "read" ? state.readPauseUntilMs : -Infinity);
  if (nowMs < pausedUntilMs) return { do: "wait", untilMs: Math.min(untilMs, pausedUntilMs) };
  if (step === "write") return { do: "release" };
  return state.reading !== undefined && state.reading.seq > release.sinceSeq ? { do: "wait", untilMs } : { do: "read" };
}
