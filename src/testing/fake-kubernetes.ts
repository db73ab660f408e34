import type { KubernetesResource, ResourceRef, WatchEvent } from "../kubernetes/kubernetes-resources.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { systemRandom, type Random } from "../system/random.ts";
import { FakeKubernetesApi } from "./fake-kubernetes-api.ts";
import { FakeKubernetesClient } from "./fake-kubernetes-client.ts";
import { FakeObjects } from "./fake-kubernetes-objects.ts";
import { FakeKubernetesServer } from "./fake-kubernetes-server.ts";
import { FakeKubernetesWatches } from "./fake-kubernetes-watches.ts";

/** How a `FakeKubernetes` starts. */
export interface FakeKubernetesOptions {
  /** For deadlines, bookmarks and times; give the locks and electors the same one. */
  readonly clock?: Clock;
  readonly random?: Random;
  /** How often a watch that asked for bookmarks gets one; default 60 000. */
  readonly bookmarkEveryMs?: number;
  /**
   * Whether the server knows coordinated election; default true. Else it drops `strategy` and `preferredHolder` of a
   * Lease without a word, as kube-apiserver does by default.
   */
  readonly coordinatedElection?: boolean;
  /** Plurals whose status is written apart from the rest; default `["multiclusterleases"]`. */
  readonly statusSubresources?: readonly string[];
  /** Whether a watch may begin with the state (`sendInitialEvents`), as it may since 1.34; default true. */
  readonly streamingLists?: boolean;
  /**
   * Fields that are dropped before anything is stored, like `"spec.leaseTransitions"`, by plural: as a definition (CRD)
   * drops what it does not name. Default: none.
   */
  readonly prunedFields?: Readonly<Record<string, readonly string[]>>;
  /** Plurals that are not served, as if their CRD were missing; default: none. */
  readonly unserved?: readonly string[];
  /** The namespaces that exist; default: all. */
  readonly namespaces?: readonly string[];
}

/**
 * A Kubernetes API server in memory, for tests: one counter of resourceVersions, conflicts by version and uid, watches
 * with bookmarks, a history that can be forgotten, and the checks that kube-apiserver makes of a Lease. Each
 * `connect()` is the connection of one candidate, with a log of its requests and with faults of its own.
 *
 * ```ts
 * const cluster = new FakeKubernetes({ clock });
 * const client = cluster.connect();
 * const lock = new LeaseLock({ client, namespace: "default", name: "billing", clock });
 * client.loseAnswer(); // the next write is applied, and its answer is lost
 * ```
 */
export class FakeKubernetes {
  readonly #objects = new FakeObjects();
  readonly #api: FakeKubernetesApi;
  readonly #watches: FakeKubernetesWatches;
  readonly #clock: Clock;

  constructor(options: FakeKubernetesOptions = {}) {
    const { clock = systemClock, bookmarkEveryMs = 60_000 } = options;
    this.#clock = clock;
    this.#api = new FakeKubernetesApi({
      objects: this.#objects,
      clock,
      random: options.random ?? systemRandom,
      coordinatedElection: options.coordinatedElection ?? true,
      statusSubresources: options.statusSubresources ?? ["multiclusterleases"],
      streamingLists: options.streamingLists ?? true,
      prunedFields: options.prunedFields ?? {},
      unserved: options.unserved ?? [],
      namespaces: options.namespaces,
    });
    this.#watches = new FakeKubernetesWatches({ objects: this.#objects, clock, bookmarkEveryMs });
  }

  /** A connection of its own. */
  connect(): FakeKubernetesClient {
    const [api, watches, clock] = [this.#api, this.#watches, this.#clock];
    return new FakeKubernetesClient({ api, watches, clock, description: "fake-kubernetes" });
  }

  /** Serves it over HTTP as well, on a free port of loopback, for any client; to be closed by the caller. */
  listen(): Promise<FakeKubernetesServer> {
    return new FakeKubernetesServer({ api: this.#api, watches: this.#watches, clock: this.#clock }).listen();
  }

  /** The version of the last change of anything. */
  get resourceVersion(): string {
    return String(this.#objects.revision);
  }

  /** How many watches are open, of all connections. */
  get watchCount(): number {
    return this.#watches.count;
  }

  /** What is stored; does not count as a request. */
  stored(ref: ResourceRef): KubernetesResource | undefined {
    return this.#objects.get(ref);
  }

  /**
   * Stores a resource as another program would: whatever is there, and past all checks. Its uid stays, if it was there.
   */
  put(ref: ResourceRef, resource: KubernetesResource): KubernetesResource {
    return this.#api.put(ref, resource);
  }

  /** Deletes it, if it is there; what has finalizers is only marked, and goes with the last of them. */
  remove(ref: ResourceRef): void {
    this.#api.remove(ref);
  }

  /** Adds an annotation and changes nothing else; without one to add, makes one up. */
  annotate(ref: ResourceRef, annotations?: Readonly<Record<string, string>>): void {
    const stored = this.#objects.get(ref);
    if (stored === undefined) return;
    const added = annotations ?? { edited: this.resourceVersion };
    const metadata = { ...stored.metadata, annotations: { ...stored.metadata?.annotations, ...added } };
    this.put(ref, { ...stored, metadata });
  }

  /** Something else in the cluster changes: only the counter moves. */
  changeElsewhere(): void {
    const ref = { group: "", version: "v1", plural: "configmaps", namespace: "elsewhere", name: "elsewhere" };
    this.put(ref, { kind: "ConfigMap", apiVersion: "v1", data: { at: this.resourceVersion } });
  }

  /** Forgets all history, as a compaction or a restart does: a watch that is opened at an older version gets 410. */
  compact(): void {
    this.#objects.compact();
  }

  /**
   * Sets everything back to what it was at this version, which no `compact()` may have passed, as a restored backup of
   * etcd does: versions count again from there, and open watches end.
   */
  restore(resourceVersion: string): void {
    this.#objects.restore(Number(resourceVersion));
    this.#watches.endAll();
  }

  /** Ends the open watches: as the server does, or with an error of the connection. */
  endWatches(error?: unknown): void {
    this.#watches.endAll(error);
  }

  /** The open watches stay open, and tell nothing more. */
  muteWatches(): void {
    this.#watches.muteAll();
  }

  /** Sends this to the open watches out of turn; `ERROR` ends them. */
  tellWatches(event: WatchEvent): void {
    this.#watches.tellAll(event);
  }
}
