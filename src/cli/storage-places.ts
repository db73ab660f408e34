import { StorageLock } from "../lock/storage-lock.ts";
import { encodeLease, releasedLease } from "../storage/lease-codec.ts";
import { openStorage } from "../storage/registry.ts";
import { quietLogger } from "./quiet-logger.ts";
import type { Place, PlaceKind, PlaceOptions } from "./place.ts";
import { UsageError } from "./usage-error.ts";

/** Leases as documents of a storage: the scheme is that of its driver. */
export const storagePlaces: PlaceKind = {
  open: openStoragePlace,
  check: async (options) => (await import("./storage-checks.ts")).checkStorage(options),
};

async function openStoragePlace({ url, flags, clock, logger: log }: PlaceOptions, trusted: boolean): Promise<Place> {
  if (/^memory:/i.test(url)) {
    throw new UsageError(
      "memory: is private to one process, so nobody else could see a lease in it. Use file:///some/folder, which all " +
        "processes of one machine share.",
    );
  }
  const namespace = flags.text("namespace") ?? "default";
  const storage = await openStorage(url, { clock, logger: log, ...(trusted && { probe: "never" }) });
  const logger = quietLogger(log);
  const prefix = `leases/${namespace}/`;
  return {
    description: storage.description,
    lock: (name, label) =>
      new StorageLock({ storage, namespace, name, clock, logger, ...(label !== undefined && { label }) }),
    async names(signal) {
      const names: string[] = [];
      for await (const { key } of storage.list(prefix, signal && { signal })) names.push(key.slice(prefix.length));
      return names.sort();
    },
    blank(name, term, version) {
      const blank = releasedLease({ holderIdentity: "", renewTime: "", leaseTransitions: term });
      return storage.replace(`${prefix}${name}`, encodeLease(blank), version);
    },
    [Symbol.asyncDispose]: () => storage.close(),
  };
}
