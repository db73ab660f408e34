import type { LeaderElectionRecord } from "../lock/leader-election-record.ts";
import type { ObservedRecord } from "../lock/resource-lock.ts";

/** The opaque version under which a record was received, or written. */
export type RecordVersion = ObservedRecord["version"];

/** One acquiring or renewing write of this elector. Its (holder, renewTime) pair names it: no two writes share one. */
export interface SentWrite {
  readonly kind: "acquire" | "renew";
  readonly pair: string;
  readonly record: LeaderElectionRecord;
  /** Read before the write was sent, by the leader's (fast) clock: validity counts from here. */
  readonly sentAtMs: number;
  /** Orders sends, answers and receipts without a clock. */
  readonly sentSeq: number;
  /** The version that the write names; `undefined` for a creation. */
  readonly expected: RecordVersion | undefined;
  /** `underWay` until an answer or the deadline; then what is known of it without a confirmation. */
  status: "underWay" | "unknown" | "refused" | "lost";
  /** The order of the event that ended `underWay`. */
  endedSeq: number;
}

/** A write that is known to be applied, and the version under which it was seen last. */
export interface ConfirmedWrite {
  readonly write: SentWrite;
  version: RecordVersion;
  /** The term as stored; a lock's server may have counted another one than was asked for. */
  readonly term: number;
  /** What is stored now: another hand may have edited what is not ours. */
  record: LeaderElectionRecord;
  readonly seq: number;
}

/** The pair of a held record: what an unknown outcome is settled by. */
export function heldPair(record: LeaderElectionRecord): string {
  return `${record.holderIdentity}\n${record.renewTime}`;
}

const mostWrites = 32;

/**
 * The last confirmed write and all that were sent after it. A lost race drops nothing, for a proxy may have repeated
 * the request that was applied. Confirming one write drops those that can no longer be applied: the ones sent before
 * it, and the ones that name the version which it replaced.
 */
export class SentTable {
  confirmed: ConfirmedWrite | undefined;
  #later: SentWrite[] = [];

  get later(): readonly SentWrite[] {
    return this.#later;
  }

  add(write: SentWrite): void {
    this.#later.push(write);
    if (this.#later.length > mostWrites) this.#later.shift(); // seen again, it would be foreign: a lost term, no more
  }

  /** The write behind a pair, if it is one of those that may still matter. */
  find(pair: string): SentWrite | undefined {
    if (this.confirmed?.write.pair === pair) return this.confirmed.write;
    return this.#later.find((write) => write.pair === pair);
  }

  /** Whether an answer to this write, or its silence, still counts. */
  holds(write: SentWrite): boolean {
    return this.#later.includes(write);
  }

  /** Confirms a write that `holds`. */
  confirm(confirmed: ConfirmedWrite): void {
    const { write } = confirmed;
    this.confirmed = confirmed;
    this.#later = this.#later.filter((other) => other.sentSeq > write.sentSeq && other.expected !== write.expected);
  }

  underWay(): number {
    let count = 0;
    for (const write of this.#later) if (write.status === "underWay") count += 1;
    return count;
  }

  /** The newest write that was not dropped and is not confirmed. */
  newest(): SentWrite | undefined {
    return this.#later.at(-1);
  }
}
