import type { KubernetesResource } from "./kubernetes-resources.ts";

/**
 * How servers name the programs that elect by this package: by the start of the user agent. It is ours, or that of a
 * client that was passed in, which then is one of Node.
 */
const ours: ReadonlySet<string> = new Set(["tenure", "node", "node-fetch"]);

/** Whether the server noted that another program wrote the renewal. What notes nothing tells nothing. */
export function isWrittenByOthers(lease: KubernetesResource): boolean {
  const noted = lease.metadata?.["managedFields"];
  if (!Array.isArray(noted)) return false;
  return noted.some((entry: unknown) => {
    const manager: unknown = Reflect.get(Object(entry), "manager");
    const spec: unknown = Reflect.get(Object(Reflect.get(Object(entry), "fieldsV1")), "f:spec");
    return typeof manager === "string" && !ours.has(manager) && Reflect.has(Object(spec), "f:renewTime");
  });
}
