// Goal: a Lease is elected on as well through our own client and real sockets: the lock suite, a hand-over, and the
// troubles of a wire. Method: the fake cluster behind HTTP on loopback, with client-node's KubeConfig by its shape.
import { CustomObjectsApi, KubeConfig, Watch } from "@kubernetes/client-node";
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import { fromCustomObjectsApi } from "../../src/kubernetes/custom-objects-api.ts";
import { openKubernetesClient } from "../../src/kubernetes/kubernetes-client.ts";
import type { KubernetesClient, KubernetesResource } from "../../src/kubernetes/kubernetes-resources.ts";
import { LeaseLock } from "../../src/kubernetes/lease-lock.ts";
import { systemClock } from "../../src/system/clock.ts";
import { FakeKubernetes, runLockSuite, type FakeKubernetesServer } from "../../src/testing/index.ts";

const place = { namespace: "default", name: "billing" };
const ref = { group: "coordination.k8s.io", version: "v1", plural: "leases", ...place };

/**
 * The pauses of a watch take a hundredth, so that nobody waits for its hint about an absent Lease; deadlines do not.
 */
const hurryWatch: typeof systemClock.setTimer = (untilMs, run, options) => {
  const nowMs = systemClock.monotonicMs();
  return systemClock.setTimer(options?.idle === true ? nowMs + (untilMs - nowMs) / 100 : untilMs, run, options);
};

let cluster: FakeKubernetes;
let server: FakeKubernetesServer;
let clients: KubernetesClient[];

async function start(): Promise<void> {
  cluster = new FakeKubernetes();
  server = await cluster.listen();
  clients = [];
}

async function end(): Promise<void> {
  for (const client of clients) await client.close();
  await server.close();
}

async function connect(): Promise<KubernetesClient> {
  const kubeConfig = { getCurrentCluster: () => ({ server: server.url }), applyToHTTPSOptions: async () => {} };
  const client = await openKubernetesClient({ kubeConfig });
  clients.push(client);
  return client;
}

describe("the lock suite over HTTP", () => {
  runLockSuite(test, {
    async open() {
      await start();
      return {
        description: "default/billing",
        async connect() {
          const clock = { ...systemClock, setTimer: hurryWatch };
          return new LeaseLock({ ...place, client: await connect(), clock, label: "candidate" });
        },
        faults: {
          loseAnswer: () => server.cut({ on: "write", times: 1, applied: true }),
          refuse: () => server.refuse({ status: 429, body: "Too many requests.\n" }, { on: "write", times: 1 }),
          hang: () => server.hang({ times: 1 }),
          elapse: () => Promise.resolve(), // deadlines pass by themselves
        },
      };
    },
    close: end,
  });
});

describe("the lock suite over client-node's own API classes", () => {
  runLockSuite(test, {
    async open() {
      await start();
      const kubeConfig = new KubeConfig();
      kubeConfig.loadFromClusterAndUser(
        { name: "fake", server: server.url, skipTLSVerify: true }, // which client-node asks for on loopback, too
        { name: "nobody" },
      );
      return {
        description: "default/billing",
        connect() {
          const client = fromCustomObjectsApi(kubeConfig.makeApiClient(CustomObjectsApi), new Watch(kubeConfig));
          clients.push(client);
          return new LeaseLock({
            ...place,
            client,
            label: "candidate",
            clock: { ...systemClock, setTimer: hurryWatch },
          });
        },
      };
    },
    lacks: ["faults"],
    close: end,
  });
});

describe("over HTTP", () => {
  beforeEach(start);
  afterEach(end);

  it("K-1: what nobody knows passes unchanged from a read to a write, through the client, the lock and the server", async () => {
    const spec = {
      holderIdentity: "b",
      invented: { deep: [1.5, null, "ü"] },
      renewTime: "2026-11-21T09:32:44.921366Z",
    };
    cluster.put(ref, { kind: "Lease", apiVersion: "coordination.k8s.io/v1", spec, other: true });
    const lock = new LeaseLock({ ...place, client: await connect() });
    const seen = await lock.get();
    if (seen === undefined) throw new Error("the Lease is absent");
    const record = { ...seen.record, holderIdentity: "a", renewTime: "2026-11-21T09:32:45.000000Z" };
    expect((await lock.update(record, seen.version)).written).toBe(true);
    const stored: KubernetesResource = cluster.stored(ref) ?? {};
    expect(stored).toMatchObject({ other: true, spec: { invented: spec.invented, holderIdentity: "a" } });
  });

  it("200 renewals in a row make one connection", async () => {
    const lock = new LeaseLock({ ...place, client: await connect() });
    const times = { acquireTime: "2026-11-21T09:32:44.921366Z", renewTime: "2026-11-21T09:32:44.921366Z" };
    const record = { holderIdentity: "a", leaseDurationSeconds: 15, ...times, leaderTransitions: 1 };
    let outcome = await lock.create(record);
    for (let renewals = 0; renewals < 200 && outcome.written; renewals += 1) {
      const renewTime = `2026-11-21T09:33:00.${String(renewals).padStart(6, "0")}Z`;
      outcome = await lock.update({ ...record, renewTime }, outcome.version);
    }
    expect(outcome.written).toBe(true);
    expect(server.log).toHaveLength(201);
    expect(server.connectionCount).toBe(1);
  });

  it("a standby takes over at once by the watch, with a single request", async () => {
    const electors: LeaderElector[] = [];
    const leads: string[] = [];
    for (const label of ["a", "b"]) {
      const lock = new LeaseLock({ ...place, client: await connect(), label, events: "off" });
      const onStartedLeading = (): void => void leads.push(label);
      const elector = new LeaderElector({ lock, callbacks: { onStartedLeading } });
      electors.push(elector);
      void elector.run();
      if (label === "a") await until(() => elector.isLeader());
    }
    const [leader, standby] = electors;
    if (leader === undefined || standby === undefined) throw new Error("two electors were made");
    await until(() => cluster.watchCount === 2 && standby.leader !== undefined);
    server.log.length = 0;
    const sinceMs = systemClock.monotonicMs();
    await leader.stop();
    await until(() => standby.isLeader());
    expect(systemClock.monotonicMs() - sinceMs).toBeLessThan(1_000);
    expect(leads).toEqual(["a", "b"]);
    expect(server.log.filter((line) => line.startsWith("PUT"))).toHaveLength(2); // the release and the takeover
    expect(server.log.filter((line) => line.startsWith("GET") && !line.includes("watch="))).toEqual([]);
    await standby.stop();
  });

  it("K-26: a watch whose connection is cut ends with an error, and opens again on the same server", async () => {
    const lock = new LeaseLock({ ...place, client: await connect() });
    cluster.put(ref, { kind: "Lease", spec: { holderIdentity: "b" } });
    const over = new AbortController();
    for (const round of ["first", "second"]) {
      const hints = lock.watch({ signal: over.signal })[Symbol.asyncIterator]();
      const { value } = await hints.next();
      expect(value.observed.record.holderIdentity, round).toBe("b");
      server.cutConnections();
      await expect(hints.next()).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    }
  });
});

async function until(condition: () => boolean): Promise<void> {
  for (let looks = 0; !condition(); looks += 1) {
    if (looks > 2_000) throw new Error("the condition does not hold after 10 s");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
