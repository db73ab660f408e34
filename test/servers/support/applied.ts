import type { KubeConfig } from "@kubernetes/client-node";
import type { KubernetesResource } from "../../../src/kubernetes/kubernetes-resources.ts";
import { askKube, type KubeAnswer } from "./kube-ask.ts";
import type { KubeServer } from "./kube-server.ts";
import type { Manifest } from "./kustomize.ts";

/**
 * As `kubectl apply --server-side --validate=strict`, with `--dry-run=server` where asked for: the whole way through
 * validation and admission, and a field that the server does not know is refused.
 */
export async function applied(
  kube: KubeServer,
  { text, resource }: Manifest,
  { dryRun = false }: { readonly dryRun?: boolean } = {},
): Promise<KubeAnswer> {
  const query = `fieldManager=tenure-test&fieldValidation=Strict${dryRun ? "&dryRun=All" : ""}`;
  const path = await pathOf(kube.kubeConfig(), resource);
  return kube.ask("PATCH", `${path}?${query}`, { body: text, contentType: "application/apply-patch+yaml" });
}

/** Where a resource is, as the server itself tells. */
async function pathOf(kubeConfig: KubeConfig, { apiVersion, kind, metadata }: KubernetesResource): Promise<string> {
  const root = String(apiVersion).includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const { body, status } = await askKube(kubeConfig, "GET", root);
  const types: unknown = body["resources"];
  const found = (Array.isArray(types) ? types : []).find(
    (type: unknown) =>
      Reflect.get(Object(type), "kind") === kind && !String(Reflect.get(Object(type), "name")).includes("/"),
  );
  if (found === undefined) throw new Error(`${root} has no ${kind}: ${status}`);
  const namespace = Reflect.get(Object(found), "namespaced") === true ? `/namespaces/${metadata?.namespace}` : "";
  return `${root}${namespace}/${Reflect.get(Object(found), "name")}/${metadata?.name}`;
}

/** A field in the depth of a resource. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((found, name) => Reflect.get(Object(found), name), value);
}
