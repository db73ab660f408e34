import type { PostgresConnection, PostgresPool } from "./postgres-client.ts";
import { isStatementError } from "./postgres-errors.ts";

/** How long a use of a session may take, and what ends it earlier. */
export interface SessionUse {
  /** At its fall the connection is destroyed, with whatever is under way on it. */
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

/** For the session, not for a transaction: one answer, whatever comes after. */
const setLimits =
  "select pg_catalog.set_config('statement_timeout', $1, false), " +
  "pg_catalog.set_config('idle_in_transaction_session_timeout', $1, false)";

/**
 * The sessions of a pool: each with limits of the server that are as long as our deadlines, each heard when it breaks,
 * and none given back in a state that is in doubt.
 */
export class PostgresSessions {
  readonly #pool: PostgresPool;
  readonly #timeoutMs: number;
  /** The limits of the sessions that were seen, in milliseconds. */
  readonly #limits = new WeakMap<PostgresConnection, number>();

  constructor(pool: PostgresPool, timeoutMs: number) {
    this.#pool = pool;
    this.#timeoutMs = timeoutMs;
  }

  /** Runs `work` on a session of its own. Nothing is sent once `signal` has fallen. */
  async use<T>({ signal, timeoutMs }: SessionUse, work: (session: PostgresConnection) => Promise<T>): Promise<T> {
    const session = await this.#pool.connect();
    let isOut = true;
    const giveBack = (destroy: boolean): void => {
      if (isOut) session.release(destroy);
      isOut = false;
    };
    // A deadline that only rejects a promise frees nothing (brianc/node-postgres#3399). Closing a session that is idle
    // waits for the server, which may be frozen; one with a query under way is cut at once.
    const destroy = (): void => {
      if (isOut) session.query("select 1").catch(() => undefined); // nobody wants its answer
      giveBack(true);
    };
    signal.addEventListener("abort", destroy, { once: true });
    try {
      if (signal.aborted) giveBack(false);
      signal.throwIfAborted();
      const limitMs = Math.max(timeoutMs, this.#timeoutMs);
      if (this.#limits.get(session) !== limitMs) await this.#limit(session, limitMs);
      signal.throwIfAborted();
      const result = await work(session);
      giveBack(false);
      return result;
    } catch (error) {
      giveBack(!isStatementError(error));
      throw error;
    } finally {
      signal.removeEventListener("abort", destroy);
    }
  }

  async #limit(session: PostgresConnection, limitMs: number): Promise<void> {
    // Without a listener the loss of a connection ends the process, also while it is checked out.
    if (!this.#limits.has(session)) session.on("error", () => undefined);
    this.#limits.set(session, 0);
    await session.query(setLimits, [String(Math.ceil(limitMs))]);
    this.#limits.set(session, limitMs);
  }
}
