import type { Stored, Version } from "../../src/storage/versioned-storage.ts";
import type { World } from "./world.ts";

/** One write that was applied: the truth that the history is judged by. */
export interface AppliedWrite {
  readonly atMs: number;
  readonly kind: "create" | "replace" | "remove" | "outside";
  readonly by: string;
  readonly value: Uint8Array | undefined;
  readonly version: Version | undefined;
  readonly replaced: Version | undefined;
}

/** The server: one document with compare-and-swap, its past (for stale reads and restores), and whoever watches it. */
export class SimServer {
  readonly #world: World;
  #current: Stored | undefined;
  #versions = 0;
  readonly applied: AppliedWrite[] = [];
  readonly past: { readonly atMs: number; readonly stored: Stored | undefined }[] = [];
  readonly watchers = new Set<() => void>();

  constructor(world: World) {
    this.#world = world;
  }

  get current(): Stored | undefined {
    return this.#current;
  }

  /** What a replica that lags by `lagMs` would answer. */
  asOf(atMs: number): Stored | undefined {
    let found: Stored | undefined;
    for (const { atMs: since, stored } of this.past) {
      if (since > atMs) break;
      found = stored;
    }
    return found;
  }

  create(value: Uint8Array, by: string): Version | undefined {
    return this.#current === undefined ? this.#apply("create", value, by) : undefined;
  }

  replace(value: Uint8Array, expected: Version, by: string): Version | undefined {
    return this.#current?.version === expected ? this.#apply("replace", value, by) : undefined;
  }

  remove(expected: Version, by: string): Version | undefined {
    return this.#current?.version === expected ? this.#apply("remove", undefined, by) : undefined;
  }

  /** Another hand: an operator, a restored backup, a vandal. */
  put(value: Uint8Array | undefined): void {
    this.#apply("outside", value, "outside");
  }

  #apply(kind: AppliedWrite["kind"], value: Uint8Array | undefined, by: string): Version {
    this.#versions += 1;
    const version = `v${this.#versions}` as Version; // cast: this is where versions are born
    const replaced = this.#current?.version;
    const atMs = this.#world.nowMs;
    this.#current = value === undefined ? undefined : { value, version };
    this.applied.push({ atMs, kind, by, value, version: value && version, replaced });
    this.past.push({ atMs, stored: this.#current });
    for (const tell of this.watchers) tell();
    return version;
  }
}
