// Goal: whatever people apply of deploy/ is accepted as it is, hardened as promised, and one thing in every overlay
// (K-95, K-97). Method: kustomize renders the base and each overlay; a real API server gets each resource as a dry run
// with strict validation, and judges the pods by the restricted pod security standard.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { applied, at } from "./support/applied.ts";
import { describeOn } from "./support/found-server.ts";
import { deploy, manifestsOf, rendered, renderedFolder, type Manifest } from "./support/kustomize.ts";
import { foundKube, type KubeServer } from "./support/kube-server.ts";

const overlays = readdirSync(join(deploy, "overlays")).sort();
const folders = ["base", ...overlays.map((name) => `overlays/${name}`)];

function one(manifests: readonly Manifest[], kind: string): Manifest {
  const found = manifests.filter(({ resource }) => resource.kind === kind);
  return found.length === 1 && found[0] !== undefined ? found[0] : expect.unreachable(`${found.length} of ${kind}`);
}

/** A field of the only one of a kind. */
function of(manifests: readonly Manifest[], kind: string, ...path: readonly (string | number)[]): unknown {
  return at(one(manifests, kind).resource, ...path);
}

describeOn(foundKube, (start) => {
  let kube: KubeServer;
  beforeAll(async () => {
    await renderedFolder("base"); // builds kustomize, the first time
    kube = await start();
  });
  afterAll(() => kube?.[Symbol.asyncDispose]());

  test("K-97 there are the overlays gcs, kind, postgres and redis", () => {
    expect(overlays).toEqual(["gcs", "kind", "postgres", "redis"]);
  });

  describe.each(folders)("K-97 %s", (folder) => {
    test("each resource passes a server-side dry run with strict validation", async () => {
      const namespace = await kube.namespace();
      const manifests = await rendered({ namespace, resources: [folder] });
      expect(manifests.map(({ resource }) => String(resource.kind)).sort()).toEqual([
        ...["ClusterRole", "ClusterRole", "ClusterRoleBinding", "Deployment", "Lease", "Namespace", "NetworkPolicy"],
        ...["PodDisruptionBudget", "Role", "RoleBinding", "ServiceAccount"],
      ]);
      for (const manifest of manifests) {
        const { status, text } = await applied(kube, manifest, { dryRun: true });
        expect([200, 201], `${manifest.resource.kind}: ${text}`).toContain(status);
      }
    });

    test("the namespace of a user goes everywhere, to the subjects of the bindings too", async () => {
      const textOf = (manifests: readonly Manifest[]): string => manifests.map(({ text }) => text).join("---");
      const told = textOf(await rendered({ namespace: "elections", resources: [folder] }));
      expect(told).not.toContain("tenure-system");
      const named = told.replaceAll(": elections\n", ": tenure-system\n");
      expect(textOf(await renderedFolder(folder)) === named).toBe(true);
    });

    test("K-95 the pods meet the restricted standard, which the namespace demands", async () => {
      const namespace = await kube.namespace();
      const manifests = await rendered({ namespace, resources: [folder] });
      const labels = one(manifests, "Namespace").resource.metadata?.labels;
      expect(labels).toMatchObject({ "pod-security.kubernetes.io/enforce": "restricted" });
      const labelled = await kube.ask("PATCH", `/api/v1/namespaces/${namespace}`, { body: { metadata: { labels } } });
      expect(labelled.status).toBe(200);
      expect((await applied(kube, one(manifests, "ServiceAccount"))).status).toBe(201);
      const template = of(manifests, "Deployment", "spec", "template");
      const make = (spec: object): ReturnType<KubeServer["ask"]> => {
        const body = { apiVersion: "v1", kind: "Pod", metadata: { name: "controller" }, spec };
        return kube.ask("POST", `/api/v1/namespaces/${namespace}/pods?dryRun=All&fieldValidation=Strict`, { body });
      };
      const spec = Object(at(template, "spec"));
      const { status, text } = await make(spec);
      expect(status, text).toBe(201);
      const soft = await make({ ...spec, securityContext: {} }); // the standard is enforced, or 201 would say nothing
      expect(soft).toMatchObject({ status: 403, text: expect.stringContaining("runAsNonRoot") });
    });
  });

  test("K-97 a field that the server does not know is refused, so that the dry runs mean something", async () => {
    const namespace = await kube.namespace();
    const manifests = await rendered({ namespace, resources: ["base"] });
    const budget = one(manifests, "PodDisruptionBudget");
    const wrong = { ...budget, text: budget.text.replace("maxUnavailable", "maxUnavailble") };
    const { status, text } = await applied(kube, wrong, { dryRun: true });
    expect(status, text).toBe(500);
    expect(text).toContain("maxUnavailble");
  });

  test("K-95 two replicas on different nodes, with a read-only root, limits, probes, and 30 s to end", async () => {
    const manifests = await renderedFolder("base");
    const spec = of(manifests, "Deployment", "spec");
    expect(spec).toMatchObject({ replicas: 2, strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } } });
    const pod = at(spec, "template", "spec");
    const labels = at(spec, "template", "metadata", "labels");
    const apart = at(pod, "affinity", "podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution", 0);
    expect(apart).toEqual({ topologyKey: "kubernetes.io/hostname", labelSelector: { matchLabels: labels } });
    expect(pod).toMatchObject({ terminationGracePeriodSeconds: 30, enableServiceLinks: false });
    expect(at(pod, "containers", 0)).toMatchObject({
      securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false },
      resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { cpu: "1", memory: "512Mi" } },
      livenessProbe: { httpGet: { path: "/healthz", port: "http" } },
      readinessProbe: { httpGet: { path: "/readyz", port: "http" } },
      ports: [{ name: "http", containerPort: 8080 }],
    });
    for (const kind of ["PodDisruptionBudget", "NetworkPolicy"]) {
      const selector = of(manifests, kind, "spec", kind === "NetworkPolicy" ? "podSelector" : "selector");
      expect(selector, kind).toEqual({ matchLabels: labels });
    }
    // nothing else of the pod's file system: no key file, no secret but the one variable
    expect([at(pod, "volumes"), at(pod, "containers", 0, "volumeMounts")]).toEqual([undefined, undefined]);
  });

  test("K-95 only in the overlay kind replicas share a node; each overlay opens a port to its storage", async () => {
    const opened = new Map<string, unknown>();
    for (const folder of folders) {
      const manifests = await renderedFolder(folder);
      const affinity = of(manifests, "Deployment", "spec", "template", "spec", "affinity");
      expect(affinity === undefined, folder).toBe(folder === "overlays/kind");
      const egress = of(manifests, "NetworkPolicy", "spec", "egress");
      const ports = Array.isArray(egress) ? egress.flatMap((rule: unknown) => at(rule, "ports")) : [];
      opened.set(folder, ports.map((each) => at(each, "port")).slice(4));
    }
    expect(Object.fromEntries(opened)).toEqual({
      ...{ base: [], "overlays/gcs": [80, 988], "overlays/kind": [5432], "overlays/postgres": [5432] },
      "overlays/redis": [6379],
    });
  });

  test("K-95 no bucket, host or password is built in: the storage is named by a Secret of the user", async () => {
    for (const folder of folders) {
      const manifests = await renderedFolder(folder);
      expect(JSON.stringify(manifests)).not.toMatch(/(gs|s3|postgres|rediss?):\/\//);
      const env = of(manifests, "Deployment", "spec", "template", "spec", "containers", 0, "env");
      const source = { valueFrom: { secretKeyRef: { name: "tenure-storage", key: "url" } } };
      expect(env).toContainEqual({ name: "TENURE_STORAGE_URL", ...source });
    }
  });

  test("K-92 with the component `namespaced` no ClusterRole of the controller is left", async () => {
    const namespace = await kube.namespace();
    const manifests = await rendered({ namespace, resources: ["overlays/redis"], components: ["namespaced"] });
    const clusterWide = manifests.filter(({ resource }) => resource.kind?.startsWith("ClusterRole"));
    expect(clusterWide.map(({ resource }) => resource.metadata?.name)).toEqual(["multi-cluster-lease-viewer"]);
    const args = of(manifests, "Deployment", "spec", "template", "spec", "containers", 0, "args");
    expect(args).toContain("--namespaces=billing");
    for (const manifest of manifests) {
      const { status, text } = await applied(kube, manifest, { dryRun: true });
      expect([200, 201], `${manifest.resource.kind}: ${text}`).toContain(status);
    }
  });

  test("K-91 deploy/crd.yaml passes the same dry run", async () => {
    const [crd = expect.unreachable("no CRD")] = manifestsOf(readFileSync(join(deploy, "crd.yaml"), "utf8"));
    const { status, text } = await applied(kube, crd, { dryRun: true });
    expect([200, 201], text).toContain(status);
  });
});
