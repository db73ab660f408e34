// Goal: K-110: a Lease on a real API server keeps every promise of a lock, through our client and through client-node's
// API classes. Method: the published suite, each case in a namespace of its own; answers are lost on real wires, and
// writes are refused by the server itself.
import { CustomObjectsApi, Watch } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, test } from "vitest";
import { fromCustomObjectsApi } from "../../src/kubernetes/index.ts";
import { runLockSuite, type LockSuiteContext } from "../../src/testing/index.ts";
import { describeOn } from "./support/found-server.ts";
import { foundOwnKube, startKube, type KubeServer } from "./support/kube-server.ts";
import { LeasePlace } from "./support/lease-place.ts";
import { TroubledLocks } from "./support/troubled-locks.ts";

// Else the server drops the strategy of a record, which the suite wants to survive (K-21).
const flags = ["--feature-gates=CoordinatedLeaderElection=true", "--runtime-config=coordination.k8s.io/v1beta1=true"];

describeOn(foundOwnKube, () => {
  let kube: KubeServer;
  beforeAll(async () => {
    kube = await startKube({ flags });
  });
  afterAll(() => kube?.[Symbol.asyncDispose]());

  describe("K-94: through our client, with the rights of deploy/ and no more", () => {
    const opened = new Map<LockSuiteContext, TroubledLocks>();
    runLockSuite(test, {
      async open() {
        const locks = await TroubledLocks.open(kube);
        const { namespace, name } = locks.place;
        const context = { description: `${namespace}/${name}`, connect: () => locks.connect(), faults: locks };
        opened.set(context, locks);
        return context;
      },
      async close(context) {
        await opened.get(context)?.[Symbol.asyncDispose]();
      },
    });
  });

  describe("K-7: through client-node's API classes", () => {
    runLockSuite(test, {
      async open() {
        const place = await LeasePlace.make(kube);
        const connect = () => {
          const kubeConfig = kube.kubeConfig();
          const client = fromCustomObjectsApi(kubeConfig.makeApiClient(CustomObjectsApi), new Watch(kubeConfig));
          return place.lock({ client });
        };
        return { description: `${place.namespace}/${place.name}`, connect };
      },
      lacks: ["faults"],
    });
  });
});
