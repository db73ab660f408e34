import { isDeepStrictEqual } from "node:util";
import { headOf, identityKey, type Identity, type ResourceHead } from "../resources/identity.ts";
import { isRepeated } from "./reflected-change.ts";
import type { KnownResource, ReflectedChange, ReflectorSink, Replacement, ReplacementEnd } from "./reflector-sink.ts";

/** What changed in one step. */
export interface TableBatch<T> {
  /** What ended stands before what began under the same identity. */
  readonly changes: readonly ReflectedChange<T>[];
  readonly revision: string | undefined;
  /** A whole state was told: for the first time, or anew; `restored` as in `ReplacementEnd`. */
  readonly list: { readonly isFirst: boolean; readonly restored: boolean } | undefined;
}

interface Entry<T> extends KnownResource {
  readonly identity: Identity;
  readonly resource: T;
}

/** The sink of a `Reflector` that keeps each resource by its identity, and tells each step once it shows it. */
export class ResourceTable<T extends object> implements ReflectorSink<T> {
  readonly #onBatch: (batch: TableBatch<T>) => void | Promise<void>;
  #entries = new Map<string, Entry<T>>();
  #hasList = false;

  /** What `onBatch` returns is awaited before more is read; a list is told also if it changed nothing. */
  constructor(onBatch: (batch: TableBatch<T>) => void | Promise<void>) {
    this.#onBatch = onBatch;
  }

  get size(): number {
    return this.#entries.size;
  }

  find(identity: Identity): T | undefined {
    return this.#entries.get(identityKey(identity))?.resource;
  }

  /** All of them, in the order of their first sight. */
  list(): readonly T[] {
    return [...this.#entries.values()].map(({ resource }) => resource);
  }

  known(identity: Identity): KnownResource | undefined {
    return this.#entries.get(identityKey(identity));
  }

  apply(change: ReflectedChange<T>): void | Promise<void> {
    const key = identityKey(change.identity);
    if (change.kind === "deleted") this.#entries.delete(key);
    else this.#entries.set(key, entryOf(change.resource, change.identity, change));
    return this.#onBatch({ changes: [change], revision: change.revision, list: undefined });
  }

  replacement(): Replacement<T> {
    const next = new Map<string, Entry<T>>();
    return {
      put(items: readonly T[]): void {
        for (const item of items) {
          const head = headOf(item);
          if (head !== undefined) next.set(identityKey(head), entryOf(item, identityOf(head), head));
        }
      },
      drop: (identity: Identity): void => void next.delete(identityKey(identity)),
      swap: (end: ReplacementEnd): void | Promise<void> => this.#swap(next, end),
      discard: (): void => next.clear(),
    };
  }

  #swap(next: Map<string, Entry<T>>, end: ReplacementEnd): void | Promise<void> {
    const { revision, restored } = end;
    const changes = [...differences(this.#entries, next, end)];
    const list = { isFirst: !this.#hasList, restored };
    this.#entries = next;
    this.#hasList = true;
    return this.#onBatch({ changes, revision, list });
  }
}

function* differences<T extends object>(
  before: ReadonlyMap<string, Entry<T>>,
  next: ReadonlyMap<string, Entry<T>>,
  { revision, comparesAnew }: ReplacementEnd,
): Generator<ReflectedChange<T>> {
  for (const [key, gone] of before) {
    if (next.get(key)?.uid !== gone.uid || !next.has(key)) yield { ...gone, kind: "deleted", revision };
  }
  for (const [key, entry] of next) {
    const known = before.get(key);
    if (known === undefined || known.uid !== entry.uid) yield { ...entry, kind: "created", revision };
    else if (!isUnchanged(known, entry, comparesAnew)) yield { ...entry, kind: "modified", revision };
  }
}

/** Of a server that was set back, the same version may stand for something else. */
function isUnchanged<T>(known: Entry<T>, entry: Entry<T>, comparesAnew: boolean): boolean {
  return isRepeated(known, entry) && (!comparesAnew || isDeepStrictEqual(known.resource, entry.resource));
}

function entryOf<T>(resource: T, identity: Identity, { uid, version }: KnownResource): Entry<T> {
  return { identity, uid, version, resource };
}

function identityOf({ namespace, name }: ResourceHead): Identity {
  return { namespace, name };
}
