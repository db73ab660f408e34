import { errorCode, isNotFound } from "../errors.ts";
import { LeaderElector } from "../election/leader-elector.ts";
import type { Leadership } from "../election/leadership.ts";
import type { KubernetesClient } from "../kubernetes/kubernetes-resources.ts";
import { LeaseLock } from "../kubernetes/lease-lock.ts";
import { listWatch } from "../kubernetes/list-watch.ts";
import { multiClusterLeaseKind, multiClusterLeaseNames } from "../kubernetes/multi-cluster-lease.ts";
import { Reflector } from "../kubernetes/reflector.ts";
import { identityKey, type Identity } from "../resources/identity.ts";
import { leaseKey } from "../storage/keys.ts";
import type { LeaseStorage } from "../storage/lease-storage.ts";
import { sleep, systemClock, type Clock } from "../system/clock.ts";
import { silentLogger, type Logger } from "../system/logger.ts";
import { systemRandom, type Random } from "../system/random.ts";
import { withDeadline } from "../system/signals.ts";
import { ControllerMetrics } from "./controller-metrics.ts";
import type { ControllerParts } from "./controller-parts.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import { LeaseSink } from "./lease-sink.ts";
import { resolveController, type ControllerSettings } from "./resolve-controller.ts";
import { WorkSlots } from "./work-slots.ts";

/** What a `MultiClusterLeaseController` is made of. */
export interface ControllerOptions {
  /** The cluster; not closed by the controller. */
  readonly client: KubernetesClient;
  /** The storage that all clusters share; not closed by the controller. */
  readonly storage: LeaseStorage;
  /** Durations, names and bounds; each has a default. */
  readonly settings?: ControllerSettings;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
}

/** How many calls of a kind are at work at once. */
const slots = 32;
/** The controller's own election: what a crash of the leading replica costs has to fit into its workloads' validity. */
const ownTiming = { leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryPeriodMs: 500 } as const;
const turnMs = 5_000;
/** So long after its last answer, the storage is asked for something. */
const pingMs = 10_000;

/**
 * The controller of one cluster: carries the signals of its MultiClusterLeases to the storage that all clusters share,
 * and shows there what became of them. Several replicas elect one that writes; the others watch, ready to go on.
 */
export class MultiClusterLeaseController {
  /** This replica's own election. */
  readonly elector: LeaderElector;
  readonly #parts: ControllerParts;
  readonly #keepers = new Map<string, LeaseKeeper>();
  readonly #reflectors: readonly Reflector[];
  #leadership: Leadership | undefined;
  readonly #pingKey: string;
  #turnedMs: number | undefined;
  #pingedMs: number | undefined;
  #stopping = false;

  /** @throws {InvalidSettingsError} with everything that is wrong. */
  constructor(options: ControllerOptions) {
    const { client, storage, clock = systemClock, random = systemRandom, logger = silentLogger } = options;
    const settings = resolveController(options.settings, storage);
    const { leaseNamespace: namespace, leaseName: name } = settings;
    const lock = new LeaseLock({ client, namespace, name, clock, random, logger, events: "off" });
    this.#pingKey = leaseKey(namespace, name);
    this.#parts = {
      ...{ client, storage, clock, random, logger, metrics: new ControllerMetrics() },
      ...{ group: settings.group, settings: settings.reconcile, pollIntervalMs: settings.pollIntervalMs },
      ...{ callTimeoutMs: settings.callTimeoutMs, instance: lock.identity },
      slots: { writes: new WorkSlots(slots), looks: new WorkSlots(slots), requests: new WorkSlots(slots) },
    };
    this.elector = new LeaderElector({
      ...{ lock, clock, random, logger, name: "tenure-controller", ...ownTiming },
      drainTimeoutMs: settings.drainTimeoutMs,
      callbacks: { onStartedLeading: (leadership) => this.#lead(leadership) },
      onError: (error, where) => logger.debug("the controller's own election", { where, code: errorCode(error) }),
    });
    this.#reflectors = settings.namespaces.map((one) => this.#reflector(one));
  }

  /** Whether this replica is the one that writes. */
  get isLeader(): boolean {
    return this.elector.isLeader();
  }

  /** How many MultiClusterLeases are kept. */
  get leaseCount(): number {
    return this.#keepers.size;
  }

  /** Whether all MultiClusterLeases were listed. */
  get isSynced(): boolean {
    return this.#reflectors.every(({ isSynced }) => isSynced);
  }

  /** When the loop turned last, by the monotonic clock. */
  get turnedMs(): number | undefined {
    return this.#turnedMs;
  }

  /** Whether an end was asked for. */
  get isStopping(): boolean {
    return this.#stopping;
  }

  /** When the storage answered last, for whichever lease; `undefined`: never. */
  get storageAnsweredMs(): number | undefined {
    let latest = this.#pingedMs ?? -Infinity;
    for (const { state } of this.#keepers.values()) latest = Math.max(latest, state.answeredMs ?? -Infinity);
    return Number.isFinite(latest) ? latest : undefined;
  }

  /**
   * Works until `signal` falls; then no new write begins, those under way end, and the own lease is released. The
   * locks of the workloads are not: they go on under another replica.
   */
  async run({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    const stop = new AbortController();
    const begin = (): void => void (this.#stopping = true);
    signal.addEventListener("abort", begin, { once: true });
    const turning = this.#turn(stop.signal);
    const following = this.#reflectors.map((reflector) => reflector.run({ signal: stop.signal }));
    try {
      await this.elector.run({ signal });
    } finally {
      signal.removeEventListener("abort", begin);
      stop.abort(new Error("the controller stops"));
      await Promise.all([turning, ...following]);
      for (const keeper of this.#keepers.values()) keeper.close();
      this.#keepers.clear();
    }
  }

  /** Prometheus' text format: the controller's own metrics. */
  metricsText(): string {
    const states = ["held", "free", "absent", "unreadable", "unknown"];
    for (const state of states) this.#parts.metrics.leases.set({ state }, 0);
    for (const { state } of this.#keepers.values())
      this.#parts.metrics.leases.add({ state: stateOf(state.known.global.record) });
    return this.#parts.metrics.text();
  }

  async #lead(leadership: Leadership): Promise<void> {
    this.#leadership = leadership;
    for (const keeper of this.#keepers.values()) keeper.lead(leadership);
    await ended(leadership.signal);
    this.#leadership = undefined;
    for (const keeper of this.#keepers.values()) keeper.follow();
  }

  #reflector(namespace: string): Reflector {
    const { client, clock, random, logger, group } = this.#parts;
    const sink = new LeaseSink({
      see: (identity, resource, found) => this.#keeper(identity)?.see(resource, found),
      gone: (identity) => this.#forget(identity),
    });
    return new Reflector({
      source: listWatch(client, multiClusterLeaseKind({ namespace, group })),
      ...{ sink, clock, random },
      settings: { kind: multiClusterLeaseNames.kind },
      onError: (error, where) => logger.debug("following MultiClusterLeases", { where, code: errorCode(error) }),
    });
  }

  #keeper(identity: Identity): LeaseKeeper | undefined {
    const key = identityKey(identity);
    const known = this.#keepers.get(key);
    if (known !== undefined) return known;
    const keeper = this.#created(identity);
    if (keeper === undefined) return undefined;
    this.#keepers.set(key, keeper);
    if (this.#leadership !== undefined) keeper.lead(this.#leadership);
    return keeper;
  }

  /** `undefined` for a name that no storage takes: it can have no lock. */
  #created(identity: Identity): LeaseKeeper | undefined {
    try {
      return new LeaseKeeper(identity, this.#parts);
    } catch (error) {
      if (errorCode(error) !== "INVALID_KEY") throw error;
      this.#parts.logger.error(String(error));
      return undefined;
    }
  }

  #forget(identity: Identity): void {
    const key = identityKey(identity);
    this.#keepers.get(key)?.close();
    this.#keepers.delete(key);
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    while (!signal.aborted) {
      this.#turnedMs = clock.monotonicMs();
      void this.#ping();
      await sleep(clock, turnMs, signal).catch(() => {}); // stopped: the loop ends
    }
  }

  /** Without leases, too, somebody has to know whether the storage answers. */
  async #ping(): Promise<void> {
    const { clock, storage, callTimeoutMs } = this.#parts;
    if (clock.monotonicMs() - (this.storageAnsweredMs ?? -Infinity) < pingMs) return;
    try {
      await withDeadline({ clock, timeoutMs: callTimeoutMs }, (signal) =>
        storage.readLease(this.#pingKey, { signal, timeoutMs: callTimeoutMs }),
      );
    } catch (error) {
      if (!isNotFound(error) && errorCode(error) !== "CORRUPT_DATA") return;
    }
    this.#pingedMs = clock.monotonicMs();
  }
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function stateOf(record: { readonly kind: string; readonly data?: { readonly holderIdentity: string } }): string {
  if (record.kind === "nothing") return "unknown";
  if (record.kind !== "record") return record.kind;
  return record.data?.holderIdentity === "" ? "free" : "held";
}
