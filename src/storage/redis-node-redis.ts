import { InvalidSettingsError } from "../errors.ts";
import {
  RedisConnectionError,
  RedisErrorReply,
  redisFailure,
  type RedisClient,
  type RedisCommand,
  type RedisReply,
} from "./redis-client.ts";
import { RedisConnections, type RedisClientOptions } from "./redis-connections.ts";
import type { RedisWire, RedisWireParts } from "./redis-line.ts";

/** What is used of a client of `@redis/client` or `redis`. It need not be connected. */
export interface NodeRedisClient {
  readonly options?: object | undefined;
  duplicate(overrides?: object): NodeRedisConnection;
}

/** What is used of a duplicate. */
export interface NodeRedisConnection {
  connect(): Promise<unknown>;
  sendCommand(args: readonly (string | Buffer)[], options?: object): Promise<unknown>;
  subscribe(channel: string, listener: (message: Buffer, channel: Buffer) => void, bufferMode: true): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  destroy(): void;
  on(event: "error" | "end", listener: (error?: unknown) => void): unknown;
}

/**
 * Makes a `RedisClient` of a client of `@redis/client` or `redis`, by duplicates of it with settings that are safe for
 * an election. The client itself is neither connected nor closed.
 */
export function fromNodeRedis(client: NodeRedisClient, options: RedisClientOptions = {}): RedisClient {
  const given = fieldsOf(client.options);
  demandSingle("select" in client && typeof client.duplicate === "function"); // others have no database to select
  const socket = fieldsOf(given["socket"]);
  const description = placeOf({ ...socket, database: given["database"] });
  return new RedisConnections(description, (parts) => openWire(client, socket, parts), options);
}

async function openWire(
  client: NodeRedisClient,
  socket: Readonly<Record<string, unknown>>,
  { node, lost, heard, signal }: RedisWireParts,
): Promise<RedisWire> {
  const connection = client.duplicate({ ...safeOptions, socket: { ...socket, ...node, reconnectStrategy: false } });
  let failure: unknown;
  let [isOpen, isOver] = [false, false];
  const end = (error?: unknown): void => {
    isOver = true;
    if (isOpen) lost(connectionError(error ?? failure));
  };
  // Without a listener an error ends the process. It is the end of the connection too, since nothing reconnects: 5.x
  // says no more than that.
  connection.on("error", (error) => {
    failure ??= error;
    end(error);
  });
  connection.on("end", end);
  const destroy = (): void => destroyed(connection);
  signal.addEventListener("abort", destroy, { once: true });
  try {
    await connection.connect();
    if (isOver) throw connectionError(failure);
    isOpen = true;
  } catch (error) {
    destroy();
    throw redisFailure(failure ?? error);
  } finally {
    signal.removeEventListener("abort", destroy);
  }
  return {
    send: (command) => answered(connection.sendCommand(command.map(argument), asBytes)),
    subscribe: async (channel) => {
      const listener = (message: Buffer): void => heard(channel, new Uint8Array(message));
      await connection.subscribe(channel, listener, true).catch(rethrown);
    },
    unsubscribe: async (channel) => void (await connection.unsubscribe(channel)),
    destroy,
  };
}

/**
 * It reconnects never, since `RedisConnections` makes a new one; keeps no commands while there is no connection; and
 * speaks the older protocol, which has no pushes.
 */
const safeOptions = {
  url: undefined,
  RESP: 2,
  disableOfflineQueue: true,
  disableClientInfo: true, // one right less
  commandsQueueMaxLength: undefined,
  commandOptions: { timeout: undefined },
  clientSideCache: undefined,
  emitInvalidate: undefined,
  maintNotifications: "disabled",
  pingInterval: undefined,
  readonly: false,
  keyPrefix: undefined,
};

/** 36 and 43 are the types of strings. With each command: 5.0 does not look at the options of a duplicate for it. */
const asBytes = { typeMapping: { 36: Buffer, 43: Buffer } };

function destroyed(connection: NodeRedisConnection): void {
  try {
    connection.destroy();
  } catch {
    // 5.x throws where there is nothing to destroy any more
  }
}

/** Bytes as the libraries want them; nothing is copied. */
export function argument(part: RedisCommand[number]): string | Buffer {
  return typeof part === "string" ? part : Buffer.from(part.buffer, part.byteOffset, part.byteLength);
}

/** What a library answers to a command. */
export async function answered(reply: Promise<unknown>): Promise<RedisReply> {
  try {
    return replyOf(await reply);
  } catch (error) {
    const failure = redisFailure(error);
    if (failure instanceof RedisErrorReply) return failure;
    throw failure;
  }
}

function replyOf(reply: unknown): RedisReply {
  if (reply === null || typeof reply === "number" || reply instanceof Uint8Array) return reply;
  if (typeof reply === "string") return new TextEncoder().encode(reply);
  if (Array.isArray(reply)) return reply.map(replyOf);
  if (reply instanceof Error) return new RedisErrorReply(reply.message);
  throw new RedisConnectionError("its answer cannot be read");
}

function rethrown(error: unknown): never {
  throw redisFailure(error);
}

/** Why a connection ended, whatever the library says of it. */
export function connectionError(error: unknown): RedisConnectionError {
  const failure = redisFailure(error);
  if (failure instanceof RedisConnectionError) return failure;
  return new RedisConnectionError(`the connection failed (${failure.message})`);
}

/** Clients of a whole cluster choose a node for each command, and send some of them again by themselves. */
export function demandSingle(isSingle: boolean): void {
  if (isSingle) return;
  const problem = "client must be that of one node; with cluster: true it finds the others";
  throw new InvalidSettingsError([problem], { operation: "open" });
}

/** The fields of what a library calls its options. */
export function fieldsOf(options: unknown): Readonly<Record<string, unknown>> {
  return typeof options === "object" && options !== null ? { ...options } : {};
}

/** `redis://host:port/database`, without what is secret. */
export function placeOf({ host, port, path, tls, database }: Readonly<Record<string, unknown>>): string {
  const scheme = tls ? "rediss" : "redis";
  if (typeof path === "string") return `${scheme}+unix:${path}`;
  const name = typeof host === "string" ? host : "localhost";
  const shown = `${name.includes(":") ? `[${name}]` : name}:${typeof port === "number" ? port : 6379}`;
  return `${scheme}://${shown}/${typeof database === "number" ? database : 0}`;
}
