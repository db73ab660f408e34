import { InvalidSettingsError } from "../errors.ts";
import type { Clock } from "../system/clock.ts";
import { HintQueue } from "./hint-queue.ts";
import type { DriverOpenOptions } from "./storage-driver.ts";
import type { StorageUrl } from "./storage-url.ts";
import { VersionedLeaseStorage, type Attempt, type ListedKey } from "./versioned-lease-storage.ts";
import type { Change, Hint, Stored, Version, WriteOutcome } from "./versioned-storage.ts";

/** How a `MemoryStorage` is made. */
export interface MemoryStorageOptions {
  /** What connections share; default a new one, private to this connection. */
  readonly data?: MemoryData | undefined;
  readonly clock?: Clock | undefined;
  /** The deadline of calls that name none, in milliseconds; default 10 000. */
  readonly timeoutMs?: number | undefined;
  /** The greatest size of a value in bytes; default 64 MiB. */
  readonly maxValueBytes?: number | undefined;
}

const lost: WriteOutcome = { written: false };

/**
 * Documents in the memory of this process: for tests, and for elections between parts of one process. Two connections
 * over one `data` are the reference for every suite. Nothing survives the process.
 */
export class MemoryStorage extends VersionedLeaseStorage {
  /** What this connection shares with others. */
  readonly data: MemoryData;

  constructor({ data = new MemoryData(), clock, timeoutMs, maxValueBytes = 64 * 2 ** 20 }: MemoryStorageOptions = {}) {
    super({
      description: "memory",
      capabilities: {
        watch: "push",
        transact: true,
        expiry: true,
        maxValueBytes,
        minWriteIntervalMs: 0,
        durability: "process",
        reach: "process",
      },
      clock,
      timeoutMs,
    });
    this.data = data;
  }

  protected override async readOnce(key: string): Promise<Stored | undefined> {
    return this.data.look(key, this.clock.monotonicMs());
  }

  protected override createOnce(key: string, value: Uint8Array, attempt: Attempt): Promise<WriteOutcome> {
    return this.transactOnce([{ kind: "create", key, value }], attempt);
  }

  protected override replaceOnce(
    key: string,
    { value, expected }: { readonly value: Uint8Array; readonly expected: Version },
    attempt: Attempt,
  ): Promise<WriteOutcome> {
    return this.transactOnce([{ kind: "replace", key, value, expected }], attempt);
  }

  protected override removeOnce(key: string, expected: Version, attempt: Attempt): Promise<WriteOutcome> {
    return this.transactOnce([{ kind: "remove", key, expected }], attempt);
  }

  // Without an await: nothing can come between the checks and the writes.
  protected override async transactOnce(changes: readonly Change[], { expiresInMs }: Attempt): Promise<WriteOutcome> {
    const nowMs = this.clock.monotonicMs();
    for (const change of changes) {
      const version = this.data.versionOf(change.key, nowMs);
      const absent = change.kind === "create" || (change.kind === "check" && change.expected === "absent");
      if (absent ? version !== undefined : version === undefined || version !== change.expected) return lost;
    }
    return { written: true, version: this.data.apply(changes, nowMs + (expiresInMs ?? Infinity)) };
  }

  protected override async *listPages(prefix: string): AsyncGenerator<readonly ListedKey[]> {
    yield this.data.list(prefix, this.clock.monotonicMs());
  }

  protected override async *watchOnce(key: string, signal: AbortSignal): AsyncGenerator<Hint, void, undefined> {
    const queue = new HintQueue();
    const look = (): void => {
      const seen = this.data.look(key, this.clock.monotonicMs());
      queue.push(seen === undefined ? {} : { seen });
    };
    const stop = this.data.onChange(key, look);
    look();
    try {
      yield* queue.hints(signal);
    } finally {
      stop();
    }
  }

  protected override async healthOnce(): Promise<readonly string[]> {
    return [];
  }
}

interface Entry extends Stored {
  /** By the monotonic clock. */
  readonly expiresAtMs: number;
}

/** What the connections of one process share: pass one to several `MemoryStorage`s. */
export class MemoryData {
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Map<string, Set<() => void>>();
  /** Counts all writes and removals of all keys and never restarts, so that no version can repeat. */
  #writes = 0;

  /** A copy of what is stored. */
  look(key: string, nowMs: number): Stored | undefined {
    const entry = this.#alive(key, nowMs);
    return entry && { value: entry.value.slice(), version: entry.version };
  }

  versionOf(key: string, nowMs: number): Version | undefined {
    return this.#alive(key, nowMs)?.version;
  }

  list(prefix: string, nowMs: number): readonly ListedKey[] {
    return [...this.#entries]
      .filter(([key, entry]) => key.startsWith(prefix) && entry.expiresAtMs > nowMs)
      .map(([key, { version }]) => ({ key, version }));
  }

  /** Writes unconditionally; the values are kept, not copied. */
  apply(changes: readonly Change[], expiresAtMs: number): Version {
    this.#writes += 1;
    const version = String(this.#writes) as Version; // cast: this is where versions are born
    for (const change of changes) {
      if ("value" in change) this.#entries.set(change.key, { value: change.value, version, expiresAtMs });
      if (change.kind === "remove") this.#entries.delete(change.key);
    }
    for (const { key, kind } of changes) {
      if (kind !== "check") for (const listener of this.#listeners.get(key) ?? []) listener();
    }
    return version;
  }

  /** Calls `listener` after each change of the key; the returned function ends that. */
  onChange(key: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(key) === listeners) this.#listeners.delete(key);
    };
  }

  #alive(key: string, nowMs: number): Entry | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && entry.expiresAtMs > nowMs ? entry : undefined;
  }
}

/** Opens `memory:` for the registry: private, unless a `MemoryData` is passed as `client`. */
export async function open(url: StorageUrl, { client, clock, beside }: DriverOpenOptions): Promise<MemoryStorage> {
  const { timeoutMs, maxValueBytes } = url.parameters({});
  const problems: string[] = [];
  if (url.host !== "" || url.path !== "") problems.push("memory: has neither a host nor a path");
  if (client !== undefined && !(client instanceof MemoryData)) problems.push("client must be a MemoryData");
  if (problems.length > 0) throw new InvalidSettingsError(problems);
  const shared = beside instanceof MemoryStorage ? beside.data : undefined;
  return new MemoryStorage({ data: client instanceof MemoryData ? client : shared, clock, timeoutMs, maxValueBytes });
}

/** One process enforces its own conditions: `probe=auto` leaves memory out. */
export function isTrusted(): boolean {
  return true;
}
