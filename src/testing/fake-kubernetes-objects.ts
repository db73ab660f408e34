import type { KubernetesResource, ResourceKind, ResourceRef } from "../kubernetes/kubernetes-resources.ts";

/** One change in a `FakeKubernetes`, as its history has it. */
export interface FakeChange {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly kind: ResourceKind;
  /** After the change; of a deletion the last state, under the version of the deletion. */
  readonly object: KubernetesResource;
  readonly previous: KubernetesResource | undefined;
  readonly revision: number;
}

interface Stored {
  readonly kind: ResourceKind;
  readonly object: KubernetesResource;
}

/** The resources of a `FakeKubernetes` with their history: one counter for all, as in etcd. */
export class FakeObjects {
  readonly #stored = new Map<string, Stored>();
  readonly #listeners = new Set<(change: FakeChange) => void>();
  #history: FakeChange[] = [];
  #revision = 1;
  #forgottenUpTo = 1;

  /** The number of the last change of anything. */
  get revision(): number {
    return this.#revision;
  }

  get(ref: ResourceRef): KubernetesResource | undefined {
    return structuredClone(this.#stored.get(keyOf(ref, ref.name))?.object);
  }

  /** All of a kind as they were at a revision, by namespace and name; `""` is every namespace. */
  all(kind: ResourceKind, revision: number = this.#revision): readonly KubernetesResource[] {
    return [...this.#storedAt(revision)]
      .filter(([, stored]) => isOf(kind, stored.kind))
      .sort(([first], [second]) => (first < second ? -1 : 1))
      .map(([, { object }]) => structuredClone(object));
  }

  /** Stores it under a new resourceVersion, and returns what is stored. */
  write(ref: ResourceRef, resource: KubernetesResource): KubernetesResource {
    const previous = this.#stored.get(keyOf(ref, ref.name))?.object;
    const object = this.#stamped(resource);
    this.#stored.set(keyOf(ref, ref.name), { kind: kindOf(ref), object });
    this.#tell({ type: previous ? "MODIFIED" : "ADDED", kind: kindOf(ref), object, previous });
    return structuredClone(object);
  }

  /** Whether there was one. */
  remove(ref: ResourceRef): boolean {
    const previous = this.#stored.get(keyOf(ref, ref.name))?.object;
    if (previous === undefined) return false;
    this.#stored.delete(keyOf(ref, ref.name));
    this.#tell({ type: "DELETED", kind: kindOf(ref), object: this.#stamped(previous), previous });
    return true;
  }

  /** A copy of what is stored now, without the history: to try something out on. */
  copy(): FakeObjects {
    const copy = new FakeObjects();
    for (const [key, stored] of this.#stored) copy.#stored.set(key, stored);
    copy.#revision = this.#revision;
    copy.#forgottenUpTo = this.#revision;
    return copy;
  }

  /** Everything is as it was then, and counts on from there; what came after never was. Forgets history, too. */
  restore(revision: number): void {
    const then = this.#storedAt(revision);
    this.#stored.clear();
    for (const [key, stored] of then) this.#stored.set(key, stored);
    this.#revision = revision;
    this.compact();
  }

  /** Forgets all history up to now. */
  compact(): void {
    this.#history = [];
    this.#forgottenUpTo = this.#revision;
  }

  /** Whether history reaches back to there. */
  remembers(revision: number): boolean {
    return revision >= this.#forgottenUpTo;
  }

  /** What changed after `revision`; nothing, where that lies ahead. */
  since(revision: number): readonly FakeChange[] {
    return this.#history.filter((change) => change.revision > revision);
  }

  /** Hears each change; the returned function ends it. */
  listen(hear: (change: FakeChange) => void): () => void {
    this.#listeners.add(hear);
    return () => void this.#listeners.delete(hear);
  }

  #storedAt(revision: number): ReadonlyMap<string, Stored> {
    const then = new Map(this.#stored);
    for (const change of [...this.since(revision)].reverse()) {
      const key = keyOf(change.kind, change.object.metadata?.name ?? "");
      if (change.previous === undefined) then.delete(key);
      else then.set(key, { kind: change.kind, object: change.previous });
    }
    return then;
  }

  #stamped(resource: KubernetesResource): KubernetesResource {
    this.#revision += 1;
    const { metadata, ...rest } = structuredClone(resource);
    return { ...rest, metadata: { ...metadata, resourceVersion: String(this.#revision) } };
  }

  #tell(change: Omit<FakeChange, "revision">): void {
    const numbered = { ...change, revision: this.#revision };
    this.#history.push(numbered);
    for (const hear of [...this.#listeners]) hear(numbered);
  }
}

/** Whether a resource of the second kind is one of the first, whose namespace may be `""`. */
export function isOf(asked: ResourceKind, kind: ResourceKind): boolean {
  const sameType = asked.group === kind.group && asked.version === kind.version && asked.plural === kind.plural;
  return sameType && (asked.namespace === "" || asked.namespace === kind.namespace);
}

function kindOf({ group, version, plural, namespace }: ResourceRef): ResourceKind {
  return { group, version, plural, namespace };
}

function keyOf({ group, version, plural, namespace }: ResourceKind, name: string): string {
  return [group, version, plural, namespace, name].join("/");
}
