import { linkSignals, TimeoutError, withDeadline } from "../system/signals.ts";
import type { Clock } from "../system/clock.ts";
import {
  RedisConnectionError,
  RedisErrorReply,
  replyText,
  type RedisCommand,
  type RedisReply,
} from "./redis-client.ts";

/** One open connection of a library. */
export interface RedisWire {
  /** Hands one command to the socket. Resolves with the answer, also if that is an error. */
  send(command: RedisCommand): Promise<RedisReply>;
  subscribe(channel: string): Promise<void>;
  unsubscribe(channel: string): Promise<void>;
  /** Destroys the socket now; what is under way rejects. */
  destroy(): void;
}

/** Where a node of a cluster is. */
export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

/** How a connection is opened. */
export interface RedisWireParts {
  /** Instead of the place that the client knows. */
  readonly node: RedisNode | undefined;
  /** The connection has ended; called once, also after `destroy`. */
  readonly lost: (error: RedisConnectionError) => void;
  readonly heard: (channel: string, message: Uint8Array) => void;
  /** Falls if it is not wanted any more: nothing may stay open then. */
  readonly signal: AbortSignal;
}

/** Opens one connection, without a deadline of its own, and never opens it again by itself. */
export type OpenRedisWire = (parts: RedisWireParts) => Promise<RedisWire>;

/** What a `RedisLine` needs. */
export interface RedisLineParts {
  readonly open: OpenRedisWire;
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  readonly node: RedisNode | undefined;
  /** Whether a replica will do: that of a cluster answers nothing itself, but says where to ask. */
  readonly anyRole: boolean;
  readonly heard: (channel: string, message: Uint8Array) => void;
}

/** One connection, from its opening to its end; it is never opened twice. */
export class RedisLine {
  /** Rejects when the connection has ended; never resolves. */
  readonly ended: Promise<never>;
  /** How many calls are under way. */
  calls = 0;
  readonly #ready: Promise<RedisWire>;
  readonly #over = new AbortController();
  #fail: (error: Error) => void = () => {};
  #wire: RedisWire | undefined;
  #waiting = 0;

  constructor(parts: RedisLineParts) {
    this.ended = new Promise((_resolve, reject) => (this.#fail = reject));
    this.ended.catch(() => undefined); // whoever waits hears of it; nobody may be waiting
    this.#ready = this.#connect(parts);
    this.#ready.catch((error: unknown) => this.destroy(error));
  }

  /** Whether it has ended. */
  get isOver(): boolean {
    return this.#over.signal.aborted;
  }

  /** The connection, if it is open: then nothing has to be awaited. */
  get wire(): RedisWire | undefined {
    return this.isOver ? undefined : this.#wire;
  }

  /** Waits for the connection. One that nobody waits for any more is given up. */
  async opened(signal: AbortSignal): Promise<RedisWire> {
    const linked = linkSignals(signal);
    const aborted = new Promise<never>((_resolve, reject) => {
      linked.signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true }); // cast: untouched
    });
    this.#waiting += 1;
    try {
      signal.throwIfAborted();
      return await Promise.race([this.#ready, this.ended, aborted]);
    } finally {
      this.#waiting -= 1;
      linked.unlink();
      if (this.#wire === undefined && this.#waiting === 0) this.destroy(signal.reason);
    }
  }

  /** Destroys the socket; every call on it rejects. */
  destroy(reason: unknown): void {
    if (this.isOver) return;
    const error = reason instanceof Error ? reason : new RedisConnectionError("the connection was given up");
    const late = reason instanceof TimeoutError;
    this.#fail(late ? new RedisConnectionError("the connection was destroyed at the deadline of a call") : error);
    this.#over.abort(error);
    this.#wire?.destroy();
  }

  async #connect({ open, clock, connectTimeoutMs, node, anyRole, heard }: RedisLineParts): Promise<RedisWire> {
    const why = (error: unknown): unknown => atTheDoor(error, connectTimeoutMs);
    const lost = (error: RedisConnectionError): void => this.destroy(this.#wire === undefined ? why(error) : error);
    // The libraries' own deadlines end with TCP, so a server that is silent would hang for ever.
    const deadline = { clock, timeoutMs: connectTimeoutMs, signal: this.#over.signal };
    const wire = await withDeadline(deadline, async (signal) => {
      const opened = await open({ node, heard, signal, lost });
      const cut = (): void => opened.destroy();
      signal.addEventListener("abort", cut, { once: true });
      if (signal.aborted) cut();
      signal.throwIfAborted();
      try {
        await demandPrimary(opened, anyRole);
        return opened;
      } catch (error) {
        this.destroy(why(error)); // before the socket: else its end would be told instead of the reason
        cut();
        throw error;
      } finally {
        signal.removeEventListener("abort", cut);
      }
    }).catch((error: unknown) => {
      throw why(error);
    });
    this.#wire = wire;
    if (this.isOver) wire.destroy();
    return wire;
  }
}

/** Why a connection was not opened. */
function atTheDoor(error: unknown, timeoutMs: number): unknown {
  if (error instanceof TimeoutError) {
    return new RedisConnectionError(`it did not let us in in ${timeoutMs} ms`, "ETIMEDOUT");
  }
  if (!(error instanceof RedisConnectionError) || !["ECONNRESET", undefined].includes(error.code)) return error;
  return new RedisConnectionError("it ended the connection instead of letting us in", "EHANDSHAKE");
}

/** A replica answers reads by default, and what it answers is old. */
async function demandPrimary(wire: RedisWire, anyRole: boolean): Promise<void> {
  const reply = await wire.send(["ROLE"]);
  if (reply instanceof RedisErrorReply) throw reply;
  const role = Array.isArray(reply) ? replyText(reply[0]) : undefined;
  if (role === "master" || (anyRole && role === "slave")) return;
  throw new RedisConnectionError(
    `it is no primary but a ${role === "slave" ? "replica" : (role ?? "stranger")}`,
    "REPLICA",
  );
}
