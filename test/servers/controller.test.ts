// Goal: candidates in two real clusters are led by one, through the controllers of both, over a release and a crash of
// a controller (K-100, K-102, K-85, K-87). Method: two API servers, the program with the least rights, and electors.
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LeaderElector, type Leadership } from "../../src/index.ts";
import { MultiClusterLeaseLock } from "../../src/kubernetes/index.ts";
import type { KubernetesClient } from "../../src/kubernetes/kubernetes-resources.ts";
import {
  defaultGroup,
  multiClusterLeaseKind,
  readStatus,
  type MultiClusterLeaseStatus,
} from "../../src/kubernetes/multi-cluster-lease.ts";
import { multiClusterLeaseCrd } from "../../src/kubernetes/multi-cluster-lease-crd.ts";
import { World, type Tenure } from "../process/cli-world.ts";
import { describeOn } from "./support/found-server.ts";
import { foundOwnKube, startKube, type KubeServer, type PolicyRule } from "./support/kube-server.ts";

const namespace = `billing-${randomUUID().slice(0, 8)}`;
const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/** Section K-92 of the design, for one namespace. */
const controllerRules: readonly PolicyRule[] = [
  { apiGroups: [defaultGroup], resources: ["multiclusterleases"], verbs: ["get", "list", "watch", "patch"] },
  { apiGroups: [defaultGroup], resources: ["multiclusterleases/status"], verbs: ["patch"] },
  { apiGroups: ["events.k8s.io"], resources: ["events"], verbs: ["create", "patch"] },
  ...[{ apiGroups: ["coordination.k8s.io"], resources: ["leases"], resourceNames: ["tenure-controller"] }].map(
    (lease) => ({
      ...lease,
      verbs: ["get", "update", "watch"],
    }),
  ),
];

/** One cluster: its server, an account for its controllers, and a client for its candidates. */
interface Side {
  readonly kube: KubeServer;
  readonly client: KubernetesClient;
  readonly kubeconfig: string;
}

describeOn(foundOwnKube, (start) => {
  let [west, east]: (Side | undefined)[] = [];
  let first: KubeServer;
  let second: KubeServer;
  const world = new World();
  const electors: LeaderElector[] = [];

  beforeAll(async () => {
    first = await start();
    second = await startKube({ etcd: first.own().etcd, prefix: "/east" });
    [west, east] = [await prepared(first), await prepared(second)];
  }, 120_000);

  afterAll(async () => {
    await Promise.all(electors.map((elector) => elector.stop()));
    await world[Symbol.asyncDispose]();
    await second?.[Symbol.asyncDispose]();
    await first?.[Symbol.asyncDispose]();
  });

  async function prepared(kube: KubeServer): Promise<Side> {
    const asYaml = { contentType: "application/apply-patch+yaml" };
    const path = `${definitions}/multiclusterleases.${defaultGroup}?fieldManager=test&force=true`;
    await kube.ask("PATCH", path, { ...asYaml, body: multiClusterLeaseCrd() });
    const list = `/apis/${defaultGroup}/v1alpha1/namespaces/default/multiclusterleases`;
    while ((await kube.ask("GET", list)).status !== 200) await pause(100);
    await kube.make("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
    const lease = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name: "tenure-controller" } };
    await kube.make(`/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`, lease);
    const kubeconfig = await kube.fileOf(await kube.candidate(namespace, controllerRules));
    return { kube, client: await kube.client(), kubeconfig };
  }

  function sides(): readonly [Side, Side] {
    if (west === undefined || east === undefined) throw new Error("there are two clusters");
    return [west, east];
  }

  function controller({ kubeconfig }: Side, ...more: readonly string[]): Tenure {
    const places = ["--namespaces", namespace, "--lease-namespace", namespace, "--kubeconfig", kubeconfig];
    return world.tenure(["controller", ...places, "--http-addr", "127.0.0.1:0", ...more]);
  }

  interface Candidate {
    readonly elector: LeaderElector;
    readonly terms: Leadership[];
    readonly stops: string[];
  }

  function candidate({ client }: Side, label: string): Candidate {
    const lock = new MultiClusterLeaseLock({ client, namespace, name: "invoices", label, events: "off" });
    const terms: Leadership[] = [];
    const stops: string[] = [];
    const onStartedLeading = async (leadership: Leadership): Promise<void> => {
      terms.push(leadership);
      await new Promise<void>((resolve) =>
        leadership.signal.addEventListener("abort", () => resolve(), { once: true }),
      );
    };
    const callbacks = { onStartedLeading, onStoppedLeading: (reason: string) => void stops.push(reason) };
    const elector = new LeaderElector({ lock, callbacks });
    electors.push(elector);
    void elector.run();
    return { elector, terms, stops };
  }

  async function until(condition: () => boolean | Promise<boolean>, withinMs: number): Promise<number> {
    const fromMs = performance.now();
    while (!(await condition())) {
      if (performance.now() - fromMs > withinMs) throw new Error(`not within ${withinMs} ms`);
      await pause(20);
    }
    return performance.now() - fromMs;
  }

  async function statusOf({ client }: Side): Promise<MultiClusterLeaseStatus> {
    const found = await client.read({ ...multiClusterLeaseKind({ namespace }), name: "invoices" });
    const read = readStatus(found ?? {});
    return "status" in read ? read.status : { globalHolderIdentity: "unreadable", conditions: [] };
  }

  describe("two clusters over one file storage", () => {
    let controllers: Tenure[];
    let ada: Candidate;
    let bob: Candidate;

    test("K-89: a controller says at its start that all is there, and no more rights than it needs", async () => {
      controllers = [controller(sides()[0]), controller(sides()[0]), controller(sides()[1])];
      for (const one of controllers) {
        await until(() => one.stderr.includes("listening on port"), 30_000);
        expect(one.stderr).toContain("rights: all that are needed, and no more");
        expect(one.stderr).not.toMatch(/warn|error/);
      }
      await until(() => controllers.slice(0, 2).some(({ stderr }) => stderr.includes("writes now")), 20_000);
      await until(() => controllers[2]?.stderr.includes("writes now") ?? false, 20_000);
    }, 90_000);

    test("K-84: probes and metrics are served", async () => {
      const port = /listening on port (\d+)/.exec(controllers[0]?.stderr ?? "")?.[1];
      const statuses = ["/healthz", "/readyz", "/metrics", "/"].map(
        async (path) => (await fetch(`http://127.0.0.1:${port}${path}`)).status,
      );
      expect(await Promise.all(statuses)).toEqual([200, 200, 200, 404]);
    });

    test("K-100, K-102: one leads within 20 s, no second within 5 s, and both clusters show it", async () => {
      ada = candidate(sides()[0], "ada");
      await until(() => ada.terms.length === 1, 20_000);
      bob = candidate(sides()[1], "bob");
      await pause(5_000);
      expect([ada.elector.isLeader(), bob.elector.isLeader()]).toEqual([true, false]);
      for (const side of sides()) expect((await statusOf(side)).globalHolderIdentity).toBe(ada.elector.identity);
    }, 40_000);

    test("K-85: SIGKILL of the controller replica that writes deposes nobody", async () => {
      const writing = controllers.slice(0, 2).find(({ stderr }) => stderr.includes("writes now"));
      writing?.kill("SIGKILL");
      const before = (await statusOf(sides()[0])).globalRenewTime;
      await pause(12_000);
      expect([ada.elector.isLeader(), ada.terms.length, ada.stops]).toEqual([true, 1, []]);
      expect((await statusOf(sides()[0])).globalRenewTime).not.toBe(before);
      controllers = controllers.filter((one) => one !== writing);
    }, 30_000);

    test("K-102: a release in one cluster is followed by a leader in the other within P + 2 s", async () => {
      const identity = bob.elector.identity;
      const stopped = ada.elector.stop();
      const ms = await until(() => bob.elector.isLeader(), 10_000);
      await stopped;
      console.log(`release to next leader: ${Math.round(ms)} ms`);
      expect(ms).toBeLessThan(4_000);
      expect(bob.terms[0]?.term).toBeGreaterThan(ada.terms[0]?.term ?? 0);
      await until(async () => (await statusOf(sides()[0])).globalHolderIdentity === identity, 5_000);
    }, 30_000);

    test("K-82: the change of leaders was told as an event about the object", async () => {
      const { body } = await sides()[0].kube.ask("GET", `/apis/events.k8s.io/v1/namespaces/${namespace}/events`);
      const events: unknown = body["items"];
      const told = (Array.isArray(events) ? events : []).map((event: unknown) => {
        const [reason, regarding] = ["reason", "regarding"].map((name) => Reflect.get(Object(event), name) as unknown);
        return `${String(reason)} ${String(Reflect.get(Object(regarding), "kind"))}`;
      });
      expect(told).toContain("LeaderChanged MultiClusterLease");
      expect(told).toContain("LockReleased MultiClusterLease");
    });

    test("K-87: SIGTERM ends a controller with 0, and the workload keeps its lock", async () => {
      for (const one of controllers) one.kill("SIGTERM");
      const fromMs = performance.now();
      for (const one of controllers) expect(await one.code(), one.stderr).toBe(0);
      expect(performance.now() - fromMs).toBeLessThan(10_000);
      expect((await statusOf(sides()[1])).globalHolderIdentity).toBe(bob.elector.identity);
    }, 30_000);

    test("K-89: a right that is missing ends the start, and is named with its rule", async () => {
      const [side] = sides();
      const rules = controllerRules.filter(({ resources }) => !resources?.includes("multiclusterleases/status"));
      const kubeconfig = await side.kube.fileOf(await side.kube.candidate(namespace, rules));
      const refused = controller({ ...side, kubeconfig });
      expect(await refused.code()).toBe(5);
      expect(refused.stderr).toContain(
        `may not patch multiclusterleases/status in "${namespace}"; repair: add the rule`,
      );
    }, 30_000);
  });
});
