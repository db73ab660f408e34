// One side of a hand-over, in a process of its own: node elector-process.ts URL. Joins and leaves when it is told to.
import { once } from "node:events";
import { LeaderElector, StorageLock } from "../src/index.ts";
import type { LeaderElectionRecord } from "../src/lock/leader-election-record.ts";
import type { LockOutcome } from "../src/lock/resource-lock.ts";
import { openStorage } from "../src/storage/registry.ts";
import type { CallOptions, Version } from "../src/storage/versioned-storage.ts";
import type { Told } from "./elections.ts";

/** Tells when its release is sent, by the monotonic clock that all processes of a machine share. */
class StampedLock extends StorageLock {
  override update(record: LeaderElectionRecord, expected: Version, options?: CallOptions): Promise<LockOutcome> {
    if (record.holderIdentity === "") tell("released");
    return super.update(record, expected, options);
  }
}

function tell(did: Told["did"]): void {
  process.send?.({ did, atNs: process.hrtime.bigint().toString() } satisfies Told);
}

const storage = await openStorage(process.argv[2] ?? "");
let elector: LeaderElector | undefined;

function join(): Promise<void> {
  elector = new LeaderElector({
    lock: new StampedLock({ storage, namespace: "bench", name: "handover" }),
    herdJitterMs: 0,
    callbacks: {
      onNewLeader: () => tell("follows"),
      onStartedLeading: async ({ signal }) => {
        tell("leads");
        if (!signal.aborted) await once(signal, "abort");
      },
    },
  });
  return elector.run().then(() => tell("left"));
}

process.on("message", (order) => void (order === "join" ? join() : elector?.stop()));
process.on("disconnect", () => process.exit());
tell("ready");
