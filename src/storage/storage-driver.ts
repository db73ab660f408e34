import type { Clock } from "../system/clock.ts";
import type { Logger } from "../system/logger.ts";
import type { Random } from "../system/random.ts";
import type { StorageUrl } from "./storage-url.ts";
import type { VersionedStorage } from "./versioned-storage.ts";

/** What a driver's `open` gets. */
export interface DriverOpenOptions {
  /**
   * The technology's client, where the caller of `openStorage` passed one. The driver looks at what it is, and never
   * closes it.
   */
  readonly client?: unknown;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** A connection of the same place that this `open` has made: share with it what only one process has in common. */
  readonly beside?: VersionedStorage;
}

/** What a driver's file exports for the registry. */
export interface StorageDriver {
  /**
   * Opens one connection, not probed. Reads its parameters by `url.parameters(…)`.
   *
   * @throws {InvalidSettingsError} with every problem of the URL.
   */
  open(url: StorageUrl, options: DriverOpenOptions): Promise<VersionedStorage>;
  /**
   * Whether `probe=auto` may leave this place out; default no. `storage` is what `open` returned: where it goes may be
   * known by its client only.
   */
  isTrusted?(url: StorageUrl, storage: VersionedStorage): boolean;
}
