import type {
  KubernetesClient,
  ListCallOptions,
  ListQuery,
  ResourceKind,
  ResourcePage,
  KubernetesResource,
  WatchEvent,
  WatchOptions,
  WatchQuery,
} from "./kubernetes-resources.ts";

/** Where a `Reflector` reads: one kind of resources, or a part of them. */
export interface ListWatch<T extends object = KubernetesResource> {
  list(query: ListQuery, options?: ListCallOptions): Promise<ResourcePage<T>>;
  /** Ends when the server ends it, without an error when `signal` falls, and then lets go of its connection. */
  watch(query: WatchQuery, options: WatchOptions): AsyncIterable<WatchEvent<T>>;
}

/** Which part of a kind is followed. */
export interface ListWatchSelectors {
  readonly labelSelector?: string | undefined;
  /** `metadata.name=billing`: then a right that is limited by `resourceNames` is enough. */
  readonly fieldSelector?: string | undefined;
}

/** Follows one kind over a client; `""` as its namespace is every namespace. */
export function listWatch<T extends object = KubernetesResource>(
  client: Pick<KubernetesClient, "list" | "watch">,
  kind: ResourceKind,
  { labelSelector, fieldSelector }: ListWatchSelectors = {},
): ListWatch<T> {
  const selectors = {
    ...(labelSelector !== undefined && { labelSelector }),
    ...(fieldSelector !== undefined && { fieldSelector }),
  };
  return {
    async list(query: ListQuery, options?: ListCallOptions): Promise<ResourcePage<T>> {
      const page = await client.list(kind, { ...selectors, ...query }, options);
      return page as ResourcePage<T>; // cast: the caller says what this kind is; its head is looked at where it is used
    },
    watch(query: WatchQuery, options: WatchOptions): AsyncIterable<WatchEvent<T>> {
      const events = client.watch(kind, { ...selectors, ...query }, options);
      return events as AsyncIterable<WatchEvent<T>>; // cast: as above
    },
  };
}
