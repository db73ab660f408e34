import type { CallOptions } from "../storage/versioned-storage.ts";

/** A resource as the server has it: raw JSON, so that unknown fields pass unchanged from a read to a write. */
export interface KubernetesResource {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: ResourceMetadata;
  readonly [field: string]: unknown;
}

/** What the server keeps beside each resource. */
export interface ResourceMetadata {
  readonly name?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

/** Which resources: `coordination.k8s.io`, `v1`, `leases`. */
export interface ResourceKind {
  /** `""` for the core group. */
  readonly group: string;
  readonly version: string;
  /** As in URLs, in the plural. */
  readonly plural: string;
  readonly namespace: string;
}

/** One of them. */
export interface ResourceRef extends ResourceKind {
  readonly name: string;
}

/** What became of a conditional write; trouble is thrown. */
export type WriteAnswer =
  { readonly written: true; readonly resource: KubernetesResource } | { readonly written: false };

/** Which part of a list. */
export interface ListQuery {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: "Exact" | "NotOlderThan";
}

/** How a list is asked for. */
export interface ListCallOptions extends CallOptions {
  /** Whether it is asked again, inside its deadline, while it is unavailable; default true. */
  readonly repeats?: boolean;
}

/** One page of a list. */
export interface ResourcePage<T extends object = KubernetesResource> {
  /** Those of built-in kinds carry neither `kind` nor `apiVersion`; the list does. */
  readonly items: readonly T[];
  /** Of the list: `LeaseList`. */
  readonly kind?: string | undefined;
  readonly apiVersion?: string | undefined;
  readonly resourceVersion: string;
  /** Asks for the next page; `undefined` on the last. */
  readonly continue: string | undefined;
}

/** What is watched, and from where on. */
export interface WatchQuery {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Absent: the state comes first, as `ADDED`. */
  readonly resourceVersion?: string;
  readonly allowWatchBookmarks?: boolean;
  readonly timeoutSeconds?: number;
  /**
   * A streaming list: the state comes first, as `ADDED`, and ends with a bookmark that has the annotation
   * `k8s.io/initial-events-end`. It wants bookmarks, and `resourceVersionMatch: "NotOlderThan"`.
   */
  readonly sendInitialEvents?: boolean;
  readonly resourceVersionMatch?: "Exact" | "NotOlderThan";
}

/** How a watch is opened. */
export interface WatchOptions {
  /** Ends it, without an error; its connection is destroyed. */
  readonly signal: AbortSignal;
  /** Hears of each line that was left out because nobody knows its type. */
  readonly onSkipped?: () => void;
}

/** One line of a watch. */
export interface WatchEvent<T extends object = KubernetesResource> {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  /** Of `ERROR`: a `Status`. */
  readonly object: T;
}

/**
 * Everything that is asked of a cluster. Calls have a deadline, writes are sent once, and trouble is thrown as errors
 * of ours whose `applied` says whether a write may have happened.
 */
export interface KubernetesClient extends AsyncDisposable {
  /** For people; holds no secret. */
  readonly description: string;
  /** `undefined`: a 404 of this very resource. */
  read(ref: ResourceRef, options?: CallOptions): Promise<KubernetesResource | undefined>;
  create(kind: ResourceKind, body: KubernetesResource, options?: CallOptions): Promise<WriteAnswer>;
  /** `body` carries uid and resourceVersion. */
  replace(ref: ResourceRef, body: KubernetesResource, options?: CallOptions): Promise<WriteAnswer>;
  /** A JSON merge patch. */
  patch(
    ref: ResourceRef,
    merge: object,
    options?: CallOptions & { readonly subresource?: "status" },
  ): Promise<WriteAnswer>;
  list(kind: ResourceKind, query: ListQuery, options?: ListCallOptions): Promise<ResourcePage>;
  /** Ends when the server ends it, or when `signal` falls; re-opening is the caller's. */
  watch(kind: ResourceKind, query: WatchQuery, options: WatchOptions): AsyncIterable<WatchEvent>;
  /** Ends what it started itself; twice is fine. */
  close(): Promise<void>;
}
