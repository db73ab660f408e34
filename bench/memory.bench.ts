import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { openKubernetesClient } from "../src/kubernetes/kubernetes-client.ts";
import { LeaseLock } from "../src/kubernetes/lease-lock.ts";
import type { Benchmark, Fact, Prepared } from "./benchmark.ts";
import { LeaseServer } from "./lease-server.ts";
import { renewing } from "./renewing-lock.ts";

const side = "renewal by a LeaseLock";

/** What a leader keeps of its renewals over TLS: nothing. */
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
  const collect = collector();
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
    facts: async (): Promise<Fact[]> => {
      const count = quick ? 2_000 : 100_000;
      await many(count / 2); // within these V8 has settled on the size of its spaces, and nothing is compiled any more
      const before = collect();
      await many(count);
      const after = collect();
      const name = `of ${count} renewals`;
      return [
        { name: `heap ${name}`, value: kibibytes(after.heap - before.heap), unit: "KiB", atMost: 128 },
        {
          name: `resident memory ${name}`,
          value: kibibytes(after.resident - before.resident),
          unit: "KiB",
          atMost: 8_192,
        },
      ];
    },
    close: async () => {
      await client.close();
      server.close();
    },
  };
}

/** What is used after two full collections. */
function collector(): () => { readonly heap: number; readonly resident: number } {
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
