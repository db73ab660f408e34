import type { ResourceLock } from "../lock/resource-lock.ts";
import type { Version } from "../storage/versioned-storage.ts";
import type { Clock } from "../system/clock.ts";
import type { Logger } from "../system/logger.ts";
import { clusterFlags } from "./command.ts";
import type { Finding } from "./findings.ts";
import type { Flags } from "./flags.ts";
import type { Timing } from "./run-settings.ts";
import { UsageError } from "./usage-error.ts";

/** Where the leases of a command are. */
export interface Place extends AsyncDisposable {
  /** For people; holds no secret. */
  readonly description: string;
  /** The lock of one lease, with a new identity. */
  lock(name: string, label?: string): ResourceLock;
  /** The names of all leases of the namespace, in order. */
  names(signal?: AbortSignal): Promise<string[]>;
  /** Why nobody can free a lease from here but its holder; absent where `release --force` can. */
  readonly notFreed?: string;
  /** Replaces an unreadable record by a free one of that term, if its version is still that. */
  blank(name: string, term: number, version: Version): Promise<{ readonly written: boolean }>;
}

/** What opening and checking have in common. */
export interface PlaceOptions {
  readonly url: string;
  readonly flags: Flags;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What `tenure doctor` needs beside. */
export interface PlaceCheckOptions extends PlaceOptions {
  readonly timing: Timing;
  /** Whether the place may be tried out. */
  readonly probe: boolean;
  readonly signal: AbortSignal;
}

/** What `tenure doctor` says of a place. */
export interface PlaceCheck {
  readonly findings: Finding[];
  /** Which the settings have to respect, where the place has one. */
  readonly minWriteIntervalMs?: number | undefined;
}

/** One kind of places: documents in a storage, or objects that are leases by themselves. */
export interface PlaceKind {
  /** @param trusted Whether the place need not prove that it is safe: nothing will be written. */
  open(options: PlaceOptions, trusted: boolean): Promise<Place>;
  check(options: PlaceCheckOptions): Promise<PlaceCheck>;
}

/**
 * Opens the place that `--storage` and `--namespace` name.
 *
 * @throws {UsageError} if there is none, or if nobody could meet there.
 */
export async function openPlace(
  flags: Flags,
  parts: { readonly clock: Clock; readonly logger: Logger; readonly probe?: "never" },
): Promise<Place> {
  const url = flags.text("storage");
  if (url === undefined)
    throw new UsageError("no storage. Write --storage file:///srv/tenure, or set TENURE_STORAGE_URL.");
  const { clock, logger, probe } = parts;
  return (await kindOf(url, flags)).open({ url, flags, clock, logger }, probe === "never");
}

/** Looks at the place that a URL names: reachable, safe, allowed, fast enough. */
export async function checkPlace(options: PlaceCheckOptions): Promise<PlaceCheck> {
  return (await kindOf(options.url, options.flags)).check(options);
}

/** What place a URL names: the one question that is asked of it here. */
async function kindOf(url: string, flags: Flags): Promise<PlaceKind> {
  if (/^lease:/i.test(url)) return (await import("./lease-places.ts")).leasePlaces;
  if (/^multiclusterlease:/i.test(url)) {
    return (await import("./multi-cluster-lease-places.ts")).multiClusterLeasePlaces;
  }
  const alien = Object.keys(clusterFlags).find((name) => flags.on(name));
  if (alien !== undefined)
    throw new UsageError(`--${alien} goes with --storage lease://NAMESPACE, or multiclusterlease://NAMESPACE.`);
  return (await import("./storage-places.ts")).storagePlaces;
}
