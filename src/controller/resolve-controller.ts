import { InvalidSettingsError } from "../errors.ts";
import { defaultGroup } from "../kubernetes/multi-cluster-lease.ts";
import type { LeaseStorage } from "../storage/lease-storage.ts";
import type { ReconcileSettings } from "./lease-view.ts";

/** How a controller works; plain data. Durations are in milliseconds. */
export interface ControllerSettings {
  /** The namespaces whose MultiClusterLeases are kept; default `[""]`: all. */
  readonly namespaces?: readonly string[];
  /** The API group of the resource. */
  readonly group?: string;
  /** Between two looks at the storage where nothing is pushed, 100 to 60 000; default 2 000. */
  readonly pollIntervalMs?: number;
  /** Extra wait before a holder is replaced, 0 to 3 600 000; default 0. */
  readonly holderGraceMs?: number;
  /** Stands in for the duration that a Go controller does not write, 1 000 to 3 600 000; default 15 000. */
  readonly goLeaseDurationMs?: number;
  /** A longer stored lease is never taken over, 1 000 to 86 400 000; default 3 600 000. */
  readonly maxHonouredLeaseMs?: number;
  /** The Lease by which replicas elect the one that writes; default `tenure-controller`. */
  readonly leaseName?: string;
  /** Where that Lease is; default `default`. */
  readonly leaseNamespace?: string;
  /** How long a graceful end may take, 1 000 to 600 000; default 10 000. */
  readonly shutdownTimeoutMs?: number;
  /** The deadline of one call to the storage or the cluster, 100 to 60 000; default 5 000. */
  readonly callTimeoutMs?: number;
}

/** The same, checked and whole. */
export interface ResolvedController {
  readonly namespaces: readonly string[];
  readonly group: string;
  readonly pollIntervalMs: number;
  readonly callTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly leaseName: string;
  readonly leaseNamespace: string;
  readonly reconcile: ReconcileSettings;
}

/** Looks at an absence that follow each other within so many poll intervals count as one. */
const absenceGapPolls = 3;
/** Of a graceful end: for the release of the own lease, and for what is to be closed after it. */
const afterDrainMs = 2_500;

const bounds = {
  pollIntervalMs: [100, 60_000],
  holderGraceMs: [0, 3_600_000],
  goLeaseDurationMs: [1_000, 3_600_000],
  maxHonouredLeaseMs: [1_000, 86_400_000],
  shutdownTimeoutMs: [1_000, 600_000],
  callTimeoutMs: [100, 60_000],
} as const;

/** @throws {InvalidSettingsError} with everything that is wrong. */
export function resolveController(settings: ControllerSettings = {}, storage: LeaseStorage): ResolvedController {
  const { namespaces = [""], group = defaultGroup } = settings;
  const { leaseName = "tenure-controller", leaseNamespace = "default" } = settings;
  const ms = {
    pollIntervalMs: settings.pollIntervalMs ?? 2_000,
    holderGraceMs: settings.holderGraceMs ?? 0,
    goLeaseDurationMs: settings.goLeaseDurationMs ?? 15_000,
    maxHonouredLeaseMs: settings.maxHonouredLeaseMs ?? 3_600_000,
    shutdownTimeoutMs: settings.shutdownTimeoutMs ?? 10_000,
    callTimeoutMs: settings.callTimeoutMs ?? 5_000,
  };
  const problems = [...durationProblems(ms), ...placeProblems(namespaces, group), ...storageProblems(storage)];
  if (problems.length > 0) throw new InvalidSettingsError(problems);
  const { holderGraceMs, goLeaseDurationMs, maxHonouredLeaseMs, pollIntervalMs, callTimeoutMs } = ms;
  const absenceGapMs = absenceGapPolls * pollIntervalMs + callTimeoutMs;
  return {
    ...{ namespaces: namespaces.includes("") ? [""] : [...new Set(namespaces)], group, leaseName, leaseNamespace },
    ...{ pollIntervalMs, callTimeoutMs },
    drainTimeoutMs: Math.max(ms.shutdownTimeoutMs - afterDrainMs, 500),
    reconcile: { holderGraceMs, goLeaseDurationMs, maxHonouredLeaseMs, absenceGapMs },
  };
}

function durationProblems(ms: Readonly<Record<keyof typeof bounds, number>>): readonly string[] {
  return Object.entries(bounds).flatMap(([name, [least, most]]) => {
    const value: unknown = Reflect.get(ms, name);
    const fits = typeof value === "number" && value >= least && value <= most;
    return fits ? [] : [`${name} (${String(value)}) must be ${least} to ${most}`];
  });
}

function placeProblems(namespaces: readonly string[], group: string): readonly string[] {
  const label = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
  const wrong = namespaces.filter((namespace) => namespace !== "" && !label.test(namespace));
  return [
    ...(namespaces.length === 0 ? ["namespaces must name at least one"] : []),
    ...wrong.map((namespace) => `namespaces: "${namespace}" is no name of a namespace`),
    ...(group.length <= 253 && /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(group)
      ? []
      : [`group ("${group}") is no API group`]),
  ];
}

function storageProblems(storage: LeaseStorage): readonly string[] {
  const calls = ["readLease", "createLease", "writeLease"] as const;
  return calls
    .filter((call) => typeof storage?.[call] !== "function")
    .map((call) => `storage must have the call ${call}`);
}
