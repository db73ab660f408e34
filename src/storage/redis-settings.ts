import { InvalidSettingsError } from "../errors.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { printable } from "../system/logger.ts";
import { systemRandom, type Random } from "../system/random.ts";
import type { RedisClient } from "./redis-client.ts";
import type { IoredisClient } from "./redis-ioredis.ts";
import type { NodeRedisClient } from "./redis-node-redis.ts";
import type { Credentials, StorageUrl } from "./storage-url.ts";

/** How a `RedisStorage` is made. */
export interface RedisStorageOptions {
  /** `fromNodeRedis(client)`, `fromIoredis(client)` or one of your own; for this storage alone, which closes it. */
  readonly client: RedisClient;
  /** Every key and channel begins with it, in braces; letters, digits and `._:/-`, default `tenure`. */
  readonly prefix?: string | undefined;
  /** Whether writes are published, and watches subscribe; default true. Else watches poll. */
  readonly notify?: boolean | undefined;
  /**
   * How many replicas have to have a write before it counts, 0 to 100, default 0: none is asked. With fewer in time
   * the outcome is unknown.
   */
  readonly replicas?: number | undefined;
  /** How often a watch looks by itself, in milliseconds; at least 10, default 30 000, or 2000 without `notify`. */
  readonly pollMs?: number | undefined;
  /** The greatest size of a value in bytes; at most 64 MiB, default 8 MiB. */
  readonly maxValueBytes?: number | undefined;
  /** The deadline of calls that name none, in milliseconds; default 10 000. */
  readonly timeoutMs?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
}

/** Every option with its value. */
export interface ResolvedRedisSettings {
  readonly client: RedisClient;
  readonly prefix: string;
  readonly notify: boolean;
  readonly replicas: number;
  readonly pollMs: number;
  readonly maxValueBytes: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

const defaultPrefix = "tenure";
const longestMs = 2 ** 31 - 1;

/** @throws {InvalidSettingsError} naming all problems. */
export function redisSettings(options: RedisStorageOptions): ResolvedRedisSettings {
  const { client, prefix = defaultPrefix, notify = true, replicas = 0, timeoutMs = 10_000 } = options;
  const { pollMs = notify ? 30_000 : 2_000, maxValueBytes = 8 * 2 ** 20 } = options;
  const { clock = systemClock, random = systemRandom } = options;
  const problems = [
    ...(isRedisClient(client) ? [] : ["client must be a RedisClient: fromNodeRedis(client) or fromIoredis(client)"]),
    ...(/^[A-Za-z0-9._:/-]{1,100}$/.test(prefix)
      ? []
      : [`prefix (${shown(prefix)}) must be 1 to 100 of A-Za-z0-9._:/-`]),
    ...(typeof notify === "boolean" ? [] : [`notify (${shown(notify)}) must be true or false`]),
    ...wholeNumber({ replicas }, 0, 100),
    ...wholeNumber({ pollMs }, 10, longestMs),
    ...wholeNumber({ maxValueBytes }, 1, 64 * 2 ** 20),
    ...wholeNumber({ timeoutMs }, 1, longestMs),
  ];
  if (problems.length > 0) throw new InvalidSettingsError(problems, { operation: "open" });
  return { client, prefix, notify, replicas, pollMs, maxValueBytes, timeoutMs, clock, random };
}

/** Whether something has the shape of a `RedisClient`. */
export function isRedisClient(client: unknown): client is RedisClient {
  const description: unknown = Reflect.get(Object(client), "description");
  return hasMethods(client, ["call", "subscribe", "close"]) && typeof description === "string";
}

/** Whether something is a client of `@redis/client` or `redis`. */
export function isNodeRedis(client: unknown): client is NodeRedisClient {
  return hasMethods(client, ["duplicate", "sendCommand", "destroy"]);
}

/** Whether something is a client of `ioredis`. */
export function isIoredis(client: unknown): client is IoredisClient {
  return hasMethods(client, ["duplicate", "callBuffer", "disconnect"]);
}

function hasMethods(client: unknown, names: readonly string[]): boolean {
  return names.every((name) => typeof Reflect.get(Object(client), name) === "function");
}

const parameters = {
  prefix: { type: "text", default: defaultPrefix },
  cluster: { type: "flag", default: false },
  notify: { type: "flag", default: true },
  replicas: { type: "integer", default: 0, most: 100 },
} as const;

/** Where a URL leads. */
export interface RedisPlace {
  readonly host: string;
  readonly port: number;
  readonly database: number;
  readonly tls: boolean;
  readonly credentials: Credentials | undefined;
}

/** What a URL stands for. */
export interface RedisUrl {
  readonly place: RedisPlace;
  readonly cluster: boolean;
  readonly options: Omit<RedisStorageOptions, "client">;
}

/**
 * What `rediss://user:password@host:6379/0?replicas=1` stands for.
 *
 * @throws {InvalidSettingsError} naming all problems.
 */
export function redisUrl(url: StorageUrl): RedisUrl {
  const { cluster, prefix, notify, replicas, pollMs, maxValueBytes, timeoutMs } = url.parameters(parameters);
  const [, bracketed, name, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(url.host) ?? [];
  const [, database] = /^\/?(\d{0,5})$/.exec(url.path) ?? [];
  const credentials = url.credentials();
  const problems: string[] = [];
  if ((bracketed ?? name) === undefined)
    problems.push(`a ${url.scheme} URL reads "${url.scheme}://host:port/database"`);
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535))
    problems.push(`port (${port}) must be 1 to 65535`);
  if (database === undefined) problems.push(`the path must be the number of a database, like "/0"`);
  if (credentials?.user !== undefined && credentials.user !== "" && credentials.password === "") {
    problems.push(`user info must hold a password: "${url.scheme}://user:password@host", or ":password@host"`);
  }
  if (cluster && Number(database) > 0) problems.push("a cluster has database 0 only");
  if (problems.length > 0) throw new InvalidSettingsError(problems, { operation: "open" });
  return {
    place: {
      host: bracketed ?? name ?? "",
      port: Number(port ?? 6379),
      database: Number(database),
      tls: url.scheme === "rediss",
      credentials,
    },
    cluster,
    options: { prefix, notify, replicas, pollMs, maxValueBytes, timeoutMs },
  };
}

function wholeNumber(named: Readonly<Record<string, unknown>>, least: number, greatest: number): string[] {
  return Object.entries(named)
    .filter(([, value]) => !(Number.isInteger(value) && Number(value) >= least && Number(value) <= greatest))
    .map(([name, value]) => `${name} (${shown(value)}) must be a whole number from ${least} to ${greatest}`);
}

function shown(value: unknown): string {
  return printable(typeof value === "string" ? `"${value}"` : String(value));
}
