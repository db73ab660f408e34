import { microTimeInUtc } from "../kubernetes/micro-time.ts";
import { maxReadableTerm } from "../lock/record-codec.ts";
import { noteSignal } from "./candidates.ts";
import { noteGeneration } from "./generations.ts";
import { noteSpent } from "./spent-signals.ts";
import { higher, type KnownLease } from "./global-view.ts";
import type { LeaseMemory, LeaseView, ReconcileSettings } from "./lease-view.ts";

/** How an event of a MultiClusterLease was received. */
export interface LeaseReceipt {
  readonly nowMs: number;
  readonly wallMs: number;
  /** It came with the first list, so nobody knows how old its signal is. */
  readonly found: boolean;
  readonly settings: ReconcileSettings;
}

/** Pairs of the status that are remembered: the last one, and those that a late read of the storage may still show. */
const mostShown = 4;

/** What is known after one event of the MultiClusterLease: each signal counts, not only the latest state. */
export function noteLease(known: KnownLease, view: LeaseView, receipt: LeaseReceipt): KnownLease {
  const { memory, global } = known;
  const { nowMs, settings } = receipt;
  const defaultLeaseMs = settings.goLeaseDurationMs;
  const { generation, signal, status } = view;
  const generations = noteGeneration(memory.generations, { generation, nowMs });
  const candidates =
    signal === undefined
      ? memory.candidates
      : noteSignal(memory.candidates, signal, { ...receipt, generation, generations, defaultLeaseMs });
  const term = status.globalLeaseTransitions ?? 0;
  const noted: LeaseMemory = {
    ...memory,
    ...{ candidates, generations },
    ...notePair(memory, view, nowMs),
    highest: term <= maxReadableTerm ? higher(memory.highest, { term, holder: "" }) : memory.highest,
    // Its record may be gone before this process has ever read it: the status remembers whom to wait for.
    ...(global.record.kind === "nothing" && { lastWaitMs: shownWaitMs(view, settings) }),
    ...(view.deleting && { deletingSinceMs: memory.deletingSinceMs ?? nowMs }),
  };
  return { global, memory: noted };
}

/** A status without a fraction is a Go controller's, which shows times of its own. */
function notePair(
  { shown, spent }: LeaseMemory,
  { status }: LeaseView,
  nowMs: number,
): Pick<LeaseMemory, "shown" | "spent"> {
  const { globalHolderIdentity: holder, globalRenewTime = "" } = status;
  const renewTime = microTimeInUtc(globalRenewTime);
  if (holder === "" || renewTime === undefined || !globalRenewTime.includes(".")) return { shown, spent };
  const isKnown = shown.some((pair) => pair.holder === holder && pair.renewTime === renewTime);
  return {
    shown: isKnown ? shown : [...shown, { holder, renewTime, receivedMs: nowMs }].slice(-mostShown),
    spent: noteSpent(spent, { holder, renewTime }, nowMs),
  };
}

function shownWaitMs({ status }: LeaseView, settings: ReconcileSettings): number {
  const seconds = status.globalLeaseDurationSeconds ?? 0;
  if (status.globalHolderIdentity === "" && seconds < 1) return 0;
  const statedMs = seconds >= 1 ? seconds * 1000 : settings.goLeaseDurationMs + settings.holderGraceMs;
  return Math.min(statedMs, settings.maxHonouredLeaseMs);
}
