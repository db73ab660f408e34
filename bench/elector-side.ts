import { once } from "node:events";
import { LeaderElector } from "../src/index.ts";
import type { LeaderElectionRecord } from "../src/lock/leader-election-record.ts";
import type { ResourceLock } from "../src/lock/resource-lock.ts";
import { obey, tell } from "./handover-side.ts";

/** One elector of a hand-over, a new one for each time that it joins. */
export function electorSide(lockOf: () => ResourceLock): void {
  let elector: LeaderElector | undefined;
  const join = async (): Promise<void> => {
    elector = new LeaderElector({
      lock: stamped(lockOf()),
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
  };
  obey({ join, leave: async () => elector?.stop() });
}

/** Tells when its release is sent. */
function stamped<Lock extends ResourceLock>(lock: Lock): Lock {
  const update = lock.update.bind(lock);
  lock.update = (record: LeaderElectionRecord, ...rest) => {
    if (record.holderIdentity === "") tell("released");
    return update(record, ...rest);
  };
  return lock;
}
