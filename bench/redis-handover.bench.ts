import { createClient } from "@redis/client";
import { openStorage } from "../src/storage/registry.ts";
import { foundRedis } from "../test/servers/support/redis-server.ts";
import type { Benchmark, Prepared } from "./benchmark.ts";
import { HandoverElection } from "./elections.ts";

/** A graceful hand-over, from the end of one term to the start of the next, against its bare floor. */
export const benchmark: Benchmark = {
  row: "B1",
  bars: [{ of: "hand-over by push", to: "bare push and one write", atMost: 2 }],
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
  const election = await HandoverElection.start(() => openStorage(`${server.url}?prefix=${prefix}`));
  let [pushes, handovers] = [0, 0];
  return {
    samplesPerRound: quick ? 5 : 50,
    sides: {
      "bare push and one write": {
        sample: () => {
          pushes += 1;
          return floor.sample();
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
      if (election.terms !== handovers + 1) throw new Error(`${handovers} hand-overs began ${election.terms} terms`);
    },
    close: async () => {
      await election.close();
      await floor.close();
      await using storage = await openStorage(`${server.url}?prefix=${prefix}`);
      for await (const { key, version } of storage.list("")) await storage.remove(key, version);
      await server.stop();
    },
  };
}

const connect = async (url: string) => createClient({ url }).connect();
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
    const record = JSON.stringify({ holderIdentity: "x".repeat(200) });
    const answer = await client.eval(script, { keys: [this.#key], arguments: [expected, version, record] });
    this.written += Number(answer);
    return version;
  }
}
