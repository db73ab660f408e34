import { errorCode, PackageMissingError } from "../errors.ts";
import type { RedisClient } from "./redis-client.ts";
import type { RedisClientOptions } from "./redis-connections.ts";
import { fromIoredis } from "./redis-ioredis.ts";
import { fromNodeRedis } from "./redis-node-redis.ts";
import type { RedisPlace } from "./redis-settings.ts";

/** Makes connections by one package; rejects if that is not installed. */
export type RedisPackage = (place: RedisPlace, options: RedisClientOptions) => Promise<RedisClient>;

/**
 * Connections to a place, by whichever of the packages is installed.
 *
 * @throws {PackageMissingError} if none is.
 */
export async function connectionsTo(
  place: RedisPlace,
  options: RedisClientOptions,
  packages: readonly RedisPackage[] = [byNodeRedis, byIoredis],
): Promise<RedisClient> {
  for (const connect of packages) {
    try {
      return await connect(place, options);
    } catch (error) {
      if (errorCode(error) !== "ERR_MODULE_NOT_FOUND") throw error;
    }
  }
  throw new PackageMissingError("redis: needs a client package: npm install @redis/client", { operation: "open" });
}

const secure = { minVersion: "TLSv1.2" } as const;

async function byNodeRedis(place: RedisPlace, options: RedisClientOptions): Promise<RedisClient> {
  const { createClient } = await import("@redis/client");
  const { host, port, database, tls } = place;
  const socket = tls ? { host, port, tls, ...secure } : { host, port };
  return fromNodeRedis(createClient({ ...accessOf(place), database, socket }), options);
}

async function byIoredis(place: RedisPlace, options: RedisClientOptions): Promise<RedisClient> {
  const { Redis } = await import("ioredis");
  const { host, port, database, tls } = place;
  const client = new Redis({
    ...accessOf(place),
    ...{ host, port, db: database, lazyConnect: true },
    ...(tls && { tls: secure }),
  });
  return fromIoredis(client, options);
}

function accessOf({ credentials }: RedisPlace): { username?: string; password?: string } {
  const { user = "", password = "" } = credentials ?? {};
  return { ...(user !== "" && { username: user }), ...(password !== "" && { password }) };
}
