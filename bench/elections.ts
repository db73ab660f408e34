import { once } from "node:events";
import { LeaderElector, StorageLock } from "../src/index.ts";
import type { LeaderElectionRecord } from "../src/lock/leader-election-record.ts";
import type { LockOutcome } from "../src/lock/resource-lock.ts";
import type { CallOptions, Version } from "../src/storage/versioned-storage.ts";
import type { StorageConnection } from "../src/storage/wrapped-lease-storage.ts";

/** One lease that goes from one connection to the other and back, each time to an elector that has just joined. */
export class HandoverElection {
  /** How many terms have begun. */
  terms = 0;
  readonly #storages: readonly StorageConnection[];
  #leader: Joined | undefined;

  private constructor(storages: readonly StorageConnection[]) {
    this.#storages = storages;
  }

  /** Resolves when one leads. */
  static async start(connect: () => Promise<StorageConnection>): Promise<HandoverElection> {
    const election = new HandoverElection([await connect(), await connect()]);
    election.#leader = election.#join();
    await election.#leader.leads;
    return election;
  }

  /** Nanoseconds from the send of the release to the start of the next term (B1). */
  async sample(): Promise<number> {
    const standby = this.#join();
    await standby.follows;
    await new Promise((resolve) => setTimeout(resolve, 50)); // its watch is established
    const stopped = this.#leader?.stop();
    await standby.leads;
    const tookNs = Number(process.hrtime.bigint() - (this.#leader?.lock.releasedNs ?? 0n));
    await stopped;
    this.#leader = standby;
    return tookNs;
  }

  async close(): Promise<void> {
    await this.#leader?.stop();
    for (const storage of this.#storages) await storage.close();
  }

  #join(): Joined {
    const storage = this.#storages[this.terms % 2];
    if (storage === undefined) throw new Error("bug: two connections were made");
    let [begin, follow] = [(): void => {}, (): void => {}];
    const leads = new Promise<void>((resolve) => (begin = resolve));
    const follows = new Promise<void>((resolve) => (follow = resolve));
    const lock = new StampedLock({ storage, namespace: "bench", name: "handover" });
    const elector = new LeaderElector({
      lock,
      herdJitterMs: 0,
      callbacks: {
        onNewLeader: () => follow(),
        onStartedLeading: async ({ signal }) => {
          this.terms += 1;
          begin();
          if (!signal.aborted) await once(signal, "abort");
        },
      },
    });
    const running = elector.run();
    const stop = async (): Promise<void> => {
      await elector.stop();
      await running;
    };
    return { lock, leads, follows, stop };
  }
}

/** Notes when its release is sent. */
class StampedLock extends StorageLock {
  releasedNs = 0n;

  override update(record: LeaderElectionRecord, expected: Version, options?: CallOptions): Promise<LockOutcome> {
    if (record.holderIdentity === "") this.releasedNs = process.hrtime.bigint();
    return super.update(record, expected, options);
  }
}

interface Joined {
  readonly lock: StampedLock;
  readonly leads: Promise<void>;
  readonly follows: Promise<void>;
  stop(): Promise<void>;
}
