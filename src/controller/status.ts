import { isDeepStrictEqual } from "node:util";
import { microTimeInUtc } from "../kubernetes/micro-time.ts";
import { conditionOf, type MultiClusterLeaseStatus } from "../kubernetes/multi-cluster-lease.ts";
import { printable } from "../system/logger.ts";
import { conditionsOf, contactMs } from "./conditions.ts";
import { storedWaitMs } from "./global-view.ts";
import type { EventNote, StatusChange } from "./plan.ts";
import type { Situation, Step } from "./situation.ts";

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * What the status has to say now, as a change of what it says; `undefined` if it says that already.
 *
 * The generation counts as observed once the spec has its outcome. While a write is still to come, only what answers
 * somebody is worth a request: the rest follows with the outcome.
 */
export function statusChange(situation: Situation, step: Step): StatusChange | undefined {
  const shown = situation.cluster.status;
  const answered = step.answered ? situation.cluster.generation : answeredBefore(situation);
  const status = statusOf(situation, answered);
  if (isUnderWay(situation, step) && answersOf(status) === answersOf(shown)) return undefined;
  const patch = patchOf(shown, status);
  return Object.keys(patch).length === 0 ? undefined : { patch, status };
}

/** What has become different between two statuses, once per change. */
export function statusEvents(before: MultiClusterLeaseStatus, after: MultiClusterLeaseStatus): readonly EventNote[] {
  const events: EventNote[] = [];
  const holder = after.globalHolderIdentity;
  const began = (type: string, reason: string): string | undefined => {
    const [was, is] = [conditionOf(before, type), conditionOf(after, type)];
    return is?.reason === reason && (was?.reason !== reason || was.message !== is.message) ? is.message : undefined;
  };
  const lock = conditionOf(after, "LockAcquiredInBackend");
  if (holder !== "" && holder !== before.globalHolderIdentity && lock?.reason === "LockAcquired") {
    const term = after.globalLeaseTransitions ?? 0;
    events.push({ reason: "LeaderChanged", message: `${printable(holder)} leads now, term ${term}` });
  }
  const released = began("LockAcquiredInBackend", "LockReleased");
  const wasHeld = conditionOf(before, "LockAcquiredInBackend")?.reason === "LockAcquired";
  if (released !== undefined && wasHeld) {
    const message = `${printable(before.globalHolderIdentity)} has released the lock`;
    events.push({ reason: "LockReleased", message });
  }
  const expired = began("LockAcquiredInBackend", "LeaseExpired");
  if (expired !== undefined) events.push({ reason: "LeaseExpired", message: expired });
  const invalid = began("LocalCandidateReady", "SpecInvalid");
  if (invalid !== undefined) events.push({ reason: "SpecInvalid", message: invalid });
  const [was, is] = [conditionOf(before, "BackendHealthy"), conditionOf(after, "BackendHealthy")];
  if (is?.status === "False" && was?.status !== "False") {
    events.push({ reason: "StorageUnhealthy", message: is.message });
  }
  return events;
}

/** Whether the next answer of the server or the storage will say more. */
function isUnderWay({ view }: Situation, step: Step): boolean {
  if (step.write !== undefined || step.finalizer !== undefined || step.look !== undefined) return true;
  if (step.row !== 0 || view.global.away !== undefined) return false;
  return view.global.record.kind !== "nothing" || view.nowMs - view.memory.knownSinceMs < contactMs;
}

function answeredBefore({ cluster, view }: Situation): number {
  const { answered } = view.memory;
  return answered > 0 ? answered : (cluster.status.observedGeneration ?? 0);
}

function statusOf(situation: Situation, answered: number): MultiClusterLeaseStatus {
  const { cluster, view, settings, held, isKnown } = situation;
  const conditions = conditionsOf(situation, answered);
  const { record } = view.global;
  const { lastWaitMs } = view.memory;
  const generation = answered > 0 && { observedGeneration: answered };
  // What may be old is not shown in place of what somebody else may know better.
  if (!isKnown) return { ...cluster.status, ...generation, conditions };
  const status: Writable<MultiClusterLeaseStatus> = {
    ...generation,
    globalHolderIdentity: held?.data.holderIdentity ?? "",
    globalLeaseTransitions: view.memory.highest.term,
    conditions,
  };
  if (record.kind === "record") status.globalRenewTime = microTimeInUtc(record.data.renewTime) ?? record.data.renewTime;
  // A replica that begins later has to wait, too, for a holder whose record is gone.
  if (record.kind === "absent" && lastWaitMs > 0) status.globalLeaseDurationSeconds = Math.ceil(lastWaitMs / 1000);
  if (held !== undefined) {
    status.globalLeaseDurationSeconds = Math.ceil(storedWaitMs(held.data, settings) / 1000);
    if (held.data.acquireTime !== undefined) status.globalAcquireTime = held.data.acquireTime;
  }
  return status;
}

/** What a candidate may be waiting for. */
function answersOf({ observedGeneration = 0, globalHolderIdentity, globalRenewTime }: MultiClusterLeaseStatus): string {
  const renewTime = globalHolderIdentity === "" ? "" : (globalRenewTime ?? "");
  return JSON.stringify([observedGeneration, globalHolderIdentity, renewTime]);
}

/** A merge patch from one to the other; `null` takes a field away. */
function patchOf(before: MultiClusterLeaseStatus, after: MultiClusterLeaseStatus): Readonly<Record<string, unknown>> {
  const patch: Record<string, unknown> = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [was, is]: readonly unknown[] = [Reflect.get(before, name), Reflect.get(after, name)];
    if (!isDeepStrictEqual(was, is)) patch[name] = is ?? null;
  }
  return patch;
}
