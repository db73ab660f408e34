import { isFresh, staleTimes } from "./candidates.ts";
import { contactMs } from "./conditions.ts";
import type { LeaseMemory, ReconcileSettings, ReconcileView } from "./lease-view.ts";
import type { Plan, PlanAlarm } from "./plan.ts";
import { reconcileDeleting } from "./reconcile-deleting.ts";
import { reconcileLease } from "./reconcile-lease.ts";
import { isTooLong, situationOf, type Situation, type Step } from "./situation.ts";
import { statusChange, statusEvents } from "./status.ts";

/** A requeue is no sooner and no later than this, whatever the spec asks for. */
const requeueBoundsMs = [1_000, 30_000] as const;
/** A Go controller judges a signal by its own wall clock. */
const mostOffsetMs = 2_000;

/**
 * Decides what is to be done for one MultiClusterLease: the table of thirteen rows, of which the first that matches
 * wins. No clock, no storage, no API and no chance in here: what was received, when, and what was drawn with it, is in
 * the view.
 *
 * No plan writes without naming the version that it replaces (a creation names the absence), none renews without a
 * signal later than the stored one, and no term falls.
 */
export function reconcile(view: ReconcileView, settings: ReconcileSettings): Plan {
  const { cluster } = view;
  if (cluster === undefined || (cluster.deleting && !cluster.finalizer)) return forgotten; // row 1
  const situation = situationOf(view, cluster, settings);
  const wanted = cluster.deleting ? reconcileDeleting(situation) : reconcileLease(situation);
  const step = inPace(situation, withFinalizer(situation, wanted));
  const status = step.finalizer === "remove" ? undefined : statusChange(situation, step);
  const memory: LeaseMemory = step.answered ? { ...view.memory, answered: cluster.generation } : view.memory;
  const wakeAtMs = Math.min(...wakeTimes(situation, step).filter((atMs) => atMs > view.nowMs));
  return {
    row: step.row,
    memory,
    ...(step.write !== undefined && { write: step.write }),
    ...(step.finalizer !== undefined && { finalizer: step.finalizer }),
    ...(step.look !== undefined && { look: step.look }),
    ...(status !== undefined && { status }),
    ...(Number.isFinite(wakeAtMs) && { wakeAtMs }),
    events: [...(step.events ?? []), ...(status === undefined ? [] : statusEvents(cluster.status, status.status))],
    alarms: alarmsOf(situation),
  };
}

const forgotten: Plan = { row: 1, memory: undefined, events: [], alarms: [] };

/** Row 5: whoever deletes the object has to wait for us from the first global write on. */
function withFinalizer({ cluster }: Situation, step: Step): Step {
  if (step.write === undefined || cluster.finalizer) return step;
  return { row: 5, answered: false, finalizer: "add" };
}

/** Signals that come faster than the storage may be written coalesce: the table of candidates keeps the newest. */
function inPace({ view }: Situation, step: Step): Step {
  const { notBeforeMs } = view.global;
  if ((step.write ?? step.look) === undefined || view.nowMs >= notBeforeMs) return step;
  const { write: _later, look: _before, ...rest } = step;
  return { ...rest, wakeAtMs: Math.min(notBeforeMs, step.wakeAtMs ?? Infinity) };
}

function wakeTimes(situation: Situation, step: Step): readonly number[] {
  const { view, candidate, question, expiresAtMs, held, cluster } = situation;
  const { away } = view.global;
  const shownWaitMs = (cluster.status.globalLeaseDurationSeconds ?? 0) * 1000;
  return [
    step.wakeAtMs ?? Infinity,
    ...staleTimes(view.memory.candidates, question.defaultLeaseMs),
    expiresAtMs,
    away === undefined ? Infinity : away.sinceMs + shownWaitMs,
    view.global.record.kind === "nothing" ? view.memory.knownSinceMs + contactMs : Infinity,
    candidate === undefined ? Infinity : view.nowMs + requeueMs(candidate.retryPeriodMs, held?.share ?? 0.5),
  ];
}

/** A second look that renews nothing by itself: with a jitter of a tenth. */
function requeueMs(retryPeriodMs: number | undefined, share: number): number {
  const [least, most] = requeueBoundsMs;
  return Math.min(Math.max(retryPeriodMs ?? 2_000, least), most) * (0.9 + 0.2 * share);
}

function alarmsOf({ view, settings, held, question }: Situation): readonly PlanAlarm[] {
  const { record } = view.global;
  const { highest, goWriter, candidates } = view.memory;
  const alarms: PlanAlarm[] = [];
  if (held !== undefined && isTooLong(held, settings)) {
    const seconds = held.data.leaseDurationSeconds ?? 0;
    const message = `the stored lease of ${seconds} s is longer than what is ever waited for`;
    alarms.push({ kind: "longLease", message });
  }
  if (record.kind === "unreadable") alarms.push({ kind: "unreadableRecord", message: record.problem });
  if (record.kind === "record" && record.data.leaseTransitions < highest.term) {
    const message = `the stored term went back to ${record.data.leaseTransitions} from ${highest.term}`;
    alarms.push({ kind: "termRegression", message });
  }
  const off = candidates.find((one) => Math.abs(one.offsetMs) > mostOffsetMs && isFresh(one, question));
  if (goWriter && off !== undefined) {
    const seconds = Math.round(off.offsetMs / 1000);
    const message = `a signal is ${seconds} s off this controller's clock; Go controllers judge it by theirs`;
    alarms.push({ kind: "clockOffset", message });
  }
  return alarms;
}
