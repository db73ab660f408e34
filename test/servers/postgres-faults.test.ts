// Goal: elections on PostgreSQL outlive what servers, networks, poolers and administrators do. Method: a real server
// that is killed, frozen and cut off, its sessions swapped and its rights taken away, while electors contend.
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import { appliedOf, errorCode } from "../../src/errors.ts";
import { StorageLock } from "../../src/lock/storage-lock.ts";
import { open, PostgresStorage, type PostgresPool } from "../../src/storage/postgres.ts";
import { PostgresStatements } from "../../src/storage/postgres-statements.ts";
import { StorageUrl } from "../../src/storage/storage-url.ts";
import type { Hint, Stored, Version, VersionedStorage } from "../../src/storage/versioned-storage.ts";
import { systemClock } from "../../src/system/clock.ts";
import { silentLogger } from "../../src/system/logger.ts";
import { systemRandom } from "../../src/system/random.ts";
import { FaultProxy } from "../process/fault-proxy.ts";
import { describeOn } from "./support/found-server.ts";
import { SwappingPool } from "./support/postgres-pooler.ts";
import { ownPostgresServer, type PostgresServer, type PostgresUrlParts } from "./support/postgres-server.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (stored: Stored | undefined): string | undefined => stored && new TextDecoder().decode(stored.value);

async function written(outcome: Promise<{ readonly written: boolean; readonly version?: Version }>): Promise<Version> {
  const { version } = await outcome;
  return version ?? expect.fail("it was refused");
}

async function thrownBy(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => expect.fail("it did not throw"),
    (error: unknown) => error,
  );
}

describeOn(ownPostgresServer, (start) => {
  let server: PostgresServer;
  const ends: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    server = await start();
  });
  afterAll(async () => {
    for (const end of ends.splice(0).reverse()) await end();
    await server?.[Symbol.asyncDispose]();
  });

  /** A connection that is closed at the end. */
  const connect = async (parts: PostgresUrlParts): Promise<PostgresStorage> => {
    const clockwork = { clock: systemClock, random: systemRandom, logger: silentLogger };
    const storage = await open(new StorageUrl(server.url(parts)), clockwork);
    ends.push(() => storage.close());
    return storage;
  };
  const proxied = async (): Promise<FaultProxy> => {
    const proxy = await new FaultProxy({ host: server.host, port: server.port }).inject({});
    ends.push(() => proxy[Symbol.asyncDispose]());
    return proxy;
  };

  describe("names and keys", () => {
    test("#62: metacharacters in schema, table and key are inert, and the channel of each table is its own", async () => {
      const schema = await server.schema(`we"ird'; drop table x; --$1 \\ {}\r\n`);
      const parameters = { schema, table: `t"'; select pg_sleep(9) --` };
      const [one, other] = [await connect({ parameters }), await connect({ parameters })];
      const foreign = await connect({ parameters: { ...parameters, table: `t"'` } });
      const keys = [`a'; drop schema public; --`, `$1`, `"`, `\\`, `%`, `_`, `a{b}c`, `x'||pg_sleep(9)||'`];
      const watched = hintsOf(other, `a'; drop schema public; --`);
      await watched.next();
      for (const key of keys) await written(one.create(key, bytes(key)));
      for (const key of keys) expect(text(await other.read(key))).toBe(key);
      expect(text(await seenBy(watched, keys[0]))).toBe(keys[0]);
      await written(foreign.create(keys[0] ?? "", bytes("foreign")));
      expect(text(await one.read(keys[0] ?? ""))).toBe(keys[0]);
      await watched.end();
      await server.dropSchema(schema);
    });
  });

  describe("rights", () => {
    test("four verbs on one table and the use of its schema are enough, and each of them is needed", async () => {
      const schema = await server.schema();
      await (await connect({ parameters: { schema } })).create("seed", bytes("1"));
      await server.ask(`drop role if exists least`);
      await server.ask(`create role least login password 'secret'`);
      await server.ask(`grant usage on schema ${schema} to least`);
      const table = `${schema}.tenure_documents`;
      await server.ask(`grant select, insert, update, delete on ${table} to least`);
      const storage = await connect({ user: "least", password: "secret", parameters: { schema } });
      const life = async (): Promise<void> => {
        const created = await written(storage.create("a", bytes("1")));
        const replaced = await written(storage.replace("a", bytes("2"), created));
        await written(storage.transact?.([{ kind: "check", key: "a", expected: replaced }]) ?? expect.fail("none"));
        await written(storage.remove("a", replaced));
      };
      await life();
      const watched = hintsOf(storage, "a");
      await watched.next();
      await watched.end();
      expect(await storage.health()).toMatchObject({ status: "healthy", reasons: [] });
      for (const [right, call] of [
        ["select", () => storage.read("seed")],
        ["insert", () => storage.create("b", bytes("1"))],
        ["update", async () => storage.replace("seed", bytes("2"), versionOf(await storage.read("seed")))],
        ["delete", async () => storage.remove("seed", versionOf(await storage.read("seed")))],
      ] as const) {
        await server.ask(`revoke ${right} on ${table} from least`);
        const error = await thrownBy(call());
        expect([right, errorCode(error), appliedOf(error)]).toEqual([
          right,
          "ACCESS_DENIED",
          right === "select" ? "unknown" : "no",
        ]);
        expect(Reflect.get(Object(error), "message")).toMatch(/grant SELECT, INSERT, UPDATE and DELETE/);
        const { reasons } = await storage.health();
        expect(reasons.join()).toContain(right.toUpperCase());
        await server.ask(`grant ${right} on ${table} to least`);
        await life();
      }
      await server.ask(`revoke usage on schema ${schema} from least`);
      expect(errorCode(await thrownBy(storage.read("seed")))).toBe("ACCESS_DENIED");
      await server.dropSchema(schema);
      await server.ask(`drop role least`);
    });
  });

  describe("bad input", () => {
    test("wrong password, database, schema, table and TLS are typed errors that name the repair", async () => {
      await server.ask(`create role guest login password 'secret'`);
      await server.ask(`create table public.foreigner (key text, other int)`);
      const cases: readonly (readonly [PostgresUrlParts, string, RegExp])[] = [
        [{ user: "guest", password: "wrong-one" }, "ACCESS_DENIED", /correct them \(28P01\)/],
        [{ database: "nowhere" }, "INVALID_SETTINGS", /no such database; create it/],
        [{ parameters: { schema: "nowhere" } }, "INVALID_SETTINGS", /no such schema; create it/],
        [{ parameters: { create: "off", table: "nowhere" } }, "INVALID_SETTINGS", /no such table; create it/],
        [{ parameters: { table: "foreigner" } }, "INVALID_SETTINGS", /not one of ours; correct table=/],
        [{ user: "guest", password: "secret" }, "ACCESS_DENIED", /grant SELECT/], // may not make the table
        [{ parameters: { ssl: "verify-full" } }, "INVALID_SETTINGS", /NODE_EXTRA_CA_CERTS/],
        [{ parameters: { ssl: "verify-ca" } }, "INVALID_SETTINGS", /NODE_EXTRA_CA_CERTS/],
        [{ port: 1 }, "STORAGE_UNAVAILABLE", /ECONNREFUSED/],
      ];
      for (const [parts, code, repair] of cases) {
        const storage = await connect(parts);
        const error = await thrownBy(storage.create("a", bytes("1")));
        expect([parts, errorCode(error), appliedOf(error)]).toEqual([parts, code, "no"]);
        expect(Reflect.get(Object(error), "message")).toMatch(repair);
        expect(String(Reflect.get(Object(error), "message"))).not.toMatch(/wrong-one|secret|guest/);
        const health = await storage.health();
        expect([parts, health.status]).not.toEqual([parts, "healthy"]);
      }
      const unverified = await connect({ parameters: { ssl: "require-unverified", schema: await server.schema() } });
      await written(unverified.create("a", bytes("1")));
      await server.ask(`drop table public.foreigner`);
      await server.ask(`drop role guest`);
    });

    test("a server without TLS is told from one that fails", async () => {
      await server.ask("alter system set ssl = off");
      await server.ask("select pg_reload_conf()");
      const ssl = async (): Promise<unknown> => (await server.ask("show ssl"))[0]?.["ssl"];
      await expect.poll(ssl, { timeout: 5000 }).toBe("off");
      const storage = await connect({ parameters: { ssl: "require-unverified" } });
      const error = await thrownBy(storage.create("a", bytes("1")));
      expect(error).toMatchObject({ code: "INVALID_SETTINGS", applied: "no" });
      expect(Reflect.get(Object(error), "message")).toContain("ssl=disable");
      await server.ask("alter system reset ssl");
      await server.ask("select pg_reload_conf()");
    });

    test("settings of the server that lose acknowledged writes are found unsafe", async () => {
      const schema = await server.schema();
      const storage = await connect({ parameters: { schema } });
      await written(storage.create("a", bytes("1")));
      expect(await storage.probeSettings()).toEqual([]);
      await server.ask("alter role tenure set synchronous_commit = off");
      const lossy = await connect({ parameters: { schema } });
      expect(await lossy.probeSettings()).toMatchObject([{ verdict: "unsafe" }]);
      expect(await lossy.health()).toMatchObject({ status: "degraded" });
      await server.ask("alter role tenure reset synchronous_commit");
    });
  });

  describe("locks and isolation", () => {
    test("a row that is locked past lock_timeout is busy, and nothing was written", async () => {
      const schema = await server.schema();
      await server.ask("alter role tenure set lock_timeout = '200ms'");
      const storage = await connect({ parameters: { schema } });
      const version = await written(storage.create("a", bytes("1")));
      const holder = await server.session();
      await holder.query("begin");
      await holder.query(`update ${schema}.tenure_documents set written_at = now() where key = 'a'`);
      const error = await thrownBy(storage.replace("a", bytes("2"), version));
      expect(error).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
      await holder.query("rollback");
      await holder.end();
      expect(text(await storage.read("a"))).toBe("1");
      await server.ask("alter role tenure reset lock_timeout");
    });

    test("a statement that waits for a lock past its deadline is ended by the server too", async () => {
      const schema = await server.schema();
      const storage = await connect({ parameters: { schema, timeoutMs: "400" } });
      const version = await written(storage.create("a", bytes("1")));
      const holder = await server.session();
      await holder.query("begin");
      await holder.query(`update ${schema}.tenure_documents set written_at = now() where key = 'a'`);
      // Whose clock is first tells whether it is known to have had no effect.
      expect(["OUTCOME_UNKNOWN", "STORAGE_UNAVAILABLE"]).toContain(
        errorCode(await thrownBy(storage.replace("a", bytes("2"), version))),
      );
      await pause(500);
      await holder.query("commit");
      await holder.end();
      await pause(100);
      expect(text(await storage.read("a"))).toBe("1"); // without statement_timeout it was "2" by now
    });

    test("a stricter default isolation is busy or lost, never wrong", async () => {
      const schema = await server.schema();
      await server.ask("alter role tenure set default_transaction_isolation = 'serializable'");
      const storages = await Promise.all(Array.from({ length: 4 }, () => connect({ parameters: { schema } })));
      await storages[0]?.read("warm");
      for (let round = 0; round < 20; round += 1) {
        const key = `k${round}`;
        const ends = await Promise.allSettled(storages.map((storage, racer) => storage.create(key, bytes(`${racer}`))));
        const winners = ends.filter((end) => end.status === "fulfilled" && end.value.written);
        expect(winners.length).toBeLessThanOrEqual(1);
        for (const end of ends) if (end.status === "rejected") expect(appliedOf(end.reason)).toBe("no");
        expect((await storages[1]?.read(key)) === undefined).toBe(winners.length === 0);
      }
      const health = await storages[0]?.health();
      expect(health?.reasons.join()).toContain("serializable");
      await server.ask("alter role tenure reset default_transaction_isolation");
    });

    test("12 racers in 200 rounds: one wins each, and the counter ends at 200", async () => {
      const schema = await server.schema();
      const racers = await Promise.all(Array.from({ length: 12 }, () => connect({ parameters: { schema } })));
      const [first] = racers;
      let version = await written((first ?? expect.fail()).create("count", bytes("0")));
      for (let round = 1; round <= 200; round += 1) {
        const ends = await Promise.all(racers.map((racer) => racer.replace("count", bytes(`${round}`), version)));
        const [winner, ...more] = ends.filter((end) => end.written);
        expect(more).toEqual([]);
        version = await written(Promise.resolve(winner ?? expect.fail("nobody won")));
      }
      expect(text(await first?.read("count"))).toBe("200");
      for (const racer of racers) await racer.close();
    });
  });

  describe("a killed server", () => {
    test("keeps every acknowledged write, and at most the one in doubt besides", async () => {
      const storage = await connect({ parameters: { schema: await server.schema() } });
      let version = await written(storage.create("a", bytes("0")));
      for (let round = 1; round <= 3; round += 1) {
        let [acknowledged, sent, killed] = [Number(text(await storage.read("a"))), 0, false];
        const killing = pause(50 + 40 * round).then(async () => {
          killed = true;
          await server.kill();
        });
        try {
          for (;;) {
            sent = acknowledged + 1;
            version = await written(storage.replace("a", bytes(`${sent}`), version));
            acknowledged = sent;
          }
        } catch (error) {
          expect(killed, String(error)).toBe(true);
          expect(["OUTCOME_UNKNOWN", "STORAGE_UNAVAILABLE"]).toContain(errorCode(error));
          if (appliedOf(error) === "no") sent = acknowledged;
        }
        await killing;
        await server.up();
        const stored = await storage.read("a");
        expect([acknowledged, sent]).toContain(Number(text(stored)));
        expect(acknowledged).toBeGreaterThan(0);
        version = versionOf(stored);
      }
      await storage.close();
    });
  });

  describe("a frozen server", () => {
    test("applies a write whose client is gone: the outcome is unknown, and a later read shows it", async () => {
      const schema = await server.schema();
      const storage = await connect({ parameters: { schema, timeoutMs: "20000" } });
      const version = await written(storage.create("a", bytes("1")));
      server.signal("SIGSTOP");
      const startedMs = performance.now();
      const error = await thrownBy(storage.replace("a", bytes("2"), version, { timeoutMs: 300 }));
      expect(performance.now() - startedMs).toBeLessThan(450 + 300);
      server.signal("SIGCONT");
      expect(error).toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown" });
      await expect.poll(async () => text(await storage.read("a")), { timeout: 5000 }).toBe("2");
      await storage.close();
    });

    test("close does not wait for it, also while something is watched", async () => {
      const storage = await connect({ parameters: { schema: await server.schema() } });
      await storage.read("a");
      const watched = hintsOf(storage, "a");
      await watched.next();
      server.signal("SIGSTOP");
      const startedMs = performance.now();
      await storage.close();
      const tookMs = performance.now() - startedMs;
      server.signal("SIGCONT");
      await watched.end();
      expect(tookMs).toBeLessThan(2000);
    });
  });

  describe("watches", () => {
    test("a session that dies silently is found by its keep-alive, and what came meanwhile is told", async () => {
      const schema = await server.schema();
      const writer = await connect({ parameters: { schema } });
      const proxy = await proxied();
      const storage = await connect({ port: proxy.port, parameters: { schema, pollMs: "600", timeoutMs: "400" } });
      const watched = hintsOf(storage, "a");
      await watched.next();
      await proxy.inject({ up: { swallow: true }, down: { swallow: true } });
      await written(writer.create("a", bytes("meanwhile")));
      await pause(700); // two keep-alives; the one under way at the cut may have been answered
      await proxy.inject({});
      expect(text(await seenBy(watched, "meanwhile"))).toBe("meanwhile");
      const later = await writer.read("a");
      const sentMs = performance.now();
      await written(writer.replace("a", bytes("pushed"), versionOf(later)));
      expect(text(await seenBy(watched, "pushed"))).toBe("pushed");
      expect(performance.now() - sentMs).toBeLessThan(500); // by a push again, not by the poll
      await watched.end();
    });

    test("a value too large for a notification travels bare, and one that a foreigner forges is no value", async () => {
      const schema = await server.schema();
      const [storage, writer] = [await connect({ parameters: { schema } }), await connect({ parameters: { schema } })];
      const watched = hintsOf(storage, "a");
      await watched.next();
      const version = await written(writer.create("a", bytes("x".repeat(7000))));
      expect((await watched.next()).seen).toBeUndefined();
      await written(writer.replace("a", bytes("small"), version));
      expect(text(await seenBy(watched, "small"))).toBe("small");
      const { channel } = new PostgresStatements({ schema, table: "tenure_documents", notify: true });
      for (const payload of ["", "\n", "a", "no version\nb\nAAAA", "no version\na\nAAAA"]) {
        await server.ask("select pg_notify($1, $2)", [channel, payload]);
      }
      expect((await watched.next()).seen).toBeUndefined();
      await watched.end();
    });

    test("one session serves all watches of a storage, and is gone with the last", async () => {
      const schema = await server.schema();
      const storage = await connect({ parameters: { schema, maxConnections: "2" } });
      const watches = Array.from({ length: 5 }, (_, index) => hintsOf(storage, `k${index}`));
      for (const watch of watches) await watch.next();
      for (const [index, watch] of watches.entries()) {
        await written(storage.create(`k${index}`, bytes(`${index}`)));
        expect(text(await seenBy(watch, `${index}`))).toBe(`${index}`);
      }
      const { channel } = new PostgresStatements({ schema, table: "tenure_documents", notify: true });
      const listening = async (): Promise<number> =>
        (await server.ask("select 1 from pg_stat_activity where query = $1", [`listen "${channel}"`])).length;
      expect(await listening()).toBe(1);
      for (const watch of watches) await watch.end();
      await expect.poll(listening, { timeout: 3000 }).toBe(0);
    });
  });

  describe("elections", () => {
    const pace = { leaseDurationMs: 3000, renewDeadlineMs: 2000, retryPeriodMs: 500 };

    /** An elector that notes its terms by true time. */
    const elector = (storage: PostgresStorage, durations = pace): ElectorSeen => {
      const lock = new StorageLock({ storage, namespace: "test", name: "e" });
      return new ElectorSeen(new LeaderElector({ lock, ...durations }));
    };
    /** For what takes the server a while: validity is long, so that a lost term is due to more than that. */
    const patient = { leaseDurationMs: 9000, renewDeadlineMs: 6000, retryPeriodMs: 500 };

    test("#65: SIGKILL of the server during renewals costs no term, though every session is a new one", async () => {
      const storage = await connect({ parameters: { schema: await server.schema() } });
      const seen = elector(storage, patient);
      await seen.leads();
      await pause(1200);
      await server.kill();
      await server.up();
      await pause(patient.renewDeadlineMs);
      expect(seen.terms).toBe(1);
      expect(seen.held).toBe(true);
      await seen.stop();
      await storage.close();
    });

    test("#65: SIGKILL of one backend ends all sessions, and costs no term", async () => {
      const storage = await connect({ parameters: { schema: await server.schema() } });
      const seen = elector(storage, patient);
      await seen.leads();
      const victim = await server.session();
      const { rows } = await victim.query<{ pid: number }>("select pg_backend_pid() as pid");
      process.kill(rows[0]?.pid ?? expect.fail("no pid"), "SIGKILL");
      await pause(patient.renewDeadlineMs + 500);
      expect(seen.terms).toBe(1);
      expect(seen.held).toBe(true);
      await victim.end().catch(() => undefined);
      await seen.stop();
      await storage.close();
    });

    test("#65: a pooler that gives every statement another session costs nothing", async () => {
      const schema = await server.schema();
      const pool = new SwappingPool(server.url());
      ends.push(() => pool.end());
      const storage = new PostgresStorage({ client: pool, schema, notify: false, pollMs: 100 });
      const [leader, standby] = [elector(storage), undefined];
      await leader.leads();
      const other = elector(new PostgresStorage({ client: pool, schema, notify: false, pollMs: 100 }));
      await pause(4000);
      expect([leader.terms, other.terms, standby]).toEqual([1, 0, undefined]);
      await leader.stop();
      await other.leads();
      await other.stop();
      expect(pool.sessions).toBeGreaterThan(3);
    });

    test("#66: while the server is frozen the leader steps down by its own clock, and one leads after", async () => {
      const schema = await server.schema();
      const storages = [await connect({ parameters: { schema } }), await connect({ parameters: { schema } })];
      const electors = storages.map((storage) => elector(storage));
      await Promise.race(electors.map((each) => each.leads()));
      const leader = electors.find((each) => each.held) ?? expect.fail("nobody leads");
      await pause(1000);
      server.signal("SIGSTOP");
      const frozenMs = performance.now();
      await leader.steppedDown();
      expect(performance.now() - frozenMs).toBeLessThan(pace.renewDeadlineMs + 300);
      await pause(7000 - (performance.now() - frozenMs));
      expect(electors.map(({ held }) => held)).toEqual([false, false]);
      server.signal("SIGCONT");
      await Promise.race(electors.map((each) => each.leads()));
      await pause(2000);
      expect(electors.filter(({ held }) => held)).toHaveLength(1);
      expect(overlaps(electors)).toEqual([]);
      for (const each of electors) await each.stop();
      for (const storage of storages) await storage.close();
    });

    test("a graceful hand-over is pushed, and the standby sends nothing before it", async () => {
      const schema = await server.schema();
      const counted = new CountingPool(server.url());
      ends.push(() => counted.end());
      const standbyStorage = new PostgresStorage({ client: counted, schema });
      const storage = await connect({ parameters: { schema } });
      const leader = elector(storage);
      await leader.leads();
      const standby = elector(standbyStorage);
      await pause(1500);
      const before = counted.statements;
      await pause(4000); // several renewals
      expect(counted.statements).toBe(before);
      await leader.stop();
      await standby.leads();
      expect((standby.startedMs ?? Infinity) - (leader.stoppedMs ?? 0)).toBeLessThan(200);
      expect(overlaps([leader, standby])).toEqual([]);
      await standby.stop();
      await standbyStorage.close();
    });
  });
});

function versionOf(stored: Stored | undefined): Version {
  return stored?.version ?? expect.fail("it is absent");
}

interface Hints {
  next(): Promise<Hint>;
  end(): Promise<void>;
}

function hintsOf(storage: VersionedStorage, key: string): Hints {
  const over = new AbortController();
  const iterator = storage.watch?.(key, over)[Symbol.asyncIterator]() ?? expect.fail("it cannot watch");
  return {
    next: async () => {
      const { done, value } = await iterator.next();
      return done === true ? expect.fail("the watch ended") : value;
    },
    end: async () => {
      over.abort(new Error("enough"));
      await iterator.next().catch(() => undefined); // closed before
    },
  };
}

/** Hints until one shows this value. */
async function seenBy(hints: Hints, wanted: string | undefined): Promise<Stored | undefined> {
  for (;;) {
    const { seen } = await hints.next();
    if (text(seen) === wanted) return seen;
  }
}

/** An elector under observation. */
class ElectorSeen {
  readonly intervals: { readonly fromMs: number; toMs: number | undefined }[] = [];
  readonly #over = new AbortController();
  readonly #run: Promise<unknown>;
  readonly #changes: (() => void)[] = [];

  constructor(elector: LeaderElector) {
    this.#run = this.#watch(elector);
  }

  get terms(): number {
    return this.intervals.length;
  }

  get held(): boolean {
    const last = this.intervals.at(-1);
    return last !== undefined && last.toMs === undefined;
  }

  get startedMs(): number | undefined {
    return this.intervals.at(-1)?.fromMs;
  }

  get stoppedMs(): number | undefined {
    return this.intervals.at(-1)?.toMs;
  }

  leads(): Promise<void> {
    return this.#until(() => this.held);
  }

  steppedDown(): Promise<void> {
    return this.#until(() => !this.held);
  }

  async stop(): Promise<void> {
    this.#over.abort(new Error("enough"));
    await this.#run;
  }

  async #watch(elector: LeaderElector): Promise<void> {
    for await (const leadership of elector.terms({ signal: this.#over.signal })) {
      const interval: { fromMs: number; toMs: number | undefined } = { fromMs: performance.now(), toMs: undefined };
      this.intervals.push(interval);
      this.#tell();
      await new Promise<void>((resolve) => {
        leadership.signal.addEventListener("abort", () => resolve(), { once: true });
      });
      interval.toMs = performance.now();
      this.#tell();
    }
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#changes.push(resolve));
  }

  #tell(): void {
    for (const resolve of this.#changes.splice(0)) resolve();
  }
}

/** Pairs of terms that overlap, by the one clock that all of them are seen with. */
function overlaps(electors: readonly ElectorSeen[]): readonly string[] {
  const all = electors.flatMap(({ intervals }) => intervals).sort((one, other) => one.fromMs - other.fromMs);
  return all.flatMap(({ fromMs }, index) => {
    const before = all[index - 1];
    return before !== undefined && (before.toMs ?? Infinity) > fromMs ? [`${before.fromMs} and ${fromMs}`] : [];
  });
}

/** A pool of pg that counts what is sent. */
class CountingPool implements PostgresPool {
  statements = 0;
  readonly #pool: pg.Pool;
  readonly #seen = new WeakSet<pg.PoolClient>();

  constructor(url: string) {
    this.#pool = new pg.Pool({ connectionString: url });
    this.#pool.on("error", () => undefined);
  }

  async connect(): ReturnType<PostgresPool["connect"]> {
    const client = await this.#pool.connect();
    if (!this.#seen.has(client)) {
      this.#seen.add(client);
      // cast: one of its forms
      const query = client.query.bind(client) as (text: string, values?: unknown[]) => Promise<pg.QueryResult>;
      Object.assign(client, {
        query: (statement: string, values?: unknown[]) => {
          this.statements += 1;
          return query(statement, values);
        },
      });
    }
    return client;
  }

  end(): Promise<void> {
    return this.#pool.end();
  }
}
