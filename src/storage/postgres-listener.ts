import { sleep, type Clock } from "../system/clock.ts";
import { linkSignals, withDeadline, type LinkedSignal } from "../system/signals.ts";
import type { PostgresConnection, PostgresNotification } from "./postgres-client.ts";
import type { PostgresSessions } from "./postgres-sessions.ts";
import type { Subscriber } from "./push-watch.ts";
import type { Hint, Version } from "./versioned-storage.ts";

/** What `PostgresListener` needs. */
export interface PostgresListenerParts {
  readonly sessions: PostgresSessions;
  readonly clock: Clock;
  readonly channel: string;
  /** The deadline of each of its queries, and of getting the session. */
  readonly timeoutMs: number;
  /** How often the session is asked whether it is alive. */
  readonly keepAliveMs: number;
}

/** The one session of a storage that listens, shared by all its watches; there is none while nothing is watched. */
export class PostgresListener {
  readonly #parts: PostgresListenerParts;
  #session: ListeningSession | undefined;

  constructor(parts: PostgresListenerParts) {
    this.#parts = parts;
  }

  /** Tells of a key until the session breaks, then rejects; or until `signal` falls, then it resolves. */
  async subscribe(key: string, { established, tell }: Subscriber, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const session = (this.#session ??= new ListeningSession(this.#parts));
    const aborted = new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    session.add(key, tell);
    try {
      await Promise.race([session.listening, session.broken, aborted]);
      if (signal.aborted) return;
      established();
      await Promise.race([session.broken, aborted]);
    } finally {
      session.drop(key, tell);
      // Also if it broke: who comes from now on begins anew.
      if (this.#session === session && session.isOver) this.#session = undefined;
    }
  }
}

/** From its first subscriber to its last one, or to its end. */
class ListeningSession {
  /** Resolves when nothing can be missed any more. */
  readonly listening: Promise<void>;
  /** Rejects when it broke; never resolves. */
  readonly broken: Promise<never>;
  readonly #parts: PostgresListenerParts;
  readonly #subscribers = new Map<string, Set<(hint: Hint) => void>>();
  readonly #over: LinkedSignal = linkSignals();
  #established: () => void = () => {};

  constructor(parts: PostgresListenerParts) {
    this.#parts = parts;
    const { signal } = this.#over;
    this.listening = new Promise((resolve) => (this.#established = resolve));
    this.broken = new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true }); // cast: always an Error
    });
    this.broken.catch(() => undefined); // those who wait for it are told; nobody has to
    void this.#run();
  }

  get isOver(): boolean {
    return this.#over.signal.aborted;
  }

  add(key: string, tell: (hint: Hint) => void): void {
    const told = this.#subscribers.get(key) ?? new Set();
    this.#subscribers.set(key, told.add(tell));
  }

  drop(key: string, tell: (hint: Hint) => void): void {
    const told = this.#subscribers.get(key);
    told?.delete(tell);
    if (told?.size === 0) this.#subscribers.delete(key);
    if (this.#subscribers.size === 0) this.#over.abort(new Error("nobody watches any more"));
  }

  async #run(): Promise<void> {
    const { sessions, clock, timeoutMs } = this.#parts;
    const { signal } = this.#over;
    try {
      const used = sessions.use({ signal, timeoutMs }, (session) => this.#listen(session));
      const started = Promise.race([this.listening, used]);
      await withDeadline({ clock, timeoutMs, signal }, () => started);
      await used;
    } catch (error) {
      this.#over.abort(error);
    }
  }

  async #listen(session: PostgresConnection): Promise<never> {
    const { clock, channel, timeoutMs, keepAliveMs } = this.#parts;
    const { signal } = this.#over;
    const fail = (error = new Error("the session ended")): void => this.#over.abort(error);
    session.on("error", fail);
    session.on("end", fail);
    session.on("notification", (notification) => this.#heed(notification));
    const ask = (text: string): Promise<unknown> =>
      withDeadline({ clock, timeoutMs, signal }, () => session.query(text));
    try {
      await ask(`listen "${channel}"`);
      this.#established();
      for (;;) {
        await sleep(clock, keepAliveMs, signal);
        await ask("select 1"); // one that died silently is told to nobody (brianc/node-postgres#967)
      }
    } catch (error) {
      this.#over.abort(error); // also after an error of a statement: a session that has listened is not given back
      throw error;
    }
  }

  /** A payload: the version or `-`, the key, and the value in Base64 if there was room. Anything else is not ours. */
  #heed({ channel, payload = "" }: PostgresNotification): void {
    if (channel !== this.#parts.channel) return;
    const [version = "", key = "", value] = payload.split("\n");
    const isValue = value !== undefined && /^[0-9a-f-]{36}$/.test(version);
    for (const tell of this.#subscribers.get(key) ?? []) {
      // cast: as the server has drawn it. Each subscriber gets a copy of its own.
      tell(isValue ? { seen: { value: decoded(value), version: version as Version } } : {});
    }
  }
}

function decoded(value: string): Uint8Array {
  return new Uint8Array(Buffer.from(value, "base64"));
}
