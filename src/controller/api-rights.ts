/** One right at a Kubernetes API. */
export interface ApiRight {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly name?: string;
  /** `""`: every namespace. */
  readonly namespace: string;
  /** `"may"`: something is lost without it; `"never"`: it is one too many. */
  readonly need: "must" | "may" | "never";
}

/** What the rights are for. */
export interface ApiRightsQuestion {
  readonly group: string;
  readonly namespaces: readonly string[];
  readonly leaseName: string;
  readonly leaseNamespace: string;
}

/** What a controller may and has to do, and what it must not be able to do. */
export function apiRights(question: ApiRightsQuestion): readonly ApiRight[] {
  const { group, namespaces, leaseName: name, leaseNamespace } = question;
  const own = { group: "coordination.k8s.io", resource: "leases", namespace: leaseNamespace } as const;
  const ofAll = namespaces.flatMap((namespace): readonly ApiRight[] => {
    const leases = { group, resource: "multiclusterleases", namespace } as const;
    const events = { group: "events.k8s.io", resource: "events", namespace } as const;
    return [
      ...rights(leases, ["get", "list", "watch", "patch"], "must"),
      ...rights({ ...leases, subresource: "status" }, ["patch"], "must"),
      ...rights(events, ["create", "patch"], "may"),
      ...rights(leases, ["create", "delete"], "never"),
      ...rights({ group: "", resource: "secrets", namespace }, ["get", "list"], "never"),
    ];
  });
  return [
    ...ofAll,
    ...rights({ ...own, name }, ["get", "update"], "must"),
    ...rights({ ...own, name }, ["watch"], "may"),
    ...rights(own, ["create", "delete"], "never"),
    ...rights({ group: "", resource: "nodes", namespace: "" }, ["get", "list"], "never"),
  ];
}

function rights(
  what: Omit<ApiRight, "verb" | "need">,
  verbs: readonly string[],
  need: ApiRight["need"],
): readonly ApiRight[] {
  return verbs.map((verb) => ({ ...what, verb, need }));
}
