import { CorruptDataError, InvalidSettingsError, StorageUnavailableError, UnknownOutcomeError } from "../errors.ts";
import { printable } from "../system/logger.ts";
import { withDeadline } from "../system/signals.ts";
import { isKey } from "./keys.ts";
import { pollWatch } from "./poll-watch.ts";
import type { ProbeFinding, ProbeHooks } from "./probe.ts";
import { bodyOf, etagOf, isEtag, metadataOf, S3Bucket, type S3Answer } from "./s3-bucket.ts";
import { isMissing, isRefused, s3Error, sayS3, statusOf, type S3Call } from "./s3-errors.ts";
import { lifecycleFindings } from "./s3-lifecycle.ts";
import { listObjects } from "./s3-list.ts";
import { loadS3 } from "./s3-package.ts";
import { isAws, s3Settings, s3UrlOptions, type ResolvedS3Settings, type S3StorageOptions } from "./s3-settings.ts";
import { tombstoneOf } from "./s3-tombstone.ts";
import { nonce, tombstoneName, trailerBytes, trailerName, withoutTrailer, withTrailer } from "./s3-trailer.ts";
import type { DriverOpenOptions } from "./storage-driver.ts";
import type { StorageUrl } from "./storage-url.ts";
import { VersionedLeaseStorage, type Attempt, type ListedKey } from "./versioned-lease-storage.ts";
import type { CallOptions, Hint, Stored, Version, VersionedStorage, WriteOutcome } from "./versioned-storage.ts";

export type { S3CommandClass, S3Commands, S3Sender } from "./s3-bucket.ts";
export type { S3StorageOptions } from "./s3-settings.ts";

const lost: WriteOutcome = { written: false };
const noCache = "no-cache, no-store, must-revalidate";
/** A body up to here is read to its end rather than cut off together with its socket. */
const smallBytes = 64 * 2 ** 10;

/** What a write does: to which key, under which condition, with which bytes. */
interface Put {
  readonly operation: "create" | "replace" | "remove";
  readonly key: string;
  readonly condition: { readonly IfNoneMatch: "*" } | { readonly IfMatch: string };
  /** Nothing: the key is removed. */
  readonly value?: Uint8Array;
}

/**
 * Documents as objects of a bucket, for S3 and whatever else enforces `If-None-Match` and `If-Match` on `PUT`.
 *
 * A version is the ETag, which follows the bytes: so each object ends in a trailer that differs with every write, and
 * metadata says how long it is. A removed key leaves a tombstone behind, since a conditional `DELETE` is not exclusive.
 * Objects that others wrote are taken whole.
 */
export class S3Storage extends VersionedLeaseStorage implements ProbeHooks {
  /** Whether its client ends with it: then nobody else has chosen where that goes. */
  readonly ownsClient: boolean;
  readonly #settings: ResolvedS3Settings;
  readonly #bucket: S3Bucket;
  readonly #onClose: (() => void) | undefined;
  #oneAttempt: Promise<void> | undefined;

  /** @throws {InvalidSettingsError} naming every option that is wrong. Sends nothing. */
  constructor(options: S3StorageOptions) {
    const settings = s3Settings(options);
    const { description, clock, timeoutMs, maxValueBytes, minWriteIntervalMs } = settings;
    super({
      description,
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
    this.#settings = settings;
    this.#bucket = new S3Bucket(options.client, options.commands, options.bucket);
    this.#onClose = options.onClose;
    this.ownsClient = options.onClose !== undefined;
  }

  /** A lifecycle rule that removes objects below the prefix takes leases and their terms away. */
  async probeSettings(options?: CallOptions): Promise<readonly ProbeFinding[]> {
    try {
      const answer = await this.#within(options, (signal) =>
        this.#bucket.send("GetBucketLifecycleConfigurationCommand", {}, signal),
      );
      return lifecycleFindings(answer, this.#settings.prefix);
    } catch (error) {
      // No rules, or a server that has no such thing.
      if ([404, 405, 501].includes(statusOf(error) ?? 0)) return [];
      options?.signal?.throwIfAborted();
      throw this.#error(error, { operation: "check the settings" });
    }
  }

  /**
   * Deletes the tombstones of one probe, below `tenure-probe/<uuid>/`; these names are never used again. The probe
   * calls it at its end. Needs the right to delete there.
   *
   * @throws {InvalidSettingsError} for any other prefix.
   */
  async discardScratch(prefix: string, options?: CallOptions): Promise<void> {
    const where = { operation: "sweep", storage: this.description };
    if (!/^tenure-probe\/[^/]+\/$/.test(prefix)) {
      throw new InvalidSettingsError([`"${printable(prefix)}" is no prefix of a probe`], where);
    }
    const discard = (name: string): Promise<S3Answer> =>
      this.#within(options, (signal) => this.#bucket.send("DeleteObjectCommand", { Key: name }, signal));
    try {
      const over = new AbortController();
      const pages = listObjects(this.#bucket, { prefix: this.#settings.prefix + prefix }, over.signal);
      for await (const page of pages) {
        for (let start = 0; start < page.length; start += 16) {
          await Promise.all(page.slice(start, start + 16).map(({ name }) => discard(name)));
        }
      }
    } catch (error) {
      options?.signal?.throwIfAborted();
      throw this.#error(error, where);
    }
  }

  protected override async readOnce(key: string, { signal }: Attempt): Promise<Stored | undefined> {
    try {
      const answer = await this.#bucket.send("GetObjectCommand", { Key: this.#name(key) }, signal);
      return await this.#storedIn(answer, key);
    } catch (error) {
      signal.throwIfAborted();
      if (isMissing(error)) return undefined;
      throw this.#error(error, { operation: "read", key });
    }
  }

  protected override async createOnce(key: string, value: Uint8Array, attempt: Attempt): Promise<WriteOutcome> {
    const first = await this.#put({ operation: "create", key, condition: { IfNoneMatch: "*" }, value }, attempt);
    if (first.written) return first;
    attempt.progress.applied = "no"; // refused: until the next write nothing of this call can have happened
    const tombstone = await this.#tombstoneOf(key, attempt.signal);
    if (tombstone === undefined) return lost;
    return this.#put({ operation: "create", key, condition: { IfMatch: tombstone }, value }, attempt);
  }

  protected override async replaceOnce(
    key: string,
    { value, expected }: { readonly value: Uint8Array; readonly expected: Version },
    attempt: Attempt,
  ): Promise<WriteOutcome> {
    if (!isEtag(expected)) return lost; // nothing can have it, and as a header it could mean something else
    return this.#put({ operation: "replace", key, condition: { IfMatch: `"${expected}"` }, value }, attempt);
  }

  protected override async removeOnce(key: string, expected: Version, attempt: Attempt): Promise<WriteOutcome> {
    if (!isEtag(expected)) return lost;
    const outcome = await this.#put({ operation: "remove", key, condition: { IfMatch: `"${expected}"` } }, attempt);
    if (!outcome.written) return lost;
    return { written: true, version: `${outcome.version}-removed` as Version }; // cast: must not match the tombstone
  }

  protected override async *listPages(prefix: string, signal: AbortSignal): AsyncGenerator<readonly ListedKey[]> {
    const start = this.#settings.prefix;
    try {
      for await (const page of listObjects(this.#bucket, { prefix: start + prefix }, signal)) {
        const keys = page.filter(({ isTombstone }) => !isTombstone);
        yield keys.flatMap(({ name, etag }) => {
          const key = name.slice(start.length);
          return isKey(key) ? [{ key, version: etag as Version }] : []; // cast: an ETag is a version here
        });
      }
    } catch (error) {
      signal.throwIfAborted();
      throw this.#error(error, { operation: "list", key: prefix });
    }
  }

  protected override watchOnce(key: string, signal: AbortSignal): AsyncIterable<Hint> {
    const look = (known: string | undefined, ended: AbortSignal): Promise<string | undefined> =>
      this.#within({ signal: ended }, (limit) => this.#look(key, known, limit));
    return pollWatch({ ...this.#settings, look }, signal);
  }

  protected override async healthOnce({ signal }: Attempt): Promise<readonly string[]> {
    try {
      const pages = listObjects(this.#bucket, { prefix: this.#settings.prefix, pageSize: 1 }, signal);
      await pages.next();
      return [];
    } catch (error) {
      signal.throwIfAborted();
      throw this.#error(error, { operation: "check" });
    }
  }

  protected override async closeOnce(): Promise<void> {
    this.#onClose?.();
  }

  /** One conditional request; without a body if nothing has changed. */
  async #look(key: string, known: string | undefined, signal: AbortSignal): Promise<string | undefined> {
    const input = { Key: this.#name(key), ...(known !== undefined && { IfNoneMatch: `"${known}"` }) };
    try {
      const answer = await this.#bucket.send("GetObjectCommand", input, signal);
      await bodyOf(answer, smallBytes); // read, or its socket could not be used again
      return etagOf(answer); // of a tombstone too, so that nothing is moved while it stays
    } catch (error) {
      signal.throwIfAborted();
      if (statusOf(error) === 304) return known;
      if (isMissing(error)) return undefined;
      throw this.#error(error, { operation: "watch", key });
    }
  }

  async #put({ operation, key, condition, value }: Put, attempt: Attempt): Promise<WriteOutcome> {
    const { signal, progress } = attempt;
    const { random, encryption } = this.#settings;
    const content = value === undefined ? { Body: nonce(random) } : { Body: withTrailer(value, random) };
    const metadata = value === undefined ? { [tombstoneName]: "1" } : { [trailerName]: String(trailerBytes) };
    try {
      await (this.#oneAttempt ??= this.#demandOneAttempt());
      signal.throwIfAborted();
      progress.applied = "unknown";
      const shown = { Metadata: metadata, CacheControl: noCache, ContentType: typeOf(value) };
      const input = { Key: this.#name(key), ...content, ...condition, ...encryption, ...shown };
      const answer = await this.#bucket.send("PutObjectCommand", input, signal);
      const etag = etagOf(answer);
      if (etag !== undefined) return { written: true, version: etag as Version }; // cast: an ETag is a version here
      const where = { operation, storage: this.description, key };
      throw new UnknownOutcomeError(sayS3(where, "it answered without an ETag"), where);
    } catch (error) {
      signal.throwIfAborted();
      if (isRefused(error, "IfMatch" in condition)) return lost;
      throw this.#error(error, { operation, key, applied: progress.applied });
    }
  }

  async #tombstoneOf(key: string, signal: AbortSignal): Promise<string | undefined> {
    try {
      return await tombstoneOf(this.#bucket, this.#name(key), signal);
    } catch (error) {
      signal.throwIfAborted();
      throw this.#error(error, { operation: "create", key, applied: "no" });
    }
  }

  async #storedIn(answer: S3Answer, key: string): Promise<Stored | undefined> {
    const { maxValueBytes } = this.#settings;
    const where = { operation: "read", storage: this.description, key };
    const etag = etagOf(answer);
    const bytes = await bodyOf(answer, maxValueBytes + trailerBytes);
    if (etag === undefined) throw new StorageUnavailableError(sayS3(where, "it answered without an ETag"), where);
    const corrupt = (why: string): CorruptDataError =>
      new CorruptDataError(sayS3(where, why), { ...where, version: etag });
    if (metadataOf(answer, tombstoneName) !== undefined) return undefined;
    const value = bytes && withoutTrailer(bytes, metadataOf(answer, trailerName), corrupt);
    if (value === undefined || value.length > maxValueBytes) throw corrupt(`it has more than ${maxValueBytes} bytes`);
    return { value, version: etag as Version }; // cast: an ETag is a version here
  }

  async #demandOneAttempt(): Promise<void> {
    const attempts = await this.#bucket.attempts();
    if (attempts === undefined || attempts === 1) return;
    const problem = "the client repeats writes, which makes refusals of successes: give it maxAttempts: 1";
    throw new InvalidSettingsError([problem], { operation: "open", storage: this.description, applied: "no" });
  }

  #name(key: string): string {
    return this.#settings.prefix + key;
  }

  #within<T>(options: CallOptions | undefined, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock, timeoutMs } = this.#settings;
    return withDeadline({ clock, timeoutMs: options?.timeoutMs ?? timeoutMs, signal: options?.signal }, call);
  }

  #error(error: unknown, call: Omit<S3Call, "storage">): Error {
    return s3Error(error, { ...call, storage: this.description });
  }
}

/** JSON for whoever looks into the bucket. */
function typeOf(value: Uint8Array | undefined): string {
  return value?.[0] === openingBrace ? "application/json" : "application/octet-stream";
}

const openingBrace = 0x7b;

/** Opens `s3://bucket/prefix` for the registry, with the client that was passed, or one of its own. */
export async function open(url: StorageUrl, { client, clock, random }: DriverOpenOptions): Promise<S3Storage> {
  const options = s3UrlOptions(url);
  const loaded = await loadS3(options.client, client);
  return new S3Storage({ ...options.storage, ...loaded, clock, random });
}

/** AWS enforces conditions; `probe=auto` asks every other endpoint, and a client that was passed may go anywhere. */
export function isTrusted(url: StorageUrl, storage: VersionedStorage): boolean {
  return isAws(url) && storage instanceof S3Storage && storage.ownsClient;
}
