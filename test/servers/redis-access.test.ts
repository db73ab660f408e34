// Goal: whoever may not do something at Redis is told which right is missing, and nothing was changed; wrong passwords,
// databases, certificates and nodes are named with their repair. Method: users, TLS and a cluster on real servers.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { inspect } from "node:util";
import { createClient } from "@redis/client";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { fromIoredis, fromNodeRedis, RedisStorage } from "../../src/storage/redis.ts";
import { openStorage } from "../../src/storage/registry.ts";
import { probeStorage } from "../../src/storage/probe.ts";
import type { Version, WriteOutcome } from "../../src/storage/versioned-storage.ts";
import { describeOn } from "./support/found-server.ts";
import { redisLibraries } from "./support/redis-harness.ts";
import { askRedis, foundOwnRedis, startRedisServer } from "./support/redis-server.ts";
import { freePort, type ServerProcess } from "./support/server-process.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const secret = "s3cret-of-redis";
/** As docs/storages.md grants them. */
const rights = "eval hmget exists sadd hset del srem sscan publish subscribe unsubscribe ping role";
const patterns = "~{tenure}:* &{tenure}:*";

async function written(outcome: Promise<WriteOutcome>): Promise<Version> {
  const got = await outcome;
  return got.written ? got.version : expect.fail("it was refused");
}

async function trouble(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => expect.fail("it did not throw"),
    (error: unknown) => error,
  );
}

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function ending<T extends AsyncDisposable>(thing: T): T {
  ends.push(async () => thing[Symbol.asyncDispose]());
  return thing;
}

describeOn(foundOwnRedis, (start) => {
  let server: ServerProcess;
  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  const ask = async (line: string): Promise<void> => {
    const answer = await askRedis(server.place, line);
    if (answer.startsWith("-")) throw new Error(`${line}: ${answer}`);
  };
  const grant = (list: string): Promise<void> =>
    ask(`ACL SETUSER least reset on >${secret} ${patterns} ${list.replace(/(\S+)/g, "+$1")}`);

  describe.each(Object.entries(redisLibraries))("rights, through %s", (_name, connect) => {
    const open = (options: object = {}): RedisStorage => {
      const client = connect({ ...server.place, username: "least", password: secret });
      return ending(new RedisStorage({ client, ...options }));
    };

    test("those that the documents name are enough for everything that a candidate does", async () => {
      await ask("FLUSHALL");
      await grant(rights);
      const storage = open();
      const report = await probeStorage(async () => open(), { quick: true });
      const bad = report.steps.filter(({ verdict }) => verdict !== "safe");
      expect(bad.map(({ id, verdict, detail }) => ({ id, verdict, detail }))).toEqual([
        { id: "P12", verdict: "unproven", detail: expect.stringContaining("+config|get") },
      ]);
      const over = new AbortController();
      const hints = storage.watch?.("a", over)[Symbol.asyncIterator]();
      await hints?.next();
      const version = await written(storage.create("a", bytes("x")));
      expect(await hints?.next()).toMatchObject({ value: { seen: { version } } });
      over.abort();
      await hints?.next();
      expect(await storage.health()).toMatchObject({ status: "healthy" });
      await grant(`${rights} config|get`);
      expect(await open().probeSettings()).toEqual([]);
    });

    const without = (right: string): string => {
      const kept = rights.split(" ").filter((each) => each !== right);
      return kept.join(" ");
    };

    test.each([
      ["eval", [0, 1, 2, 3]],
      ["hmget", [0, 1, 2, 3]],
      ["role", [0, 1, 2, 3]],
      ["sadd", [0, 1, 3]],
      ["hset", [0, 1, 3]],
      ["exists", [0, 3]],
      ["del", [2, 3]],
    ])("without %s a write that needs it is refused, and nothing was changed", async (right, touched) => {
      await ask("FLUSHALL");
      const admin = ending(new RedisStorage({ client: connect(server.place) }));
      const version = await written(admin.create("a", bytes("one")));
      await grant(without(right));
      const storage = open();
      const writes = [
        () => storage.create("b", bytes("x")),
        () => storage.replace("a", bytes("two"), version),
        () => storage.remove("a", version),
        () =>
          storage.transact?.([
            { kind: "create", key: "c", value: bytes("x") },
            { kind: "remove", key: "a", expected: version },
          ]) ?? expect.fail("none"),
      ];
      for (const write of writes.filter((_write, index) => touched.includes(index))) {
        const error = await trouble(write());
        expect(error).toMatchObject({ code: "ACCESS_DENIED", applied: "no" });
        expect(String(error)).toContain("grant: ~{tenure}:* &{tenure}:* +eval");
        const keys: string[] = [];
        for await (const { key } of admin.list("")) keys.push(key);
        expect(keys).toEqual(["a"]);
        expect(await admin.read("a")).toEqual({ value: bytes("one"), version });
      }
    });

    test.each(["srem", "publish", "subscribe", "ping"])("without %s writes go on", async (right) => {
      await ask("FLUSHALL");
      await grant(without(right));
      const storage = open();
      const version = await written(storage.create("a", bytes("one")));
      await written(storage.remove("a", await written(storage.replace("a", bytes("two"), version))));
      expect(await storage.read("a")).toBeUndefined();
      for await (const { key } of storage.list("")) expect.fail(`${key} was listed`);
    });

    test("other keys and channels than those of the prefix are out of reach", async () => {
      await grant(rights);
      const storage = open({ prefix: "other" });
      expect(await trouble(storage.create("a", bytes("x")))).toMatchObject({ code: "ACCESS_DENIED", applied: "no" });
      expect(await trouble(storage.read("a"))).toMatchObject({ code: "ACCESS_DENIED" });
      const next = storage.watch?.("a", new AbortController())[Symbol.asyncIterator]().next();
      expect(await trouble(Promise.resolve(next))).toMatchObject({ code: "ACCESS_DENIED" });
    });

    test("a wrong password, a user that is off, and a database that is not there are told at the first call", async () => {
      await ask("FLUSHALL");
      await grant(rights);
      const wrong = ending(
        new RedisStorage({ client: connect({ ...server.place, username: "least", password: "wr0ng-password" }) }),
      );
      const denied = await trouble(wrong.create("a", bytes("x")));
      expect(denied).toMatchObject({ code: "ACCESS_DENIED", applied: "no" });
      expect(String(denied)).toContain("user or password are wrong");
      expect(inspect(denied, { depth: 10, showHidden: true })).not.toMatch(/wr0ng|s3cret/);
      const far = ending(new RedisStorage({ client: connect({ ...server.place, database: 99 }) }));
      const missing = await trouble(far.create("a", bytes("x")));
      expect(missing).toMatchObject({ code: "INVALID_SETTINGS", applied: "no" });
      expect(String(missing)).toContain("no such database");
      const other = ending(new RedisStorage({ client: connect({ ...server.place, database: 3 }) }));
      await written(other.create("only-in-3", bytes("x")));
      const zero = ending(new RedisStorage({ client: connect(server.place) }));
      expect(await zero.read("only-in-3")).toBeUndefined();
    });
  });

  test("settings that forget are found by the probe", async () => {
    await ask("CONFIG SET maxmemory 100mb");
    await ask("CONFIG SET maxmemory-policy allkeys-lru");
    const url = `redis://127.0.0.1:${server.place.port}?prefix=settings&probe=always`;
    const error = await trouble(openStorage(url));
    expect(error).toMatchObject({ code: "UNSAFE_STORAGE" });
    expect(String(error)).toContain("allkeys-lru");
    await ask("CONFIG SET maxmemory-policy noeviction");
    await ask("CONFIG SET maxmemory 0");
    await ask(`CONFIG SET save ""`);
    expect(String(await trouble(openStorage(url)))).toContain("appendonly");
    await ask("CONFIG SET save 3600 1").catch(() => ask(`CONFIG SET save "3600 1"`));
    await (await openStorage(url)).close();
  });
});

describeOn(foundOwnRedis, () => {
  let server: ServerProcess;
  let tlsPort = 0;
  beforeAll(async () => {
    tlsPort = await freePort();
    server = await startRedisServer({ tlsPort });
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  test("rediss: verifies the certificate, and names the repair where that fails", async () => {
    const storage = ending(await openStorage(`rediss://127.0.0.1:${tlsPort}`));
    const error = await trouble(storage.create("a", bytes("x")));
    expect(error).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
    expect(String(error)).toContain("NODE_EXTRA_CA_CERTS");
    const plain = ending(await openStorage(`rediss://127.0.0.1:${server.place.port}?timeoutMs=2000`));
    const none = await trouble(plain.create("a", bytes("x")));
    expect(none).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
    expect(String(none)).toContain("check that its port speaks TLS");
  });

  test("redis: at a port that speaks TLS names the repair", async () => {
    const storage = ending(await openStorage(`redis://127.0.0.1:${tlsPort}?timeoutMs=2000`));
    const error = await trouble(storage.create("a", bytes("x")));
    expect(error).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
    expect(String(error)).toContain("rediss:");
  });

  test("a client that trusts the certificate is taken with its trust", async () => {
    const ca = readFileSync(join(server.place.folder, "tls.crt"), "utf8");
    const node = createClient({ socket: { host: "127.0.0.1", port: tlsPort, tls: true, ca } });
    const io = new Redis({ host: "127.0.0.1", port: tlsPort, tls: { ca }, lazyConnect: true });
    for (const client of [fromNodeRedis(node), fromIoredis(io)]) {
      const storage = ending(new RedisStorage({ client }));
      expect(storage.description).toBe(`rediss://127.0.0.1:${tlsPort}/0`);
      await written(storage.create(crypto.randomUUID(), bytes("x")));
    }
  });
});

describeOn(foundOwnRedis, () => {
  const nodes: ServerProcess[] = [];
  beforeAll(async () => {
    for (let count = 0; count < 2; count += 1) {
      const bus = ["--cluster-port", String(await freePort())];
      nodes.push(await startRedisServer({ settings: ["--cluster-enabled", "yes", ...bus] }));
    }
    const [one, two] = nodes.map(({ place }) => place);
    if (one === undefined || two === undefined) throw new Error("two nodes were started");
    await askRedis(one, "CLUSTER ADDSLOTSRANGE 0 8191");
    await askRedis(two, "CLUSTER ADDSLOTSRANGE 8192 16383");
    const bus = /cport\r\n:(\d+)|cluster-port\r\n\$\d+\r\n(\d+)/.exec(await askRedis(two, "CONFIG GET cluster-port"));
    await askRedis(one, `CLUSTER MEET 127.0.0.1 ${two.port} ${bus?.[1] ?? bus?.[2] ?? ""}`);
    for (const place of [one, two]) {
      while (!(await askRedis(place, "CLUSTER INFO")).includes("cluster_state:ok")) await pause(50);
    }
  });
  afterAll(async () => {
    for (const node of nodes) await node[Symbol.asyncDispose]();
  });

  test.each(Object.entries(redisLibraries))(
    "a cluster, through %s: every node leads to the one slot",
    async (_name, connect) => {
      const prefix = crypto.randomUUID();
      const storages = nodes.map(({ place }) =>
        ending(new RedisStorage({ client: connect(place, { cluster: true }), prefix })),
      );
      const [one, two] = storages;
      if (one === undefined || two === undefined) throw new Error("there are two nodes");
      const over = new AbortController();
      const hints = two.watch?.("a", over)[Symbol.asyncIterator]();
      await hints?.next();
      for (const each of storages) expect(await each.health()).toMatchObject({ status: "healthy" });
      const version = await written(one.create("a", bytes("x")));
      expect(await two.read("a")).toEqual({ value: bytes("x"), version });
      expect(await hints?.next()).toMatchObject({ value: { seen: { version } } });
      over.abort();
      const changes = ["b", "c"].map((key) => ({ kind: "create", key, value: bytes("x") }) as const);
      await written(two.transact?.(changes) ?? expect.fail("none"));
      const keys: string[] = [];
      for await (const { key } of one.list("")) keys.push(key);
      expect(keys.sort()).toEqual(["a", "b", "c"]);
      const answers = await Promise.allSettled(
        nodes.map(({ place }) => ending(new RedisStorage({ client: connect(place), prefix })).read("a")),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
      const refused = answers.find((answer) => answer.status === "rejected");
      expect(refused?.reason).toMatchObject({ code: "INVALID_SETTINGS" });
      expect(String(refused?.reason)).toContain("cluster=on");
    },
  );
});
