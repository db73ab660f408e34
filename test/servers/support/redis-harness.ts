import { createClient } from "@redis/client";
import { Redis } from "ioredis";
import { fromIoredis, fromNodeRedis, RedisStorage, type RedisClient } from "../../../src/storage/redis.ts";
import type { RedisClientOptions } from "../../../src/storage/redis-connections.ts";
import type { SuiteHarness } from "../../../src/testing/run-suite.ts";
import type { StorageFaults } from "../../../src/testing/storage-faults.ts";
import { RedisProxy } from "./redis-proxy.ts";

/** Where a Redis is. */
export interface RedisTarget {
  readonly host: string;
  readonly port: number;
  readonly database?: number;
  readonly username?: string;
  readonly password?: string;
}

/** Makes a client of ours by one of the libraries. */
export type ConnectRedis = (target: RedisTarget, options?: RedisClientOptions) => RedisClient;

/** The two libraries. */
export const redisLibraries: Readonly<Record<string, ConnectRedis>> = {
  "@redis/client": ({ host, port, database = 0, ...access }, options) =>
    fromNodeRedis(createClient({ socket: { host, port }, database, ...access }), options),
  ioredis: ({ host, port, database = 0, ...access }, options) =>
    fromIoredis(new Redis({ host, port, db: database, lazyConnect: true, ...access }), options),
};

/** A prefix of a place, and the proxies in front of it. */
export interface RedisSuitePlace {
  readonly prefix: string;
  readonly proxies: RedisProxy[];
}

/** How the suites reach a Redis: each case below a prefix of its own, faults by a proxy that reads the protocol. */
export function redisHarness(
  connect: ConnectRedis,
  at: () => RedisTarget,
): SuiteHarness<RedisStorage, RedisSuitePlace> {
  const storage = (prefix: string, to: RedisTarget): RedisStorage => new RedisStorage({ client: connect(to), prefix });
  return {
    complete: true,
    place: () => ({ prefix: `tenure-test:${crypto.randomUUID()}`, proxies: [] }),
    connect: ({ prefix }) => storage(prefix, at()),
    faults: async (place): Promise<StorageFaults<RedisStorage>> => {
      const proxy = await RedisProxy.start(at());
      place.proxies.push(proxy);
      const connection = storage(place.prefix, { ...at(), host: "127.0.0.1", port: proxy.port });
      return {
        connection,
        tellsRetryAfter: false,
        patienceMs: 200, // each deadline destroys the connection, so that the next call opens one
        next: (fault, on) => proxy.next(fault, on),
        get requests() {
          return proxy.requests;
        },
        get open() {
          return proxy.open;
        },
        cutWatches: () => proxy.cutWatches(),
      };
    },
    remove: async ({ prefix, proxies }) => {
      for (const proxy of proxies) await proxy[Symbol.asyncDispose]();
      await using left = storage(prefix, at());
      for await (const { key, version } of left.list("")) await left.remove(key, version);
    },
    secrets: ["s3cret-of-redis"],
  };
}
