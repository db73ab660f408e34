import { RedisErrorReply, redisFailure, type RedisClient } from "./redis-client.ts";
import { RedisConnections, type RedisClientOptions } from "./redis-connections.ts";
import type { RedisWire, RedisWireParts } from "./redis-line.ts";
import { answered, argument, connectionError, demandSingle, fieldsOf, placeOf } from "./redis-node-redis.ts";

/** What is used of a client of `ioredis`. It need not be connected. */
export interface IoredisClient {
  readonly options: object;
  duplicate(overrides?: object): IoredisConnection;
}

/** What is used of a duplicate. */
export interface IoredisConnection {
  connect(): Promise<unknown>;
  callBuffer(command: string, ...args: (string | Buffer)[]): Promise<unknown>;
  subscribe(...channels: string[]): Promise<unknown>;
  unsubscribe(...channels: string[]): Promise<unknown>;
  disconnect(): void;
  on(event: string, listener: (...values: unknown[]) => void): unknown;
}

/**
 * Makes a `RedisClient` of a client of `ioredis`, by duplicates of it with settings that are safe for an election. The
 * client itself is neither connected nor closed.
 */
export function fromIoredis(client: IoredisClient, options: RedisClientOptions = {}): RedisClient {
  const { host, port, path, tls, db } = fieldsOf(client.options);
  demandSingle(Reflect.get(client, "isCluster") !== true);
  const description = placeOf({ host, port, path, tls, database: db });
  return new RedisConnections(description, (parts) => openWire(client, db, parts), options);
}

async function openWire(client: IoredisClient, database: unknown, parts: RedisWireParts): Promise<RedisWire> {
  const { node, lost, heard, signal } = parts;
  const connection = client.duplicate({ ...safeOptions, ...node });
  let failure: unknown;
  let [isOpen, isOver] = [false, false];
  connection.on("error", (error) => (failure ??= error)); // without a listener it writes to stderr
  connection.on("end", () => {
    isOver = true;
    if (isOpen) lost(connectionError(failure));
  });
  connection.on("messageBuffer", (channel, message) => {
    if (message instanceof Uint8Array) heard(String(channel), new Uint8Array(message));
  });
  const destroy = (): void => destroyed(connection);
  signal.addEventListener("abort", destroy, { once: true });
  try {
    await connection.connect();
    // A refused SELECT is only an event to the library, and every command would meet another database.
    const chosen = Number(database ?? 0);
    const reply = chosen === 0 ? null : await answered(connection.callBuffer("SELECT", String(chosen)));
    if (reply instanceof RedisErrorReply) throw reply;
    if (isOver) throw connectionError(failure);
    isOpen = true;
  } catch (error) {
    destroy();
    throw redisFailure(error instanceof RedisErrorReply ? error : (failure ?? error));
  } finally {
    signal.removeEventListener("abort", destroy);
  }
  return {
    send: ([name, ...args]) => answered(connection.callBuffer(String(name), ...args.map(argument))),
    subscribe: async (channel) => {
      await connection.subscribe(channel).catch((error: unknown) => {
        throw redisFailure(error);
      });
    },
    unsubscribe: async (channel) => void (await connection.unsubscribe(channel)),
    destroy,
  };
}

/**
 * By default a write whose answer is lost is sent a second time. Here nothing is resent, kept or retried;
 * `RedisConnections` makes a new connection instead of reconnecting.
 */
const safeOptions = {
  lazyConnect: true,
  retryStrategy: null,
  reconnectOnError: null,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  enableOfflineQueue: false,
  enableReadyCheck: false, // this one and the next would need a right more
  disableClientInfo: true,
  enableAutoPipelining: false,
  commandTimeout: undefined,
  socketTimeout: undefined,
  blockingTimeout: undefined,
  protocol: 2,
  replyMapping: "legacy",
  stringNumbers: false,
  keyPrefix: "",
  readOnly: false,
  monitor: false,
};

/** `disconnect()` waits for the peer, which may be frozen. */
function destroyed(connection: IoredisConnection): void {
  const stream: unknown = Reflect.get(connection, "stream");
  connection.disconnect();
  const destroy: unknown = Reflect.get(Object(stream), "destroy");
  if (typeof destroy === "function") Reflect.apply(destroy, stream, []);
}
