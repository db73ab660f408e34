// Goal: what the PostgreSQL driver decides without a server: URLs, errors, secrets, shapes, statements; the published
// suite runs on a real one, in test/servers. Method: a pool in the test's hand that answers, fails or hangs as told.
import { inspect } from "node:util";
import pg from "pg";
import { describe, expect, it } from "vitest";
import { appliedOf, errorCode } from "../../src/errors.ts";
import { postgresError } from "../../src/storage/postgres-errors.ts";
import { postgresUrl } from "../../src/storage/postgres-settings.ts";
import { PostgresStatements } from "../../src/storage/postgres-statements.ts";
import {
  isTrusted,
  open,
  PostgresStorage,
  type PostgresConnection,
  type PostgresPool,
  type PostgresStorageOptions,
} from "../../src/storage/postgres.ts";
import { openStorage } from "../../src/storage/registry.ts";
import { StorageUrl } from "../../src/storage/storage-url.ts";
import type { Version } from "../../src/storage/versioned-storage.ts";
import { systemClock } from "../../src/system/clock.ts";
import { silentLogger } from "../../src/system/logger.ts";
import { drainMicrotasks } from "../../src/system/microtasks.ts";
import { systemRandom } from "../../src/system/random.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const version = "5f0c4a4e-6d7b-4a53-9a4b-0a4f0d0b7c11" as Version; // cast: a made-up version

/** What a statement is answered with: rows, an error, or nothing for ever. */
type Answer = readonly unknown[] | Error | "silence";

class Pool implements PostgresPool {
  readonly sent: { readonly text: string; readonly values: unknown[] | undefined }[] = [];
  readonly released: (boolean | undefined)[] = [];
  readonly errorListeners: unknown[] = [];
  answer: (text: string) => Answer = () => [];
  reach: () => Promise<void> = () => Promise.resolve();
  /** The session that is handed out, always the same. */
  readonly session: PostgresConnection = {
    query: async (text: string, values?: unknown[]) => {
      this.sent.push({ text, values });
      const answer = /set_config|select 1$/.test(text) ? [] : this.answer(text);
      if (answer === "silence") return new Promise(() => {});
      if (answer instanceof Error) throw answer;
      return { rows: answer };
    },
    on: (event: string, listener: unknown) => {
      if (event === "error") this.errorListeners.push(listener);
    },
    release: (destroy) => void this.released.push(destroy),
  };

  async connect(): Promise<PostgresConnection> {
    await this.reach();
    return this.session;
  }
}

function storageOn(pool: Pool, options: Partial<PostgresStorageOptions> = {}): PostgresStorage {
  return new PostgresStorage({ client: pool, create: false, ...options });
}

function sqlError(code: string, severity = "ERROR"): Error {
  return Object.assign(new Error(`secret of ${code}`), { name: "error", code, severity, detail: "(secret)" });
}

async function thrownBy(run: () => Promise<unknown>): Promise<unknown> {
  return run().then(
    () => expect.fail("it did not throw"),
    (error: unknown) => error,
  );
}

describe("a pool by its shape", () => {
  it("is what pg exports, and anything else is refused with all problems at once", () => {
    const client: PostgresPool = new pg.Pool({ host: "127.0.0.1" }); // compiles: that is the test
    expect(new PostgresStorage({ client }).description).toBe("postgres: public.tenure_documents");
    const wrong = { client: {}, schema: "", table: "t".repeat(64), pollMs: 1, maxValueBytes: 2 ** 25, timeoutMs: 0 };
    const problems = catchProblems(() => new PostgresStorage(wrong as never)); // cast: wrong on purpose
    expect(problems).toHaveLength(6);
    expect(problems[0]).toMatch(/^client must be a pool of pg/);
  });

  it("gets an error listener on each session once, or the loss of one would end the process", async () => {
    const pool = new Pool();
    const storage = storageOn(pool);
    pool.answer = () => [{ standby: false, value: null, version: null }];
    await storage.read("a");
    await storage.read("a");
    expect(pool.errorListeners).toHaveLength(1);
    expect(pool.released).toEqual([false, false]);
  });

  it("gets the deadline as limit of the server once for each session, and again where a call wants more", async () => {
    const pool = new Pool();
    const storage = storageOn(pool, { timeoutMs: 7000 });
    pool.answer = () => [{ standby: false, value: null, version: null }];
    await storage.read("a");
    await storage.read("a", { timeoutMs: 100 });
    await storage.read("a", { timeoutMs: 9000 });
    const limits = pool.sent.filter(({ text }) => text.includes("statement_timeout"));
    expect(limits.map(({ values }) => values)).toEqual([["7000"], ["9000"]]);
  });
});

describe("what becomes of a statement", () => {
  it.each([
    ...["40001", "40P01", "55P03", "57014", "57P03", "53300", "25006"].map((code) => [
      code,
      "STORAGE_UNAVAILABLE",
      "no",
    ]),
    ...["28000", "28P01", "42501"].map((code) => [code, "ACCESS_DENIED", "no"]),
    ...["3D000", "42P01", "3F000", "42703", "42P10"].map((code) => [code, "INVALID_SETTINGS", "no"]),
    ...["57P01", "57P02", "08006", "40003", "XX000", "ECONNRESET", "EPIPE"].map((code) => [
      code,
      "OUTCOME_UNKNOWN",
      "unknown",
    ]),
  ])("%s after it was sent is %s, applied %s", async (code, expected, applied) => {
    const pool = new Pool();
    pool.answer = () => sqlError(code);
    const storage = storageOn(pool);
    const writes = [
      () => storage.create("a", bytes("secret")),
      () => storage.replace("a", bytes("secret"), version),
      () => storage.remove("a", version),
    ];
    for (const write of writes) {
      const error = await thrownBy(write);
      expect([errorCode(error), appliedOf(error)]).toEqual([expected, applied]);
      expect(inspect(error, { depth: 9, showHidden: true })).not.toContain("secret");
      expect(inspect(error)).toContain(code);
    }
    const read = await thrownBy(() => storage.read("a"));
    expect(errorCode(read)).toBe(expected === "OUTCOME_UNKNOWN" ? "STORAGE_UNAVAILABLE" : expected);
  });

  it("is lost only if it answers without a row", async () => {
    const pool = new Pool();
    const storage = storageOn(pool);
    expect(await storage.create("a", bytes("1"))).toEqual({ written: false });
    expect(await storage.replace("a", bytes("1"), version)).toEqual({ written: false });
    expect(await storage.remove("a", version)).toEqual({ written: false });
    pool.answer = () => [{ version }];
    expect(await storage.replace("a", bytes("1"), version)).toEqual({ written: true, version });
    pool.answer = () => [{}]; // something between that answers by itself
    expect(errorCode(await thrownBy(() => storage.replace("a", bytes("1"), version)))).toBe("OUTCOME_UNKNOWN");
  });

  it("is unknown at the deadline, and its connection is destroyed", async () => {
    const pool = new Pool();
    pool.answer = () => "silence";
    const clock = new ManualClock();
    const storage = storageOn(pool, { clock });
    const error = thrownBy(() => storage.replace("a", bytes("1"), version, { timeoutMs: 50 }));
    await drainMicrotasks();
    await clock.advance(50);
    expect(await error).toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown", cause: { name: "TimeoutError" } });
    expect(pool.released).toEqual([true]);
  });

  it("was not sent if no session came before the deadline, and a late session goes back unused", async () => {
    const pool = new Pool();
    let arrive = (): void => {};
    pool.reach = () => new Promise((resolve) => (arrive = resolve));
    const clock = new ManualClock();
    const storage = storageOn(pool, { clock });
    const error = thrownBy(() => storage.create("a", bytes("1"), { timeoutMs: 50 }));
    await drainMicrotasks();
    await clock.advance(50);
    expect(await error).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
    arrive();
    await drainMicrotasks();
    expect(pool.sent).toEqual([]);
    expect(pool.released).toEqual([false]);
  });

  it("was not sent if the connection was refused, also for a name with two addresses", async () => {
    const pool = new Pool();
    const refused = (): Error => Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
    for (const error of [
      refused(),
      Object.assign(new AggregateError([refused(), refused()]), { code: "ECONNREFUSED" }),
    ]) {
      pool.reach = () => Promise.reject(error);
      const thrown = await thrownBy(() => storageOn(pool).create("a", bytes("1")));
      expect(thrown).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
      expect(Reflect.get(Object(thrown), "message")).toContain("ECONNREFUSED");
    }
  });

  it("after an error of the statement the session is kept, after any other it is destroyed", async () => {
    const pool = new Pool();
    const storage = storageOn(pool);
    for (const error of [sqlError("40001"), sqlError("57P01", "FATAL"), new Error("Connection terminated")]) {
      pool.answer = () => error;
      await thrownBy(() => storage.create("a", bytes("1")));
    }
    expect(pool.released).toEqual([false, true, true]);
  });
});

describe("a transaction", () => {
  const change = { kind: "create", key: "a", value: bytes("1") } as const;

  it("that fails before its commit had no effect, and one whose commit is in doubt is unknown", async () => {
    const pool = new Pool();
    const storage = storageOn(pool);
    const broken = new Error("Connection terminated");
    for (const [failing, code, applied] of [
      ["begin", "STORAGE_UNAVAILABLE", "no"],
      ["with", "STORAGE_UNAVAILABLE", "no"],
      ["commit", "OUTCOME_UNKNOWN", "unknown"],
    ] as const) {
      pool.answer = (text) => (text.startsWith(failing) || text === "rollback" ? broken : [{ version }]);
      const error = await thrownBy(async () => storage.transact?.([change]));
      expect([failing, errorCode(error), appliedOf(error)]).toEqual([failing, code, applied]);
    }
    expect(pool.released).toEqual([true, true, true]);
  });

  it("locks rows in the order of their keys' bytes, and rolls back at the first refused condition", async () => {
    const pool = new Pool();
    const storage = storageOn(pool);
    pool.answer = (text) => (text.includes("for share") ? [] : [{ version }]);
    const outcome = await storage.transact?.([
      { kind: "check", key: "z", expected: version },
      { kind: "create", key: "\u{1f701}", value: bytes("1") },
      { kind: "remove", key: "b", expected: version },
      { ...change, key: "\uffee" },
      { kind: "check", key: "a", expected: "absent" },
    ]);
    expect(outcome).toEqual({ written: false });
    const keys = pool.sent.flatMap(({ values = [] }) => (values.length > 0 ? [values[0]] : []));
    expect(keys).toEqual(["10000", "a", "b", "z"]);
    expect(pool.sent.at(-1)?.text).toBe("rollback");
    pool.answer = () => [{ version }];
    await storage.transact?.([
      { ...change, key: "\u{1f701}" },
      { ...change, key: "\uffee" },
    ]);
    expect(pool.sent.slice(-3, -1).map(({ values }) => values?.[0])).toEqual(["\uffee", "\u{1f701}"]);
  });
});

describe("a standby", () => {
  it("answers nothing: what it shows may be old", async () => {
    const pool = new Pool();
    const storage = storageOn(pool);
    pool.answer = () => [{ standby: true, value: bytes("1"), version, key: "a/b" }];
    expect(errorCode(await thrownBy(() => storage.read("a")))).toBe("STORAGE_UNAVAILABLE");
    expect(errorCode(await thrownBy(() => storage.list("a/").next()))).toBe("STORAGE_UNAVAILABLE");
    expect(await storage.health()).toMatchObject({ status: "unhealthy" });
  });
});

describe("statements", () => {
  const place = { schema: 'a"b; drop', table: "$1 'x'", notify: true };

  it("#62: names are quoted, keys and values travel as parameters, and channels are short", () => {
    const statements = new PostgresStatements(place);
    expect(statements.table).toBe('"a""b; drop"."$1 \'x\'"');
    const key = "a'b\"$(x)--";
    const all = [
      statements.read(key),
      statements.create(key, bytes(key)),
      statements.replace(key, { value: bytes(key), expected: key }),
      statements.remove(key, key),
      statements.check(key, key),
      statements.occupy(key),
      statements.vacate(key),
      statements.page(`${key}/`, `${key}0`),
    ];
    for (const { text } of all) expect(text).not.toContain(key);
    expect(statements.channel).toMatch(/^[a-z0-9_]{1,63}$/);
    expect(statements.channel).not.toBe(new PostgresStatements({ ...place, table: "other" }).channel);
  });

  it("notify with the value while it fits below 8,000 bytes, and without it from there on", () => {
    const statements = new PostgresStatements(place);
    const key = "日本語/x";
    let largest = 0;
    for (let size = 5900; size < 6000; size += 1) {
      const payload = String(statements.create(key, new Uint8Array(size)).values[3]);
      expect(36 + Buffer.byteLength(payload)).toBeLessThan(8000);
      if (payload.split("\n").length === 3) largest = size;
    }
    expect(largest).toBeGreaterThan(5940); // nothing is wasted: four bytes for three
    expect(statements.create(key, new Uint8Array(2 ** 20)).values[3]).toBe(`\n${key}`);
  });

  it("send no notification with notify=off", () => {
    const statements = new PostgresStatements({ ...place, notify: false });
    expect(statements.create("a", bytes("1")).text).not.toContain("pg_notify");
    expect(statements.create("a", bytes("1")).values).toHaveLength(2);
  });
});

describe("a URL", () => {
  const parse = (text: string): ReturnType<typeof postgresUrl> => postgresUrl(new StorageUrl(text));

  it("names server, schema and table, and its description shows no user and no password", () => {
    const { options, server } = parse(
      "postgres://us%40er:pa%2fss@db.example:6000/main?schema=s&table=t&maxConnections=9",
    );
    expect(server).toMatchObject({
      host: "db.example",
      port: 6000,
      database: "main",
      user: "us@er",
      password: "pa/ss",
    });
    expect(server.maxConnections).toBe(9);
    expect(options).toMatchObject({ schema: "s", table: "t", description: "postgres://db.example:6000/main s.t" });
    expect(parse("postgresql://[::1]:7000/db").server).toMatchObject({ host: "::1", port: 7000, user: undefined });
    expect(parse("postgres://%2Fvar%2Frun%2Fpostgresql/db").server).toMatchObject({
      host: "/var/run/postgresql",
      port: 5432,
    });
  });

  it.each([
    ["postgres://db.example/db", { rejectUnauthorized: true, minVersion: "TLSv1.2" }],
    ["postgres://db.example/db?ssl=verify-full", { rejectUnauthorized: true, minVersion: "TLSv1.2" }],
    ["postgres://db.example/db?ssl=require-unverified", { rejectUnauthorized: false, minVersion: "TLSv1.2" }],
    ["postgres://db.example/db?ssl=disable", false],
    ["postgres://127.0.0.1/db", false],
    ["postgres://localhost:5433/db", false],
    ["postgres://[::1]/db", false],
    ["postgres://%2frun/db", false],
    ["postgres://localhost.example/db", { rejectUnauthorized: true, minVersion: "TLSv1.2" }],
    ["postgres://127.0.0.1/db?ssl=verify-full", { rejectUnauthorized: true, minVersion: "TLSv1.2" }],
  ])("%s speaks TLS as %o", (text, ssl) => {
    expect(parse(text).server.ssl).toEqual(ssl);
  });

  it("with ssl=verify-ca trusts the issuer and any name", () => {
    const { ssl } = parse("postgres://db.example/db?ssl=verify-ca").server;
    expect(ssl).toMatchObject({ rejectUnauthorized: true });
    expect(ssl !== false && ssl.checkServerIdentity?.()).toBeUndefined();
    expect(ssl !== false && "checkServerIdentity" in ssl).toBe(true);
  });

  it.each([
    ["postgres://db.example", 'reads "postgres://host:5432/database"'],
    ["postgres:///db", 'reads "postgres://host:5432/database"'],
    ["postgres://h/a/b", 'reads "postgres://host:5432/database"'],
    ["postgres://h:70000/db", "the port must be"],
    ["postgres://h/db?maxConnections=1", "must be at least 2"],
    ["postgres://h/db?ssl=on", "must be one of disable, require-unverified, verify-ca, verify-full"],
    ["postgres://h/db?sslmode=require", "sslmode is no parameter"],
    [`postgres://h/db?schema=${"s".repeat(64)}`, "must be a name of 1 to 63 bytes"],
    ["postgres://h/db?table=%00", "must be a name of 1 to 63 bytes"],
  ])("%s is refused", (text, problem) => {
    expect(catchProblems(() => parse(text)).join("; ")).toContain(problem);
  });

  it("is opened without a request; a client that is passed is used and not ended; it is trusted", async () => {
    const pool = new Pool();
    pool.answer = () => [{ standby: false, value: bytes("1"), version }];
    const storage = await openStorage("postgres://user:secret@h/db?create=off", { client: pool });
    expect(pool.sent).toEqual([]);
    expect(await storage.read("a")).toEqual({ value: bytes("1"), version });
    expect(inspect(storage, { depth: 9, showHidden: true })).not.toContain("secret");
    await storage.close();
    expect(isTrusted()).toBe(true);
    const parts = { clock: systemClock, random: systemRandom, logger: silentLogger };
    const url = new StorageUrl("postgres://user:secret@127.0.0.1:1/db");
    await expect(open(url, { ...parts, client: "text" })).rejects.toMatchObject({ code: "INVALID_SETTINGS" });
    const own = await open(url, parts);
    expect(inspect(own, { depth: 9, showHidden: true })).not.toContain("secret");
    expect(await thrownBy(() => own.create("a", bytes("1")))).toMatchObject({
      code: "STORAGE_UNAVAILABLE",
      applied: "no",
    });
    await own.close();
  });
});

describe("what goes wrong with TLS", () => {
  const where = { operation: "create", storage: "postgres", applied: "no" } as const;

  it.each([
    [new Error("The server does not support SSL connections"), /the server offers no TLS; .*ssl=disable/],
    [Object.assign(new Error("self-signed"), { code: "DEPTH_ZERO_SELF_SIGNED_CERT" }), /NODE_EXTRA_CA_CERTS/],
    [Object.assign(new Error("names"), { code: "ERR_TLS_CERT_ALTNAME_INVALID" }), /ssl=verify-ca/],
  ])("%s names its repair", (error, repair) => {
    const told = postgresError(error, where);
    expect(told).toMatchObject({ code: "INVALID_SETTINGS", applied: "no" });
    expect(told.message).toMatch(repair);
  });
});

function catchProblems(run: () => unknown): readonly string[] {
  try {
    run();
  } catch (error) {
    return Reflect.get(Object(error), "problems") as readonly string[]; // cast: of an InvalidSettingsError
  }
  return expect.fail("it was accepted");
}
