import { printable } from "../system/logger.ts";
import { leaseMsOf } from "./candidates.ts";
import { storedWaitMs } from "./global-view.ts";
import { freeingWrite } from "./global-writes.ts";
import { isReleased, type HeldRecord, type Situation, type Step } from "./situation.ts";

const leave: Step = { row: 2, answered: true, finalizer: "remove" };

/**
 * The rows 2 and 3: the lease is to go, which asks its candidate to step down. Nothing is freed before it has released,
 * or before its lease has run out; and the finalizer never holds up a namespace for longer than two waits.
 */
export function reconcileDeleting(situation: Situation): Step {
  const { view, settings, isKnown, held, expiresAtMs } = situation;
  const ours = held !== undefined && isOurs(situation, held) ? held : undefined;
  if (isKnown && ours === undefined) return leave;
  const giveUpAtMs = blindSinceMs(situation) + 2 * longestWaitMs(situation);
  if (view.nowMs >= giveUpAtMs) return { ...leave, row: 3, events: [leftToExpire] };
  if (!isKnown || ours === undefined) return { row: 3, answered: false, wakeAtMs: giveUpAtMs };
  const freeAtMs = Math.min(expiresAtMs, ours.receivedMs + storedWaitMs(ours.data, settings));
  if (!isReleased(situation) && view.nowMs < freeAtMs)
    return { row: 3, answered: true, wakeAtMs: Math.min(freeAtMs, giveUpAtMs) };
  const message = `${printable(ours.data.holderIdentity)} no longer holds the lock: it is being deleted`;
  const write = { ...freeingWrite(situation, ours), event: { reason: "LockReleased", message } } as const;
  return { row: 2, answered: false, write, wakeAtMs: giveUpAtMs };
}

const leftToExpire = {
  reason: "LeftToExpire",
  message: "the storage cannot be reached, so the lease is left to run out by itself",
} as const;

/** Whether it is held through this MultiClusterLease. */
function isOurs({ view, cluster }: Situation, { data }: HeldRecord): boolean {
  const { candidates } = view.memory;
  const { holderIdentity } = data;
  return candidates.some(({ identity }) => identity === holderIdentity) || cluster.signal?.identity === holderIdentity;
}

/** Since when nobody knows whether the lease is held. */
function blindSinceMs({ view }: Situation): number {
  const { away, record } = view.global;
  if (away !== undefined) return away.sinceMs;
  return record.kind === "unreadable" ? (view.memory.deletingSinceMs ?? view.nowMs) : Infinity;
}

function longestWaitMs({ view, settings, held }: Situation): number {
  const { goLeaseDurationMs, holderGraceMs } = settings;
  const ofCandidates = view.memory.candidates.map((candidate) => leaseMsOf(candidate, goLeaseDurationMs));
  const stored = held === undefined ? 0 : storedWaitMs(held.data, settings);
  return Math.max(stored, Math.max(goLeaseDurationMs, ...ofCandidates) + holderGraceMs);
}
