// Goal: Redis keeps every promise of a storage, through each of the two clients. Method: the published suites,
// complete, on a real server, each case below a prefix of its own; faults by a proxy that reads Redis's protocol.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openStorage } from "../../src/storage/registry.ts";
import { StorageUrl } from "../../src/storage/storage-url.ts";
import { leaseStorageSuite } from "../../src/testing/lease-storage-suite.ts";
import { runSuite, versionedStorageSuite } from "../../src/testing/versioned-storage-suite.ts";
import { describeOn } from "./support/found-server.ts";
import { redisHarness, redisLibraries, type RedisTarget } from "./support/redis-harness.ts";
import { foundRedis, type RedisTestPlace } from "./support/redis-server.ts";

describeOn(foundRedis, (start) => {
  let server: RedisTestPlace | undefined;

  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server?.stop());

  function at(): RedisTarget {
    const url = new StorageUrl(server?.url ?? "redis:");
    const [host = "", port = "6379"] = url.host.split(":");
    const { user = "", password = "" } = url.credentials() ?? {};
    const access = { ...(user !== "" && { username: user }), ...(password !== "" && { password }) };
    return { host, port: Number(port), database: Number(url.path.slice(1)), ...access };
  }

  describe.each(Object.entries(redisLibraries))("K-120: redis storage through %s", (_name, connect) => {
    runSuite(test, versionedStorageSuite, redisHarness(connect, at));
  });

  describe.each(Object.entries(redisLibraries))("K-120: redis storage through %s, its leases", (_name, connect) => {
    runSuite(test, leaseStorageSuite, redisHarness(connect, at));
  });

  test("openStorage opens it by its URL, and the whole probe finds it safe", async () => {
    const url = new URL(server?.url ?? "");
    url.searchParams.set("prefix", `tenure-test:${crypto.randomUUID()}`);
    url.searchParams.set("probe", "always");
    const warnings: string[] = [];
    const logger = {
      debug: () => {},
      info: () => {},
      error: () => {},
      warn: (text: string) => void warnings.push(text),
    };
    await using storage = await openStorage(url.href, { logger });
    expect(await storage.health()).toMatchObject({ status: "healthy" });
    expect(warnings).toEqual([]);
  });
});
