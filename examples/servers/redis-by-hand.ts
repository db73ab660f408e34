// Leases in Redis by hand: the four calls, for whoever wants no driver. A script on the server compares and swaps, and
// the published suite says whether that is right: node examples/servers/redis-by-hand.ts redis://host:6379/0
import test from "node:test";
import { createClient, RESP_TYPES } from "@redis/client";
import { AlreadyExistsError, ConditionalUpdateFailedError, NotFoundError } from "tenure";
import { decodeLease, encodeLease, type LeaseData, type LeaseObject, type LeaseStorage } from "tenure/storage";
import { leaseStorageSuite, runSuite } from "tenure/testing";

const url = process.argv[2] ?? process.env["TENURE_TEST_REDIS_URL"];
if (url === undefined) throw new Error("name a server: node examples/servers/redis-by-hand.ts redis://host:6379/0");
// No commands are kept while there is no connection: a renewal that leaves minutes later does harm.
const client = await createClient({ url, disableOfflineQueue: true }).on("error", console.error).connect();

/** KEYS: the lease. ARGV: the generation that must be there (or "none"), the next one, the body. */
const compareAndSwap = `
if (redis.call('HGET', KEYS[1], 'generation') or 'none') ~= ARGV[1] then return 0 end
return redis.call('HSET', KEYS[1], 'generation', ARGV[2], 'body', ARGV[3]) and 1
`;

/** What a swap throws may have been written all the same: it passes as it is, and counts as unknown. */
async function swap(name: string, data: LeaseData, expected: string): Promise<LeaseObject | undefined> {
  const generation = crypto.randomUUID(); // never repeats, also not after a delete
  const parts = { keys: [name], arguments: [expected, generation, Buffer.from(encodeLease(data))] };
  return (await client.eval(compareAndSwap, parts)) === 1 ? { data, generation } : undefined;
}

export const redisLeases = (prefix: string): LeaseStorage => ({
  async readLease(key) {
    const bytes = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
    const { body, generation = "" } = await bytes.hGetAll(prefix + key);
    if (body === undefined) throw new NotFoundError(`there is no lease ${key}`);
    return { ...decodeLease(body, { key, version: String(generation) }), generation: String(generation) };
  },
  async createLease(key, data) {
    return (
      (await swap(prefix + key, data, "none")) ?? Promise.reject(new AlreadyExistsError(`there is a lease ${key}`))
    );
  },
  async writeLease(key, data, expected) {
    const lease = expected === "none" ? undefined : await swap(prefix + key, data, expected);
    return lease ?? Promise.reject(new ConditionalUpdateFailedError(`${key} has changed, or is gone`));
  },
  async deleteLease(key) {
    if ((await client.del(prefix + key)) === 0) throw new NotFoundError(`there is no lease ${key}`);
  },
});

test.after(() => client.destroy());
runSuite(test, leaseStorageSuite, {
  place: () => `example:${crypto.randomUUID()}:`,
  connect: redisLeases,
  put: async (prefix, key, body) =>
    void (await client.hSet(prefix + key, { generation: "1", body: Buffer.from(body) })),
  remove: async (prefix) => {
    for await (const keys of client.scanIterator({ MATCH: `${prefix}*` })) if (keys.length > 0) await client.del(keys);
  },
});
