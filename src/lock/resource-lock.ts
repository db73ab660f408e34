import type { CallOptions, Version } from "../storage/versioned-storage.ts";
import type { LeaderElectionRecord } from "./leader-election-record.ts";

/** A record and the version that it was received with. */
export interface ObservedRecord {
  readonly record: LeaderElectionRecord;
  readonly version: Version;
  /** Whether its holder is known to run another program, client-go say, which acts for longer than its lease says. */
  readonly foreign?: boolean;
}

/** What became of a write; `term` only if the lock's server chose another one than was asked for. */
export type LockOutcome =
  { readonly written: true; readonly version: Version; readonly term?: number } | { readonly written: false };

/**
 * "Look again"; `observed` is attached where the lock has the record in hand, and counts as a read received at that
 * instant.
 */
export interface LockHint {
  readonly observed?: ObservedRecord;
}

/**
 * One lease, one candidate: client-go's interface, with the version passed instead of remembered.
 *
 * A write returns `written: true`, returns `written: false` (lost the race, nothing changed), or throws; what it throws
 * counts as unknown unless it says `applied: "no"`. An implementation makes one attempt, never repeats a conditional
 * write, and ends at its deadline and at its signal.
 */
export interface ResourceLock {
  /** Unique per instance: `<label>_<uuid>`. No two electors may ever share one. */
  readonly identity: string;
  /** For people, like `namespace/name`; holds no secret. */
  readonly description: string;
  /** The least time between two writes in milliseconds; the elector's settings and pauses respect it. */
  readonly minWriteIntervalMs?: number;
  /**
   * The record and its version, or `undefined` if there is none. @throws {CorruptDataError} if what is there cannot be
   * read.
   */
  get(options?: CallOptions): Promise<ObservedRecord | undefined>;
  /** Writes exactly if there is no record. */
  create(record: LeaderElectionRecord, options?: CallOptions): Promise<LockOutcome>;
  /** Writes exactly if the record's version is `expected`; never creates. A record with holder `""` is a release. */
  update(record: LeaderElectionRecord, expected: Version, options?: CallOptions): Promise<LockOutcome>;
  /** Hints until `signal` aborts; nothing may rely on them. */
  watch?(options: { readonly signal: AbortSignal }): AsyncIterable<LockHint>;
  /** Tells people what happened, where the technology has a place for it. Must not throw. */
  recordEvent?(message: string): void;
}
