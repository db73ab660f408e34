// Goal: a real API server takes our definition, refuses what it forbids, and carries signals and answers as the fake
// one does, also while upstream's definition replaces ours. Method: the lock suite, requests, and electors on it.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LeaderElector, type ObservedRecord, type ResourceLock, type LeaderElectionRecord } from "../../src/index.ts";
import { MultiClusterLeaseLock, type KubernetesClient, type KubernetesResource } from "../../src/kubernetes/index.ts";
import { finalizerOf, multiClusterLeaseKind } from "../../src/kubernetes/multi-cluster-lease.ts";
import { multiClusterLeaseCrd } from "../../src/kubernetes/multi-cluster-lease-crd.ts";
import { systemClock } from "../../src/system/clock.ts";
import { lockSuite } from "../../src/testing/index.ts";
import { GoController, type GoBucket } from "../kubernetes/go-controller.ts";
import { GlobalLease, ScriptedController } from "../kubernetes/scripted-controller.ts";
import { candidateRights, controllerRights } from "./support/cluster-pair.ts";
import { renamed } from "./support/deploy-rules.ts";
import { describeOn } from "./support/found-server.ts";
import { foundKube, type KubeServer, type PolicyRule } from "./support/kube-server.ts";
import { upstreamDefinition } from "./support/upstream-definition.ts";

const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const renewTime = "2026-11-21T09:28:33.142778Z";
const asYaml = { contentType: "application/apply-patch+yaml" };

describeOn(foundKube, (start) => {
  let kube: KubeServer;
  let client: KubernetesClient;
  let namespace: string;
  let over: AbortController;
  /** A group of our own, so that an existing cluster keeps its definition. */
  const group = `t${randomUUID().slice(0, 8)}.tenure.example.com`;
  const crd = `${definitions}/multiclusterleases.${group}`;

  /** As kubectl apply does, by the server; then waits until it is served. */
  async function apply(definition: string, manager: string): Promise<void> {
    const path = `${crd}?fieldManager=${manager}&force=true`;
    const { status, text } = await kube.ask("PATCH", path, { ...asYaml, body: definition });
    if (status > 201) throw new Error(`PATCH ${path}: ${status} ${text}`);
    const list = `/apis/${group}/v1alpha1/namespaces/default/multiclusterleases`;
    for (let tries = 0; (await kube.ask("GET", list)).status !== 200; tries += 1) {
      if (tries > 300) throw new Error("the definition is not served");
      await pause(100);
    }
  }

  /** Replaces the whole definition, as an installation of the other one does. */
  async function replaceBy(definition: KubernetesResource): Promise<void> {
    for (;;) {
      const { body } = await kube.ask("GET", crd);
      const metadata = { name: `multiclusterleases.${group}`, resourceVersion: body.metadata?.resourceVersion };
      const answer = await kube.ask("PUT", crd, { body: { ...definition, metadata } });
      if (answer.status === 200) return;
      if (answer.status !== 409) throw new Error(`PUT ${crd}: ${answer.status} ${answer.text}`);
    }
  }

  beforeAll(async () => {
    kube = await start();
    await apply(multiClusterLeaseCrd(group), "tenure-test");
    client = await kube.client();
    namespace = await kube.namespace();
    over = new AbortController();
  });
  afterAll(async () => {
    over.abort();
    await kube.ask("DELETE", crd);
    await kube[Symbol.asyncDispose]();
  });

  const kindOf = () => multiClusterLeaseKind({ namespace, group });
  const pathOf = (name = ""): string =>
    `/apis/${group}/v1alpha1/namespaces/${namespace}/multiclusterleases${name === "" ? "" : `/${name}`}`;
  const leaseOf = (name: string, spec: object): object => ({
    ...{ apiVersion: `${group}/v1alpha1`, kind: "MultiClusterLease", metadata: { name }, spec },
  });

  function lockOf(name: string, label: string, by: KubernetesClient = client): MultiClusterLeaseLock {
    return new MultiClusterLeaseLock({ client: by, namespace, name, group, label, events: "off" });
  }

  function controllerOf(
    name: string,
    by: KubernetesClient = client,
  ): { controller: ScriptedController; global: GlobalLease } {
    const global = new GlobalLease(systemClock);
    const ref = { ...kindOf(), name };
    const controller = new ScriptedController({ client: by, ref, clock: systemClock, global, signal: over.signal });
    return { controller, global };
  }

  describe("K-35: the definition", () => {
    test("is established, and shows its columns", async () => {
      const { body } = await kube.ask("GET", crd);
      const conditions: readonly { type: string; status: string }[] = Object(body["status"]).conditions;
      const states = conditions.map(({ type, status }) => `${type} ${status}`);
      expect(states).toEqual(expect.arrayContaining(["NamesAccepted True", "Established True"]));
      expect(states).not.toContain("NonStructuralSchema True");
    });

    test.each([
      ["a renew time of three digits", { renewTime: "2026-11-21T09:28:33.142Z" }, "spec.renewTime"],
      ["a renew time without a fraction", { renewTime: "2026-11-21T09:28:33Z" }, "spec.renewTime"],
      ["an empty renew time", { renewTime: "" }, "spec.renewTime"],
      ["a lease of 0 s", { leaseDurationSeconds: 0 }, "spec.leaseDurationSeconds"],
      ["a lease of two days", { leaseDurationSeconds: 172_800 }, "spec.leaseDurationSeconds"],
      ["a deadline of 0 s", { renewDeadlineSeconds: 0 }, "spec.renewDeadlineSeconds"],
      ["a period below 0", { retryPeriodSeconds: -1 }, "spec.retryPeriodSeconds"],
      ["a term below 0", { leaseTransitions: -1 }, "spec.leaseTransitions"],
      ["a holder of 1 025 characters", { holderIdentity: "x".repeat(1_025) }, "spec.holderIdentity"],
    ])("refuses %s, and names the field", async (_what, spec, field) => {
      const { status, body } = await kube.ask("POST", pathOf(), { body: leaseOf("refused", spec) });
      expect(status).toBe(422);
      const causes: readonly { field: string }[] = Object(body["details"]).causes;
      expect(causes.map((cause) => cause.field)).toContain(field);
    });

    test.each([
      ["goes", { holderIdentity: "", leaseDurationSeconds: 1, retryPeriodSeconds: 0, renewTime }],
      ["sample", { leaseDurationSeconds: 60, renewDeadlineSeconds: 30, retryPeriodSeconds: 10 }],
      ["most", { holderIdentity: "😀".repeat(1_024), leaseDurationSeconds: 86_400, leaseTransitions: 2 ** 31 - 1 }],
      ["nothing", {}],
    ])("takes what a Go lock writes, and the bounds themselves: %s", async (name, spec) => {
      expect((await kube.ask("POST", pathOf(), { body: leaseOf(name, spec) })).status).toBe(201);
      expect((await kube.ask("GET", pathOf(name))).body["spec"]).toEqual(spec); // K-41: no default, no other text
    });

    test("K-38: finalizers, labels and status leave the generation as it is, a spec and a deletion raise it", async () => {
      const path = pathOf("generations");
      const generationOf = (answer: { body: KubernetesResource }): unknown => answer.body.metadata?.["generation"];
      const made = await kube.ask("POST", pathOf(), { body: leaseOf("generations", { holderIdentity: "a" }) });
      const finalizers = [finalizerOf(group)];
      const marked = await kube.ask("PATCH", path, { body: { metadata: { finalizers, labels: { a: "b" } } } });
      const told = await kube.ask("PATCH", `${path}/status`, { body: { status: { observedGeneration: 1 } } });
      const changed = await kube.ask("PATCH", path, { body: { spec: { holderIdentity: "b" } } });
      const deleted = await kube.ask("DELETE", path);
      expect([made, marked, told, changed, deleted].map(generationOf)).toEqual([1, 1, 1, 2, 3]);
      const gone = await kube.ask("PATCH", path, { body: { metadata: { finalizers: [] } } });
      expect([gone.status, (await kube.ask("GET", path)).status]).toEqual([200, 404]);
    });
  });

  describe("K-94: the lock suite, with the rights of deploy/ and no more", () => {
    const beside = new Map<string, Pick<LeaderElectionRecord, "acquireTime">>();
    const pairOf = (record: LeaderElectionRecord): string => `${record.holderIdentity} ${record.renewTime}`;
    const complete = (observed: ObservedRecord | undefined): ObservedRecord | undefined =>
      observed && { ...observed, record: { ...observed.record, ...beside.get(pairOf(observed.record)) } };

    /** The resource has no room for a time of acquisition that is not the first signal of the term. */
    function carrying(lock: MultiClusterLeaseLock): ResourceLock {
      const keep = (record: LeaderElectionRecord): LeaderElectionRecord => {
        beside.set(pairOf(record), { acquireTime: record.acquireTime });
        return record;
      };
      return {
        ...{ identity: lock.identity, description: lock.description },
        get: async (options) => complete(await lock.get(options)),
        create: (record, options) => lock.create(keep(record), options),
        update: (record, expected, options) => lock.update(keep(record), expected, options),
        watch: (options) => lock.watch(options),
      };
    }

    const names = lockSuite.map(({ id }) => `suite-${id.toLowerCase()}`);
    let candidate: KubernetesClient;
    let operator: KubernetesClient;
    beforeAll(async () => {
      const account = async (rules: readonly PolicyRule[]): Promise<KubernetesClient> =>
        kube.client(await kube.candidate(namespace, renamed(rules, { leases: names, group })));
      candidate = await account(candidateRights());
      operator = await account(controllerRights());
    });

    // RT1 stores a lease of 68 years, which the definition refuses; faults are for a proxy.
    const cases = lockSuite.filter(({ id, needs = [] }) => id !== "RT1" && !needs.includes("faults"));
    test.each(cases.map((one) => [one.id, one.name, one] as const))("lock %s: %s", async (id, _name, { run }) => {
      const name = `suite-${id.toLowerCase()}`;
      controllerOf(name, operator).controller.yields = true;
      await run({
        description: `multiclusterlease/${namespace}/${name}`,
        connect: () => carrying(lockOf(name, "candidate", candidate)),
      });
    });
  });

  /** An elector that notes its terms; it works until each of them ends. */
  function electorOf(lock: ResourceLock): { elector: LeaderElector; terms: number[]; stops: string[] } {
    const [terms, stops]: [number[], string[]] = [[], []];
    const elector = new LeaderElector({
      lock,
      callbacks: {
        onStartedLeading: async ({ term, signal }) => {
          terms.push(term);
          await new Promise((end) => signal.addEventListener("abort", end, { once: true }));
        },
        onStoppedLeading: (reason) => void stops.push(reason),
      },
    });
    void elector.run();
    return { elector, terms, stops };
  }

  async function until(reached: () => boolean, mostMs: number): Promise<void> {
    const untilMs = systemClock.monotonicMs() + mostMs;
    while (!reached()) {
      if (systemClock.monotonicMs() > untilMs) throw new Error(`not so after ${mostMs} ms`);
      await pause(20);
    }
  }

  describe("elections", () => {
    test("K-37: upstream's definition over ours and back, with a leader at work, changes no leader", async () => {
      const { global } = controllerOf("replaced");
      const { elector, terms, stops } = electorOf(lockOf("replaced", "a"));
      await until(() => terms.length === 1, 20_000);
      const keys = (): readonly string[] => global.writes.map((write) => write.renewTime);
      const ours = (await kube.ask("GET", crd)).body;
      await replaceBy(upstreamDefinition(group));
      const atUpstream = keys().length;
      await until(() => keys().length > atUpstream + 2, 40_000);
      const pruned = Object((await kube.ask("GET", pathOf("replaced"))).body["spec"]);
      expect(pruned).not.toHaveProperty("leaseTransitions"); // K-36: ignored by the server, and missed by nobody
      await replaceBy({ ...ours, status: undefined });
      const atOurs = keys().length;
      await until(() => keys().length > atOurs + 1, 40_000);
      expect([terms, stops, elector.isLeader()]).toEqual([[1], [], true]);
      await elector.stop();
      expect(global.record?.holder).toBe("");
    }, 120_000);

    test("K-58: a release hands over to a watching standby, and an object that is deleted ends the term", async () => {
      const { global } = controllerOf("handed");
      const leader = electorOf(lockOf("handed", "a"));
      await until(() => leader.terms.length === 1, 20_000);
      const standby = electorOf(lockOf("handed", "b"));
      await pause(1_500);
      const fromMs = systemClock.monotonicMs();
      void leader.elector.stop();
      await until(() => standby.terms.length === 1, 20_000);
      expect(systemClock.monotonicMs() - fromMs).toBeLessThan(3_000); // a second of it between two writes
      await pause(1_000);
      expect((await kube.ask("DELETE", pathOf("handed"))).status).toBe(200);
      await until(() => standby.stops.length === 1, 10_000);
      expect(standby.stops).toEqual(["erased"]);
      await until(() => standby.terms.length === 2, 40_000);
      expect(standby.terms[1]).toBeGreaterThan(standby.terms[0] ?? Infinity);
      expect(global.highestTerm).toBeGreaterThanOrEqual(standby.terms[1] ?? Infinity);
      await standby.elector.stop();
    }, 120_000);

    test("K-109: behind a double of the Go controller it leads, keeps its term, and gives the next one a name", async () => {
      const bucket: GoBucket = { record: undefined, trouble: undefined };
      const ref = { ...kindOf(), name: "go" };
      new GoController({ client, ref, clock: systemClock, bucket, signal: over.signal });
      const lock = lockOf("go", "a");
      const { elector, terms, stops } = electorOf(lock);
      await until(() => terms.length === 1, 20_000);
      await pause(12_000);
      expect([terms, stops, elector.isLeader()]).toEqual([[1], [], true]);
      void elector.resign();
      await until(() => terms.length === 2, 60_000);
      expect([terms, bucket.record?.holderIdentity]).toEqual([[1, 2], `${lock.identity}~2`]);
      await elector.stop();
    }, 120_000);

    test("K-13: without a definition an elector is told what to apply", async () => {
      const lock = new MultiClusterLeaseLock({ client, namespace, name: "absent", group: "none.example.com" });
      const times = { acquireTime: renewTime, renewTime };
      const record = { holderIdentity: lock.identity, leaseDurationSeconds: 15, ...times, leaderTransitions: 1 };
      const failing = lock.create(record);
      await expect(failing).rejects.toMatchObject({ code: "INVALID_SETTINGS", applied: "no" });
      await expect(failing).rejects.toThrow(/apply their definition/);
    });
  });

  test("deploy/crd.yaml is taken by the server as it is, in a dry run", async () => {
    const file = readFileSync(new URL("../../deploy/crd.yaml", import.meta.url), "utf8");
    const name = "multiclusterleases.multicluster.core.cnrm.cloud.google.com";
    const path = `${definitions}/${name}?fieldManager=tenure-test&force=true&dryRun=All`;
    const { status, text } = await kube.ask("PATCH", path, { ...asYaml, body: file });
    expect(status, text).toBeLessThanOrEqual(201);
  });
});
