import pg from "pg";
import type { PostgresConnection, PostgresPool, PostgresResult } from "../../../src/storage/postgres.ts";

/**
 * What a pooler in transaction mode does to its clients: each statement outside of a transaction runs on another
 * session than the one before it, and what was set on one session is not there on the next.
 */
export class SwappingPool implements PostgresPool {
  readonly #sessions: Promise<pg.Client>[];
  #next = 0;
  readonly #used = new Set<pg.Client>();

  constructor(url: string, size = 6) {
    this.#sessions = Array.from({ length: size }, async () => {
      const client = new pg.Client({ connectionString: url });
      client.on("error", () => undefined);
      await client.connect();
      return client;
    });
  }

  /** How many sessions were used. */
  get sessions(): number {
    return this.#used.size;
  }

  async connect(): Promise<PostgresConnection> {
    let held: pg.Client | undefined;
    return {
      on: () => undefined, // notifications of a session that may be anybody's reach nobody
      release: () => undefined,
      query: async (text: string, values?: unknown[]): Promise<PostgresResult> => {
        const session = held ?? (await this.#swap());
        this.#used.add(session);
        if (text.startsWith("begin")) held = session;
        if (/^(commit|rollback)/.test(text)) held = undefined;
        return session.query<Record<string, unknown>, unknown[]>(text, values);
      },
    };
  }

  async end(): Promise<void> {
    for (const session of await Promise.all(this.#sessions)) await session.end();
  }

  async #swap(): Promise<pg.Client> {
    this.#next = (this.#next + 1) % this.#sessions.length;
    const session = await this.#sessions[this.#next];
    if (session === undefined) throw new Error("there is no session");
    return session;
  }
}
