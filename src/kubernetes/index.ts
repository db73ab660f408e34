export {
  fromCustomObjectsApi,
  type CustomBody,
  type CustomKindRequest,
  type CustomListQuery,
  type CustomObjectRequest,
  type CustomObjectsApiLike,
  type CustomObjectsOptions,
} from "./custom-objects-api.ts";
export type { WatchLike, WatchQueryOptions } from "./custom-objects-watch.ts";
export type { EventsApi } from "./events.ts";
export type { KubeConfigPackage } from "./kube-config.ts";
export { openKubernetesClient, type KubernetesClientOptions } from "./kubernetes-client.ts";
export type { KubeCluster, KubeConfigLike, KubeRequestOptions } from "./kubernetes-credentials.ts";
export type {
  KubernetesClient,
  KubernetesResource,
  ListQuery,
  ResourceKind,
  ResourceMetadata,
  ResourcePage,
  ResourceRef,
  WatchEvent,
  WatchQuery,
  WriteAnswer,
} from "./kubernetes-resources.ts";
export { LeaseLock, type LeaseLockOptions } from "./lease-lock.ts";
export { MultiClusterLeaseLock } from "./multi-cluster-lease-lock.ts";
export type { MultiClusterLeaseLockOptions } from "./multi-cluster-lease-options.ts";
export type { SignalOutcome } from "./signal-calls.ts";
