import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { KubeConfig } from "@kubernetes/client-node";
import type { KubernetesResource } from "../src/kubernetes/kubernetes-resources.ts";
import type { Counted } from "./lease-server-process.ts";

/** The API server of `lease-server-process.ts`. */
export class LeaseServer {
  readonly ca: string;
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, { ca, port }: { readonly ca: string; readonly port: number }) {
    this.#child = child;
    this.ca = ca;
    this.port = port;
  }

  static async start(): Promise<LeaseServer> {
    const child = fork(fileURLToPath(new URL("lease-server-process.ts", import.meta.url)), { stdio: "inherit" });
    const [told] = (await once(child, "message")) as [{ ca: string; port: number }]; // cast: what it sends
    return new LeaseServer(child, told);
  }

  kubeConfig(): KubeConfig {
    const kubeConfig = new KubeConfig();
    const caData = Buffer.from(this.ca).toString("base64");
    kubeConfig.loadFromOptions({
      clusters: [{ name: "here", server: `https://127.0.0.1:${this.port}`, caData }],
      users: [{ name: "me", token: "t0ken" }],
      contexts: [{ name: "context", cluster: "here", user: "me" }],
      currentContext: "context",
    });
    return kubeConfig;
  }

  async count(): Promise<Counted> {
    this.#child.send("count");
    const [counted] = (await once(this.#child, "message")) as [Counted]; // cast: what it answers
    return counted;
  }

  close(): void {
    this.#child.kill();
  }
}

/** A Lease as a server has it, with what it adds to each. */
export const storedLease: KubernetesResource = {
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  metadata: {
    name: "billing",
    namespace: "jobs",
    uid: "5f2c1f3e-6a53-4f8e-9a3c-0e7a3d1d7a55",
    resourceVersion: "1000",
    creationTimestamp: "2026-01-01T00:00:00Z",
    managedFields: [
      {
        manager: "tenure",
        operation: "Update",
        apiVersion: "coordination.k8s.io/v1",
        time: "2026-01-01T00:00:00Z",
        fieldsType: "FieldsV1",
        fieldsV1: { "f:spec": { "f:acquireTime": {}, "f:holderIdentity": {}, "f:leaseDurationSeconds": {} } },
      },
    ],
  },
  spec: {
    holderIdentity: "worker-7f6d5c4b8d-x2x4v_5f2c1f3e-6a53-4f8e-9a3c-0e7a3d1d7a55",
    leaseDurationSeconds: 15,
    acquireTime: "2026-01-01T00:00:00.000001Z",
    renewTime: "2026-01-01T00:00:00.000001Z",
    leaseTransitions: 3,
  },
};
