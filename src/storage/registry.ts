import { InvalidSettingsError, UnsafeStorageError } from "../errors.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { silentLogger, type Logger } from "../system/logger.ts";
import { systemRandom, type Random } from "../system/random.ts";
import type { DriverOpenOptions, StorageDriver } from "./storage-driver.ts";
import { StorageUrl } from "./storage-url.ts";
import type { VersionedStorage } from "./versioned-storage.ts";
import { leaseStorage, type StorageConnection } from "./wrapped-lease-storage.ts";

/** How a storage is opened. */
export interface OpenOptions {
  /**
   * The technology's client (for `memory:` a `MemoryData`), where the driver is not to make its own. Never closed by
   * us.
   */
  readonly client?: unknown;
  /** Whether the place has to prove first that it enforces conditions; default what the URL says, else `"auto"`. */
  readonly probe?: "auto" | "always" | "never";
  /** Go on with a place that failed the probe. Two leaders are possible then. Logged, and `health()` says so. */
  readonly allowUnsafe?: boolean;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
}

/** Loads the file of a driver. */
export type LoadDriver = () => Promise<StorageDriver>;

/** URL scheme to driver; each is loaded when first used. */
const drivers: Readonly<Record<string, LoadDriver>> = {
  memory: () => import("./memory.ts"),
  file: () => import("./file.ts"),
  gs: () => import("./gcs.ts"),
  "git+file": () => import("./git.ts"),
  "git+git": () => import("./git.ts"),
  "git+http": () => import("./git.ts"),
  "git+https": () => import("./git.ts"),
  "git+ssh": () => import("./git.ts"),
  postgres: () => import("./postgres.ts"),
  postgresql: () => import("./postgres.ts"),
  redis: () => import("./redis.ts"),
  rediss: () => import("./redis.ts"),
  s3: () => import("./s3.ts"),
};

/** Schemes and their drivers. */
class StorageRegistry {
  readonly #loads = new Map<string, LoadDriver>(Object.entries(drivers));

  register(scheme: string, load: LoadDriver): void {
    if (!/^[a-z][a-z0-9+.-]*$/.test(scheme)) {
      throw new InvalidSettingsError([
        "scheme must be lower-case letters, digits, +, . and -, and start with a letter",
      ]);
    }
    this.#loads.set(scheme, load);
  }

  load(scheme: string): Promise<StorageDriver> {
    const load = this.#loads.get(scheme);
    if (load !== undefined) return load();
    const known = [...this.#loads.keys()].sort().map((name) => `${name}:`);
    throw new InvalidSettingsError([`the scheme of the storage URL is unknown; known are ${known.join(", ")}`]);
  }
}

// The one thing here that a process has once: what it registers is meant for every later openStorage.
const registry = new StorageRegistry();

/** Adds a scheme, or replaces one, for this process. `load` is called at each `openStorage` of that scheme. */
export function registerStorage(scheme: string, load: LoadDriver): void {
  registry.register(scheme, load);
}

/**
 * Opens the storage that a URL names. The result keeps documents and leases; close it when done.
 *
 * With `probe=auto`, a place that may ignore conditions has to prove first that it does not: some hundred requests.
 *
 * @throws {InvalidSettingsError} if scheme or parameters are wrong, with all problems.
 * @throws {UnsafeStorageError} if the place gave a wrong answer.
 */
export async function openStorage(url: string, options: OpenOptions = {}): Promise<StorageConnection> {
  const { clock = systemClock, random = systemRandom, logger = silentLogger, client } = options;
  const parsed = new StorageUrl(url);
  const driver = await registry.load(parsed.scheme);
  const parts: DriverOpenOptions = { clock, random, logger, ...(client !== undefined && { client }) };
  const storage = await driver.open(parsed, parts);
  try {
    const warning = await distrust({ driver, url: parsed, storage, parts }, options);
    return leaseStorage(storage, { clock, ...(warning !== undefined && { warning }) });
  } catch (error) {
    await storage.close();
    throw error;
  }
}

interface Opened {
  readonly driver: StorageDriver;
  readonly url: StorageUrl;
  readonly storage: VersionedStorage;
  readonly parts: DriverOpenOptions;
}

/** Probes where that is due. Returns a warning if the place is unsafe and that is allowed. */
async function distrust({ driver, url, storage, parts }: Opened, options: OpenOptions): Promise<string | undefined> {
  const probe = options.probe ?? url.probe();
  if (probe === "never" || (probe === "auto" && driver.isTrusted?.(url, storage) === true)) return undefined;
  const { probeStorage } = await import("./probe.ts");
  const { clock, random, logger } = parts;
  const connect = (): Promise<VersionedStorage> => driver.open(url, { ...parts, beside: storage });
  const report = await probeStorage(connect, { clock, random, quick: probe === "auto" });
  if (report.verdict === "safe") return undefined;
  const steps = report.steps.filter(({ verdict }) => verdict === report.verdict);
  const found = steps.map(({ id, detail }) => `${id} ${detail}`).join("; ");
  const message = `${storage.description} is ${report.verdict}: ${found}`;
  if (report.verdict === "unsafe" && options.allowUnsafe !== true) {
    throw new UnsafeStorageError(message, { operation: "probe", storage: storage.description, report });
  }
  logger.warn(message);
  return report.verdict === "unsafe" ? message : undefined;
}
