import type { Socket } from "node:net";
import pg from "pg";
import { StorageUnavailableError } from "../../../src/errors.ts";
import { PostgresStorage, type PostgresConnection, type PostgresPool } from "../../../src/storage/postgres.ts";
import type { Attempt } from "../../../src/storage/versioned-lease-storage.ts";
import type { Stored, WriteOutcome } from "../../../src/storage/versioned-storage.ts";
import type { StorageFault, StorageFaults, StorageOperation } from "../../../src/testing/storage-faults.ts";
import { FaultProxy } from "../../process/fault-proxy.ts";
import type { PostgresServer } from "./postgres-server.ts";

type Query = (text: string, values?: unknown[]) => Promise<{ rows: readonly unknown[] }>;

/** Which call of a storage sends this statement; the others prepare one, or end it. */
function operationOf(text: string): StorageOperation | undefined {
  if (text.startsWith("with w as (insert")) return "create";
  if (text.startsWith("with w as (update")) return "replace";
  if (text.startsWith("with w as (delete")) return "remove";
  if (text.includes(" as standby, d.value")) return "read";
  if (text.includes(" as standby, d.key")) return "list";
  return text === "commit" ? "transact" : undefined;
}

const refusals = { busy: "40001", denied: "42501" } as const;

/** A pool of `pg` through a proxy, whose statements meet faults on the wire. */
export class FaultyPostgres implements PostgresPool, AsyncDisposable {
  requests = 0;
  readonly proxy: FaultProxy;
  readonly #pool: pg.Pool;
  readonly #wrapped = new WeakMap<pg.PoolClient, PostgresConnection>();
  readonly #out = new Set<pg.PoolClient>();
  readonly #destroyed = new Set<Socket>();
  readonly #queue: { readonly fault: StorageFault; readonly on: StorageOperation | undefined }[] = [];

  private constructor(proxy: FaultProxy, url: string) {
    this.proxy = proxy;
    this.#pool = new pg.Pool({ connectionString: url, max: 20 });
    this.#pool.on("error", () => undefined);
  }

  static async start(server: PostgresServer): Promise<FaultyPostgres> {
    const proxy = await new FaultProxy({ host: server.host, port: server.port }).inject({});
    return new FaultyPostgres(proxy, server.url({ port: proxy.port }));
  }

  /** Sessions that are in use, and sockets that were given up but not destroyed. */
  get open(): number {
    return this.#out.size + [...this.#destroyed].filter((socket) => !socket.destroyed).length;
  }

  next(fault: StorageFault, on?: StorageOperation): void {
    this.#queue.push({ fault, on });
  }

  async connect(): Promise<PostgresConnection> {
    const client = await this.#pool.connect();
    this.#out.add(client);
    const known = this.#wrapped.get(client);
    if (known !== undefined) return known;
    const connection = this.#wrap(client);
    this.#wrapped.set(client, connection);
    return connection;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = this.#pool.end();
    await this.proxy[Symbol.asyncDispose]();
    await ended;
  }

  #wrap(client: pg.PoolClient): PostgresConnection {
    let inTransaction = false;
    const query: Query = (text, values) => client.query<Record<string, unknown>, unknown[]>(text, values);
    return {
      // cast: whatever the event, its listener gets what the client tells
      on: (event: string, listener: (what?: never) => void) =>
        client.on(event as "error", (what: unknown) => listener(what as never)),
      release: (destroy) => {
        this.#out.delete(client);
        const socket = Reflect.get(Reflect.get(client, "connection"), "stream") as Socket;
        client.release(destroy);
        if (destroy === true) this.#destroyed.add(socket);
      },
      query: (text, values) => {
        if (text.startsWith("begin")) inTransaction = true;
        if (/^(commit|rollback)/.test(text)) inTransaction = false;
        const operation = inTransaction ? undefined : operationOf(text);
        return operation === undefined ? query(text, values) : this.#meet(operation, query, { text, values });
      },
    } as PostgresConnection; // cast: `on` for all its events at once
  }

  async #meet(
    operation: StorageOperation,
    query: Query,
    { text, values }: { readonly text: string; readonly values: unknown[] | undefined },
  ): ReturnType<Query> {
    this.requests += 1;
    const index = this.#queue.findIndex(({ on }) => on === undefined || on === operation);
    const fault = index < 0 ? undefined : this.#queue.splice(index, 1)[0]?.fault;
    const send = (): ReturnType<Query> => query(text, values);
    switch (fault?.kind) {
      case "requestLost":
        return this.#within({ up: { cutAfterBytes: 0 } }, send);
      case "answerLost":
        return this.#within({ down: { cutAfterBytes: 0 } }, send);
      case "hang":
        return this.#within({ up: { swallow: true } }, send);
      case "hangAfter":
        return this.#within({ down: { swallow: true } }, send);
      case "delay":
        return this.#within({ up: { latencyMs: fault.beforeMs ?? 0 }, down: { latencyMs: fault.afterMs ?? 0 } }, send);
      case "doubled": {
        const answers = [await send(), await send()] as const;
        return fault.answer === 2 ? answers[1] : answers[0];
      }
      case "busy":
      case "denied":
        return query(`do $$ begin raise exception 'refused' using errcode = '${refusals[fault.kind]}'; end $$`);
      default:
        return send();
    }
  }

  async #within(faults: Parameters<FaultProxy["inject"]>[0], send: () => ReturnType<Query>): ReturnType<Query> {
    await this.proxy.inject(faults);
    try {
      return await send();
    } finally {
      await this.proxy.inject({});
    }
  }
}

/** A storage on such a pool. The server never throttles, so that this one fault is thrown where a driver would. */
export class FaultyPostgresStorage extends PostgresStorage implements StorageFaults<PostgresStorage> {
  readonly #pool: FaultyPostgres;
  readonly #throttles: (number | undefined)[] = [];
  #throttled = 0;

  constructor(pool: FaultyPostgres, schema: string) {
    super({ client: pool, schema });
    this.#pool = pool;
  }

  /** With so many sessions that a short deadline meets none that has to be made first. */
  static async start(pool: FaultyPostgres, schema: string): Promise<FaultyPostgresStorage> {
    const storage = new FaultyPostgresStorage(pool, schema);
    await Promise.all(Array.from({ length: 8 }, () => storage.read("warm")));
    return storage;
  }

  get connection(): this {
    return this;
  }

  get requests(): number {
    return this.#pool.requests + this.#throttled;
  }

  get open(): number {
    return this.#pool.open;
  }

  next(fault: StorageFault, on?: StorageOperation): void {
    if (fault.kind === "throttled") this.#throttles.push(fault.retryAfterMs);
    else this.#pool.next(fault, on);
  }

  cutWatches(): void {
    this.#pool.proxy.resetAll();
  }

  protected override async readOnce(key: string, attempt: Attempt): Promise<Stored | undefined> {
    this.#throttle("read");
    return super.readOnce(key, attempt);
  }

  protected override async createOnce(key: string, value: Uint8Array, attempt: Attempt): Promise<WriteOutcome> {
    this.#throttle("create");
    return super.createOnce(key, value, attempt);
  }

  #throttle(operation: string): void {
    if (this.#throttles.length === 0) return;
    const retryAfterMs = this.#throttles.shift();
    this.#throttled += 1;
    throw new StorageUnavailableError("too many requests", {
      ...{ operation, storage: this.description, applied: "no" },
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });
  }
}
