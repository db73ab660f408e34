// Something that must happen once: three replicas start together, each waits for its turn, and one of them migrates.
import { LeaderElector, StorageLock } from "tenure";
import { MemoryStorage } from "tenure/storage";

await using storage = new MemoryStorage();
const marker = "migrations/2026-03-add-index";

async function startUp(label: string): Promise<void> {
  const elector = new LeaderElector({
    lock: new StorageLock({ storage, namespace: "examples", name: "migration", label }),
    leaseDurationMs: 1_500,
    renewDeadlineMs: 1_000,
    retryPeriodMs: 200,
  });
  await using leadership = await elector.acquire({ signal: AbortSignal.timeout(10_000) });
  const done = await storage.read(marker);
  if (done === undefined) {
    // `create` is applied only if the key is absent: even a replica that outlived its term cannot mark it twice.
    await leadership.guard(() => storage.create(marker, new TextEncoder().encode(label)));
    console.log(`a replica has migrated in term ${leadership.term}`);
  } else {
    console.log("a replica found the migration done");
  }
} // leaving the block releases the lease: the next replica need not wait for it to run out

await Promise.all(["ada", "bob", "cy"].map(startUp));
