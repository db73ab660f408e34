// Goal: Redis keeps its promises over a wire that is slow, cuts everything into pieces, falls silent or breaks. Method:
// the published suite through the fault proxy, then each silence and break by itself.
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { RedisStorage } from "../../src/storage/redis.ts";
import type { WriteOutcome } from "../../src/storage/versioned-storage.ts";
import { runSuite, versionedStorageSuite } from "../../src/testing/versioned-storage-suite.ts";
import { FaultProxy } from "../process/fault-proxy.ts";
import { describeOn } from "./support/found-server.ts";
import { redisHarness, redisLibraries } from "./support/redis-harness.ts";
import { foundOwnRedis } from "./support/redis-server.ts";
import type { ServerProcess } from "./support/server-process.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describeOn(foundOwnRedis, (start) => {
  let server: ServerProcess;
  let proxy: FaultProxy;
  beforeAll(async () => {
    server = await start();
    proxy = await new FaultProxy({ port: server.place.port }).inject({});
  });
  afterEach(() => proxy.inject({}));
  afterAll(async () => {
    await proxy?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  describe.each(Object.entries(redisLibraries))("over a slow wire, through %s", (_name, connect) => {
    const slow = { latencyMs: 1, jitterMs: 2, sliceBytes: 16_384 };
    const harness = redisHarness(connect, () => ({ host: "127.0.0.1", port: proxy.port }));
    const { faults: _faults, complete: _complete, ...calm } = harness;
    runSuite(test, versionedStorageSuite, {
      ...calm,
      scale: 0.1,
      place: async () => {
        await proxy.inject({ up: slow, down: slow });
        return harness.place();
      },
    });
  });

  describe.each(Object.entries(redisLibraries))("silences and breaks, through %s", (_name, connect) => {
    const open = (): RedisStorage =>
      new RedisStorage({
        client: connect({ host: "127.0.0.1", port: proxy.port }, { pingMs: 100, connectTimeoutMs: 400 }),
        prefix: crypto.randomUUID(),
      });
    const fails = (call: Promise<unknown>): Promise<unknown> =>
      call.then(
        () => expect.fail("it did not throw"),
        (error: unknown) => error,
      );
    const version = (outcome: WriteOutcome) => (outcome.written ? outcome.version : expect.fail("it was refused"));

    test("a swallowed request and a swallowed answer are unknown; the next call goes through a new connection", async () => {
      await using storage = open();
      const first = version(await storage.create("a", bytes("0")));
      await proxy.inject({ up: { swallow: true } });
      const lost = await fails(storage.replace("a", bytes("1"), first, { timeoutMs: 150 }));
      expect(lost).toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown" });
      await proxy.inject({});
      expect(await storage.read("a")).toEqual({ value: bytes("0"), version: first });
      await proxy.inject({ down: { swallow: true } });
      const unheard = await fails(storage.replace("a", bytes("1"), first, { timeoutMs: 150 }));
      expect(unheard).toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown" });
      await proxy.inject({});
      expect(await storage.read("a")).toMatchObject({ value: bytes("1") });
      await expect.poll(() => proxy.connections.open).toBe(1);
    });

    test("resets, refusals and a door that hangs: unavailable where nothing was sent, and over when they are over", async () => {
      await using storage = open();
      const first = version(await storage.create("a", bytes("0")));
      for (const accept of ["refuse", "reset", "hang"] as const) {
        await proxy.inject({ accept });
        proxy.resetAll();
        await pause(20); // the reset is known by then
        const error = await fails(storage.replace("a", bytes("1"), first, { timeoutMs: 1_000 }));
        expect([accept, error]).toMatchObject([accept, { code: "STORAGE_UNAVAILABLE", applied: "no" }]);
        await proxy.inject({});
        expect(await storage.read("a")).toEqual({ value: bytes("0"), version: first });
      }
    });

    test("an answer that is cut in the middle is unknown, and is never completed by the next one", async () => {
      await using storage = open();
      const large = new Uint8Array(100_000).fill(0x78);
      const first = version(await storage.create("a", large));
      await proxy.inject({ down: { cutAfterBytes: 10_000 } });
      expect(await fails(storage.read("a"))).toMatchObject({ code: "STORAGE_UNAVAILABLE" });
      await proxy.inject({});
      expect(await storage.read("a")).toEqual({ value: large, version: first });
    });
  });
});
