import { errorCode, TenureError } from "../errors.ts";
import { microTimeInUtc } from "../kubernetes/micro-time.ts";
import { multiClusterLeaseBounds } from "../kubernetes/multi-cluster-lease.ts";
import { leaseDataToRecord } from "../lock/record-codec.ts";
import type { LeaseData, LeaseObject } from "../storage/lease-storage.ts";
import { printable } from "../system/logger.ts";
import { noteSpent } from "./spent-signals.ts";
import type { GlobalRecord, GlobalView, LeaseMemory, ReconcileSettings } from "./lease-view.ts";

/** What is known of one lease beside its MultiClusterLease. */
export interface KnownLease {
  readonly global: GlobalView;
  readonly memory: LeaseMemory;
}

/** When and how something was received from the storage. */
export interface GlobalReceipt {
  readonly nowMs: number;
  /** Drawn in [0, 1). */
  readonly share: number;
  readonly settings: ReconcileSettings;
}

/** Before anything is known but that there is such a lease. */
export function unknownLease(nowMs: number): KnownLease {
  return {
    global: { record: { kind: "nothing" }, stale: false, notBeforeMs: -Infinity },
    memory: {
      candidates: [],
      highest: { term: 0, holder: "" },
      lastWaitMs: 0,
      shown: [],
      spent: [],
      generations: [],
      answered: 0,
      goWriter: false,
      knownSinceMs: nowMs,
    },
  };
}

/**
 * How long others wait for the holder of a record, from the receipt of its pair: its own duration, or what stands in
 * for the one that a Go controller does not write, and the grace.
 */
export function storedWaitMs(data: LeaseData, settings: ReconcileSettings): number {
  return (storedMs(data) ?? settings.goLeaseDurationMs) + settings.holderGraceMs;
}

/** The duration that the record names. */
export function storedMs({ leaseDurationSeconds }: LeaseData): number | undefined {
  return leaseDurationSeconds === undefined ? undefined : leaseDurationSeconds * 1000;
}

/** A record was read, or came with a hint, or is what our own write has made. */
export function receiveLease(known: KnownLease, lease: LeaseObject, receipt: GlobalReceipt): KnownLease {
  const checked = checkedLease(lease);
  if (typeof checked === "string") return receiveUnreadable(known, checked);
  const { data, generation } = checked;
  const { memory } = known;
  const record: GlobalRecord = { kind: "record", data, generation, ...firstReceipt(known, checked, receipt) };
  const { holderIdentity: holder, renewTime } = data;
  const isGo = holder !== "" && storedMs(data) === undefined;
  return {
    global: seenNow(known.global, record),
    memory: {
      ...memory,
      highest: higher(memory.highest, { term: data.leaseTransitions, holder: data.holderIdentity }),
      lastWaitMs: data.holderIdentity === "" ? 0 : storedWaitMs(data, receipt.settings),
      // A Go controller stores times of its own.
      spent: isGo ? memory.spent : noteSpent(memory.spent, { holder, renewTime }, receipt.nowMs),
      goWriter: memory.goWriter || isGo,
    },
  };
}

/** There is no record. */
export function receiveAbsence(known: KnownLease, { nowMs, settings }: GlobalReceipt): KnownLease {
  const { record } = known.global;
  const goesOn = record.kind === "absent" && nowMs - record.lastMs <= settings.absenceGapMs;
  const absent: GlobalRecord = { kind: "absent", sinceMs: goesOn ? record.sinceMs : nowMs, lastMs: nowMs };
  return { ...known, global: seenNow(known.global, absent) };
}

/** What is there is no record. */
export function receiveUnreadable(known: KnownLease, problem: string): KnownLease {
  return { ...known, global: seenNow(known.global, { kind: "unreadable", problem }) };
}

/** The storage did not answer, or refused. `unknown`: something may have been written. */
export function receiveFailure(
  known: KnownLease,
  error: unknown,
  { nowMs, retryAtMs, unknown }: { readonly nowMs: number; readonly retryAtMs: number; readonly unknown: boolean },
): KnownLease {
  const { global } = known;
  const away = global.away ?? { sinceMs: nowMs, message: troubleText(error) };
  const notBeforeMs = Math.max(global.notBeforeMs, retryAtMs);
  return { ...known, global: { ...global, away, notBeforeMs, stale: global.stale || unknown } };
}

/** For people: messages of our own errors hold no secret; of foreign ones nobody knows. */
export function troubleText(error: unknown): string {
  if (error instanceof TenureError) return printable(error.message, 500);
  const code = errorCode(error);
  return code === undefined ? "the storage failed" : `the storage failed (${printable(code, 40)})`;
}

/** The higher term; of one term, the holder that is known. */
export function higher(first: LeaseMemory["highest"], second: LeaseMemory["highest"]): LeaseMemory["highest"] {
  if (first.term !== second.term) return first.term > second.term ? first : second;
  return first.holder === "" ? second : first;
}

function seenNow(global: GlobalView, record: GlobalRecord): GlobalView {
  return { record, stale: false, notBeforeMs: global.notBeforeMs };
}

/** Where its pair is known, its first receipt stays: a new version alone postpones nothing. */
function firstReceipt(
  { global, memory }: KnownLease,
  { data, generation }: LeaseObject,
  { nowMs, share }: GlobalReceipt,
): { receivedMs: number; share: number } {
  const { record } = global;
  if (record.kind === "record" && isSamePair(record.data, data)) {
    const isSame = data.holderIdentity !== "" || record.generation === generation;
    if (isSame) return { receivedMs: record.receivedMs, share: record.share };
  }
  const time = microTimeInUtc(data.renewTime);
  const shown = memory.shown.find(
    ({ holder, renewTime }) => holder !== "" && holder === data.holderIdentity && renewTime === time,
  );
  return { receivedMs: Math.min(shown?.receivedMs ?? nowMs, nowMs), share };
}

function isSamePair(first: LeaseData, second: LeaseData): boolean {
  return first.holderIdentity === second.holderIdentity && first.renewTime === second.renewTime;
}

/** What is wrong with it, or the lease with optional fields that can be trusted: it may come from a storage by hand. */
function checkedLease({ data, generation }: LeaseObject): LeaseObject | string {
  if (typeof generation !== "string" || generation === "") return "it has no generation";
  try {
    const { record } = leaseDataToRecord(data, { storage: "the storage" });
    const { holderIdentity, renewTime, leaseDurationSeconds } = record;
    if (!isShort(holderIdentity))
      return `its holder has more than ${multiClusterLeaseBounds.holderIdentity} characters`;
    const { leaseDurationSeconds: _stored, ...others } = data;
    const duration = leaseDurationSeconds !== undefined && { leaseDurationSeconds };
    return { data: { ...others, holderIdentity, renewTime, ...duration }, generation };
  } catch (error) {
    return error instanceof TenureError ? printable(error.message, 300) : "it is no lease";
  }
}

/** A character is a code point, as in the definition of the resource. */
function isShort(holder: string): boolean {
  const most = multiClusterLeaseBounds.holderIdentity;
  return holder.length <= most || (holder.length <= 2 * most && Array.from(holder).length <= most);
}
