import type { ResourceLock } from "../lock/resource-lock.ts";
import { StorageLock } from "../lock/storage-lock.ts";
import { openStorage, type OpenOptions } from "../storage/registry.ts";
import type { VersionedStorage } from "../storage/versioned-storage.ts";
import type { Clock } from "../system/clock.ts";
import type { Logger } from "../system/logger.ts";
import type { Flags } from "./flags.ts";
import { UsageError } from "./usage-error.ts";

/** Where the leases of a command are. */
export interface Place extends AsyncDisposable {
  readonly storage: VersionedStorage;
  readonly namespace: string;
  /** The storage's key of a lease. */
  key(name: string): string;
  /** The lock of one lease, with a new identity. */
  lock(name: string, label?: string): ResourceLock;
  /** The names of all leases of the namespace, in order. */
  names(): Promise<string[]>;
}

/**
 * Opens the place that `--storage` and `--namespace` name.
 *
 * @throws {UsageError} if there is none, or if nobody could meet there.
 */
export async function openPlace(
  flags: Flags,
  parts: { readonly clock: Clock; readonly logger: Logger; readonly probe?: NonNullable<OpenOptions["probe"]> },
): Promise<Place> {
  const url = flags.text("storage");
  if (url === undefined)
    throw new UsageError("no storage. Write --storage file:///srv/tenure, or set TENURE_STORAGE_URL.");
  if (/^memory:/i.test(url)) {
    throw new UsageError(
      "memory: is private to one process, so nobody else could see a lease in it. Use file:///some/folder, which all " +
        "processes of one machine share.",
    );
  }
  const namespace = flags.text("namespace") ?? "default";
  const storage = await openStorage(url, parts);
  // who leads and who stopped the commands tell in their own words
  const { logger: log, clock } = parts;
  const logger: Logger = {
    debug: (message, fields) => log.debug(message, fields),
    info: (message, fields) => log.debug(message, fields),
    warn: (message, fields) => log.warn(message, fields),
    error: (message, fields) => log.error(message, fields),
  };
  const prefix = `leases/${namespace}/`;
  return {
    storage,
    namespace,
    key: (name) => `${prefix}${name}`,
    lock: (name, label) =>
      new StorageLock({ storage, namespace, name, clock, logger, ...(label !== undefined && { label }) }),
    async names() {
      const names: string[] = [];
      for await (const { key } of storage.list(prefix)) names.push(key.slice(prefix.length));
      return names.sort();
    },
    [Symbol.asyncDispose]: () => storage.close(),
  };
}
