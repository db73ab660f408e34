import type { LeaderElectionRecord } from "../lock/leader-election-record.ts";
import { preferredHolderAnnotation } from "./lease-record.ts";
import { multiClusterLeaseNames } from "./multi-cluster-lease.ts";
import type { KubernetesResource, ResourceRef } from "./kubernetes-resources.ts";
import type { ShownLease } from "./shown-lease.ts";

/** How long signals are worth acting on, and how often the controller shall look. */
export interface SignalPace {
  /** Default: two thirds of the lease duration. */
  readonly renewDeadlineMs: number | undefined;
  /** Default: two fifteenths of the lease duration. */
  readonly retryPeriodMs: number | undefined;
  /** Whether other clusters wait for some retry periods longer, in which a neighbour may come. */
  readonly headStart?: boolean;
}

/** So long a neighbour needs at the most, to see that a lease has run out and to signal. */
const headStartPeriods = 3;

/** What a signal says beside its text. */
export interface SignalBody {
  /** The name that it bears. */
  readonly holder: string;
  readonly renewTime: string;
  readonly record: LeaderElectionRecord;
  readonly pace: SignalPace;
}

/** The spec that a signal makes. */
export function signalSpec({ holder, renewTime, record, pace }: SignalBody): Readonly<Record<string, unknown>> {
  return {
    holderIdentity: holder,
    renewTime,
    leaseDurationSeconds: globalSecondsOf(record, pace),
    renewDeadlineSeconds: Math.max(1, Math.floor(renewDeadlineOf(record, pace) / 1_000)), // down: nobody acts too late
    retryPeriodSeconds: Math.max(1, Math.ceil(retryPeriodOf(record, pace) / 1_000)), // 0 stops a Go controller
    leaseTransitions: record.leaderTransitions,
  };
}

/** How long other clusters wait, in seconds. */
export function globalSecondsOf(record: LeaderElectionRecord, pace: SignalPace): number {
  const { leaseDurationSeconds = 1 } = record;
  if (pace.headStart !== true) return leaseDurationSeconds;
  return leaseDurationSeconds + Math.ceil((headStartPeriods * retryPeriodOf(record, pace)) / 1_000);
}

/** V, in milliseconds. */
export function renewDeadlineOf({ leaseDurationSeconds = 1 }: LeaderElectionRecord, pace: SignalPace): number {
  return pace.renewDeadlineMs ?? (leaseDurationSeconds * 2_000) / 3;
}

/** P, in milliseconds. */
export function retryPeriodOf({ leaseDurationSeconds = 1 }: LeaderElectionRecord, pace: SignalPace): number {
  return pace.retryPeriodMs ?? (leaseDurationSeconds * 2_000) / 15;
}

/** A resource in which nobody asks. */
export function emptyLease({ group, namespace, name }: ResourceRef): KubernetesResource {
  const { version, kind } = multiClusterLeaseNames;
  return { apiVersion: `${group}/${version}`, kind, metadata: { name, namespace }, spec: {} };
}

/** The resource that the first signal makes. */
export function newLease(ref: ResourceRef, body: SignalBody): KubernetesResource {
  const { preferredHolder } = body.record;
  const { metadata, ...empty } = emptyLease(ref);
  const annotations =
    preferredHolder === undefined ? {} : { annotations: { [preferredHolderAnnotation]: preferredHolder } };
  return { ...empty, metadata: { ...metadata, ...annotations }, spec: signalSpec(body) };
}

/** What a conditional write names. */
export interface PatchCondition {
  readonly uid: string;
  readonly resourceVersion: string;
}

/** The merge patch of a signal. */
export function signalPatch(condition: PatchCondition, body: SignalBody, before: ShownLease): object {
  return { metadata: { ...condition, ...preference(body.record.preferredHolder, before) }, spec: signalSpec(body) };
}

/** What a release says. */
export interface ReleaseBody {
  readonly holder: string;
  /** The term that ends; `undefined` if it is not known. */
  readonly term: number | undefined;
  readonly preferredHolder: string | undefined;
}

/** The merge patch of a release: the signal is taken back, and its sender stays named. */
export function releasePatch(
  condition: PatchCondition,
  { holder, term, preferredHolder }: ReleaseBody,
  before: ShownLease,
): object {
  return {
    metadata: { ...condition, ...preference(preferredHolder, before) },
    spec: { holderIdentity: holder, renewTime: null, ...(term !== undefined && { leaseTransitions: term }) },
  };
}

/** No field of the resource has room for it, so candidates of this cluster alone learn whom a release prefers. */
function preference(preferredHolder: string | undefined, before: ShownLease): object {
  if (preferredHolder !== undefined) return { annotations: { [preferredHolderAnnotation]: preferredHolder } };
  const stored = before.resource.metadata?.annotations?.[preferredHolderAnnotation];
  return stored === undefined ? {} : { annotations: { [preferredHolderAnnotation]: null } };
}
