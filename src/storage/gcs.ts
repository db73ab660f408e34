import { InvalidSettingsError } from "../errors.ts";
import { isGCSClient, loadGCSClient } from "./gcs-client.ts";
import type { FailedGCSCall } from "./gcs-errors.ts";
import { GCSObjects, isGeneration } from "./gcs-objects.ts";
import { bucketFindings, bucketSilence } from "./gcs-bucket.ts";
import { gcsSettings, gcsUrlOptions, type GCSStorageOptions, type ResolvedGCSSettings } from "./gcs-settings.ts";
import { isKey } from "./keys.ts";
import { pollWatch } from "./poll-watch.ts";
import type { ProbeFinding, ProbeHooks } from "./probe.ts";
import { storageCall } from "./storage-call.ts";
import type { DriverOpenOptions } from "./storage-driver.ts";
import type { StorageUrl } from "./storage-url.ts";
import { VersionedLeaseStorage, type Attempt, type ListedKey } from "./versioned-lease-storage.ts";
import type { CallOptions, Hint, Stored, Version, VersionedStorage, WriteOutcome } from "./versioned-storage.ts";

export type { GCSClient } from "./gcs-client.ts";
export type { GCSStorageOptions } from "./gcs-settings.ts";

/** No object has it: generations are microseconds of our time. */
const noGeneration = "9223372036854775807";
/** A poll in so many is unconditional: an absent object may answer a condition by "unchanged". */
const pollsBetweenLooks = 15;

/**
 * Documents as objects of a Google Cloud Storage bucket, each write conditional on the object's generation. A key is
 * the object's name, after the prefix.
 *
 * Google takes one write a second of each object (`capabilities.minWriteIntervalMs`).
 */
export class GCSStorage extends VersionedLeaseStorage implements ProbeHooks {
  /** Whether the requests go to Google itself, which keeps its conditions. */
  readonly isGoogle: boolean;
  readonly #settings: ResolvedGCSSettings;
  readonly #objects: GCSObjects;

  /** @throws {InvalidSettingsError} naming every option that is wrong. Sends nothing. */
  constructor(options: GCSStorageOptions) {
    const settings = gcsSettings(options);
    const { bucket, root, clock, timeoutMs, maxValueBytes, minWriteIntervalMs } = settings;
    super({
      description: `gs://${bucket}${root === "" ? "" : `/${root.slice(0, -1)}`}`,
      capabilities: {
        watch: "poll",
        transact: false,
        expiry: false,
        maxValueBytes,
        minWriteIntervalMs,
        durability: "durable",
        reach: "network",
      },
      clock,
      timeoutMs,
    });
    this.isGoogle = settings.endpoint.isGoogle;
    this.#settings = settings;
    this.#objects = new GCSObjects(settings);
  }

  /** What retention, holds and lifecycle rules of the bucket break. The probe asks for it. */
  async probeSettings({ signal, timeoutMs = this.#settings.timeoutMs }: CallOptions = {}): Promise<
    readonly ProbeFinding[]
  > {
    const call = this.#call("probe");
    try {
      const bucket = await this.#deadline({ call, timeoutMs, signal }, (ended) =>
        this.#objects.bucket({ call, attempt: { signal: ended } }),
      );
      return bucketFindings(bucket, this.#settings.root);
    } catch (error) {
      return [bucketSilence(error)];
    }
  }

  protected override async readOnce(key: string, attempt: Attempt): Promise<Stored | undefined> {
    const found = await this.#objects.read(this.#name(key), { call: this.#call("read", key), attempt });
    return found && { value: found.value, version: versionOf(found.generation) };
  }

  protected override createOnce(key: string, value: Uint8Array, attempt: Attempt): Promise<WriteOutcome> {
    return this.#write({ operation: "create", key, value, expected: "0" }, attempt);
  }

  protected override replaceOnce(
    key: string,
    { value, expected }: { readonly value: Uint8Array; readonly expected: Version },
    attempt: Attempt,
  ): Promise<WriteOutcome> {
    return this.#write({ operation: "replace", key, value, expected: conditionOf(expected) }, attempt);
  }

  protected override async removeOnce(key: string, expected: Version, attempt: Attempt): Promise<WriteOutcome> {
    const work = { call: this.#call("remove", key, true), attempt };
    const removed = await this.#objects.remove(this.#name(key), conditionOf(expected), work);
    // Only one removal can end a generation, so this name is new too, and no condition ever has it.
    return removed ? { written: true, version: versionOf(`${expected}-removed`) } : { written: false };
  }

  protected override async *listPages(prefix: string, signal: AbortSignal): AsyncGenerator<readonly ListedKey[]> {
    const { root } = this.#settings;
    const work = { call: this.#call("list", prefix), attempt: { signal } };
    let pageToken: string | undefined;
    do {
      const page = await this.#objects.page(`${root}${prefix}`, pageToken, work);
      yield page.items
        .map(({ name, generation }) => ({ key: name.slice(root.length), version: versionOf(generation) }))
        .filter(({ key }) => isKey(key)); // what others put here is not ours
      pageToken = page.nextPageToken;
    } while (pageToken !== undefined);
  }

  protected override watchOnce(key: string, signal: AbortSignal): AsyncIterable<Hint> {
    const { clock, random, pollMs, timeoutMs } = this.#settings;
    const call = this.#call("watch", key);
    let polls = 0;
    const look = (known: string | undefined, ended: AbortSignal): Promise<string | undefined> => {
      polls += 1;
      const condition = polls % pollsBetweenLooks === 0 ? undefined : known;
      return this.#deadline({ call, timeoutMs, signal: ended }, (over) =>
        this.#objects.look(this.#name(key), condition, { call, attempt: { signal: over } }),
      );
    };
    return pollWatch({ clock, random, pollMs, look }, signal);
  }

  /** Looks for an object that is not there: bucket, credentials and the right to read show in the answer. */
  protected override async healthOnce(attempt: Attempt): Promise<readonly string[]> {
    await this.#objects.look(this.#name("tenure-probe/health"), undefined, {
      call: this.#call("check"),
      attempt,
    });
    return [];
  }

  async #write(
    write: { readonly operation: string; readonly key: string; readonly value: Uint8Array; readonly expected: string },
    attempt: Attempt,
  ): Promise<WriteOutcome> {
    const { operation, key, value, expected } = write;
    const work = { call: this.#call(operation, key, true), attempt };
    const contentType = key.startsWith("leases/") ? "application/json" : "application/octet-stream";
    const generation = await this.#objects.write({ name: this.#name(key), contentType, value, expected }, work);
    return generation === undefined ? { written: false } : { written: true, version: versionOf(generation) };
  }

  #call(operation: string, key?: string, writes = false): FailedGCSCall {
    return { operation, storage: this.description, writes, ...(key !== undefined && { key }) };
  }

  /** A read that is no call of the port has its deadline here. */
  #deadline<T>(
    { call, timeoutMs, signal }: { call: FailedGCSCall; timeoutMs: number; signal: AbortSignal | undefined },
    attempt: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const closing = new AbortController().signal; // what `signal` follows falls at close() as well
    return storageCall({ ...call, clock: this.clock, timeoutMs, signal, closing }, attempt);
  }

  #name(key: string): string {
    return `${this.#settings.root}${key}`;
  }
}

/** What to demand: for text that was never a generation here, one that nothing has. */
function conditionOf(version: Version): string {
  return isGeneration(version) ? version : noGeneration;
}

function versionOf(text: string): Version {
  return text as Version; // cast: this is where versions are born
}

/**
 * Opens `gs://bucket/prefix` for the registry, with application default credentials, or with a `Storage` of
 * `@google-cloud/storage` as `client`.
 */
export async function open(url: StorageUrl, { client, clock, random }: DriverOpenOptions): Promise<GCSStorage> {
  const { apiEndpoint, ...options } = gcsUrlOptions(url);
  const problems: string[] = [];
  if (client !== undefined && !isGCSClient(client)) problems.push("client must be a Storage of @google-cloud/storage");
  if (client !== undefined && apiEndpoint !== undefined)
    problems.push("apiEndpoint is that of the client; name it there");
  if (problems.length > 0) throw new InvalidSettingsError(problems, { operation: "open" });
  const used = isGCSClient(client) ? client : await loadGCSClient(apiEndpoint);
  return new GCSStorage({ ...options, client: used, clock, random });
}

/** Google keeps its conditions: `probe=auto` leaves its own endpoint out, and no other one. */
export function isTrusted(_url: StorageUrl, storage: VersionedStorage): boolean {
  return storage instanceof GCSStorage && storage.isGoogle;
}
