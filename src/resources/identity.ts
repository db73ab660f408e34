/** Which resource of its kind; the namespace of what is cluster-scoped is `""`. */
export interface Identity {
  readonly namespace: string;
  readonly name: string;
}

/** What a resource says of itself: which one it is, which life of it, and how new. */
export interface ResourceHead extends Identity {
  /** Another one after a deletion and a new creation. */
  readonly uid: string | undefined;
  /** Another one after each change. */
  readonly version: string | undefined;
}

/** The head of a resource as Kubernetes has it; `undefined` without a name. */
export function headOf(resource: object): ResourceHead | undefined {
  const metadata: unknown = Reflect.get(resource, "metadata");
  if (typeof metadata !== "object" || metadata === null) return undefined;
  const name = textOf(metadata, "name");
  if (name === undefined) return undefined;
  return {
    namespace: textOf(metadata, "namespace") ?? "",
    name,
    uid: textOf(metadata, "uid"),
    version: textOf(metadata, "resourceVersion"),
  };
}

/** Both parts in one text; no two identities share it, whatever characters they have. */
export function identityKey({ namespace, name }: Identity): string {
  return `${namespace.length}/${namespace}/${name}`;
}

function textOf(from: object, field: string): string | undefined {
  const value: unknown = Reflect.get(from, field);
  return typeof value === "string" && value !== "" ? value : undefined;
}
