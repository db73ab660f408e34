import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { PolicyRule } from "./kube-candidate.ts";
import { deploy, manifestsOf } from "./kustomize.ts";

/** The rules of these Roles and ClusterRoles of a file in `deploy/`, in their order. */
export function rulesOf(path: string, ...names: readonly string[]): PolicyRule[] {
  const roles = manifestsOf(readFileSync(join(deploy, path), "utf8")).map(({ resource }) => resource);
  return names.flatMap((name) => {
    const found = roles.find(({ kind, metadata }) => String(kind).endsWith("Role") && metadata?.name === name);
    if (found === undefined) throw new Error(`deploy/${path} has no role ${name}`);
    return found["rules"] as PolicyRule[]; // cast: what the server takes as rules
  });
}

/** The same rules as a user writes them who changes names: of leases, or of the API group. */
export function renamed(
  rules: readonly PolicyRule[],
  { leases, group }: { readonly leases: readonly string[]; readonly group?: string },
): PolicyRule[] {
  return rules.map((rule) => ({
    ...rule,
    apiGroups: rule.apiGroups.map((each) => (group !== undefined && each.startsWith("multicluster.") ? group : each)),
    ...(rule.resourceNames?.includes("invoices") && { resourceNames: leases }),
  }));
}

/** These rules without one verb of one resource. @throws {Error} if they have no such right. */
export function without(verb: string, resource: string, rules: readonly PolicyRule[]): PolicyRule[] {
  const isMeant = (rule: PolicyRule): boolean => rule.resources.includes(resource) && rule.verbs.includes(verb);
  if (!rules.some(isMeant)) throw new Error(`${verb} ${resource} is none of the rights`);
  const rest = rules.map((rule) =>
    isMeant(rule) ? { ...rule, verbs: rule.verbs.filter((each) => each !== verb) } : rule,
  );
  return rest.filter(({ verbs }) => verbs.length > 0);
}
