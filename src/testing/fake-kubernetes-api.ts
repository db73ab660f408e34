import { isDeepStrictEqual } from "node:util";
import type {
  KubernetesResource,
  ListQuery,
  ResourceKind,
  ResourceRef,
  WatchQuery,
} from "../kubernetes/kubernetes-resources.ts";
import type { Clock } from "../system/clock.ts";
import { microTime } from "../system/micro-time.ts";
import type { Random } from "../system/random.ts";
import { refusal, tooLargeVersion, type FakeAnswer, type RefusalDetails } from "./fake-kubernetes-answer.ts";
import { admitLease } from "./fake-kubernetes-lease.ts";
import type { FakeObjects } from "./fake-kubernetes-objects.ts";
import { selection } from "./fake-kubernetes-selectors.ts";

/** What a `FakeKubernetesApi` needs. */
export interface FakeKubernetesApiParts {
  readonly objects: FakeObjects;
  readonly clock: Clock;
  readonly random: Random;
  readonly coordinatedElection: boolean;
  /** Plurals whose status is written apart. */
  readonly statusSubresources: readonly string[];
  /** Whether a watch may begin with the state. */
  readonly streamingLists: boolean;
  /** Fields that are dropped before anything is stored, like "spec.leaseTransitions", by plural. */
  readonly prunedFields: Readonly<Record<string, readonly string[]>>;
  /** Plurals that are not served. */
  readonly unserved: readonly string[];
  /** The namespaces that exist; `undefined`: all. */
  readonly namespaces: readonly string[] | undefined;
}

/** Sees a write before it is stored: a changed resource, or a refusal. */
type Admission = { readonly resource: KubernetesResource } | { readonly refused: FakeAnswer };

const notServed: FakeAnswer = { status: 404, body: "404 page not found\n" };

/** The verbs of a `FakeKubernetes`, each in one step; the answers are those of kube-apiserver 1.36. */
export class FakeKubernetesApi {
  readonly #parts: FakeKubernetesApiParts;
  readonly #objects: FakeObjects;

  constructor(parts: FakeKubernetesApiParts) {
    this.#parts = parts;
    this.#objects = parts.objects;
  }

  read(ref: ResourceRef): FakeAnswer {
    if (!this.#serves(ref)) return notServed;
    const found = this.#objects.get(ref);
    return found === undefined ? absent(ref) : { status: 200, body: found };
  }

  create(kind: ResourceKind, body: KubernetesResource): FakeAnswer {
    const name = body.metadata?.name;
    if (!this.#serves(kind)) return notServed;
    if (name === undefined || name === "") return invalid(kind, "metadata.name", "name or generateName is required");
    const ref = { ...kind, name };
    if (!this.#hasNamespace(kind)) return noNamespace(kind);
    if (body.metadata?.resourceVersion !== undefined && body.metadata.resourceVersion !== "")
      return invalid(ref, "metadata.resourceVersion", "resourceVersion should not be set on objects to be created");
    if (this.#objects.get(ref) !== undefined)
      return refusal(
        409,
        { reason: "AlreadyExists", message: `${ref.plural} "${name}" already exists` },
        of(ref, name),
      );
    return this.#store(ref, this.#split(kind) ? without(body, "status") : body, undefined);
  }

  /**
   * A uid forbids creation; a resourceVersion alone creates an absent Lease, and so does neither of the two.
   */
  replace(ref: ResourceRef, body: KubernetesResource): FakeAnswer {
    if (!this.#serves(ref)) return notServed;
    const { uid, resourceVersion = "", name = ref.name } = body.metadata ?? {};
    if (name !== ref.name) return refusal(400, { reason: "BadRequest", message: "the name does not match the URL" });
    const stored = this.#objects.get(ref);
    if (stored === undefined) {
      if (ref.plural !== "leases") return absent(ref);
      if (uid !== undefined && uid !== "") return uidConflict(ref, uid, "");
      const { resourceVersion: _version, ...metadata } = body.metadata ?? {};
      return this.create(ref, { ...body, metadata: { ...metadata, name } });
    }
    if (uid !== undefined && uid !== "" && uid !== stored.metadata?.uid)
      return uidConflict(ref, uid, stored.metadata?.uid);
    if (resourceVersion === "") return invalid(ref, "metadata.resourceVersion", "must be specified for an update");
    if (resourceVersion !== stored.metadata?.resourceVersion) return moved(ref);
    const status = this.#split(ref) ? stored["status"] : body["status"];
    return this.#store(ref, status === undefined ? without(body, "status") : { ...body, status }, stored);
  }

  patch(ref: ResourceRef, merge: object, subresource: "status" | undefined): FakeAnswer {
    const split = this.#split(ref);
    if (!this.#serves(ref) || (subresource !== undefined && !split)) return notServed;
    const stored = this.#objects.get(ref);
    if (stored === undefined) return absent(ref);
    const patched = merged(stored, merge) as KubernetesResource; // cast: a patch of an object is one
    const { uid, resourceVersion } = patched.metadata ?? {};
    if (subresource === undefined && uid !== stored.metadata?.uid)
      return invalid(ref, "metadata.uid", "field is immutable");
    if (resourceVersion !== stored.metadata?.resourceVersion) return moved(ref);
    const changed = subresource === "status" ? { ...stored, status: patched["status"] } : patched;
    return this.#store(
      ref,
      split && subresource === undefined ? { ...changed, status: stored["status"] } : changed,
      stored,
    );
  }

  /** Pages of one list are of one state; a list from the cache (version 0) knows no pages. */
  list(kind: ResourceKind, query: ListQuery): FakeAnswer {
    if (!this.#serves(kind)) return notServed;
    const [token = "", from = "0"] = query.continue === undefined ? [] : query.continue.split(":");
    if (token !== "" && !this.#objects.remembers(Number(token))) return this.#expiredToken(from);
    if (Number(query.resourceVersion ?? 0) > this.#objects.revision) return tooLargeVersion();
    const isExact = query.resourceVersionMatch === "Exact";
    if (isExact && !this.#objects.remembers(Number(query.resourceVersion)))
      return refusal(410, { reason: "Expired", message: "the resource version is too old" });
    const at = token !== "" ? Number(token) : isExact ? Number(query.resourceVersion) : this.#objects.revision;
    const selected = this.#objects.all(kind, at).filter(selection(query));
    const until = query.resourceVersion === "0" ? Infinity : Number(from) + (query.limit ?? Infinity);
    const next = until < selected.length && { continue: `${at}:${until}` };
    const metadata = { resourceVersion: String(at), ...next };
    return {
      status: 200,
      body: { kind: "List", apiVersion: "v1", metadata, items: selected.slice(Number(from), until) },
    };
  }

  /** Why a watch is not opened; `undefined` if it is. */
  refusesWatch(kind: ResourceKind, query: WatchQuery): FakeAnswer | undefined {
    if (!this.#serves(kind)) return notServed;
    const { sendInitialEvents, resourceVersionMatch } = query;
    if (sendInitialEvents === undefined && resourceVersionMatch === undefined) return undefined;
    if (!this.#parts.streamingLists) return invalid(kind, "sendInitialEvents", "is forbidden for watch");
    if (sendInitialEvents === undefined) return invalid(kind, "resourceVersionMatch", "is forbidden for watch");
    if (resourceVersionMatch === "NotOlderThan") return undefined;
    return invalid(kind, "resourceVersionMatch", "sendInitialEvents requires it to be NotOlderThan");
  }

  /** What it offers would go on in the present, beside what earlier pages told of the past. */
  #expiredToken(from: string): FakeAnswer {
    const words = { reason: "Expired", message: "The provided continue parameter is too old" };
    const answer = refusal(410, words);
    const offered = { metadata: { continue: `${this.#objects.revision}:${from}` } };
    return typeof answer.body === "string" ? answer : { ...answer, body: { ...answer.body, ...offered } };
  }

  /** Deletes what is there; what has finalizers is only marked, and goes with the last of them. */
  remove(ref: ResourceRef): void {
    const stored = this.#objects.get(ref);
    if (stored === undefined || isDeleting(stored)) return;
    if (finalizersOf(stored).length === 0) return void this.#objects.remove(ref);
    const generation = Number(stored.metadata?.["generation"] ?? 0) + 1; // a deletion raises it
    const deleting = { deletionTimestamp: this.#now(), deletionGracePeriodSeconds: 0 };
    const metadata = { ...stored.metadata, ...deleting, ...(this.#split(ref) && { generation }) };
    this.#objects.write(ref, { ...stored, metadata });
  }

  /** Stores what another program writes: under no condition, and past all checks. */
  put(ref: ResourceRef, resource: KubernetesResource): KubernetesResource {
    const stored = this.#objects.get(ref);
    return this.#objects.write(ref, this.#served(ref, resource, stored));
  }

  /** The same server as it is now; what it stores is forgotten. */
  rehearsal(): FakeKubernetesApi {
    return new FakeKubernetesApi({ ...this.#parts, objects: this.#objects.copy() });
  }

  #store(ref: ResourceRef, body: KubernetesResource, stored: KubernetesResource | undefined): FakeAnswer {
    const admitted = this.#admit(ref, body, stored);
    if ("refused" in admitted) return admitted.refused;
    const kept = (this.#parts.prunedFields[ref.plural] ?? []).reduce(pruned, admitted.resource);
    const served = this.#served(ref, kept, stored);
    if (stored !== undefined && isDeleting(stored) && finalizersOf(served).length === 0) {
      this.#objects.remove(ref);
      return { status: 200, body: served };
    }
    // As in kube-apiserver: a write that changes nothing is none, and keeps the version.
    if (stored !== undefined && isDeepStrictEqual(served, stored)) return { status: 200, body: stored };
    return { status: stored === undefined ? 201 : 200, body: this.#objects.write(ref, served) };
  }

  #admit(ref: ResourceRef, body: KubernetesResource, stored: KubernetesResource | undefined): Admission {
    if (ref.plural !== "leases") return { resource: body };
    const admitted = admitLease(body, stored, this.#parts);
    return "lease" in admitted ? { resource: admitted.lease } : admitted;
  }

  /** With what the server keeps by itself. */
  #served(ref: ResourceRef, body: KubernetesResource, stored: KubernetesResource | undefined): KubernetesResource {
    const { random } = this.#parts;
    const before = stored?.metadata;
    const deleting = ["deletionTimestamp", "deletionGracePeriodSeconds"].map((name) => [name, before?.[name]] as const);
    const metadata = {
      ...body.metadata,
      ...(stored !== undefined && Object.fromEntries(deleting.filter(([, value]) => value !== undefined))),
      name: ref.name,
      ...(ref.namespace !== "" && { namespace: ref.namespace }),
      uid: before?.uid ?? random.uuid(),
      creationTimestamp: before?.["creationTimestamp"] ?? this.#now(),
      ...(before?.resourceVersion !== undefined && { resourceVersion: before.resourceVersion }),
      ...(this.#split(ref) && { generation: generationOf(body, stored) }),
    };
    return structuredClone({ ...body, metadata });
  }

  #now(): string {
    return `${microTime(this.#parts.clock.wallMs() * 1000).slice(0, 19)}Z`;
  }

  #serves({ plural }: ResourceKind): boolean {
    return !this.#parts.unserved.includes(plural);
  }

  #split({ plural }: ResourceKind): boolean {
    return this.#parts.statusSubresources.includes(plural);
  }

  #hasNamespace({ namespace }: ResourceKind): boolean {
    return namespace === "" || this.#parts.namespaces === undefined || this.#parts.namespaces.includes(namespace);
  }
}

function generationOf(body: KubernetesResource, stored: KubernetesResource | undefined): number {
  const before: unknown = stored?.metadata?.["generation"];
  if (stored === undefined || typeof before !== "number") return 1;
  const inner = (resource: KubernetesResource): unknown => without(without(resource, "metadata"), "status");
  return isDeepStrictEqual(inner(body), inner(stored)) ? before : before + 1;
}

function isDeleting({ metadata }: KubernetesResource): boolean {
  return metadata?.["deletionTimestamp"] !== undefined;
}

function finalizersOf({ metadata }: KubernetesResource): readonly unknown[] {
  const finalizers = metadata?.["finalizers"];
  return Array.isArray(finalizers) ? finalizers : [];
}

/** Without the field at this path. */
function pruned<T extends object>(object: T, path: string): T {
  const [name = "", ...rest] = path.split(".");
  const { [name]: inner, ...others } = object as Readonly<Record<string, unknown>>; // cast: any object has such fields
  const isInner = rest.length > 0 && typeof inner === "object" && inner !== null;
  if (rest.length > 0 && !isInner) return object;
  return { ...others, ...(isInner && { [name]: pruned(inner, rest.join(".")) }) } as T; // cast: the same, but for one
}

function without(resource: KubernetesResource, field: string): KubernetesResource {
  const { [field]: _left, ...rest } = resource;
  return rest;
}

/** JSON Merge Patch. @see https://www.rfc-editor.org/rfc/rfc7396 */
function merged(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const isObject = typeof target === "object" && target !== null && !Array.isArray(target);
  const result = new Map<string, unknown>(isObject ? Object.entries(target) : []);
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) result.delete(field);
    else result.set(field, merged(result.get(field), value));
  }
  return Object.fromEntries(result);
}

function of({ group, plural }: ResourceKind, name?: string): RefusalDetails {
  return { ...(name !== undefined && { name }), group, kind: plural };
}

function absent(ref: ResourceRef): FakeAnswer {
  return refusal(404, { reason: "NotFound", message: `${ref.plural} "${ref.name}" not found` }, of(ref, ref.name));
}

function noNamespace({ namespace }: ResourceKind): FakeAnswer {
  const message = `namespaces "${namespace}" not found`;
  return refusal(404, { reason: "NotFound", message }, { name: namespace, kind: "namespaces" });
}

function moved(ref: ResourceRef): FakeAnswer {
  const message = `Operation cannot be fulfilled on ${ref.plural} "${ref.name}": the object has been modified`;
  return refusal(409, { reason: "Conflict", message }, of(ref, ref.name));
}

function uidConflict(ref: ResourceRef, asked: string, there: string | undefined): FakeAnswer {
  const message = `Precondition failed: UID in precondition: ${asked}, UID in object meta: ${there ?? ""}`;
  return refusal(409, { reason: "Conflict", message }, of(ref, ref.name));
}

function invalid(kind: ResourceKind, field: string, message: string): FakeAnswer {
  const causes = [{ reason: "FieldValueInvalid", message, field }];
  return refusal(422, { reason: "Invalid", message: `${field}: ${message}` }, { ...of(kind), causes });
}
