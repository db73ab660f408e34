import pg from "pg";
import { openStorage } from "../src/storage/registry.ts";
import { PostgresStatements, type PostgresStatement } from "../src/storage/postgres-statements.ts";
import type { Version, VersionedStorage } from "../src/storage/versioned-storage.ts";
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
  const counted = { calls: 0, right: 0 };
  const sides = { ...(await bareCalls(client, storage, counted)), ...(await driverCalls(storage, counted)) };
  if (!quick) for (let call = 0; call < warmUps; call += 1) for (const run of Object.values(sides)) await run();
  const sampled = (run: () => Promise<void>): Side => ({
    sample: async () => {
      const beginNs = process.hrtime.bigint();
      await run();
      return Number(process.hrtime.bigint() - beginNs);
    },
  });
  return {
    samplesPerRound: quick ? 20 : 300,
    sides: Object.fromEntries(Object.entries(sides).map(([name, run]) => [name, sampled(run)])),
    check: () => {
      if (counted.right !== counted.calls) throw new Error(`${counted.calls - counted.right} calls went wrong`);
    },
    close: async () => {
      await client.end();
      await storage.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

interface Counted {
  calls: number;
  /** Reads that showed the last version, and replaces that were written. */
  right: number;
}

type Calls = Readonly<Record<string, () => Promise<void>>>;

async function bareCalls(client: pg.Client, storage: VersionedStorage, counted: Counted): Promise<Calls> {
  const statements = new PostgresStatements(place);
  const send = async ({ text, values }: PostgresStatement): Promise<string | undefined> =>
    (await client.query<{ version: string }>(text, values)).rows[0]?.version;
  let version: string = await created(storage, "bare");
  return {
    "read by pg": async () => {
      counted.calls += 1;
      counted.right += (await send(statements.read("bare"))) === version ? 1 : 0;
    },
    "replace by pg": async () => {
      counted.calls += 1;
      const next = await send(statements.replace("bare", { value, expected: version }));
      if (next === undefined) return;
      version = next;
      counted.right += 1;
    },
  };
}

async function driverCalls(storage: VersionedStorage, counted: Counted): Promise<Calls> {
  let version = await created(storage, "driver");
  return {
    "read through the driver": async () => {
      counted.calls += 1;
      counted.right += (await storage.read("driver"))?.version === version ? 1 : 0;
    },
    "replace through the driver": async () => {
      counted.calls += 1;
      const outcome = await storage.replace("driver", value, version);
      if (!outcome.written) return;
      ({ version } = outcome);
      counted.right += 1;
    },
  };
}

async function created(storage: VersionedStorage, key: string): Promise<Version> {
  const outcome = await storage.create(key, value);
  if (!outcome.written) throw new Error(`${key} is there already`);
  return outcome.version;
}
