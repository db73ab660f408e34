// Goal: a controller opens its storage once, for however many leases, and closes it at its end (K-127, K-128). Method:
// the program over a Redis of its own, which tells who is connected, with one lease and with fifty.
import { afterAll, beforeAll, expect, test } from "vitest";
import { multiClusterLeaseKind } from "../../src/kubernetes/multi-cluster-lease.ts";
import { foundOwnClusters, type ClusterPair } from "./support/cluster-pair.ts";
import { describeOn } from "./support/found-server.ts";
import { askRedis, foundOwnRedis } from "./support/redis-server.ts";
import type { ServerProcess } from "./support/server-process.ts";
import { TwoClusters, until, writes } from "./support/two-clusters.ts";

const leases = 50;

describeOn(foundOwnClusters, (start) => {
  describeOn(foundOwnRedis, (startRedis) => {
    let pair: ClusterPair;
    let redis: ServerProcess;
    beforeAll(async () => {
      pair = await start();
      redis = await startRedis();
    });
    afterAll(async () => {
      await redis?.[Symbol.asyncDispose]();
      await pair?.[Symbol.asyncDispose]();
    });

    /** The connections of others than the one that asks. */
    async function connected(): Promise<number> {
      const answer = await askRedis(redis.place, "CLIENT LIST");
      return (answer.match(/^id=/gm) ?? []).length - 1;
    }

    async function signal(clusters: TwoClusters, name: string): Promise<void> {
      const { group, version } = multiClusterLeaseKind({ namespace: clusters.namespace });
      const spec = { holderIdentity: `${name}_1`, renewTime: "2026-11-21T09:28:33.142778Z", leaseDurationSeconds: 60 };
      const body = { apiVersion: `${group}/${version}`, kind: "MultiClusterLease", metadata: { name }, spec };
      await pair.a.make(clusters.path(""), body);
    }

    test("K-128: fifty leases use the connections of one, and the end closes them", async () => {
      await using clusters = await TwoClusters.open(pair, { storageUrl: `redis://127.0.0.1:${redis.place.port}` });
      const none = await connected();
      const controller = await clusters.startController("a");
      await writes(controller);
      const held = async (): Promise<number> => {
        const { body } = await pair.a.ask("GET", clusters.path(""));
        const items: unknown = body["items"];
        const statuses = (Array.isArray(items) ? items : []).map((item: unknown) =>
          Reflect.get(Object(item), "status"),
        );
        return statuses.filter((status) => Boolean(Reflect.get(Object(status), "globalHolderIdentity"))).length;
      };
      await signal(clusters, "lease-0");
      await until(
        async () => (await held()) === 1,
        () => controller.stderr,
      );
      const ofOne = await connected();
      expect(ofOne).toBeGreaterThan(none);
      for (let number = 1; number < leases; number += 1) await signal(clusters, `lease-${number}`);
      await until(
        async () => (await held()) === leases,
        () => controller.stderr,
      );
      expect(await connected()).toBe(ofOne);
      controller.kill("SIGTERM");
      expect(await controller.code(), controller.stderr).toBe(0);
      await until(
        async () => (await connected()) === none,
        () => "its connections are closed",
      );
    });
  });
});
