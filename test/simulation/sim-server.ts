import { createHash } from "node:crypto";
import type { Stored, Version } from "../../src/storage/versioned-storage.ts";
import type { Plan } from "./plan.ts";
import type { World } from "./world.ts";

/** One write that was applied: the truth that the history is judged by. */
export interface AppliedWrite {
  readonly kind: "create" | "replace" | "remove" | "outside";
  readonly by: string;
  /** Which send this was; `undefined` for another hand. */
  readonly send: number | undefined;
  readonly value: Uint8Array | undefined;
  readonly version: Version | undefined;
  /** The version that the write named. */
  readonly named: Version | undefined;
  /** The version that was there. */
  readonly replaced: Version | undefined;
}

/** Who sends a write, and which of its sends this is. */
export interface Sender {
  readonly by: string;
  readonly send: number;
}

/** What a server needs. */
export interface SimServerOptions {
  readonly world: World;
  readonly place: string;
  readonly versions: Plan["versions"];
  readonly applied: (write: AppliedWrite) => void;
}

/** One document with compare-and-swap, its past (for stale reads and restores), and whoever watches it. */
export class SimServer {
  readonly place: string;
  readonly #options: SimServerOptions;
  #current: Stored | undefined;
  #writes = 0;
  readonly #past: { readonly atMs: number; readonly stored: Stored | undefined }[] = [];
  /** Every value that a candidate wrote: what a backup may hold. */
  readonly ofCandidates: Uint8Array[] = [];
  readonly watchers = new Set<() => void>();

  constructor(options: SimServerOptions) {
    this.#options = options;
    this.place = options.place;
  }

  get current(): Stored | undefined {
    return this.#current;
  }

  /** What a replica that lags would answer. */
  asOf(atMs: number): Stored | undefined {
    return this.#past.findLast((moment) => moment.atMs <= atMs)?.stored;
  }

  create(value: Uint8Array, sender: Sender): Version | undefined {
    return this.#current === undefined ? this.#apply("create", value, { sender }) : undefined;
  }

  replace(value: Uint8Array, named: Version, sender: Sender): Version | undefined {
    return this.#current?.version === named ? this.#apply("replace", value, { sender, named }) : undefined;
  }

  remove(named: Version, sender: Sender): Version | undefined {
    return this.#current?.version === named ? this.#apply("remove", undefined, { sender, named }) : undefined;
  }

  /** Another hand: an operator, a restored backup, a vandal. */
  put(value: Uint8Array | undefined): void {
    this.#apply("outside", value, {});
  }

  /** Tells all watches that something may have changed, although nothing has. */
  hint(): void {
    for (const tell of this.watchers) tell();
  }

  #apply(
    kind: AppliedWrite["kind"],
    value: Uint8Array | undefined,
    { sender, named }: { readonly sender?: Sender; readonly named?: Version },
  ): Version {
    this.#writes += 1;
    const version = this.#version(value);
    const replaced = this.#current?.version;
    this.#current = value === undefined ? undefined : { value, version };
    this.#past.push({ atMs: this.#options.world.nowMs, stored: this.#current });
    const by = sender?.by ?? "outside";
    if (sender !== undefined && value !== undefined) this.ofCandidates.push(value);
    this.#options.applied({ kind, by, send: sender?.send, value, version: value && version, named, replaced });
    this.hint();
    return version;
  }

  #version(value: Uint8Array | undefined): Version {
    const { versions } = this.#options;
    if (versions === "counter") return `v${this.#writes}` as Version; // cast: this is where versions are born
    if (versions === "opaque") {
      // An odd factor permutes the numbers below 2³²: they never repeat, and tell no order.
      return (Math.imul(this.#writes, 0x9e3779b1) >>> 0).toString(36) as Version; // cast: as above
    }
    return createHash("sha1")
      .update(value ?? "")
      .digest("hex")
      .slice(0, 16) as Version; // cast: as above
  }
}
