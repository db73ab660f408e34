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
export type { Identity } from "../resources/identity.ts";
export type { FollowReason } from "./follow-step.ts";
export type {
  KubernetesClient,
  KubernetesResource,
  ListCallOptions,
  ListQuery,
  ResourceKind,
  ResourceMetadata,
  ResourcePage,
  ResourceRef,
  WatchEvent,
  WatchOptions,
  WatchQuery,
  WriteAnswer,
} from "./kubernetes-resources.ts";
export { LeaseLock, type LeaseLockOptions } from "./lease-lock.ts";
export { MultiClusterLeaseLock } from "./multi-cluster-lease-lock.ts";
export type { MultiClusterLeaseLockOptions } from "./multi-cluster-lease-options.ts";
export type { SignalOutcome } from "./signal-calls.ts";
export { listWatch, type ListWatch, type ListWatchSelectors } from "./list-watch.ts";
export { Reflector, type ReflectorOptions, type ReflectorPlace } from "./reflector.ts";
export type { ReflectorCounts, SkipReason } from "./reflector-counts.ts";
export type { ReflectorSettings } from "./reflector-settings.ts";
export type {
  KnownResource,
  ReflectedAt,
  ReflectedChange,
  ReflectorSink,
  Replacement,
  ReplacementEnd,
} from "./reflector-sink.ts";
export { SingleWatcher, type SingleWatcherKind, type SingleWatcherOptions } from "./single-watcher.ts";
