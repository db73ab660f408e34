// Leadership as a loop: each pass is one term, and the next pass begins when this replica leads again.
import { LeaderElector, StorageLock } from "tenure";
import { MemoryStorage } from "tenure/storage";

await using storage = new MemoryStorage();
const elector = new LeaderElector({
  lock: new StorageLock({ storage, namespace: "examples", name: "terms", label: "ada" }),
  leaseDurationMs: 1_500,
  renewDeadlineMs: 1_000,
  retryPeriodMs: 200,
});

/** What has to be done while this replica leads; it ends by itself, or when the term does. */
async function work(signal: AbortSignal): Promise<void> {
  for (let step = 1; step <= 3 && !signal.aborted; step += 1) {
    console.log(`  step ${step}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

let passes = 0;
for await (const leadership of elector.terms()) {
  passes += 1;
  console.log(`pass ${passes}: held ${leadership.isHeld()}`);
  await work(leadership.signal);
  if (passes === 2) break; // ends the campaign, and releases the lease
  // Otherwise the lease is released here, others get their turn, and this replica campaigns again.
}
console.log(`after the loop: leads ${elector.isLeader()}, state ${elector.state}`);
