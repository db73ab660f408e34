import { createClient } from "@redis/client";
import { openStorage } from "../src/storage/registry.ts";
import { RedisLayout } from "../src/storage/redis-script.ts";
import type { RedisCommand } from "../src/storage/redis-client.ts";
import type { Version } from "../src/storage/versioned-storage.ts";
import { foundRedis } from "../test/servers/support/redis-server.ts";
import type { Benchmark, Prepared, Side } from "./benchmark.ts";

const value = new Uint8Array(400).fill(0x61);
const warmUps = 1_000;
/** How many calls one sample makes, one after the other: a single one is near the resolution of the scheduler. */
const callsPerSample = 10;

/** A read and a replace of 400 bytes through the driver, against the same commands through the bare client. */
export const benchmark: Benchmark = {
  row: "B7",
  bars: [
    { of: "read through the driver", to: "read by @redis/client", atMost: 1.3 },
    { of: "replace through the driver", to: "replace by @redis/client", atMost: 1.3 },
  ],
  guards: [],
  notRun: [],
  prepare,
};

async function prepare({ quick }: { readonly quick: boolean }): Promise<Prepared | string> {
  if ("missing" in foundRedis) return `missing is ${foundRedis.missing}`;
  const server = await foundRedis.start();
  const prefix = `tenure-bench:${process.pid}`;
  const storage = await openStorage(`${server.url}?prefix=${prefix}`);
  const client = createClient({ url: server.url, commandOptions: { typeMapping: { 36: Buffer } } });
  await client.connect();
  const work = new Work(new RedisLayout(prefix), {
    send: (command) => client.sendCommand(command.map(argument)),
    create: (key) => storage.create(key, value),
    read: (key) => storage.read(key),
    replace: (key, expected) => storage.replace(key, value, expected),
  });
  await work.begin();
  const sides = work.sides();
  if (!quick) for (let call = 0; call < warmUps; call += 1) for (const run of Object.values(sides)) await run();
  let calls = 0;
  work.done = 0;
  const sampled = (run: () => Promise<void>): Side => ({
    sample: async () => {
      calls += callsPerSample;
      const beginNs = process.hrtime.bigint();
      for (let call = 0; call < callsPerSample; call += 1) await run();
      return Number(process.hrtime.bigint() - beginNs) / callsPerSample;
    },
  });
  return {
    samplesPerRound: quick ? 20 : 100,
    sides: Object.fromEntries(Object.entries(sides).map(([name, run]) => [name, sampled(run)])),
    check: () => {
      if (work.done !== calls) throw new Error(`${calls - work.done} of ${calls} calls did not do what they should`);
    },
    close: async () => {
      for await (const { key, version } of storage.list("")) await storage.remove(key, version);
      client.destroy();
      await storage.close();
      await server.stop();
    },
  };
}

function argument(part: RedisCommand[number]): string | Buffer {
  return typeof part === "string" ? part : Buffer.from(part.buffer, part.byteOffset, part.byteLength);
}

interface Ways {
  send(command: RedisCommand): Promise<unknown>;
  create(key: string): Promise<{ readonly written: boolean; readonly version?: Version }>;
  read(key: string): Promise<{ readonly version: Version } | undefined>;
  replace(key: string, expected: Version): Promise<{ readonly written: boolean; readonly version?: Version }>;
}

/** Two keys, one for each way, with the versions that they must have. */
class Work {
  /** Calls that did what they should. */
  done = 0;
  readonly #layout: RedisLayout;
  readonly #ways: Ways;
  #bare = "" as Version; // cast: until it begins
  #driver = "" as Version; // cast: as above

  constructor(layout: RedisLayout, ways: Ways) {
    this.#layout = layout;
    this.#ways = ways;
  }

  async begin(): Promise<void> {
    this.#bare = (await this.#ways.create("bare")).version ?? this.#bare;
    this.#driver = (await this.#ways.create("driver")).version ?? this.#driver;
  }

  sides(): Readonly<Record<string, () => Promise<void>>> {
    const layout = this.#layout;
    return {
      "read by @redis/client": async () => {
        const [, version] = (await this.#ways.send(layout.read("bare"))) as readonly Buffer[]; // cast: of HMGET
        this.#count(version?.toString() === this.#bare);
      },
      "read through the driver": async () => this.#count((await this.#ways.read("driver"))?.version === this.#driver),
      "replace by @redis/client": async () => {
        const version = crypto.randomUUID() as Version; // cast: drawn as the driver draws it
        const change = { kind: "replace", key: "bare", value, expected: this.#bare } as const;
        this.#count((await this.#ways.send(layout.write([change], { version, notify: true }))) === 1);
        this.#bare = version;
      },
      "replace through the driver": async () => {
        const { written, version } = await this.#ways.replace("driver", this.#driver);
        this.#driver = version ?? this.#driver;
        this.#count(written);
      },
    };
  }

  #count(isRight: boolean): void {
    if (isRight) this.done += 1;
  }
}
