import { postgresServer } from "../test/servers/support/postgres-server.ts";
import type { Benchmark } from "./benchmark.ts";
import { handoverBenchmark } from "./handover-benchmark.ts";

export const benchmark: Benchmark = handoverBenchmark({
  bare: "bare-postgres-process.ts",
  start: async () => {
    if ("missing" in postgresServer) return `missing is ${postgresServer.missing}`;
    const server = await postgresServer.start();
    return { url: server.url(), close: () => server[Symbol.asyncDispose]() };
  },
});
