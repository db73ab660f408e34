import { sleep } from "../system/clock.ts";
import { VersionedLeaseStorage, type Attempt, type ListedKey } from "../storage/versioned-lease-storage.ts";
import type { Stored, Version, VersionedStorage, WriteOutcome } from "../storage/versioned-storage.ts";
import { force } from "./faulty-storage.ts";

/** How a storage can break the one promise that elections need. */
export type StorageFlaw =
  "ignores conditions" | "repeats versions" | "creates on replace" | "loses writes" | "checks before it writes";

/** Every flaw that the probe has to find. */
export const storageFlaws: readonly StorageFlaw[] = [
  "ignores conditions",
  "repeats versions",
  "creates on replace",
  "loses writes",
  "checks before it writes",
];

/** Between check and write: long enough that racers meet there. */
const gapMs = 10;

/** A storage with one flaw, over a sound one: for tests of whatever claims to find such flaws. */
export class BrokenStorage extends VersionedLeaseStorage {
  readonly #inner: VersionedStorage;
  readonly #flaw: StorageFlaw;

  constructor(inner: VersionedStorage, flaw: StorageFlaw) {
    const capabilities = { ...inner.capabilities, watch: "none", transact: false, expiry: false } as const;
    super({ description: `${inner.description} that ${flaw}`, capabilities });
    this.#inner = inner;
    this.#flaw = flaw;
  }

  protected override async readOnce(key: string, attempt: Attempt): Promise<Stored | undefined> {
    const stored = await this.#inner.read(key, attempt);
    return stored && { value: stored.value, version: this.#shown(stored) };
  }

  protected override async createOnce(key: string, value: Uint8Array, attempt: Attempt): Promise<WriteOutcome> {
    if (this.#flaw === "ignores conditions") return force(this.#inner, { kind: "create", key, value }, attempt);
    return this.#named(await this.#inner.create(key, value, attempt), value);
  }

  protected override async replaceOnce(
    key: string,
    { value, expected }: { readonly value: Uint8Array; readonly expected: Version },
    attempt: Attempt,
  ): Promise<WriteOutcome> {
    const stored = await this.#inner.read(key, attempt);
    if (stored === undefined && this.#flaw !== "creates on replace") return { written: false };
    if (stored === undefined) return this.#inner.create(key, value, attempt);
    const matches = this.#shown(stored) === expected;
    if (!matches && this.#flaw !== "ignores conditions") return { written: false };
    if (this.#flaw === "loses writes") return { written: true, version: `${expected}+` as Version }; // cast: a lie
    if (this.#flaw === "checks before it writes") await sleep(this.clock, gapMs, attempt.signal);
    if (this.#flaw === "checks before it writes" || this.#flaw === "ignores conditions") {
      return force(this.#inner, { kind: "replace", key, value, expected }, attempt);
    }
    return this.#named(await this.#inner.replace(key, value, stored.version, attempt), value);
  }

  protected override async removeOnce(key: string, expected: Version, attempt: Attempt): Promise<WriteOutcome> {
    if (this.#flaw === "ignores conditions") return force(this.#inner, { kind: "remove", key, expected }, attempt);
    const stored = await this.#inner.read(key, attempt);
    if (stored === undefined || this.#shown(stored) !== expected) return { written: false };
    return this.#inner.remove(key, stored.version, attempt);
  }

  protected override async *listPages(prefix: string, signal: AbortSignal): AsyncGenerator<readonly ListedKey[]> {
    for await (const { key } of this.#inner.list(prefix, { signal })) {
      const stored = await this.#inner.read(key, { signal });
      if (stored !== undefined) yield [{ key, version: this.#shown(stored) }];
    }
  }

  protected override async healthOnce(): Promise<readonly string[]> {
    return [];
  }

  #shown({ value, version }: Stored): Version {
    return this.#flaw === "repeats versions" ? (`bytes-${value.join(".")}` as Version) : version; // cast: a lie
  }

  #named(outcome: WriteOutcome, value: Uint8Array): WriteOutcome {
    return outcome.written ? { written: true, version: this.#shown({ value, version: outcome.version }) } : outcome;
  }
}
