// Two replicas elect on a bucket of Google Cloud Storage. Needs the package @google-cloud/storage, credentials where
// Google's clients look for them, and a bucket: node examples/servers/gcs.ts gs://my-bucket/my-app
import { LeaderElector, StorageLock } from "tenure";
import { openStorage } from "tenure/storage";

const url = process.argv[2] ?? process.env["TENURE_TEST_GCS_URL"];
if (url === undefined) throw new Error("name a bucket: node examples/servers/gcs.ts gs://bucket/prefix");

await using storage = await openStorage(url);
const paceMs = Math.max(500, storage.capabilities.minWriteIntervalMs); // Google takes one write a second of a lease
console.log(
  `documents of at most ${storage.capabilities.maxValueBytes} bytes, watched by ${storage.capabilities.watch}`,
);

function replica(label: string): LeaderElector {
  return new LeaderElector({
    lock: new StorageLock({ storage, namespace: "examples", name: "gcs", label }),
    leaseDurationMs: 6 * paceMs, // the default is 15 s, and costs less
    renewDeadlineMs: 4 * paceMs,
    retryPeriodMs: paceMs,
  });
}

const [ada, bob] = [replica("ada"), replica("bob")];
const first = await ada.acquire();
console.log(`ada leads in a term of her own: ${first.isHeld()}`);
const second = bob.acquire(); // stands by, and asks the bucket whether anything has changed
await first[Symbol.asyncDispose](); // releases the lease; bob sees it at his next poll
console.log(`bob leads in a later term: ${(await second).term > first.term}`);
await (await second)[Symbol.asyncDispose]();
const { data } = await storage.readLease("leases/examples/gcs");
console.log(`the lease is free: ${data.holderIdentity === ""}`);
