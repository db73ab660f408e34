import type { FollowReason } from "./follow-step.ts";

/** Why a line, or a resource of a list, was left out. */
export type SkipReason = "type" | "kind" | "nameless" | "old";

/** What a `Reflector` did so far, by reason: only what has happened is there. */
export interface ReflectorCounts {
  /** Lists that were begun. */
  readonly relists: Readonly<Partial<Record<FollowReason, number>>>;
  /** Watches that were opened, after a list or after another watch. */
  readonly watches: Readonly<Partial<Record<FollowReason, number>>>;
  readonly skipped: Readonly<Partial<Record<SkipReason, number>>>;
  /** Relists that found a server which had been set back. */
  readonly restored: number;
}

/** Counts for one reflector. */
export class ReflectorTally {
  readonly #relists = new Map<FollowReason, number>();
  readonly #watches = new Map<FollowReason, number>();
  readonly #skipped = new Map<SkipReason, number>();
  #restored = 0;

  /** A list begins, or a watch is opened. */
  step(what: "list" | "watch", reason: FollowReason): void {
    increment(what === "list" ? this.#relists : this.#watches, reason);
  }

  skip(reason: SkipReason): void {
    increment(this.#skipped, reason);
  }

  restore(): void {
    this.#restored += 1;
  }

  counts(): ReflectorCounts {
    return {
      relists: Object.fromEntries(this.#relists),
      watches: Object.fromEntries(this.#watches),
      skipped: Object.fromEntries(this.#skipped),
      restored: this.#restored,
    };
  }
}

function increment<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
