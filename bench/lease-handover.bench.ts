import { LeaseLock } from "../src/kubernetes/lease-lock.ts";
import { foundKube, type KubeServer } from "../test/servers/support/kube-server.ts";
import type { Benchmark, Fact, Prepared } from "./benchmark.ts";
import { Handover } from "./handover.ts";
import { renewing } from "./renewing-lock.ts";
import { median, quantile } from "./rounds.ts";

const handover = "hand-over by watch";
const trip = "one write";

/** A graceful hand-over on a Lease of a real API server, beside one round trip: three of them are needed. */
export const benchmark: Benchmark = {
  row: "B1",
  bars: [],
  guards: [],
  notRun: ["a bare floor: the guard of this row is in round trips"],
  prepare,
};

async function prepare({ quick }: { readonly quick: boolean }): Promise<Prepared | string> {
  if ("missing" in foundKube) return `missing is ${foundKube.missing}`;
  const kube = await foundKube.start();
  const namespace = await kube.namespace();
  const election = await Handover.start(
    "lease-elector-process.ts",
    `${await kube.fileOf(kube.kubeConfig())}#${namespace}`,
  );
  const renew = await renewing(await freeLease(kube, namespace));
  const taken: Taken = { trips: [], handovers: [] };
  return {
    samplesPerRound: quick ? 5 : 50,
    sides: {
      [trip]: {
        sample: async () => {
          await new Promise((resolve) => setTimeout(resolve, 50)); // as before each hand-over
          const beginNs = process.hrtime.bigint();
          await renew();
          const tookNs = Number(process.hrtime.bigint() - beginNs);
          taken.trips.push(tookNs);
          return tookNs;
        },
      },
      [handover]: {
        sample: async () => {
          const tookNs = await election.sample();
          taken.handovers.push(tookNs);
          return tookNs;
        },
      },
    },
    check: () => {
      const { length } = taken.handovers;
      if (election.terms !== length + 1) throw new Error(`${length} hand-overs began ${election.terms} terms`);
    },
    facts: () => [beyondTrips(taken)],
    close: async () => {
      election.close();
      await kube[Symbol.asyncDispose]();
    },
  };
}

interface Taken {
  readonly trips: number[];
  readonly handovers: number[];
}

function beyondTrips({ trips, handovers }: Taken): Fact {
  const sorted = handovers.toSorted((one, other) => one - other);
  const beyondMs = (quantile(sorted, 0.99) - 3 * median(trips)) / 1e6;
  return { name: "p99 of the hand-over beyond 3 writes", value: Number(beyondMs.toFixed(1)), unit: "ms", atMost: 20 };
}

/** A Lease of its own for the round trips. */
async function freeLease(kube: KubeServer, namespace: string): Promise<LeaseLock> {
  const lock = new LeaseLock({ client: await kube.client(), namespace, name: "trips", events: "off" });
  const now = "2026-01-01T00:00:00.000000Z";
  const free = { holderIdentity: "", acquireTime: now, renewTime: now, leaderTransitions: 0 };
  await lock.create({ ...free, leaseDurationSeconds: 1 });
  return lock;
}
