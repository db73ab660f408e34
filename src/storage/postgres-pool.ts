import { Socket } from "node:net";
import { sleep, type Clock } from "../system/clock.ts";
import type { PostgresPool } from "./postgres-client.ts";
import type { PostgresServer } from "./postgres-settings.ts";

/** What is used of `pg`. */
export interface PoolModule {
  readonly Client: new (options: object) => object;
  readonly Pool: new (options: object) => PostgresPool & {
    on(event: "error", listener: () => void): unknown;
    end(): Promise<void>;
  };
}

/** A pool of our own, and how it ends. */
export interface OwnPool {
  readonly client: PostgresPool;
  readonly end: () => Promise<void>;
}

/** How long the server has for its good-bye. */
const partingMs = 500;
/** Above the interval of renewals, so that they find the connection of the last one. */
const idleMs = 120_000;

/** Makes the pool. It connects when it is first used, and keeps no process alive while it is idle. */
export function ownPool(
  { Client, Pool }: PoolModule,
  { maxConnections: max, ...server }: PostgresServer,
  { clock, timeoutMs }: { readonly clock: Clock; readonly timeoutMs: number },
): OwnPool {
  const sockets = new Set<Socket>();
  const stream = (): Socket => {
    const socket = new Socket();
    sockets.add(socket);
    return socket.once("close", () => sockets.delete(socket));
  };
  // Not the pool's own limit: that sets a timer for each call. Whoever waits for a session has a deadline anyway.
  class LimitedClient extends Client {
    constructor(options: object) {
      // The pool hides the password from copies of its options.
      super({ ...options, password: server.password, connectionTimeoutMillis: timeoutMs });
    }
  }
  const pool = new Pool({
    ...server,
    Client: LimitedClient,
    max,
    stream,
    idleTimeoutMillis: idleMs,
    allowExitOnIdle: true,
    keepAlive: true,
    application_name: "tenure",
  });
  pool.on("error", () => undefined); // the loss of an idle connection; the pool has dropped it
  const end = async (): Promise<void> => {
    const over = new AbortController();
    const parting = sleep(clock, partingMs, over.signal);
    await Promise.allSettled([Promise.race([pool.end(), parting])]); // whatever becomes of it: the rest is destroyed
    over.abort();
    await Promise.allSettled([parting]);
    for (const socket of sockets) socket.destroy(); // pool.end() waits for a frozen server
  };
  return { client: pool, end };
}
