import { CorruptDataError, InvalidSettingsError, UnknownOutcomeError } from "../errors.ts";
import { withDeadline } from "../system/signals.ts";
import { pollWatch } from "./poll-watch.ts";
import type { ProbeFinding } from "./probe.ts";
import { pushWatch, type Subscriber } from "./push-watch.ts";
import { RedisErrorReply, replyText, type RedisClient, type RedisCommand, type RedisReply } from "./redis-client.ts";
import type { RedisClientOptions } from "./redis-connections.ts";
import { redisError } from "./redis-errors.ts";
import { fromIoredis } from "./redis-ioredis.ts";
import { fromNodeRedis } from "./redis-node-redis.ts";
import { connectionsTo } from "./redis-packages.ts";
import { settingsFindings } from "./redis-findings.ts";
import { pushedValue, RedisLayout } from "./redis-script.ts";
import {
  isIoredis,
  isNodeRedis,
  isRedisClient,
  redisSettings,
  redisUrl,
  type RedisPlace,
  type RedisStorageOptions,
  type ResolvedRedisSettings,
} from "./redis-settings.ts";
import type { DriverOpenOptions } from "./storage-driver.ts";
import type { StorageUrl } from "./storage-url.ts";
import { VersionedLeaseStorage, type Attempt, type ListedKey } from "./versioned-lease-storage.ts";
import type { CallOptions, Change, Hint, Stored, Version, WriteOutcome } from "./versioned-storage.ts";

export {
  RedisErrorReply,
  type RedisCallOptions,
  type RedisClient,
  type RedisCommand,
  type RedisListener,
  type RedisReply,
} from "./redis-client.ts";
export type { RedisClientOptions } from "./redis-connections.ts";
export { fromIoredis, type IoredisClient, type IoredisConnection } from "./redis-ioredis.ts";
export { fromNodeRedis, type NodeRedisClient, type NodeRedisConnection } from "./redis-node-redis.ts";
export type { RedisStorageOptions } from "./redis-settings.ts";

const lost: WriteOutcome = { written: false };
/** Replication takes milliseconds; the calls behind a `WAIT` wait as well. */
const longestWaitMs = 1_000;

/**
 * Documents in Redis 7 or Valkey: each key is a hash with value and version, written by one script that compares,
 * indexes and publishes. One hash tag keeps all of it in one slot of a cluster.
 *
 * An acknowledged write may be lost by a failover, also with `replicas`: good for leases, whose term then goes back,
 * which electors notice; not for state.
 */
export class RedisStorage extends VersionedLeaseStorage {
  readonly #settings: ResolvedRedisSettings;
  readonly #layout: RedisLayout;

  /** @throws {InvalidSettingsError} naming every option that is wrong. Connects at the first call. */
  constructor(options: RedisStorageOptions) {
    const settings = redisSettings(options);
    const { client, prefix, clock, timeoutMs, maxValueBytes, notify } = settings;
    super({
      description: prefix === "tenure" ? client.description : `${client.description}?prefix=${prefix}`,
      capabilities: {
        watch: notify ? "push" : "poll",
        transact: true,
        expiry: true,
        maxValueBytes,
        minWriteIntervalMs: 0,
        durability: "may-lose",
        reach: "network",
      },
      clock,
      timeoutMs,
    });
    this.#settings = settings;
    this.#layout = new RedisLayout(prefix);
  }

  /** Eviction and persistence, for the probe; without the right to `CONFIG GET` they are unproven. */
  async probeSettings({ signal, timeoutMs = this.#settings.timeoutMs }: CallOptions = {}): Promise<
    readonly ProbeFinding[]
  > {
    const { client, clock } = this.#settings;
    return withDeadline({ clock, timeoutMs, signal }, async (ended) => {
      try {
        return await settingsFindings((commands) => client.call(commands, { signal: ended }));
      } catch (error) {
        throw this.#trouble(error, { operation: "probe" });
      }
    });
  }

  protected override async readOnce(key: string, { signal }: Attempt): Promise<Stored | undefined> {
    const call = { operation: "read", key };
    const fields = await this.#ask(this.#layout.read(key), call, signal);
    const [value, version] = Array.isArray(fields) ? fields : [];
    if (value === null && version === null) return undefined;
    if (!(value instanceof Uint8Array) || !(version instanceof Uint8Array)) throw this.#unreadable(call);
    return { value: new Uint8Array(value), version: versionOf(version) };
  }

  protected override createOnce(key: string, value: Uint8Array, attempt: Attempt): Promise<WriteOutcome> {
    return this.#write([{ kind: "create", key, value }], { operation: "create", key }, attempt);
  }

  protected override replaceOnce(
    key: string,
    { value, expected }: { readonly value: Uint8Array; readonly expected: Version },
    attempt: Attempt,
  ): Promise<WriteOutcome> {
    return this.#write([{ kind: "replace", key, value, expected }], { operation: "replace", key }, attempt);
  }

  protected override removeOnce(key: string, expected: Version, attempt: Attempt): Promise<WriteOutcome> {
    return this.#write([{ kind: "remove", key, expected }], { operation: "remove", key }, attempt);
  }

  protected override transactOnce(changes: readonly Change[], attempt: Attempt): Promise<WriteOutcome> {
    return this.#write(changes, { operation: "transact" }, attempt);
  }

  protected override async *listPages(prefix: string, signal: AbortSignal): AsyncGenerator<readonly ListedKey[]> {
    const call = { operation: "list", key: prefix };
    const seen = new Set<string>(); // a scan may show a member twice
    for (let cursor = "0"; ;) {
      const page = await this.#ask(this.#layout.scan(prefix, cursor), call, signal);
      const [next, members] = Array.isArray(page) ? page : [];
      cursor = replyText(next) ?? "";
      if (!Array.isArray(members) || cursor === "") throw this.#unreadable(call);
      const keys = members.map((member: RedisReply) => replyText(member) ?? "");
      const fresh = keys.filter((key) => key.startsWith(prefix) && !seen.has(key) && seen.add(key));
      yield fresh.length === 0 ? [] : await this.#withVersions(fresh, call, signal);
      if (cursor === "0") return;
    }
  }

  protected override watchOnce(key: string, signal: AbortSignal): AsyncIterable<Hint> {
    const { clock, random, pollMs, notify } = this.#settings;
    if (!notify) return pollWatch({ clock, random, pollMs, look: (_known, ended) => this.#look(key, ended) }, signal);
    const read = (ended: AbortSignal): Promise<Stored | undefined> => this.read(key, { signal: ended });
    const subscribe = (subscriber: Subscriber, ended: AbortSignal): Promise<void> =>
      this.#subscribe(key, subscriber, ended);
    return pushWatch({ clock, random, pollMs, read, subscribe }, signal);
  }

  protected override async healthOnce({ signal }: Attempt): Promise<readonly string[]> {
    const { replicas } = this.#settings;
    // The look finds the node of a cluster that has the keys.
    const [, role] = await this.#askAll([this.#layout.look("health"), ["ROLE"]], { operation: "check" }, signal);
    const [name, , connected] = Array.isArray(role) ? role : [];
    if (replyText(name) !== "master") return ["it is no primary any more"];
    const count = Array.isArray(connected) ? connected.length : 0;
    return count < replicas ? [`${count} replicas are connected, and ${replicas} have to confirm each write`] : [];
  }

  protected override closeOnce(): Promise<void> {
    return this.#settings.client.close();
  }

  async #write(changes: readonly Change[], call: Call, attempt: Attempt): Promise<WriteOutcome> {
    const { client, random, notify, replicas } = this.#settings;
    const { signal, progress, timeoutMs, expiresInMs } = attempt;
    const version = random.uuid() as Version; // cast: this is where versions are born
    progress.applied = "no";
    const command = this.#layout.write(changes, { version, notify, lifeMs: expiresInMs });
    // Behind the write, over the same connection: another one would have nothing to wait for.
    const waitMs = Math.max(1, Math.floor(Math.min(longestWaitMs, timeoutMs / 2)));
    const commands = replicas === 0 ? [command] : [command, ["WAIT", String(replicas), String(waitMs)]];
    try {
      const [reply, confirmed] = await client.call(commands, { signal, progress });
      if (reply instanceof RedisErrorReply) throw reply;
      if (reply === 0) return lost;
      if (reply !== 1) throw this.#unsure(call, "its answer cannot be read");
      if (replicas > 0 && !(typeof confirmed === "number" && confirmed >= replicas)) {
        throw this.#unsure(call, `${typeof confirmed === "number" ? confirmed : 0} of ${replicas} replicas have it`);
      }
      return { written: true, version };
    } catch (error) {
      throw this.#trouble(error, call, progress.applied);
    }
  }

  /** One command that writes nothing. */
  async #ask(command: RedisCommand, call: Call, signal: AbortSignal): Promise<RedisReply | undefined> {
    const [reply] = await this.#askAll([command], call, signal);
    return reply;
  }

  async #askAll(commands: readonly RedisCommand[], call: Call, signal: AbortSignal): Promise<readonly RedisReply[]> {
    try {
      const replies = await this.#settings.client.call(commands, { signal });
      const refused = replies.find((reply) => reply instanceof RedisErrorReply);
      if (refused !== undefined) throw refused;
      return replies;
    } catch (error) {
      throw this.#trouble(error, call);
    }
  }

  async #withVersions(keys: readonly string[], call: Call, signal: AbortSignal): Promise<readonly ListedKey[]> {
    const versions = await this.#ask(this.#layout.versions(keys), call, signal);
    if (!Array.isArray(versions) || versions.length !== keys.length) throw this.#unreadable(call);
    return keys.flatMap((key, index) => {
      const version: unknown = versions[index];
      return version instanceof Uint8Array ? [{ key, version: versionOf(version) }] : []; // gone meanwhile, or expired
    });
  }

  async #look(key: string, signal: AbortSignal): Promise<string | undefined> {
    const { clock, timeoutMs } = this.#settings;
    const reply = await withDeadline({ clock, timeoutMs, signal }, (ended) =>
      this.#ask(this.#layout.look(key), { operation: "watch", key }, ended),
    );
    return Array.isArray(reply) ? replyText(reply[0]) : undefined;
  }

  async #subscribe(key: string, { established, tell }: Subscriber, signal: AbortSignal): Promise<void> {
    const heard = (message: Uint8Array): void => {
      const seen = pushedValue(message);
      tell(seen === undefined ? {} : { seen });
    };
    try {
      await this.#settings.client.subscribe(this.#layout.channel(key), { established, tell: heard }, signal);
    } catch (error) {
      throw this.#trouble(error, { operation: "watch", key });
    }
  }

  #trouble(error: unknown, call: Call, applied?: "no" | "unknown"): unknown {
    const { prefix } = this.#settings;
    return redisError(error, { ...call, storage: this.description, prefix, ...(applied && { applied }) });
  }

  #unsure({ operation, key }: Call, why: string): UnknownOutcomeError {
    const details = { operation, storage: this.description, ...(key !== undefined && { key }) };
    return new UnknownOutcomeError(`cannot ${operation} in ${this.description}: ${why}`, details);
  }

  #unreadable({ operation, key }: Call): CorruptDataError {
    const details = { operation, storage: this.description, ...(key !== undefined && { key }) };
    return new CorruptDataError(`cannot ${operation} in ${this.description}: what is stored is not ours`, details);
  }
}

interface Call {
  readonly operation: string;
  readonly key?: string;
}

function versionOf(bytes: Uint8Array): Version {
  return new TextDecoder().decode(bytes) as Version; // cast: a write of ours has put it there
}

/**
 * Opens `redis://host:6379/0` or `rediss://…` for the registry, by `@redis/client` or else `ioredis`; or over a client
 * of either that is passed. It connects at the first call.
 */
export async function open(url: StorageUrl, { client, clock, random }: DriverOpenOptions): Promise<RedisStorage> {
  const { place, cluster, options } = redisUrl(url);
  // Earlier than the deadline of the call that waits for it, so that the call tells why.
  const connectTimeoutMs = Math.ceil(0.8 * (options.timeoutMs ?? 10_000));
  const parts: RedisClientOptions = { cluster, clock, connectTimeoutMs };
  return new RedisStorage({ ...options, client: await clientOf(client, place, parts), clock, random });
}

/** One server enforces its own conditions, by a script of ours: `probe=auto` leaves Redis out. */
export function isTrusted(): boolean {
  return true;
}

async function clientOf(client: unknown, place: RedisPlace, parts: RedisClientOptions): Promise<RedisClient> {
  if (client === undefined) return connectionsTo(place, parts);
  if (isRedisClient(client)) return client;
  if (isNodeRedis(client)) return fromNodeRedis(client, parts);
  if (isIoredis(client)) return fromIoredis(client, parts);
  throw new InvalidSettingsError(["client must be one of @redis/client, of ioredis, or a RedisClient"], {
    operation: "open",
  });
}
