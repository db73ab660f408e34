import { openStorage } from "../src/storage/registry.ts";
import { foundRedis } from "../test/servers/support/redis-server.ts";
import type { Benchmark } from "./benchmark.ts";
import { handoverBenchmark } from "./handover-benchmark.ts";

export const benchmark: Benchmark = handoverBenchmark({
  bare: "bare-redis-process.ts",
  start: async () => {
    if ("missing" in foundRedis) return `missing is ${foundRedis.missing}`;
    const server = await foundRedis.start();
    const url = `${server.url}?prefix=tenure-bench:${process.pid}`;
    return {
      url,
      close: async () => {
        await using storage = await openStorage(url);
        for await (const { key, version } of storage.list("")) await storage.remove(key, version);
        await server.stop();
      },
    };
  },
});
