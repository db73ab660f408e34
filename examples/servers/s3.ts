// Two replicas elect on a bucket of S3, or of any server that enforces `If-Match` on PUT. Needs the package
// @aws-sdk/client-s3, and the URL of a bucket: node examples/servers/s3.ts "s3://my-bucket/my-app?region=eu-central-1"
import { LeaderElector, StorageLock } from "tenure";
import { openStorage } from "tenure/storage";

const url = process.argv[2] ?? process.env["TENURE_TEST_S3_URL"];
if (url === undefined) throw new Error("name a bucket: node examples/servers/s3.ts s3://bucket/prefix");

await using storage = await openStorage(url); // keys come from the profile or role of AWS, or stand in the URL
console.log(
  `documents of at most ${storage.capabilities.maxValueBytes} bytes, watched by ${storage.capabilities.watch}`,
);

function replica(label: string): LeaderElector {
  return new LeaderElector({
    lock: new StorageLock({ storage, namespace: "examples", name: "s3", label }),
    leaseDurationMs: 3_000, // the default is 15 s, and costs a fifth
    renewDeadlineMs: 2_000,
    retryPeriodMs: 500,
  });
}

const [ada, bob] = [replica("ada"), replica("bob")];
const first = await ada.acquire();
console.log(`ada leads in a term of her own: ${first.isHeld()}`);
const second = bob.acquire(); // stands by, and asks the bucket whether anything has changed
await first[Symbol.asyncDispose](); // releases the lease; bob sees it at his next poll
console.log(`bob leads in a later term: ${(await second).term > first.term}`);
await (await second)[Symbol.asyncDispose]();
const { data } = await storage.readLease("leases/examples/s3");
console.log(`the lease is free: ${data.holderIdentity === ""}`);
