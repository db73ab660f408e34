import { LeaderElector } from "../../src/election/leader-elector.ts";
import { StorageLock } from "../../src/lock/storage-lock.ts";
import { leaseKey } from "../../src/storage/keys.ts";
import { decodeLease } from "../../src/storage/lease-codec.ts";
import { MemoryData, MemoryStorage } from "../../src/storage/memory.ts";
import { ManualClock, SeededRandom } from "../../src/testing/index.ts";
import { Corpus } from "./corpus.ts";

/** How an elector met a stored body. */
export interface Meeting {
  readonly was: "unreadable" | "held" | "free";
  /** Whether something else is stored after almost a whole lease. */
  readonly replaced: boolean;
  readonly led: boolean;
}

/** Lets a real elector meet a hostile body, and looks just before the shortest wait is over. */
export async function meet(seed: number): Promise<Meeting> {
  const body = new Corpus(seed).body();
  const clock = new ManualClock();
  const storage = new MemoryStorage({ data: new MemoryData(), clock });
  const key = leaseKey("default", "billing");
  await storage.create(key, body);
  const random = new SeededRandom(seed);
  const lock = new StorageLock({ storage, namespace: "default", name: "billing", clock, random });
  const elector = new LeaderElector({ lock, clock, random, callbacks: { onStartedLeading: () => {} } });
  const stop = new AbortController();
  const run = elector.run({ signal: stop.signal });
  for (let step = 0; step < 14; step += 1) await clock.advance(1_000);
  const led = elector.isLeader();
  const stored = await storage.read(key);
  const replaced = stored === undefined || Buffer.compare(stored.value, body) !== 0;
  stop.abort();
  await clock.advance(60_000);
  await run;
  return { was: kindOf(body), replaced, led };
}

function kindOf(body: Uint8Array): Meeting["was"] {
  try {
    return decodeLease(body).data.holderIdentity === "" ? "free" : "held";
  } catch {
    return "unreadable"; // checked elsewhere; here it only says what must not happen to it
  }
}
