// Goal: whatever is cut off, and in whichever direction, one cluster leads at a time, and what was cut off comes back
// (K-106). Method: real processes, with a proxy before the storage or an API server that swallows what goes through it.
import { afterAll, beforeAll, expect } from "vitest";
import { FaultProxy, type Faults } from "../process/fault-proxy.ts";
import { foundClusters } from "./support/cluster-pair.ts";
import { onTwoClusters } from "./support/clusters-scenario.ts";
import { describeOn } from "./support/found-server.ts";
import { foundRedis, type RedisTestPlace } from "./support/redis-server.ts";
import { patienceMs, works, writes, type TwoClusters, type TwoClustersOptions } from "./support/two-clusters.ts";

const swallow = { swallow: true };
const cuts: Readonly<Record<string, Faults>> = {
  "in both ways": { up: swallow, down: swallow, accept: "hang" },
  "requests are lost": { up: swallow },
  "answers are lost": { down: swallow },
};

/** Between whom the proxy stands, in the leader's cluster. */
const links = ["controller and storage", "candidate and server", "controller and server"] as const;

let places = 0;

onTwoClusters(foundClusters, (scenario) => {
  describeOn(foundRedis, (start) => {
    let redis: RedisTestPlace | undefined;
    beforeAll(async () => {
      redis = await start();
    });
    afterAll(() => redis?.stop());
    const storageOf = async (): Promise<TwoClustersOptions> => {
      const { url } = redis ?? expect.unreachable("it is started before");
      return { storageUrl: `${url}?prefix=cut-${process.pid}-${(places += 1)}` };
    };
    for (const link of links) {
      for (const [how, faults] of Object.entries(cuts)) {
        const play = (clusters: TwoClusters): Promise<void> => cut(clusters, link, faults);
        scenario(`K-106: ${link} of the leader's cluster are apart, ${how}: the other cluster leads`, play, storageOf);
      }
    }
  });
});

async function cut(clusters: TwoClusters, link: (typeof links)[number], faults: Faults): Promise<void> {
  const storage = new URL(clusters.storageUrl);
  const { host, port } = clusters.kube("a");
  const target =
    link === "controller and storage" ? { host: storage.hostname, port: Number(storage.port) } : { host, port };
  await using proxy = await new FaultProxy(target).inject({});
  const through = { serverPort: proxy.port };
  storage.host = `127.0.0.1:${proxy.port}`;
  const ways = link === "controller and storage" ? { storageUrl: storage.href } : through;
  const [a, b] = await Promise.all([
    clusters.startController("a", link === "candidate and server" ? {} : ways),
    clusters.startController("b"),
  ]);
  await Promise.all([writes(a), writes(b)]);
  const leader = await clusters.startLeader("a", "ada", link === "candidate and server" ? through : {});
  const standby = await clusters.startStandby("b", "bob");
  expect(proxy.connections.open).toBeGreaterThan(0);
  await proxy.inject(faults);
  const withinMs = patienceMs;
  await leader.until("stopped", { withinMs });
  const { term } = await standby.until("started", { withinMs });
  await works(standby);
  await proxy.inject({});
  await works(standby);
  standby.signal("SIGTERM"); // who was cut off is the only one left
  const again = await leader.until("started", { after: 1, withinMs: 2 * withinMs });
  expect(again.term).toBeGreaterThan(term);
  await works(leader);
}
