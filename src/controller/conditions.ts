import { conditionOf, type Condition } from "../kubernetes/multi-cluster-lease.ts";
import { printable } from "../system/logger.ts";
import { microTime } from "../system/micro-time.ts";
import { signalMsOf } from "./candidates.ts";
import type { Situation } from "./situation.ts";

/** What a condition says. */
interface Finding {
  readonly status: Condition["status"];
  readonly reason: string;
  readonly message: string;
}

/** How long nothing may be heard from the storage before a status says so. */
export const contactMs = 1_000;

/**
 * The conditions of the status: ours, then those of others as they are. `answered` is the generation that has its
 * outcome; the time of a transition moves with `status` only.
 */
export function conditionsOf(situation: Situation, answered: number): readonly Condition[] {
  const { cluster, view } = situation;
  const now = `${microTime(view.wallMs * 1000).slice(0, 19)}Z`;
  const ours: readonly (readonly [string, Finding | undefined])[] = [
    ["BackendHealthy", backendHealthy(situation)],
    ["LockAcquiredInBackend", lockAcquired(situation)],
    ["LocalCandidateReady", candidateReady(situation)],
  ];
  const made = ours.flatMap(([type, found]): readonly Condition[] => {
    const shown = conditionOf(cluster.status, type);
    if (found === undefined) return shown === undefined ? [] : [shown];
    const since = shown?.status === found.status && shown.lastTransitionTime !== "" ? shown.lastTransitionTime : now;
    // A candidate that waits for an answer in vain learns why by a condition that is about its own spec.
    const about = type === "BackendHealthy" && found.status !== "True" ? cluster.generation : answered;
    return [{ type, ...found, lastTransitionTime: since, observedGeneration: about }];
  });
  return [...made, ...cluster.status.conditions.filter(({ type }) => ours.every(([own]) => own !== type))];
}

function backendHealthy({ view }: Situation): Finding | undefined {
  const { away, record } = view.global;
  if (away !== undefined) return { status: "False", reason: "BackendError", message: away.message };
  if (record.kind === "unreadable") return { status: "False", reason: "RecordUnreadable", message: record.problem };
  if (record.kind !== "nothing") return { status: "True", reason: "BackendHealthy", message: "the storage answers" };
  if (view.nowMs - view.memory.knownSinceMs < contactMs) return undefined;
  return { status: "Unknown", reason: "NotContacted", message: "the storage has not answered yet" };
}

/** While what is known may be old, it stays as it is shown: only time takes it back. */
function lockAcquired(situation: Situation): Finding | undefined {
  const { view, isKnown, held, expiresAtMs, cluster } = situation;
  const { away, record } = view.global;
  const lost: Finding = { status: "Unknown", reason: "BackendError", message: "the storage cannot be read" };
  if (!isKnown) {
    const shown = conditionOf(cluster.status, "LockAcquiredInBackend");
    const waitMs = (cluster.status.globalLeaseDurationSeconds ?? 0) * 1000;
    const isOver = away !== undefined && view.nowMs >= away.sinceMs + waitMs;
    return isOver || (shown === undefined && record.kind !== "nothing") || record.kind === "unreadable"
      ? lost
      : undefined;
  }
  if (record.kind === "absent") return { status: "False", reason: "LockNotAcquired", message: "there is no record" };
  if (held === undefined) return { status: "False", reason: "LockReleased", message: "the lock is free" };
  const holder = printable(held.data.holderIdentity);
  if (view.nowMs < expiresAtMs)
    return { status: "True", reason: "LockAcquired", message: `the lock is held by ${holder}` };
  if (away !== undefined) return lost;
  return { status: "False", reason: "LeaseExpired", message: `the lease of ${holder} has run out` };
}

function candidateReady(situation: Situation): Finding | undefined {
  const { view, problems, candidate, cluster, settings } = situation;
  const { candidates } = view.memory;
  const newest = candidates.at(-1);
  const no = (reason: string, message: string): Finding => ({ status: "False", reason, message });
  if (problems.length > 0) return no("SpecInvalid", printable(problems.join("; "), 1_000));
  if (candidate !== undefined) {
    const message = `${printable(candidate.identity)} signals`;
    return { status: "True", reason: "SignalFresh", message };
  }
  if (newest === undefined) return no("NoCandidate", "nobody has asked");
  if (newest.renewTime === undefined) return no("CandidateReleased", `${printable(newest.identity)} has released`);
  // A signal of before the start: nobody knows yet how old it is.
  const isOpen = candidates.some(
    (one) => one.found && view.nowMs - one.changedMs < signalMsOf(one, settings.goLeaseDurationMs),
  );
  if (isOpen && conditionOf(cluster.status, "LocalCandidateReady") !== undefined) return undefined;
  return no("SignalExpired", "no signal came in time");
}
