import type {
  CallOptions,
  Health,
  Hint,
  StorageCapabilities,
  Stored,
  Version,
  VersionedStorage,
  WriteOutcome,
} from "../../../src/storage/versioned-storage.ts";

/**
 * A connection whose keys are renamed so that none is beside one below it: `a/b` becomes `a~/b`. For a server that
 * keeps files, in those cases of the suite that are about something else.
 */
export class BesideStorage implements VersionedStorage {
  readonly description: string;
  readonly capabilities: StorageCapabilities;
  readonly #inner: VersionedStorage;

  constructor(inner: VersionedStorage) {
    this.#inner = inner;
    this.description = inner.description;
    this.capabilities = inner.capabilities;
  }

  read(key: string, options?: CallOptions): Promise<Stored | undefined> {
    return this.#inner.read(renamed(key), options);
  }

  create(key: string, value: Uint8Array, options?: CallOptions): Promise<WriteOutcome> {
    return this.#inner.create(renamed(key), value, options);
  }

  replace(key: string, value: Uint8Array, expected: Version, options?: CallOptions): Promise<WriteOutcome> {
    return this.#inner.replace(renamed(key), value, expected, options);
  }

  remove(key: string, expected: Version, options?: CallOptions): Promise<WriteOutcome> {
    return this.#inner.remove(renamed(key), expected, options);
  }

  async *list(prefix: string, options?: CallOptions): AsyncGenerator<{ key: string; version: Version }> {
    for await (const { key, version } of this.#inner.list(renamed(prefix), options)) {
      yield { key: key.replaceAll("~/", "/"), version };
    }
  }

  watch(key: string, options: { readonly signal: AbortSignal }): AsyncIterable<Hint> {
    if (this.#inner.watch === undefined) throw new Error("it cannot watch");
    return this.#inner.watch(renamed(key), options);
  }

  health(options?: CallOptions): Promise<Health> {
    return this.#inner.health(options);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function renamed(key: string): string {
  return key.replaceAll("/", "~/");
}
