import { sleep, type Clock } from "../system/clock.ts";
import { withDeadline } from "../system/signals.ts";
import { RedisConnectionError, type RedisListener } from "./redis-client.ts";
import type { RedisLine, RedisWire } from "./redis-line.ts";

/** What `RedisSubscriptions` needs. */
export interface RedisSubscriptionsParts {
  readonly clock: Clock;
  readonly pingMs: number;
  readonly connect: (heard: (channel: string, message: Uint8Array) => void) => RedisLine;
}

interface Channel {
  readonly listeners: Set<RedisListener>;
  readonly established: Promise<void>;
}

/** All subscriptions of one client over one connection, which is open while there is any. */
export class RedisSubscriptions {
  readonly #parts: RedisSubscriptionsParts;
  #life: Life | undefined;

  constructor(parts: RedisSubscriptionsParts) {
    this.#parts = parts;
  }

  async subscribe(channel: string, listener: RedisListener, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    if (this.#life === undefined || this.#life.line.isOver) this.#life = new Life(this.#parts);
    await this.#life.subscribe(channel, listener, signal);
  }

  close(reason: Error): void {
    this.#life?.line.destroy(reason);
  }
}

/** One connection with its channels. */
class Life {
  readonly line: RedisLine;
  readonly #parts: RedisSubscriptionsParts;
  readonly #channels = new Map<string, Channel>();
  #users = 0;
  #pinging = false;

  constructor(parts: RedisSubscriptionsParts) {
    this.#parts = parts;
    this.line = parts.connect((channel, message) => {
      for (const listener of this.#channels.get(channel)?.listeners ?? []) listener.tell(message);
    });
  }

  async subscribe(name: string, listener: RedisListener, signal: AbortSignal): Promise<void> {
    let release = (): void => {};
    const aborted = new Promise<void>((resolve) => (release = resolve));
    signal.addEventListener("abort", release, { once: true });
    this.#users += 1;
    try {
      await Promise.race([this.#listen(name, listener, signal), this.line.ended, aborted]);
      await Promise.race([aborted, this.line.ended]);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener("abort", release);
      this.#users -= 1;
      this.#leave(name, listener);
      if (this.#users === 0) this.line.destroy(new RedisConnectionError("nobody listens any more"));
    }
  }

  async #listen(name: string, listener: RedisListener, signal: AbortSignal): Promise<void> {
    const wire = this.line.wire ?? (await this.line.opened(signal));
    if (signal.aborted) return;
    if (!this.#pinging) void this.#ping(wire);
    const channel = this.#channels.get(name) ?? { listeners: new Set(), established: wire.subscribe(name) };
    this.#channels.set(name, channel);
    channel.listeners.add(listener);
    await channel.established;
    if (!signal.aborted) listener.established();
  }

  #leave(name: string, listener: RedisListener): void {
    const channel = this.#channels.get(name);
    channel?.listeners.delete(listener);
    if (channel === undefined || channel.listeners.size > 0) return;
    this.#channels.delete(name);
    // If it fails, the connection has ended, or goes on with messages that nobody hears.
    this.line.wire?.unsubscribe(name).catch(() => undefined);
  }

  /** A server that freezes tells nobody: only an answer proves that a message would come. */
  async #ping(wire: RedisWire): Promise<void> {
    this.#pinging = true;
    const { clock, pingMs } = this.#parts;
    const over = new AbortController();
    this.line.ended.catch((error: unknown) => over.abort(error));
    try {
      for (;;) {
        await sleep(clock, pingMs, over.signal);
        await withDeadline({ clock, timeoutMs: pingMs, signal: over.signal }, () => wire.send(["PING"]));
      }
    } catch {
      // Over, or without an answer: either way this connection is of no use.
      this.line.destroy(new RedisConnectionError("the subscription got no answer to a ping", "ETIMEDOUT"));
    }
  }
}
