import { systemClock, type Clock } from "../system/clock.ts";
import { TimeoutError } from "../system/signals.ts";
import {
  RedisConnectionError,
  RedisErrorReply,
  type RedisCallOptions,
  type RedisClient,
  type RedisCommand,
  type RedisListener,
  type RedisReply,
} from "./redis-client.ts";
import { RedisLine, type OpenRedisWire, type RedisNode, type RedisWire } from "./redis-line.ts";
import { RedisSubscriptions } from "./redis-subscriptions.ts";

/** What the adapters of both libraries take. */
export interface RedisClientOptions {
  /** Follow the redirections of a Redis Cluster; default false. */
  readonly cluster?: boolean | undefined;
  /** How long the opening of a connection may take, handshake included, in milliseconds; default 8000. */
  readonly connectTimeoutMs?: number | undefined;
  /** How often a subscription is pinged, and how long the answer may take, in milliseconds; default 5000. */
  readonly pingMs?: number | undefined;
  readonly clock?: Clock | undefined;
}

/** More than that under way means that nothing gets through. */
const mostCalls = 1000;
const mostRedirections = 3;

/**
 * One connection for commands and one for subscriptions, each opened when it is needed. A call that is given up at its
 * deadline destroys the command connection, for nothing else takes back a command: then the end of every other call on
 * it is not known. The next call opens a new one.
 */
export class RedisConnections implements RedisClient {
  readonly description: string;
  readonly #open: OpenRedisWire;
  readonly #clock: Clock;
  readonly #connectTimeoutMs: number;
  readonly #cluster: boolean;
  readonly #subscriptions: RedisSubscriptions;
  #line: RedisLine | undefined;
  /** Where a cluster has the keys; all of ours are in one slot. */
  #node: RedisNode | undefined;
  #closed = false;

  constructor(description: string, open: OpenRedisWire, options: RedisClientOptions = {}) {
    const { cluster = false, connectTimeoutMs = 8_000, pingMs = 5_000, clock = systemClock } = options;
    this.description = description;
    this.#open = open;
    this.#clock = clock;
    this.#connectTimeoutMs = connectTimeoutMs;
    this.#cluster = cluster;
    this.#subscriptions = new RedisSubscriptions({
      clock,
      pingMs,
      connect: (heard) => this.#connect(heard),
    });
  }

  async call(commands: readonly RedisCommand[], options: RedisCallOptions): Promise<readonly RedisReply[]> {
    const { signal, progress } = options;
    for (let redirections = 0; ; redirections += 1) {
      if (progress !== undefined) progress.applied = "no";
      const line = this.#current();
      const wire = line.wire ?? (await line.opened(signal));
      signal.throwIfAborted();
      if (line.calls >= mostCalls) throw new RedisConnectionError(`${mostCalls} calls are under way`, "EBUSY");
      if (progress !== undefined) progress.applied = "unknown";
      const replies = await send({ line, wire, commands, signal });
      const node = movedTo(replies[0], this.#node);
      // Refused, so not executed: sending it to where the key is does not repeat it.
      if (node === undefined || !this.#cluster || redirections === mostRedirections) return this.#heed(line, replies);
      this.#node = node;
      line.destroy(new RedisConnectionError("the slot has moved"));
    }
  }

  subscribe(channel: string, listener: RedisListener, signal: AbortSignal): Promise<void> {
    return this.#subscriptions.subscribe(channel, listener, signal);
  }

  close(): Promise<void> {
    this.#closed = true;
    const over = new RedisConnectionError("the client is closed");
    this.#line?.destroy(over);
    this.#subscriptions.close(over);
    return Promise.resolve();
  }

  #current(): RedisLine {
    if (this.#line === undefined || this.#line.isOver) this.#line = this.#connect(() => undefined);
    return this.#line;
  }

  #connect(heard: (channel: string, message: Uint8Array) => void): RedisLine {
    if (this.#closed) throw new RedisConnectionError("the client is closed");
    const node = this.#node;
    const [open, clock, connectTimeoutMs] = [this.#open, this.#clock, this.#connectTimeoutMs];
    const line = new RedisLine({ open, clock, connectTimeoutMs, node, heard, anyRole: this.#cluster });
    // A node that is gone is forgotten: the place that the client was given knows the others.
    line.ended.catch(() => {
      if (this.#node === node && node !== undefined) this.#node = undefined;
    });
    return line;
  }

  /** A primary that became a replica keeps its connections: look for the new one. */
  #heed(line: RedisLine, replies: readonly RedisReply[]): readonly RedisReply[] {
    const [first] = replies;
    if (first instanceof RedisErrorReply && first.message === "READONLY") {
      line.destroy(new RedisConnectionError("it is no primary any more", "REPLICA"));
    }
    return replies;
  }
}

interface Sending {
  readonly line: RedisLine;
  readonly wire: RedisWire;
  readonly commands: readonly RedisCommand[];
  readonly signal: AbortSignal;
}

async function send({ line, wire, commands, signal }: Sending): Promise<readonly RedisReply[]> {
  // At a deadline the connection goes. An abort by the caller alone does not make the ends of other calls unknown:
  // if the answer never comes, the next deadline finds out.
  const cut = (): void => {
    if (line.calls === 1 || signal.reason instanceof TimeoutError) line.destroy(signal.reason);
  };
  line.calls += 1;
  signal.addEventListener("abort", cut, { once: true });
  try {
    const [only] = commands;
    if (commands.length === 1 && only !== undefined) return [await wire.send(only)];
    return await Promise.all(commands.map((command) => wire.send(command)));
  } catch (error) {
    line.destroy(error); // whatever the library makes of it: no other call may use it
    throw error;
  } finally {
    line.calls -= 1;
    signal.removeEventListener("abort", cut);
  }
}

/** `MOVED 3999 127.0.0.1:6381`; an empty host is the one that answered. */
function movedTo(reply: RedisReply | undefined, from: RedisNode | undefined): RedisNode | undefined {
  if (!(reply instanceof RedisErrorReply)) return undefined;
  const [, host = "", port = ""] = reply.match(/^MOVED \d+ (\S*):(\d{1,5})$/) ?? [];
  if (port === "" || (host === "" && from === undefined)) return undefined;
  return { host: host === "" ? (from?.host ?? "") : host, port: Number(port) };
}
