// Two replicas elect in Redis, one by URL, the other over the client that its application has anyway. Needs the package
// @redis/client (or ioredis), and a server: node examples/servers/redis.ts "redis://user:password@host:6379/0"
import { createClient } from "@redis/client";
import { LeaderElector, StorageLock } from "tenure";
import { openStorage, type LeaseStorage } from "tenure/storage";
import { fromNodeRedis, RedisStorage } from "tenure/storage/redis";

const url = process.argv[2] ?? process.env["TENURE_TEST_REDIS_URL"];
if (url === undefined) throw new Error("name a server: node examples/servers/redis.ts redis://host:6379/0");

const client = createClient({ url }); // need not be connected: connections like it are made, and it is left alone
await using byUrl = await openStorage(url);
await using overClient = new RedisStorage({ client: fromNodeRedis(client) });
console.log(`a failover may lose what was acknowledged: ${byUrl.capabilities.durability === "may-lose"}`);

function replica(label: string, storage: LeaseStorage): LeaderElector {
  return new LeaderElector({ lock: new StorageLock({ storage, namespace: "examples", name: "redis", label }) });
}

const ada = replica("ada", byUrl);
const bob = replica("bob", overClient);
const first = await ada.acquire();
console.log(`ada leads in a term of her own: ${first.isHeld()}`);
const following = new Promise((resolve) => bob.on("newLeader", resolve));
const second = bob.acquire(); // stands by: each renewal is published to him, and he sends nothing
await following;

const releasedAtMs = performance.now();
await first[Symbol.asyncDispose](); // releases the lease; the message carries the record
const waitedMs = (await second).isHeld() ? performance.now() - releasedAtMs : Infinity;
console.log(`bob leads in a later term: ${(await second).term > first.term}`);
console.log(`he waited for a message, not for a poll: ${waitedMs < 1_000}`);
await (await second)[Symbol.asyncDispose]();
const { data } = await byUrl.readLease("leases/examples/redis");
console.log(`the lease is free: ${data.holderIdentity === ""}`);
