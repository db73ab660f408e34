import { createClient } from "@redis/client";
import { openStorage } from "../src/storage/registry.ts";
import type { Version } from "../src/storage/versioned-storage.ts";
import type { StorageConnection } from "../src/storage/wrapped-lease-storage.ts";
import { foundRedis } from "../test/servers/support/redis-server.ts";
import type { Benchmark, Prepared } from "./benchmark.ts";
import { HandoverElection } from "./elections.ts";

/** A graceful hand-over, from the end of one term to the start of the next, against its bare floor. */
export const benchmark: Benchmark = {
  row: "B1",
  bars: [
    { of: "push and one write through the driver", to: "bare push and one write", atMost: 2 },
    { of: "hand-over by push", to: "bare push and one write", atMost: 2 },
  ],
  guards: [],
  notRun: ["other storages, and polling"],
  prepare,
};

/** What a hand-over cannot do without: the former leader's write that publishes, and the write of the next. */
const script = `
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'value', ARGV[3], 'version', ARGV[2])
redis.call('PUBLISH', KEYS[1], ARGV[2])
return 1
`;

async function prepare({ quick }: { readonly quick: boolean }): Promise<Prepared | string> {
  if ("missing" in foundRedis) return `missing is ${foundRedis.missing}`;
  const server = await foundRedis.start();
  const prefix = `tenure-bench:${process.pid}`;
  const floor = await Floor.start(server.url, prefix);
  const driver = await DriverPush.start(`${server.url}?prefix=${prefix}`);
  const election = await HandoverElection.start(`${server.url}?prefix=${prefix}`);
  let [pushes, drives, handovers] = [0, 0, 0];
  return {
    samplesPerRound: quick ? 5 : 50,
    sides: {
      "bare push and one write": {
        sample: () => {
          pushes += 1;
          return floor.sample();
        },
      },
      "push and one write through the driver": {
        sample: () => {
          drives += 1;
          return driver.sample();
        },
      },
      "hand-over by push": {
        sample: () => {
          handovers += 1;
          return election.sample();
        },
      },
    },
    check: () => {
      if (floor.written !== 2 * pushes) throw new Error(`${floor.written} of ${2 * pushes} bare writes were written`);
      if (driver.written !== 2 * drives) throw new Error(`${driver.written} of ${2 * drives} writes were written`);
      if (election.terms !== handovers + 1) throw new Error(`${handovers} hand-overs began ${election.terms} terms`);
    },
    close: async () => {
      election.close();
      await floor.close();
      await driver.close();
      await using storage = await openStorage(`${server.url}?prefix=${prefix}`);
      for await (const { key, version } of storage.list("")) await storage.remove(key, version);
      await server.stop();
    },
  };
}

const connect = async (url: string) => createClient({ url }).connect();
const record = new TextEncoder().encode(JSON.stringify({ holderIdentity: "x".repeat(200) }));

type Client = Awaited<ReturnType<typeof connect>>;

/** Two bare clients and a subscription: one writes and publishes, the other hears it and writes. */
class Floor {
  written = 0;
  readonly #key: string;
  readonly #clients: readonly [former: Client, next: Client, heard: Client];
  #version = "";
  #hear: (version: string) => void = () => {};

  private constructor(key: string, clients: readonly [Client, Client, Client]) {
    this.#key = key;
    this.#clients = clients;
  }

  static async start(url: string, prefix: string): Promise<Floor> {
    const clients = [await connect(url), await connect(url), await connect(url)] as const;
    const floor = new Floor(`{${prefix}}:floor`, clients);
    const [former, , heard] = clients;
    await heard.subscribe(floor.#key, (version) => floor.#hear(version));
    floor.#version = crypto.randomUUID();
    await former.hSet(floor.#key, "version", floor.#version);
    return floor;
  }

  async sample(): Promise<number> {
    const [former, next] = this.#clients;
    const pushed = this.#next();
    const beginNs = process.hrtime.bigint();
    const releasing = this.#write(former, this.#version);
    const second = await this.#write(next, await pushed, true);
    const tookNs = Number(process.hrtime.bigint() - beginNs);
    await releasing;
    this.#version = second;
    await new Promise((resolve) => setTimeout(resolve, 20)); // as the other side does
    return tookNs;
  }

  async close(): Promise<void> {
    const [former] = this.#clients;
    await former.del(this.#key);
    for (const client of this.#clients) client.destroy();
  }

  #next(): Promise<string> {
    return new Promise((resolve) => (this.#hear = resolve));
  }

  async #write(client: Client, expected: string, silent = false): Promise<string> {
    if (silent) this.#hear = () => {};
    const version = crypto.randomUUID();
    const parts = { keys: [this.#key], arguments: [expected, version, Buffer.from(record)] };
    const answer = await client.eval(script, parts);
    this.written += Number(answer);
    return version;
  }
}

/** The same through the driver, without electors: a write, the hint that carries it, and the write of who heard it. */
class DriverPush {
  written = 0;
  readonly #storages: readonly [former: StorageConnection, next: StorageConnection];
  readonly #over = new AbortController();
  #version: Version;
  #hear: (version: Version) => void = () => {};

  private constructor(storages: readonly [StorageConnection, StorageConnection], version: Version) {
    this.#storages = storages;
    this.#version = version;
  }

  static async start(url: string): Promise<DriverPush> {
    const [former, next] = [await openStorage(url), await openStorage(url)];
    const outcome = await former.create("push", record);
    if (!outcome.written) throw new Error("somebody else uses this prefix");
    const push = new DriverPush([former, next], outcome.version);
    const established = new Promise((resolve) => (push.#hear = resolve));
    void push.#watch(next);
    await established;
    return push;
  }

  async sample(): Promise<number> {
    const [former, next] = this.#storages;
    const before = this.#version;
    const heard = new Promise<Version>((resolve) => (this.#hear = resolve));
    const beginNs = process.hrtime.bigint();
    const releasing = this.#write(former, before);
    const seen = await heard;
    this.#hear = () => {};
    this.#version = await this.#write(next, seen);
    const tookNs = Number(process.hrtime.bigint() - beginNs);
    await releasing;
    await new Promise((resolve) => setTimeout(resolve, 20)); // as the other sides do
    return tookNs;
  }

  async close(): Promise<void> {
    this.#over.abort();
    for (const storage of this.#storages) await storage.close();
  }

  async #watch(storage: StorageConnection): Promise<void> {
    for await (const { seen } of storage.watch?.("push", this.#over) ?? []) {
      if (seen !== undefined) this.#hear(seen.version);
    }
  }

  async #write(storage: StorageConnection, expected: Version): Promise<Version> {
    const outcome = await storage.replace("push", record, expected);
    if (outcome.written) this.written += 1;
    return outcome.written ? outcome.version : expected;
  }
}
