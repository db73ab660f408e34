import { MultiClusterLeaseController, type ControllerOptions } from "../../src/controller/controller.ts";
import type { ControllerSettings } from "../../src/controller/resolve-controller.ts";
import type { KubernetesResource, ResourceRef } from "../../src/kubernetes/kubernetes-resources.ts";
import {
  multiClusterLeaseKind,
  readStatus,
  type MultiClusterLeaseStatus,
} from "../../src/kubernetes/multi-cluster-lease.ts";
import type { LeaseStorage } from "../../src/storage/lease-storage.ts";
import type { Clock } from "../../src/system/clock.ts";
import { microTime } from "../../src/system/micro-time.ts";
import { FakeKubernetes } from "../../src/testing/fake-kubernetes.ts";
import type { FakeKubernetesClient } from "../../src/testing/fake-kubernetes-client.ts";
import type { ManualClock } from "../../src/testing/manual-clock.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";

export const ref: ResourceRef = { ...multiClusterLeaseKind({ namespace: "default" }), name: "billing" };

/** One controller that runs, its connection, and what stops it. */
export interface Running {
  readonly controller: MultiClusterLeaseController;
  readonly client: FakeKubernetesClient;
  /** SIGTERM. */
  stop(): Promise<void>;
  /** SIGKILL: nothing that it does from now on reaches anybody. */
  kill(): void;
}

/** A cluster without servers: an API in memory, candidates by hand, controllers that are real. */
export class Cluster {
  readonly api: FakeKubernetes;
  readonly clock: ManualClock;
  readonly #ofHosts: Clock;
  #seed: number;
  #signals = 0;

  /** `aheadMs`: of the wall clock of its hosts. */
  constructor(clock: ManualClock, seed = 1, aheadMs = 0) {
    this.clock = clock;
    this.#ofHosts = {
      monotonicMs: () => clock.monotonicMs(),
      bootMs: () => clock.bootMs(),
      wallMs: () => clock.wallMs() + aheadMs,
      setTimer: (untilMs, run) => clock.setTimer(untilMs, run),
    };
    this.api = new FakeKubernetes({ clock, random: new SeededRandom(seed) });
    this.#seed = seed * 1_000;
  }

  /** Starts a replica of the controller. */
  start(storage: LeaseStorage, settings: ControllerSettings = {}, more: Partial<ControllerOptions> = {}): Running {
    const client = this.api.connect();
    const stopping = new AbortController();
    const random = new SeededRandom(++this.#seed);
    const controller = new MultiClusterLeaseController({
      client,
      storage,
      settings,
      clock: this.#ofHosts,
      random,
      ...more,
    });
    const running = controller.run({ signal: stopping.signal });
    return {
      ...{ controller, client },
      stop: async () => {
        stopping.abort(new Error("SIGTERM"));
        await this.clock.advance(12_000);
        await running;
      },
      kill: () => void client.close(),
    };
  }

  /** A signal of a candidate, as the lock sends it; returns its text. */
  signal(holderIdentity: string, more: object = {}, to: ResourceRef = ref): string {
    this.#signals += 1;
    const renewTime = microTime(this.#ofHosts.wallMs() * 1000 + this.#signals);
    const durations = { leaseDurationSeconds: 15, renewDeadlineSeconds: 10, retryPeriodSeconds: 2 };
    this.write({ holderIdentity, renewTime, ...durations, ...more }, to);
    return renewTime;
  }

  /** A release, as the lock sends it. */
  release(holderIdentity: string, more: object = {}): void {
    this.write({ holderIdentity, leaseDurationSeconds: 15, renewDeadlineSeconds: 10, retryPeriodSeconds: 2, ...more });
  }

  write(spec: object, to: ResourceRef = ref): void {
    const stored = this.api.stored(to);
    const kind = { apiVersion: `${to.group}/${to.version}`, kind: "MultiClusterLease" };
    const metadata = { ...stored?.metadata, name: to.name, namespace: to.namespace };
    this.api.put(to, { ...kind, ...stored, metadata, spec });
  }

  /** As kubectl delete does: what has a finalizer only gets a date. */
  delete(): void {
    const stored = this.stored;
    const { finalizers } = Object(stored?.metadata) as { finalizers?: readonly string[] };
    if (stored === undefined) return;
    if (finalizers === undefined || finalizers.length === 0) return this.api.remove(ref);
    const metadata = { ...stored.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" };
    const generation = Number(stored.metadata?.["generation"] ?? 0) + 1;
    this.api.put(ref, { ...stored, metadata: { ...metadata, generation } });
  }

  /** Whether no finalizer of ours holds it any more. */
  get isGone(): boolean {
    const finalizers: unknown = this.stored?.metadata?.["finalizers"];
    return this.stored === undefined || !Array.isArray(finalizers) || finalizers.length === 0;
  }

  get stored(): KubernetesResource | undefined {
    return this.api.stored(ref);
  }

  get status(): MultiClusterLeaseStatus {
    return this.statusOf(ref);
  }

  statusOf(of: ResourceRef): MultiClusterLeaseStatus {
    const read = readStatus(this.api.stored(of) ?? {});
    return "status" in read ? read.status : { globalHolderIdentity: "unreadable", conditions: [] };
  }

  condition(type: string): string | undefined {
    const found = this.status.conditions.find((condition) => condition.type === type);
    return found && `${found.status} ${found.reason}`;
  }

  /** Until the status confirms the signal. */
  async confirmed(holder: string, renewTime: string, withinMs = 10_000): Promise<number> {
    return this.clock.advanceUntil(
      () => this.status.globalHolderIdentity === holder && this.status.globalRenewTime === renewTime,
      withinMs,
    );
  }
}
