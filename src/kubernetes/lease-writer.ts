import type { KubernetesResource } from "./kubernetes-resources.ts";

/**
 * How servers name the programs that elect by this package: by the start of the user agent. It is ours, or that of a
 * client that was passed in: client-node 2.x names itself, others are named by what Node has them send with.
 */
const ours: ReadonlySet<string> = new Set(["tenure", "kubernetes-client-javascript", "node", "node-fetch"]);

/** Whether the server noted that another program wrote the renewal. What notes nothing tells nothing. */
export function isWrittenByOthers(lease: KubernetesResource): boolean {
  const noted = lease.metadata?.["managedFields"];
  if (!Array.isArray(noted)) return false;
  return noted.some((entry: unknown) => {
    const program: unknown = Reflect.get(Object(entry), "manager");
    const spec: unknown = Reflect.get(Object(Reflect.get(Object(entry), "fieldsV1")), "f:spec");
    return typeof program === "string" && !ours.has(program) && Reflect.has(Object(spec), "f:renewTime");
  });
}
