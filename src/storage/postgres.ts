import { CorruptDataError, errorCode, PackageMissingError, StorageUnavailableError } from "../errors.ts";
import { withDeadline } from "../system/signals.ts";
import { pollWatch } from "./poll-watch.ts";
import type { PostgresConnection } from "./postgres-client.ts";
import { postgresError, type FailedCall } from "./postgres-errors.ts";
import { PostgresListener } from "./postgres-listener.ts";
import { ownPool } from "./postgres-pool.ts";
import { PostgresSessions } from "./postgres-sessions.ts";
import {
  postgresSettings,
  postgresUrl,
  type PostgresStorageOptions,
  type ResolvedPostgresSettings,
} from "./postgres-settings.ts";
import { pageSize, PostgresStatements, type PostgresStatement } from "./postgres-statements.ts";
import { askFacts, field, findingsOf, makeTable, reasonsOf } from "./postgres-table.ts";
import { applyTransaction } from "./postgres-transaction.ts";
import type { ProbeFinding, ProbeHooks } from "./probe.ts";
import { pushWatch } from "./push-watch.ts";
import type { DriverOpenOptions } from "./storage-driver.ts";
import type { StorageUrl } from "./storage-url.ts";
import { VersionedLeaseStorage, type Attempt, type ListedKey } from "./versioned-lease-storage.ts";
import type { CallOptions, Change, Hint, Stored, Version, WriteOutcome } from "./versioned-storage.ts";

export type { PostgresConnection, PostgresNotification, PostgresPool, PostgresResult } from "./postgres-client.ts";
export type { PostgresStorageOptions } from "./postgres-settings.ts";

/**
 * Documents in one table of a PostgreSQL database, a row for each key. A call is one statement, which the server
 * applies or refuses as a whole; no session, no prepared statement and no advisory lock decides anything, so that
 * poolers may swap sessions.
 *
 * An acknowledged write survives a crash of the server, unless `fsync` or `synchronous_commit` is off there. A
 * failover to a replica that lags behind loses it.
 */
export class PostgresStorage extends VersionedLeaseStorage implements ProbeHooks {
  readonly #settings: ResolvedPostgresSettings;
  readonly #statements: PostgresStatements;
  readonly #sessions: PostgresSessions;
  readonly #listener: PostgresListener;
  #hasTable: boolean;

  /** @throws {InvalidSettingsError} naming every option that is wrong. Sends nothing. */
  constructor(options: PostgresStorageOptions) {
    const settings = postgresSettings(options);
    const { description, notify, maxValueBytes, clock, timeoutMs, client, pollMs } = settings;
    super({
      description,
      capabilities: {
        watch: notify ? "push" : "poll",
        transact: true,
        expiry: false,
        maxValueBytes,
        minWriteIntervalMs: 0,
        durability: "durable",
        reach: "network",
      },
      clock,
      timeoutMs,
    });
    this.#settings = settings;
    this.#statements = new PostgresStatements(settings);
    this.#sessions = new PostgresSessions(client, timeoutMs);
    const { channel } = this.#statements;
    // Three times between two polls: a session that died silently costs a part of a poll.
    this.#listener = new PostgresListener({
      sessions: this.#sessions,
      clock,
      channel,
      timeoutMs,
      keepAliveMs: pollMs / 3,
    });
    this.#hasTable = !settings.create;
  }

  /** What settings of the server break promises, for the probe. */
  async probeSettings({ signal, timeoutMs = this.#settings.timeoutMs }: CallOptions = {}): Promise<
    readonly ProbeFinding[]
  > {
    const where = { operation: "check", storage: this.description };
    const deadline = { clock: this.clock, timeoutMs, signal };
    try {
      return await withDeadline(deadline, async (ended) =>
        findingsOf(await this.#sessions.use({ signal: ended, timeoutMs }, (session) => this.#facts(session))),
      );
    } catch (error) {
      signal?.throwIfAborted();
      throw postgresError(error, where);
    }
  }

  protected override async readOnce(key: string, attempt: Attempt): Promise<Stored | undefined> {
    const where = { operation: "read", storage: this.description, key };
    const [row] = await this.#run(where, attempt, this.#statements.read(key));
    this.#demandPrimary(row, where);
    const version = versionIn(row);
    return version && { value: this.#bytes(field(row, "value"), where), version };
  }

  protected override createOnce(key: string, value: Uint8Array, attempt: Attempt): Promise<WriteOutcome> {
    return this.#write("create", key, { attempt, statement: this.#statements.create(key, value) });
  }

  protected override replaceOnce(
    key: string,
    change: { readonly value: Uint8Array; readonly expected: Version },
    attempt: Attempt,
  ): Promise<WriteOutcome> {
    return this.#write("replace", key, { attempt, statement: this.#statements.replace(key, change) });
  }

  protected override removeOnce(key: string, expected: Version, attempt: Attempt): Promise<WriteOutcome> {
    return this.#write("remove", key, { attempt, statement: this.#statements.remove(key, expected) });
  }

  protected override async transactOnce(changes: readonly Change[], attempt: Attempt): Promise<WriteOutcome> {
    const { progress } = attempt;
    const where = { operation: "transact", storage: this.description, applied: "no" } as const;
    return this.#use(where, attempt, (session) =>
      applyTransaction(session, { statements: this.#statements, changes }, progress),
    );
  }

  protected override async *listPages(prefix: string, signal: AbortSignal): AsyncGenerator<readonly ListedKey[]> {
    const where = { operation: "list", storage: this.description, key: prefix };
    const timeoutMs = 3 * this.#settings.timeoutMs;
    // "0" is what comes after "/".
    const before = prefix === "" ? undefined : `${prefix.slice(0, -1)}0`;
    let after = prefix;
    for (;;) {
      const rows = await this.#run(where, { signal, timeoutMs }, this.#statements.page(after, before));
      this.#demandPrimary(rows[0], where);
      const page = rows.flatMap((row): ListedKey[] => {
        const [key, version] = [field(row, "key"), versionIn(row)];
        return typeof key === "string" && version !== undefined ? [{ key, version }] : [];
      });
      yield page;
      after = page.at(-1)?.key ?? after;
      if (page.length < pageSize) return;
    }
  }

  protected override watchOnce(key: string, signal: AbortSignal): AsyncIterable<Hint> {
    const { clock, random, pollMs, notify } = this.#settings;
    const read = (ended: AbortSignal): Promise<Stored | undefined> => this.read(key, { signal: ended });
    if (!notify) {
      const look = async (_known: string | undefined, ended: AbortSignal): Promise<string | undefined> =>
        (await read(ended))?.version;
      return pollWatch({ clock, random, pollMs, look }, signal);
    }
    const where = { operation: "watch", storage: this.description, key };
    const listener = this.#listener;
    return pushWatch(
      {
        ...{ clock, random, pollMs, read },
        subscribe: (subscriber, ended) =>
          listener.subscribe(key, subscriber, ended).catch((error: unknown) => {
            throw postgresError(error, where);
          }),
      },
      signal,
    );
  }

  protected override async healthOnce(attempt: Attempt): Promise<readonly string[]> {
    const where = { operation: "check", storage: this.description };
    try {
      return reasonsOf(await this.#sessions.use(attempt, (session) => this.#facts(session)), this.description);
    } catch (error) {
      throw postgresError(error, where);
    }
  }

  protected override closeOnce(): Promise<void> {
    return this.#settings.end();
  }

  #facts(session: PostgresConnection): ReturnType<typeof askFacts> {
    return askFacts(session, this.#statements);
  }

  async #write(
    operation: string,
    key: string,
    { attempt, statement }: { readonly attempt: Attempt; readonly statement: PostgresStatement },
  ): Promise<WriteOutcome> {
    const where = { operation, storage: this.description, key, applied: "no" } as const;
    const rows = await this.#run(where, attempt, statement);
    if (rows.length === 0) return { written: false };
    const version = versionIn(rows[0]);
    if (version !== undefined) return { written: true, version };
    throw postgresError(new Error("an answer without a version"), { ...where, applied: "unknown" });
  }

  /** One statement, sent once. */
  #run(
    where: FailedCall,
    attempt: Pick<Attempt, "signal" | "timeoutMs"> & Partial<Attempt>,
    { text, values }: PostgresStatement,
  ): Promise<readonly unknown[]> {
    return this.#use(where, attempt, async (session) => {
      if (attempt.progress !== undefined) attempt.progress.applied = "unknown"; // from here on it is sent
      return (await session.query(text, values)).rows;
    });
  }

  /** For a write, `where` says how far it has come before it begins. */
  async #use<T>(
    where: FailedCall,
    attempt: Pick<Attempt, "signal" | "timeoutMs"> & Partial<Attempt>,
    work: (session: PostgresConnection) => Promise<T>,
  ): Promise<T> {
    const { progress } = attempt;
    if (progress !== undefined) progress.applied = "no"; // until it is sent
    try {
      return await this.#sessions.use(attempt, async (session) => {
        if (!this.#hasTable) await makeTable(session, this.#statements);
        this.#hasTable = true;
        attempt.signal.throwIfAborted();
        return work(session);
      });
    } catch (error) {
      throw postgresError(error, { ...where, ...(where.applied && progress && { applied: progress.applied }) });
    }
  }

  /** A standby may not know of writes that were acknowledged. */
  #demandPrimary(row: unknown, where: FailedCall): void {
    if (field(row, "standby") === false) return;
    const message = `cannot ${where.operation} in ${this.description}: the server is a standby; correct the host`;
    throw new StorageUnavailableError(message, where);
  }

  #bytes(value: unknown, where: FailedCall): Uint8Array {
    if (value instanceof Uint8Array) return new Uint8Array(value);
    throw new CorruptDataError(`cannot read in ${this.description}: the client returned no bytes for bytea`, where);
  }
}

/** Opens `postgres://user:…@host/database` for the registry. Connects at the first call. */
export async function open(url: StorageUrl, { client, clock, random }: DriverOpenOptions): Promise<PostgresStorage> {
  const { options, server } = postgresUrl(url);
  const all = { ...options, clock, random };
  // cast: the constructor looks at what it is
  if (client !== undefined) return new PostgresStorage({ ...all, client: client as PostgresStorageOptions["client"] });
  const { default: pg } = await import("pg").catch(missing);
  const { timeoutMs = 10_000 } = options;
  return new PostgresStorage({ ...all, ...ownPool(pg, server, { clock, timeoutMs }) });
}

/** The server enforces conditions, or it is not PostgreSQL: `probe=auto` leaves it out. */
export function isTrusted(): boolean {
  return true;
}

function versionIn(row: unknown): Version | undefined {
  const version = field(row, "version");
  return typeof version === "string" ? (version as Version) : undefined; // cast: the server draws them
}

function missing(error: unknown): never {
  if (errorCode(error) !== "ERR_MODULE_NOT_FOUND") throw error;
  throw new PackageMissingError("the package pg is missing: npm install pg", { operation: "open", cause: error });
}
