import type { KubernetesResource } from "../kubernetes/kubernetes-resources.ts";
import type { KnownResource, ReflectedChange, Replacement, ReflectorSink } from "../kubernetes/reflector-sink.ts";
import { headOf, identityKey, type Identity } from "../resources/identity.ts";

/** What becomes of the resources of one namespace, or of all. */
export interface LeaseSinkParts {
  /** An event; `found`: it tells a state of unknown age. */
  readonly see: (identity: Identity, resource: KubernetesResource, found: boolean) => void;
  readonly gone: (identity: Identity) => void;
}

/** Passes every event of the reflector on, undelayed: each signal counts, not only the latest state. */
export class LeaseSink implements ReflectorSink<KubernetesResource> {
  readonly #parts: LeaseSinkParts;
  readonly #held = new Map<string, { readonly identity: Identity } & KnownResource>();

  constructor(parts: LeaseSinkParts) {
    this.#parts = parts;
  }

  known(identity: Identity): KnownResource | undefined {
    return this.#held.get(identityKey(identity));
  }

  apply(change: ReflectedChange<KubernetesResource>): void {
    const { identity, uid, version } = change;
    if (change.kind === "deleted") return this.#drop(identity);
    this.#held.set(identityKey(identity), { identity, uid, version });
    this.#parts.see(identity, change.resource, false);
  }

  replacement(): Replacement<KubernetesResource> {
    const items = new Map<string, KubernetesResource>();
    return {
      put: (more) => {
        for (const resource of more) {
          const head = headOf(resource);
          if (head !== undefined) items.set(identityKey(head), resource);
        }
      },
      drop: (identity) => void items.delete(identityKey(identity)),
      swap: () => this.#swap(items),
      discard: () => items.clear(),
    };
  }

  /** Each is planned for once; those that vanished are forgotten; nobody knows how old those are that appear. */
  #swap(items: ReadonlyMap<string, KubernetesResource>): void {
    for (const [key, { identity }] of this.#held) if (!items.has(key)) this.#drop(identity);
    for (const [key, resource] of items) {
      const head = headOf(resource);
      if (head === undefined) continue;
      const { namespace, name, uid, version } = head;
      const before = this.#held.get(key);
      this.#held.set(key, { identity: { namespace, name }, uid, version });
      this.#parts.see({ namespace, name }, resource, before?.uid !== uid);
    }
  }

  #drop(identity: Identity): void {
    if (this.#held.delete(identityKey(identity))) this.#parts.gone(identity);
  }
}
