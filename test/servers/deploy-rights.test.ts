// Goal: the controller and the candidates of MultiClusterLeases have exactly the rights that they need (K-92, K-93).
// Method: what deploy/ holds is applied to a real API server; each account asks by its own token for all of its rights,
// and tries what it must not do.
import type { KubeConfig } from "@kubernetes/client-node";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { startupChecks } from "../../src/controller/startup-checks.ts";
import { ClusterQuestions } from "../../src/kubernetes/cluster-questions.ts";
import { defaultGroup } from "../../src/kubernetes/multi-cluster-lease.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { systemClock } from "../../src/system/clock.ts";
import { systemRandom } from "../../src/system/random.ts";
import { applied } from "./support/applied.ts";
import { describeOn } from "./support/found-server.ts";
import { accountOf } from "./support/kube-account.ts";
import { askKube, type KubeAnswer } from "./support/kube-ask.ts";
import { deploy, manifestsOf, rendered, renderedFolder, type Manifest } from "./support/kustomize.ts";
import { foundOwnKube, type KubeServer } from "./support/kube-server.ts";

const leases = `${defaultGroup}/multiclusterleases`;
const renewal = { spec: { holderIdentity: "ada", renewTime: "2026-11-21T10:00:00.000001Z" } };

const controllerRights = [
  ...["get", "list", "patch", "watch"].map((verb) => `${verb} ${leases}`),
  `patch ${leases}/status`,
  ...["create", "patch"].map((verb) => `${verb} events.k8s.io/events`),
];
const ownLease = ["get", "update", "watch"].map((verb) => `${verb} coordination.k8s.io/leases "tenure-controller"`);

function fileOf(path: string, namespaces: Readonly<Record<string, string>> = {}): Manifest[] {
  const text = readFileSync(join(deploy, path), "utf8");
  const named = Object.entries(namespaces).reduce(
    (all, [from, to]) => all.replaceAll(`: ${from}\n`, `: ${to}\n`),
    text,
  );
  return manifestsOf(named);
}

describeOn(foundOwnKube, (start) => {
  let kube: KubeServer;
  let system = "";
  let billing = "";
  beforeAll(async () => {
    await renderedFolder("base"); // builds kustomize, the first time
    kube = await start();
    await applyAll(fileOf("crd.yaml"));
    const served = async (): Promise<KubeAnswer> =>
      kube.ask("GET", `/apis/${defaultGroup}/v1alpha1/multiclusterleases`);
    await vi.waitFor(async () => expect(await served()).toMatchObject({ status: 200 }), { timeout: 20_000 });
    [system, billing] = [await kube.namespace(), await kube.namespace()];
  });
  afterAll(() => kube?.[Symbol.asyncDispose]());

  async function applyAll(manifests: readonly Manifest[]): Promise<void> {
    for (const manifest of manifests) {
      const { status, text } = await applied(kube, manifest);
      expect([200, 201], text).toContain(status);
    }
  }

  /** Everything that it may do in a namespace, beyond what every account may: `verb group/resource "name"`. */
  async function rightsOf(kubeConfig: KubeConfig, namespace: string): Promise<string[]> {
    const parts = { kubeConfig, allowExecCredentials: false, clock: systemClock, random: systemRandom };
    await using questions = new ClusterQuestions(parts);
    const { rules, incomplete } = await questions.rights(namespace);
    expect(incomplete).toBe(false);
    const all = rules.flatMap(({ verbs, apiGroups, resources, resourceNames }) => {
      const names = resourceNames.length === 0 ? [""] : resourceNames.map((name) => ` "${name}"`);
      const kinds = apiGroups.flatMap((group) => resources.map((resource) => `${group}/${resource}`));
      return kinds.flatMap((kind) => names.flatMap((name) => verbs.map((verb) => `${verb} ${kind}${name}`)));
    });
    // to ask about oneself is everybody's right
    return all.filter((right) => !/^create auth\w+\.k8s\.io\/selfsubject/.test(right)).sort();
  }

  /** Until the server goes by what was applied: its authorizer learns of it by a watch. */
  async function expectRights(account: KubeConfig, namespace: string, rights: readonly string[]): Promise<void> {
    await expect.poll(() => rightsOf(account, namespace), { timeout: 20_000 }).toEqual([...rights].sort());
  }

  /** What the controller itself finds amiss at its start. */
  async function amiss(kubeConfig: KubeConfig, leaseNamespace: string, namespaces: string[]): Promise<unknown[]> {
    const parts = { kubeConfig, allowExecCredentials: false, clock: systemClock, random: systemRandom };
    await using questions = new ClusterQuestions(parts);
    const findings = await startupChecks({
      ...{ group: defaultGroup, namespaces, leaseName: "tenure-controller", leaseNamespace, pollIntervalMs: 2_000 },
      client: await kube.client(kubeConfig),
      storage: new MemoryStorage(),
      allows: (right) => questions.allows(right),
    });
    expect(findings.map(({ check }) => check)).toEqual(expect.arrayContaining(["definition", "rights"]));
    return findings.filter(({ level }) => level !== "ok");
  }

  const inBilling = (path: string): string => `/apis/${defaultGroup}/v1alpha1/namespaces/${billing}/${path}`;
  const codeOf = async (answer: Promise<KubeAnswer>): Promise<number> => (await answer).status;

  describe("K-92 the controller", () => {
    test("of all namespaces has its rights there, its own Lease by name, and no more", async () => {
      await applyAll(await rendered({ namespace: system, resources: ["overlays/gcs"] }));
      const account = await accountOf(kube, system, "tenure-controller");
      await expectRights(account, system, [...controllerRights, ...ownLease]);
      await expectRights(account, billing, controllerRights);
      expect(await amiss(account, system, [""])).toEqual([]);
      expect(await amiss(account, billing, [""])).not.toEqual([]); // another Lease is not its own
      const everywhere = `/apis/${defaultGroup}/v1alpha1/multiclusterleases`;
      expect(await codeOf(askKube(account, "GET", everywhere))).toBe(200);
      for (const refused of ["/api/v1/secrets", "/api/v1/nodes", "/api/v1/namespaces", "/apis/apps/v1/deployments"]) {
        expect(await codeOf(askKube(account, "GET", refused)), refused).toBe(403);
      }
    });

    test("makes and deletes no lease, and says in its status who holds it", async () => {
      const account = await accountOf(kube, system, "tenure-controller");
      const body = { apiVersion: `${defaultGroup}/v1alpha1`, kind: "MultiClusterLease", metadata: { name: "made" } };
      expect(await codeOf(askKube(account, "POST", inBilling("multiclusterleases"), { body }))).toBe(403);
      await kube.make(inBilling("multiclusterleases"), body);
      const made = inBilling("multiclusterleases/made");
      const holder = { status: { globalHolderIdentity: "ada" } };
      const finalizers = { metadata: { finalizers: [`${defaultGroup}/finalizer`] } };
      expect(await codeOf(askKube(account, "PATCH", made, { body: finalizers }))).toBe(200);
      expect(await codeOf(askKube(account, "PATCH", `${made}/status`, { body: holder }))).toBe(200);
      expect(await codeOf(askKube(account, "DELETE", made))).toBe(403);
    });

    test("of some namespaces has its rights in these, and nothing for all", async () => {
      const [own, watched, other] = [await kube.namespace(), await kube.namespace(), await kube.namespace()];
      const overlay = { namespace: own, resources: ["overlays/postgres"], components: ["namespaced"] };
      // the one of all namespaces is gone: a ClusterRole of the same name would hide what this lacks
      for (const kind of ["clusterrolebindings", "clusterroles"]) {
        await kube.ask("DELETE", `/apis/rbac.authorization.k8s.io/v1/${kind}/tenure-controller`);
      }
      await applyAll(await rendered(overlay));
      const roles = fileOf("namespaced/role.yaml", { "tenure-system": own });
      for (const { text, resource } of roles) {
        const metadata = { ...resource.metadata, namespace: watched };
        const placed = text.replace(/^metadata:$/m, `metadata:\n  namespace: ${watched}`); // as kubectl apply -n does
        await applyAll([{ text: placed, resource: { ...resource, metadata } }]);
      }
      const account = await accountOf(kube, own, "tenure-controller");
      await expectRights(account, watched, controllerRights);
      await expectRights(account, own, [...ownLease, ...controllerRights.filter((right) => right.includes("events"))]);
      await expectRights(account, other, []);
      expect(await amiss(account, own, [watched])).toEqual([]);
      expect(await amiss(account, own, [watched, other])).not.toEqual([]);
      const everywhere = `/apis/${defaultGroup}/v1alpha1/multiclusterleases`;
      expect(await codeOf(askKube(account, "GET", everywhere))).toBe(403);
    });
  });

  describe("K-93 a candidate", () => {
    const file = "multi-cluster-lease-rbac.yaml";
    const rights = [
      ...["get", "patch", "watch"].map((verb) => `${verb} ${leases} "invoices"`),
      ...["create", "patch"].map((verb) => `${verb} events.k8s.io/events`),
    ];

    test("reads, watches and signals on its own lease, and has no more rights", async () => {
      await applyAll(fileOf(file, { billing }));
      const account = await accountOf(kube, billing, "invoices-worker");
      await expectRights(account, billing, rights);
      await expectRights(account, system, []);
      const invoices = inBilling("multiclusterleases/invoices");
      const signalled = await askKube(account, "PATCH", invoices, { body: renewal });
      expect(signalled).toMatchObject({ status: 200, body: renewal });
      expect(await codeOf(askKube(account, "GET", invoices))).toBe(200);
    });

    test("cannot confirm itself: neither by the status, nor by a status in its signal", async () => {
      const account = await accountOf(kube, billing, "invoices-worker");
      const invoices = inBilling("multiclusterleases/invoices");
      const status = { globalHolderIdentity: "ada" };
      expect(await codeOf(askKube(account, "PATCH", `${invoices}/status`, { body: { status } }))).toBe(403);
      const { body } = await askKube(account, "PATCH", invoices, { body: { ...renewal, status } });
      expect(body).toMatchObject(renewal);
      expect(body).not.toHaveProperty("status.globalHolderIdentity");
    });

    test("reaches no other lease, makes none, deletes none, lists none", async () => {
      const account = await accountOf(kube, billing, "invoices-worker");
      const body = { apiVersion: `${defaultGroup}/v1alpha1`, kind: "MultiClusterLease", metadata: { name: "other" } };
      await kube.make(inBilling("multiclusterleases"), body);
      const other = inBilling("multiclusterleases/other");
      expect(await codeOf(askKube(account, "GET", other))).toBe(403);
      expect(await codeOf(askKube(account, "PATCH", other, { body: renewal }))).toBe(403);
      expect(await codeOf(askKube(account, "POST", inBilling("multiclusterleases"), { body }))).toBe(403);
      expect(await codeOf(askKube(account, "GET", inBilling("multiclusterleases")))).toBe(403);
      expect(await codeOf(askKube(account, "DELETE", inBilling("multiclusterleases/invoices")))).toBe(403);
    });

    test("to apply the file again changes nothing in a lease that is held", async () => {
      const before = (await kube.ask("GET", inBilling("multiclusterleases/invoices"))).body;
      expect(before).toMatchObject(renewal);
      await applyAll(fileOf(file, { billing }));
      const after = (await kube.ask("GET", inBilling("multiclusterleases/invoices"))).body;
      expect([after["spec"], after.metadata?.["generation"]]).toEqual([
        before["spec"],
        before.metadata?.["generation"],
      ]);
    });

    test("only the Role for it lets an account make leases; the viewers read and no more", async () => {
      const file = fileOf("multi-cluster-lease-rbac.yaml");
      const cluster = fileOf("base/viewer.yaml");
      const rulesOf = (manifests: readonly Manifest[], name: string): unknown =>
        manifests.find(({ resource }) => resource.metadata?.name === name && resource.kind?.endsWith("Role"))?.resource[
          "rules"
        ];
      const of = { apiGroups: [defaultGroup], resources: ["multiclusterleases"] };
      expect(rulesOf(file, "multi-cluster-lease-creator")).toEqual([{ ...of, verbs: ["create"] }]);
      const reads = ["get", "list", "watch"];
      const events = { apiGroups: ["", "events.k8s.io"], resources: ["events"], verbs: reads };
      expect(rulesOf(file, "multi-cluster-lease-viewer")).toEqual([{ ...of, verbs: reads }, events]);
      expect(rulesOf(cluster, "multi-cluster-lease-viewer")).toEqual([{ ...of, verbs: reads }]);
      const bound = file.filter(({ resource }) => resource.kind === "RoleBinding");
      expect(bound.map(({ resource }) => Reflect.get(Object(resource["roleRef"]), "name"))).toEqual([
        "invoices-multi-cluster-candidate",
        "invoices-multi-cluster-candidate-events",
      ]);
    });
  });
});
