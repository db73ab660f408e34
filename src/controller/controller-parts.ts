import type { KubernetesClient } from "../kubernetes/kubernetes-resources.ts";
import type { LeaseStorage } from "../storage/lease-storage.ts";
import type { Clock } from "../system/clock.ts";
import type { Logger } from "../system/logger.ts";
import type { Random } from "../system/random.ts";
import type { ControllerMetrics } from "./controller-metrics.ts";
import type { ReconcileSettings } from "./lease-view.ts";
import type { WorkSlots } from "./work-slots.ts";

/** Whatever may be written only while this replica leads: the check, the call, and the check again. */
export type Guard = <T>(step: () => Promise<T>) => Promise<T>;

/** What all leases of a controller share. */
export interface ControllerParts {
  readonly storage: LeaseStorage;
  readonly client: KubernetesClient;
  /** The API group of the resource. */
  readonly group: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: ControllerMetrics;
  readonly settings: ReconcileSettings;
  /** Between two looks at the storage where nothing is pushed. */
  readonly pollIntervalMs: number;
  /** The deadline of one call. */
  readonly callTimeoutMs: number;
  /** Who tells events. */
  readonly instance: string;
  /** Writes to the storage; looks at it; requests to the cluster: one that hangs delays its own lease only. */
  readonly slots: { readonly writes: WorkSlots; readonly looks: WorkSlots; readonly requests: WorkSlots };
}
