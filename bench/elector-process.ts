// One elector of a hand-over: node elector-process.ts URL.
import { once } from "node:events";
import { LeaderElector, StorageLock } from "../src/index.ts";
import type { LeaderElectionRecord } from "../src/lock/leader-election-record.ts";
import type { LockOutcome } from "../src/lock/resource-lock.ts";
import { openStorage } from "../src/storage/registry.ts";
import type { CallOptions, Version } from "../src/storage/versioned-storage.ts";
import { obey, tell } from "./handover-side.ts";

/** Tells when its release is sent. */
class StampedLock extends StorageLock {
  override update(record: LeaderElectionRecord, expected: Version, options?: CallOptions): Promise<LockOutcome> {
    if (record.holderIdentity === "") tell("released");
    return super.update(record, expected, options);
  }
}

const storage = await openStorage(process.argv[2] ?? "");
let elector: LeaderElector | undefined;

async function join(): Promise<void> {
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
  await elector.run();
  tell("left");
}

obey({ join, leave: async () => elector?.stop() });
