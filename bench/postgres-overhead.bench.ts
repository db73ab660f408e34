import pg from "pg";
import { openStorage } from "../src/storage/registry.ts";
import { PostgresStatements, type PostgresStatement } from "../src/storage/postgres-statements.ts";
import type { Version } from "../src/storage/versioned-storage.ts";
import { postgresServer } from "../test/servers/support/postgres-server.ts";
import type { Benchmark, Prepared, Side } from "./benchmark.ts";

const place = { schema: "public", table: "tenure_documents", notify: true };
const value = new Uint8Array(400).fill(0x61);
const warmUps = 1_000;

/** A read and a replace of 400 bytes through the driver, against the same statements through bare `pg`. */
export const benchmark: Benchmark = {
  row: "B7",
  bars: [
    { of: "read through the driver", to: "read by pg", atMost: 1.15 },
    { of: "replace through the driver", to: "replace by pg", atMost: 1.15 },
  ],
  guards: [],
  notRun: [],
  prepare,
};

async function prepare({ quick }: { readonly quick: boolean }): Promise<Prepared | string> {
  if ("missing" in postgresServer) return `missing is ${postgresServer.missing}`;
  const server = await postgresServer.start();
  const storage = await openStorage(server.url());
  const client = new pg.Client({ connectionString: server.url() });
  await client.connect();
  const statements = new PostgresStatements(place);
  const send = async ({ text, values }: PostgresStatement): Promise<string> => {
    const { rows } = await client.query<{ version: string }>(text, values);
    return rows[0]?.version ?? "none";
  };
  const versions: Record<string, string> = {};
  for (const key of ["bare", "driver"]) {
    const created = await storage.create(key, value);
    versions[key] = created.written ? created.version : "none";
  }
  let [reads, replaces] = [0, 0];
  const sides: Record<string, () => Promise<void>> = {
    "read by pg": async () => {
      reads += (await send(statements.read("bare"))) === versions["bare"] ? 1 : 0;
    },
    "read through the driver": async () => {
      reads += (await storage.read("driver"))?.version === versions["driver"] ? 1 : 0;
    },
    "replace by pg": async () => {
      versions["bare"] = await send(statements.replace("bare", { value, expected: versions["bare"] ?? "" }));
      replaces += 1;
    },
    "replace through the driver": async () => {
      const expected = versions["driver"] as Version; // cast: as the driver returned it
      const outcome = await storage.replace("driver", value, expected);
      versions["driver"] = outcome.written ? outcome.version : "none";
      replaces += 1;
    },
  };
  if (!quick) for (let call = 0; call < warmUps; call += 1) for (const run of Object.values(sides)) await run();
  [reads, replaces] = [0, 0];
  let calls = 0;
  const sampled = (run: () => Promise<void>): Side => ({
    sample: async () => {
      calls += 1;
      const beginNs = process.hrtime.bigint();
      await run();
      return Number(process.hrtime.bigint() - beginNs);
    },
  });
  return {
    samplesPerRound: quick ? 20 : 300,
    sides: Object.fromEntries(Object.entries(sides).map(([name, run]) => [name, sampled(run)])),
    check: () => {
      if (reads + replaces !== calls) throw new Error(`${calls - reads - replaces} reads showed another version`);
      if (Object.values(versions).includes("none")) throw new Error("a replace was refused");
    },
    close: async () => {
      await client.end();
      await storage.close();
      await server[Symbol.asyncDispose]();
    },
  };
}
