import { KubeConfig } from "@kubernetes/client-node";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { defaultGroup } from "../../../src/kubernetes/multi-cluster-lease.ts";
import { applied } from "./applied.ts";
import { rulesOf } from "./deploy-rules.ts";
import type { FoundServer } from "./found-server.ts";
import { foundOwnKube, KubeServer, startKube, type PolicyRule } from "./kube-server.ts";
import { deploy, manifestsOf } from "./kustomize.ts";

/** Two clusters that share nothing that candidates or controllers could see, each with our definition. */
export class ClusterPair implements AsyncDisposable {
  readonly a: KubeServer;
  readonly b: KubeServer;

  private constructor(a: KubeServer, b: KubeServer) {
    this.a = a;
    this.b = b;
  }

  /** Two API servers of our own over one etcd. */
  static async start(): Promise<ClusterPair> {
    const a = await startKube();
    try {
      return await ClusterPair.#defined(a, await startKube({ etcd: a.own().etcd, prefix: "/other" }));
    } catch (error) {
      await a[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Two that exist, by their contexts in the default kubeconfig. */
  static async named(contexts: readonly string[]): Promise<ClusterPair> {
    const [a, b] = contexts.map((context) => {
      const admin = new KubeConfig();
      admin.loadFromDefault();
      admin.setCurrentContext(context);
      return new KubeServer({ admin });
    });
    if (a === undefined || b === undefined)
      throw new Error("TENURE_TEST_KUBE_CONTEXTS names two, with a comma between");
    return ClusterPair.#defined(a, b);
  }

  static async #defined(a: KubeServer, b: KubeServer): Promise<ClusterPair> {
    await Promise.all([define(a), define(b)]);
    return new ClusterPair(a, b);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.b[Symbol.asyncDispose]();
    await this.a[Symbol.asyncDispose](); // its etcd is that of both
  }
}

/** As `kubectl apply -f deploy/crd.yaml`, until it is served. */
async function define(kube: KubeServer): Promise<void> {
  for (const manifest of manifestsOf(readFileSync(join(deploy, "crd.yaml"), "utf8"))) {
    const { status, text } = await applied(kube, manifest);
    if (status > 201) throw new Error(`the definition is refused: ${status} ${text}`);
  }
  const untilMs = performance.now() + 30_000;
  for (;;) {
    const { status, text } = await kube.ask("GET", `/apis/${defaultGroup}/v1alpha1/multiclusterleases`);
    if (status === 200) return;
    if (performance.now() > untilMs) throw new Error(`the definition is not served: ${status} ${text}`);
    await pause(50);
  }
}

/** Exactly what a controller of one namespace is given by `deploy/`. */
export function controllerRights(): readonly PolicyRule[] {
  return rulesOf("base/rbac.yaml", "tenure-controller", "tenure-controller-lease");
}

/** Exactly what a candidate on the lease "invoices" is given by `deploy/`, and the right to make it. */
export function candidateRights(): readonly PolicyRule[] {
  const own = ["invoices-multi-cluster-candidate", "invoices-multi-cluster-candidate-events"];
  return rulesOf("multi-cluster-lease-rbac.yaml", ...own, "multi-cluster-lease-creator");
}

/** For what existing ones must not be asked to do: their storage freezes, their namespaces hang. */
export const foundOwnClusters: FoundServer<ClusterPair> =
  "missing" in foundOwnKube ? foundOwnKube : { name: `two of ${foundOwnKube.name}`, start: () => ClusterPair.start() };

function find(): FoundServer<ClusterPair> {
  const contexts = process.env["TENURE_TEST_KUBE_CONTEXTS"]?.split(",");
  if (contexts === undefined) return foundOwnClusters;
  return { name: "the clusters of TENURE_TEST_KUBE_CONTEXTS", start: () => ClusterPair.named(contexts) };
}

/** Two clusters by `TENURE_TEST_KUBE_CONTEXTS`, or two that are started. */
export const foundClusters: FoundServer<ClusterPair> = find();
