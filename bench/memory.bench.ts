import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { openKubernetesClient } from "../src/kubernetes/kubernetes-client.ts";
import { LeaseLock } from "../src/kubernetes/lease-lock.ts";
import type { Benchmark, Fact, Prepared } from "./benchmark.ts";
import { LeaseServer } from "./lease-server.ts";
import { renewing } from "./renewing-lock.ts";

const side = "renewal by a LeaseLock";

/** What a leader keeps of its renewals over TLS: nothing. Resident memory moves by some MiB by itself. */
export const benchmark: Benchmark = {
  row: "B5",
  bars: [],
  guards: [],
  notRun: ["memory for each lease at 1,000 and 10,000 of them", "the loop of client-node"],
  prepare,
};

async function prepare({ quick }: { readonly quick: boolean }): Promise<Prepared | string> {
  const server = await LeaseServer.start();
  const client = await openKubernetesClient({ kubeConfig: server.kubeConfig() });
  const renew = await renewing(new LeaseLock({ client, namespace: "jobs", name: "billing", events: "off" }));
  let renewals = 0;
  const many = async (count: number): Promise<void> => {
    for (let done = 0; done < count; done += 1) await renew();
    renewals += count;
  };
  return {
    samplesPerRound: 1,
    sides: {
      [side]: {
        sample: async () => {
          const beginNs = process.hrtime.bigint();
          await many(quick ? 100 : 1_000);
          return Number(process.hrtime.bigint() - beginNs) / (quick ? 100 : 1_000);
        },
      },
    },
    check: async () => {
      const { requests } = await server.count();
      if (requests !== renewals + 1) throw new Error(`${renewals} renewals made ${requests} requests`);
    },
    facts: () => growth(many, quick ? 500 : 20_000),
    close: async () => {
      await client.close();
      server.close();
    },
  };
}

/**
 * What 100,000 renewals leave behind. Collected after each slice: else V8 lets its spaces grow by what it has not
 * collected yet. Within the first slices it settles on their size, and what it keeps then is no growth.
 */
async function growth(many: (count: number) => Promise<void>, slice: number): Promise<Fact[]> {
  const collect = collector();
  const slices = async (times: number): Promise<Used> => {
    for (let done = 0; done < times; done += 1) {
      await many(slice);
      collect();
    }
    return collect();
  };
  const before = await slices(4);
  const after = await slices(5);
  const name = `of ${5 * slice} renewals`;
  return [
    { name: `heap ${name}`, value: kibibytes(after.heap - before.heap), unit: "KiB", atMost: 128 },
    {
      name: `resident memory ${name}`,
      value: kibibytes(after.resident - before.resident),
      unit: "KiB",
      atMost: 16_384,
    },
  ];
}

/** In bytes. */
interface Used {
  readonly heap: number;
  readonly resident: number;
}

/** What is used after two full collections. */
function collector(): () => Used {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void; // cast: the flag puts it there
  return () => {
    collect();
    collect();
    return { heap: process.memoryUsage().heapUsed, resident: process.memoryUsage.rss() };
  };
}

function kibibytes(bytes: number): number {
  return Math.round(bytes / 1024);
}
