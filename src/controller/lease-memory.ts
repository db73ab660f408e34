import { microTimeInUtc } from "../kubernetes/micro-time.ts";
import { maxReadableTerm } from "../lock/record-codec.ts";
import { noteSignal } from "./candidates.ts";
import { higher, type KnownLease } from "./global-view.ts";
import type { LeaseMemory, LeaseView, PairReceipt, ReconcileSettings } from "./lease-view.ts";

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
  const candidates =
    signal === undefined
      ? memory.candidates
      : noteSignal(memory.candidates, signal, { ...receipt, generation, defaultLeaseMs });
  const term = status.globalLeaseTransitions ?? 0;
  const noted: LeaseMemory = {
    ...memory,
    candidates,
    shown: shownPairs(memory.shown, view, nowMs),
    highest: term <= maxReadableTerm ? higher(memory.highest, { term, holder: "" }) : memory.highest,
    // Its record may be gone before this process has ever read it: the status remembers whom to wait for.
    ...(global.record.kind === "nothing" && { lastWaitMs: shownWaitMs(view, settings) }),
    ...(view.deleting && { deletingSinceMs: memory.deletingSinceMs ?? nowMs }),
  };
  return { global, memory: noted };
}

function shownPairs(shown: readonly PairReceipt[], { status }: LeaseView, nowMs: number): readonly PairReceipt[] {
  const { globalHolderIdentity: holder, globalRenewTime = "" } = status;
  const renewTime = microTimeInUtc(globalRenewTime);
  if (holder === "" || renewTime === undefined || !globalRenewTime.includes(".")) return shown;
  if (shown.some((pair) => pair.holder === holder && pair.renewTime === renewTime)) return shown;
  return [...shown, { holder, renewTime, receivedMs: nowMs }].slice(-mostShown);
}

function shownWaitMs({ status }: LeaseView, settings: ReconcileSettings): number {
  if (status.globalHolderIdentity === "") return 0;
  const seconds = status.globalLeaseDurationSeconds ?? 0;
  const statedMs = seconds >= 1 ? seconds * 1000 : settings.goLeaseDurationMs + settings.holderGraceMs;
  return Math.min(statedMs, settings.maxHonouredLeaseMs);
}
