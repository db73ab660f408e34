import { on } from "node:events";
import pg from "pg";
import { PostgresStatements } from "../src/storage/postgres-statements.ts";
import { openStorage } from "../src/storage/registry.ts";
import type { Version, WriteOutcome } from "../src/storage/versioned-storage.ts";
import { postgresServer } from "../test/servers/support/postgres-server.ts";
import type { Benchmark, Prepared } from "./benchmark.ts";
import { HandoverElection } from "./elections.ts";

const place = { schema: "public", table: "tenure_documents", notify: true };

/** A graceful hand-over, from the send of the release to the start of the next term, against its bare floor. */
export const benchmark: Benchmark = {
  row: "B1",
  bars: [
    { of: "push and write through the driver", to: "bare push and write", atMost: 2 },
    { of: "hand-over by push", to: "bare push and write", atMost: 2 },
  ],
  guards: [],
  notRun: ["other storages, and polling"],
  prepare,
};

async function prepare({ quick }: { readonly quick: boolean }): Promise<Prepared | string> {
  if ("missing" in postgresServer) return `missing is ${postgresServer.missing}`;
  const server = await postgresServer.start();
  const floor = await bareFloor(server.url());
  const drivers = await driverPush(server.url());
  const election = await HandoverElection.start(server.url());
  let [pushes, terms] = [0, 0];
  return {
    samplesPerRound: quick ? 5 : 50,
    sides: {
      "bare push and write": {
        sample: async () => {
          pushes += 1;
          await rest();
          return floor.sample();
        },
      },
      "push and write through the driver": {
        sample: async () => {
          await rest();
          return drivers.sample();
        },
      },
      "hand-over by push": {
        sample: async () => {
          terms += 1;
          return election.sample();
        },
      },
    },
    check: () => {
      if (floor.written !== 2 * pushes) throw new Error(`${floor.written} of ${2 * pushes} bare writes were written`);
      if (election.terms !== terms + 1) throw new Error(`${terms} hand-overs began ${election.terms} terms`);
    },
    close: async () => {
      election.close();
      await drivers.close();
      await floor.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Before each sample, of all sides: what has just run is faster than what comes after a rest. */
function rest(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50));
}

interface Pushed {
  sample(): Promise<number>;
  close(): Promise<void>;
}

interface Floor extends Pushed {
  readonly written: number;
}

/** The same through two storages, of which the second watches. */
async function driverPush(url: string): Promise<Pushed> {
  const [former, next] = [await openStorage(url), await openStorage(url)];
  const value = new Uint8Array(300).fill(0x61);
  const over = new AbortController();
  const hints = next.watch?.("push", over)[Symbol.asyncIterator]();
  const heard = async (version?: Version): Promise<Version> => {
    for (;;) {
      const { value: hint } = (await hints?.next()) ?? {};
      const seen: Version | undefined = hint?.seen?.version;
      if (seen !== undefined && (version === undefined || seen === version)) return seen;
    }
  };
  await hints?.next();
  let version = versionOf(await former.create("push", value));
  await heard(version);
  return {
    sample: async () => {
      const beginNs = process.hrtime.bigint();
      const releasing = former.replace("push", value, version);
      version = versionOf(await next.replace("push", value, await heard()));
      const tookNs = Number(process.hrtime.bigint() - beginNs);
      versionOf(await releasing);
      await heard(version);
      return tookNs;
    },
    close: async () => {
      over.abort(new Error("enough"));
      await former.close();
      await next.close();
    },
  };
}

function versionOf(outcome: WriteOutcome): Version {
  if (!outcome.written) throw new Error("a write was refused");
  return outcome.version;
}

/** One releases and notifies, the other hears it on a session that listens, and writes on its second one. */
async function bareFloor(url: string): Promise<Floor> {
  const sessions = [new pg.Client(url), new pg.Client(url), new pg.Client(url)] as const;
  for (const session of sessions) await session.connect();
  const [former, next, listening] = sessions;
  const statements = new PostgresStatements({ ...place, table: "bare" });
  await former.query(
    'create table bare (key text collate "C" primary key, value bytea, version uuid, written_at timestamptz)',
  );
  await listening.query(`listen "${statements.channel}"`);
  // Every write is heard; the next sample begins when both of this one were.
  const heard = on(listening, "notification");
  const hear = async (): Promise<string> => {
    const { value } = (await heard.next()) as { value: [{ payload: string }] }; // cast: what pg emits
    return value[0].payload.slice(0, 36);
  };
  const value = new Uint8Array(300).fill(0x61);
  let written = 0;
  const write = async (session: pg.Client, expected: string | undefined): Promise<string> => {
    const statement =
      expected === undefined ? statements.create("k", value) : statements.replace("k", { value, expected });
    const { rows } = await session.query<{ version: string }>(statement.text, statement.values);
    written += rows.length;
    return rows[0]?.version ?? "none";
  };
  let version = await write(former, undefined);
  written = 0;
  await hear();
  return {
    get written() {
      return written;
    },
    sample: async () => {
      const beginNs = process.hrtime.bigint();
      const releasing = write(former, version);
      version = await write(next, await hear());
      const tookNs = Number(process.hrtime.bigint() - beginNs);
      await releasing;
      await hear();
      return tookNs;
    },
    close: async () => {
      for (const session of sessions) await session.end();
    },
  };
}
