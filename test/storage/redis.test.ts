// Goal: the Redis driver keeps every promise of a storage where no server is at hand, and its own about URLs, clients
// and settings. Method: the published suites, at a smaller scale, over a stub that speaks Redis's protocol.
import { inspect } from "node:util";
import { createClient, createCluster, createSentinel } from "@redis/client";
import { Cluster, Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, it, test, vi } from "vitest";
import { openStorage } from "../../src/storage/registry.ts";
import { RedisErrorReply, type RedisClient } from "../../src/storage/redis-client.ts";
import { connectionsTo } from "../../src/storage/redis-packages.ts";
import { fromIoredis, fromNodeRedis, RedisStorage, type NodeRedisClient } from "../../src/storage/redis.ts";
import { leaseStorageSuite } from "../../src/testing/lease-storage-suite.ts";
import { runSuite, versionedStorageSuite } from "../../src/testing/versioned-storage-suite.ts";
import { redisHarness, redisLibraries } from "../servers/support/redis-harness.ts";
import { RedisStub } from "./redis-stub.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

let stub: RedisStub;
beforeEach(async () => {
  stub = await RedisStub.start();
});
afterEach(() => stub[Symbol.asyncDispose]());

const at = () => ({ host: "127.0.0.1", port: stub.port });

describe.each(Object.entries(redisLibraries))("redis storage on a stub, through %s", (_name, connect) => {
  runSuite(test, versionedStorageSuite, { ...redisHarness(connect, at), scale: 0.1 });
  runSuite(test, leaseStorageSuite, redisHarness(connect, at));
});

async function trouble(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("a redis URL", () => {
  it.each([
    ["redis:", ["redis://host"]],
    ["redis://127.0.0.1:70000/x", ["port (70000)", "number of a database"]],
    ["redis://ada@localhost", ["password"]],
    ["redis://localhost/1?cluster=on", ["database 0"]],
    ["redis://localhost?prefix={x}&replicas=101&eviction=1", ["replicas", "eviction"]],
    ["redis://localhost?prefix={x}", ["prefix"]],
    ["redis://localhost?prefix=a%0d%0ab", ["prefix"]],
  ])("%s is refused with its problems", async (url, named) => {
    const error = await trouble(openStorage(url));
    expect(error).toMatchObject({ code: "INVALID_SETTINGS" });
    for (const name of named) expect(String(error)).toContain(name);
  });

  it("hands over its credentials, and shows them nowhere", async () => {
    const secret = "s3cret/of:redis";
    const url = `redis://ada:${encodeURIComponent(secret)}@127.0.0.1:${stub.port}/3?prefix=app:x`;
    await using storage = await openStorage(url);
    await storage.create("a", bytes("x"));
    expect(stub.seen).toContainEqual(["AUTH", "ada", secret]);
    expect(stub.seen).toContainEqual(["SELECT", "3"]);
    expect(stub.seen.find(([name]) => name === "EVAL")?.slice(3, 5)).toEqual(["{app:x}:keys", "{app:x}:k:a"]);
    expect(storage.description).toBe(`redis://127.0.0.1:${stub.port}/3?prefix=app:x`);
    expect(inspect(storage, { depth: 10, showHidden: true })).not.toMatch(/s3cret/);
  });

  it("has the capabilities of Redis, and polls without notify", async () => {
    await using storage = await openStorage(`redis://127.0.0.1:${stub.port}?notify=off&pollMs=10`);
    expect(storage.capabilities).toEqual({
      watch: "poll",
      transact: true,
      expiry: true,
      maxValueBytes: 8 * 2 ** 20,
      minWriteIntervalMs: 0,
      durability: "may-lose",
      reach: "network",
    });
    const hints = storage.watch?.("a", new AbortController())[Symbol.asyncIterator]();
    await hints?.next();
    await storage.create("a", bytes("x"));
    expect(await hints?.next()).toEqual({ done: false, value: {} });
    await hints?.return?.();
    expect(stub.seen.find(([name]) => name === "EVAL")).toContain("");
    expect(stub.count("SUBSCRIBE")).toBe(0);
  });

  it.each([
    ["of @redis/client", () => createClient({ socket: at() })],
    ["of ioredis", () => new Redis({ ...at(), lazyConnect: true })],
    ["of ours", () => redisLibraries["ioredis"]?.(at())],
  ])("takes a client %s instead of its own, and leaves that alone", async (_name, make) => {
    const client = make();
    await using storage = await openStorage("redis://elsewhere:1", { client });
    expect(storage.description).toBe(`redis://127.0.0.1:${stub.port}/0`);
    await storage.create("a", bytes("x"));
    await storage.close();
    await vi.waitFor(() => expect(stub.connections.open).toBe(0));
  });

  it("refuses a client that chooses among nodes, and says what to do", () => {
    const nodes = [{ host: "127.0.0.1", port: 1 }];
    const cluster = new Cluster(nodes, { lazyConnect: true });
    const others: readonly unknown[] = [
      createCluster({ rootNodes: [{ url: "redis://127.0.0.1:1" }] }),
      createSentinel({ name: "x", sentinelRootNodes: nodes }),
    ];
    expect(() => fromIoredis(cluster)).toThrow("cluster: true");
    for (const other of others) {
      // cast: what a caller without types may pass
      expect(() => fromNodeRedis(other as NodeRedisClient)).toThrow("cluster: true");
    }
    cluster.disconnect();
  });

  it("refuses a client of another kind", async () => {
    expect(await trouble(openStorage("redis://localhost", { client: {} }))).toMatchObject({ code: "INVALID_SETTINGS" });
    expect(() => new RedisStorage({ client: {} as RedisClient })).toThrow("client must be a RedisClient"); // cast: none
  });
});

describe("the settings of a server", () => {
  const findings = async (replies: Readonly<Record<string, string>> | RedisErrorReply): Promise<unknown> => {
    const client: RedisClient = {
      description: "redis://test",
      call: async (commands) =>
        commands.map(([, , name]) => {
          if (replies instanceof RedisErrorReply) return replies;
          return [bytes(String(name)), bytes(replies[String(name)] ?? "")];
        }),
      subscribe: async () => undefined,
      close: async () => undefined,
    };
    return new RedisStorage({ client }).probeSettings();
  };
  const fine = { maxmemory: "1000", "maxmemory-policy": "noeviction", save: "3600 1", appendonly: "no" };

  it("are fine with noeviction, or with policies that leave keys without an end of life alone", async () => {
    expect(await findings(fine)).toEqual([]);
    expect(await findings({ ...fine, "maxmemory-policy": "volatile-lru" })).toEqual([]);
    expect(await findings({ ...fine, "maxmemory-policy": "allkeys-lru", maxmemory: "0" })).toEqual([]);
    expect(await findings({ ...fine, save: "", appendonly: "yes" })).toEqual([]);
  });

  it("are unsafe where a lease may be evicted, or a restart forgets everything", async () => {
    expect(await findings({ ...fine, "maxmemory-policy": "allkeys-lru", save: "" })).toEqual([
      { verdict: "unsafe", detail: expect.stringContaining("allkeys-lru") },
      { verdict: "unsafe", detail: expect.stringContaining("appendonly") },
    ]);
  });

  it("are unproven without the right to ask", async () => {
    expect(await findings(new RedisErrorReply("NOPERM this user has no permissions"))).toEqual([
      { verdict: "unproven", detail: expect.stringContaining("+config|get") },
    ]);
  });
});

it("without a package the error names the command that installs one", async () => {
  const missing = Object.assign(new Error("no package"), { code: "ERR_MODULE_NOT_FOUND" });
  const place = { host: "localhost", port: 1, database: 0, tls: false, credentials: undefined };
  const error = await trouble(connectionsTo(place, {}, [() => Promise.reject(missing), () => Promise.reject(missing)]));
  expect(error).toMatchObject({ code: "PACKAGE_MISSING" });
  expect(String(error)).toContain("npm install @redis/client");
});
