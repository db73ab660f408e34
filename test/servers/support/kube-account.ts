import { KubeConfig } from "@kubernetes/client-node";
import type { KubeServer } from "./kube-server.ts";

/** As a pod is that runs under this service account. */
export async function accountOf(kube: KubeServer, namespace: string, name: string): Promise<KubeConfig> {
  const { status } = await kube.make(`/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`, {
    ...{ apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { expirationSeconds: 3_600 } },
  });
  const cluster = kube.kubeConfig().getCurrentCluster();
  if (cluster === null) throw new Error("the kubeconfig names no cluster");
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromClusterAndUser(cluster, { name, token: String(Reflect.get(Object(status), "token")) });
  return kubeConfig;
}
