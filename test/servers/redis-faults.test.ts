// Goal: what a real Redis does to calls and watches when it freezes, runs full, is demoted or breaks an answer off.
// Method: a server of the test's own that gets signals and CONFIG SET, and the proxy where an answer has to be lost.
import { setTimeout as pause } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { RedisStorage } from "../../src/storage/redis.ts";
import type { Hint, Version, WriteOutcome } from "../../src/storage/versioned-storage.ts";
import { describeOn } from "./support/found-server.ts";
import { redisLibraries } from "./support/redis-harness.ts";
import { RedisProxy } from "./support/redis-proxy.ts";
import { askRedis, foundOwnRedis } from "./support/redis-server.ts";
import type { ServerProcess } from "./support/server-process.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined): string | undefined => value && new TextDecoder().decode(value);

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

describeOn(foundOwnRedis, (start) => {
  let server: ServerProcess;
  const ends: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    server = await start();
  });
  beforeEach(() => askRedis(server.place, "FLUSHALL"));
  afterEach(async () => {
    server.signal("SIGCONT");
    for (const end of ends.splice(0).reverse()) await end();
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  const ask = (line: string): Promise<string> => askRedis(server.place, line);

  describe.each(Object.entries(redisLibraries))("through %s", (_name, connect) => {
    const open = (at: { host: string; port: number } = server.place, prefix = "tenure"): RedisStorage => {
      const storage = new RedisStorage({ client: connect(at, { pingMs: 200 }), prefix });
      ends.push(() => storage.close());
      return storage;
    };
    const watch = (storage: RedisStorage, key: string): (() => Promise<Hint>) => {
      const over = new AbortController();
      ends.push(async () => over.abort());
      const hints = storage.watch?.(key, over)[Symbol.asyncIterator]();
      return async () => {
        const { done, value } = (await hints?.next()) ?? expect.fail("it cannot watch");
        return done === true ? expect.fail("it ended") : value;
      };
    };
    const proxied = async (): Promise<RedisProxy> => {
      const proxy = await RedisProxy.start(server.place);
      ends.push(() => proxy[Symbol.asyncDispose]());
      return proxy;
    };

    test("#62: metacharacters, braces and CRLF in keys, values, prefixes and channels are inert", async () => {
      const storage = open(server.place, "a.b:c/d-e_f");
      const keys = [
        "a{b}c",
        "}:keys",
        "{x}",
        "*",
        "?",
        "[a-z]",
        "a*/b",
        "a\\",
        "'\" FLUSHALL",
        "$5",
        "%0d%0a",
        "*1 $4",
      ];
      const heard = watch(storage, "*");
      await heard();
      for (const key of keys) {
        await written(storage.create(key, bytes(`\r\n*1\r\n$8\r\nFLUSHALL\r\n${key}`)));
      }
      for (const key of keys) expect(text((await storage.read(key))?.value)).toContain(key);
      expect(text((await heard()).seen?.value)).toMatch(/\*$/); // its own key, and no pattern
      const listed: string[] = [];
      for await (const { key } of storage.list("a*/")) listed.push(key);
      expect(listed).toEqual(["a*/b"]);
      for (const key of ["a\r\nFLUSHALL", "a\nb", "a\0b"]) {
        expect(await trouble(storage.read(key))).toMatchObject({ code: "INVALID_KEY" });
      }
      expect(await ask("DBSIZE")).toBe(`:${keys.length + 1}\r\n`);
      await open(server.place, "a.b").create("a", bytes("another place"));
      expect((await storage.read("a")) === undefined).toBe(true);
    });

    test("a frozen server applies a write whose client is gone: unknown has no end in time", async () => {
      const storage = open();
      const version = await written(storage.create("a", bytes("one")));
      server.signal("SIGSTOP");
      const startedMs = performance.now();
      const error = await trouble(storage.replace("a", bytes("two"), version, { timeoutMs: 200 }));
      expect(performance.now() - startedMs).toBeLessThan(500);
      expect(error).toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown" });
      expect(await trouble(storage.read("a", { timeoutMs: 200 }))).toMatchObject({ code: "STORAGE_UNAVAILABLE" });
      server.signal("SIGCONT");
      await expect.poll(async () => text((await storage.read("a"))?.value)).toBe("two");
    });

    test("a frozen subscription is noticed by its ping, and what came meanwhile is told", async () => {
      const proxy = await proxied();
      const storage = open({ host: "127.0.0.1", port: proxy.port });
      const heard = watch(storage, "a");
      await heard();
      const accepted = proxy.accepted;
      server.signal("SIGSTOP");
      await expect.poll(() => proxy.accepted, { timeout: 3_000 }).toBeGreaterThan(accepted);
      server.signal("SIGCONT");
      await written(open().create("a", bytes("meanwhile")));
      let seen: Hint = {};
      while (text(seen.seen?.value) !== "meanwhile") seen = await heard();
    });

    test("no memory, too few replicas, a demotion, a full disk, a busy script: nothing was changed, and it says so", async () => {
      const storage = open();
      const version = await written(storage.create("a", bytes("one")));
      const cases: readonly (readonly [string, string, string, RegExp])[] = [
        ["CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "OOM", /no memory left/],
        ["CONFIG SET min-replicas-to-write 3", "CONFIG SET min-replicas-to-write 0", "NOREPLICAS", /too few replicas/],
        ["REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "READONLY", /replica/],
      ];
      for (const [spoil, mend, word, why] of cases) {
        await ask(spoil);
        for (const write of [
          () => storage.create("b", bytes("x")),
          () => storage.replace("a", bytes("x"), version),
          () => storage.transact?.([{ kind: "create", key: "c", value: bytes("x") }]) ?? expect.fail("none"),
        ]) {
          const error = await trouble(write());
          expect([word, error]).toMatchObject([word, { code: "STORAGE_UNAVAILABLE", applied: "no" }]);
          expect(String(error)).toMatch(why);
        }
        await ask(mend);
        expect(await storage.read("a")).toEqual({ value: bytes("one"), version });
        expect(await ask("DBSIZE")).toBe(":2\r\n");
      }
      await ask("CONFIG SET busy-reply-threshold 20");
      const busy = askRedis(server.place, 'EVAL "while true do end" 0');
      await pause(100);
      const error = await trouble(storage.replace("a", bytes("x"), version));
      expect(String(error)).toContain("BUSY");
      expect(error).toMatchObject({ applied: "no" });
      await ask("SCRIPT KILL");
      await busy;
      expect(await written(storage.replace("a", bytes("two"), version))).toBeDefined();
    });

    test("a write whose answer is lost is executed once: nothing is sent again by a new connection", async () => {
      const proxy = await proxied();
      const storage = open({ host: "127.0.0.1", port: proxy.port });
      const version = await written(storage.create("a", bytes("one")));
      proxy.next({ kind: "answerLost" });
      const error = await trouble(storage.replace("a", bytes("two"), version));
      expect(error).toMatchObject({ code: "OUTCOME_UNKNOWN" });
      await pause(300);
      expect(text((await storage.read("a"))?.value)).toBe("two");
      expect(proxy.seen.filter((name) => name === "EVAL")).toHaveLength(2);
    });

    test("what a foreigner publishes is a hint, and no value", async () => {
      const storage = open();
      const heard = watch(storage, "a");
      await heard();
      for (const message of ["x", "x".repeat(40), `${crypto.randomUUID().toUpperCase()}x`]) {
        await ask(`PUBLISH {tenure}:c:a ${message}`);
        expect(await heard()).toEqual({});
      }
    });

    test("what expires leaves nothing behind, and a replace without an end of life lifts it", async () => {
      const storage = open();
      const version = await written(storage.create("a", bytes("one"), { expiresInMs: 100 }));
      await written(storage.replace("a", bytes("two"), version));
      await written(storage.create("b", bytes("short"), { expiresInMs: 20 }));
      await pause(150);
      const listed: string[] = [];
      for await (const { key } of storage.list("")) listed.push(key);
      expect(listed).toEqual(["a"]);
      expect(await ask("SCARD {tenure}:keys")).toBe(":1\r\n");
      expect(text((await storage.read("a"))?.value)).toBe("two");
    });
  });

  test("the trap is real: ioredis by itself sends a write a second time when its answer is lost", async () => {
    const proxy = await RedisProxy.start(server.place);
    ends.push(() => proxy[Symbol.asyncDispose]());
    const bare = new Redis({ host: "127.0.0.1", port: proxy.port });
    ends.push(async () => bare.disconnect());
    await bare.eval("return 1", 0);
    proxy.next({ kind: "answerLost" });
    expect(await bare.eval("return redis.call('INCR', KEYS[1])", 1, "count")).toBe(2);
  });
});
