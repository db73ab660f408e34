import type { KubeConfig, User } from "@kubernetes/client-node";
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { askKube } from "./kube-ask.ts";
import type { KubeServer } from "./kube-server.ts";

/** A rule of a Role. */
export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

const rbac = "rbac.authorization.k8s.io";
const patienceMs = 20_000;

/** Makes an account with a Role of exactly these rules, and waits until the server goes by them. */
export async function kubeCandidate(
  kube: KubeServer,
  namespace: string,
  { rules, configOf }: { readonly rules: readonly PolicyRule[]; readonly configOf: (user: User) => KubeConfig },
): Promise<KubeConfig> {
  const name = `candidate-${randomUUID()}`;
  const metadata = { name, namespace };
  const core = `/api/v1/namespaces/${namespace}`;
  const roles = `/apis/${rbac}/v1/namespaces/${namespace}`;
  await kube.make(`${core}/serviceaccounts`, { apiVersion: "v1", kind: "ServiceAccount", metadata });
  await kube.make(`${roles}/roles`, { apiVersion: `${rbac}/v1`, kind: "Role", metadata, rules });
  const roleRef = { apiGroup: rbac, kind: "Role", name };
  const subjects = [{ kind: "ServiceAccount", name, namespace }];
  await kube.make(`${roles}/rolebindings`, {
    ...{ apiVersion: `${rbac}/v1`, kind: "RoleBinding", metadata, roleRef, subjects },
  });
  const { status } = await kube.make(`${core}/serviceaccounts/${name}/token`, {
    ...{ apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { expirationSeconds: 3_600 } },
  });
  const kubeConfig = configOf({ name, token: String(Reflect.get(Object(status), "token")) });
  for (const attributes of rules.flatMap((rule) => questionsOf(namespace, rule))) await granted(kubeConfig, attributes);
  return kubeConfig;
}

function questionsOf(namespace: string, { apiGroups, resources, verbs, resourceNames = [""] }: PolicyRule): object[] {
  return apiGroups.flatMap((group) =>
    resources.flatMap((each) => {
      const [resource = "", subresource] = each.split("/");
      const what = { namespace, group, resource, ...(subresource !== undefined && { subresource }) };
      return verbs.flatMap((verb) => resourceNames.map((name) => ({ ...what, verb, name })));
    }),
  );
}

/** An authorizer learns of a Role by a watch of its own. */
async function granted(kubeConfig: KubeConfig, resourceAttributes: object): Promise<void> {
  const untilMs = performance.now() + patienceMs;
  const body = {
    ...{ apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectAccessReview", spec: { resourceAttributes } },
  };
  for (;;) {
    const path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    const answer = await askKube(kubeConfig, "POST", path, { body });
    if (Reflect.get(Object(answer.body["status"]), "allowed") === true) return;
    if (performance.now() > untilMs) {
      throw new Error(`never granted: ${JSON.stringify(resourceAttributes)}: ${answer.status} ${answer.text}`);
    }
    await pause(20);
  }
}
