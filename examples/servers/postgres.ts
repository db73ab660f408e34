// Two replicas elect in a table of PostgreSQL, one by URL, the other over the pool that its application has anyway.
// Needs the package pg, and a database: node examples/servers/postgres.ts "postgres://user:password@host:5432/database"
import pg from "pg";
import { LeaderElector, StorageLock } from "tenure";
import { openStorage, type LeaseStorage } from "tenure/storage";
import { PostgresStorage } from "tenure/storage/postgres";

const url = process.argv[2] ?? process.env["TENURE_TEST_POSTGRES_URL"];
if (url === undefined) throw new Error("name a database: node examples/servers/postgres.ts postgres://host/database");

const pool = new pg.Pool({ connectionString: url, max: 4 });
// without it, the loss of an idle connection ends the process
pool.on("error", (error) => console.error(error.message));

await using byUrl = await openStorage(url); // makes the table at its first call, unless the URL says create=off
await using overPool = new PostgresStorage({ client: pool });
console.log(`documents of at most ${byUrl.capabilities.maxValueBytes} bytes, watched by ${byUrl.capabilities.watch}`);

function replica(label: string, storage: LeaseStorage): LeaderElector {
  return new LeaderElector({ lock: new StorageLock({ storage, namespace: "examples", name: "postgres", label }) });
}

const ada = replica("ada", byUrl);
const bob = replica("bob", overPool);
const first = await ada.acquire();
console.log(`ada leads in a term of her own: ${first.isHeld()}`);
const following = new Promise((resolve) => bob.on("newLeader", resolve));
const second = bob.acquire(); // stands by: notifications tell him of each renewal, and he sends nothing
await following;

const releasedAtMs = performance.now();
await first[Symbol.asyncDispose](); // releases the lease; the notification carries the record
const waitedMs = Math.round((await second).isHeld() ? performance.now() - releasedAtMs : Infinity);
console.log(`bob leads in a later term: ${(await second).term > first.term}`);
console.log(`he waited for a notification, not for a poll: ${waitedMs < 1_000}`);
await (await second)[Symbol.asyncDispose]();
const { data } = await byUrl.readLease("leases/examples/postgres");
console.log(`the lease is free: ${data.holderIdentity === ""}`);
await pool.end(); // the pool is the application's: close() leaves it alone
