import type { KubernetesClient, KubernetesResource, ResourceRef } from "../../src/kubernetes/kubernetes-resources.ts";
import { parseWireTime } from "../../src/kubernetes/micro-time.ts";
import type { Clock } from "../../src/system/clock.ts";
import { microTime } from "../../src/system/micro-time.ts";
import { followLease } from "./follow-lease.ts";

/** The object in the bucket of gke-labs/multicluster-leader-election, which its controllers share. */
export interface GoBucket {
  record: { holderIdentity: string; renewMs: number; leaseTransitions: number } | undefined;
  /** What it answers with, if it is down. */
  trouble: string | undefined;
}

/** What a `GoController` takes. */
export interface GoControllerOptions {
  readonly client: KubernetesClient;
  readonly ref: ResourceRef;
  readonly clock: Clock;
  readonly bucket: GoBucket;
  readonly signal: AbortSignal;
  /** How far its wall clock is ahead. */
  readonly aheadMs?: number;
}

type Fields = Readonly<Record<string, unknown>>;

const finalizer = "multiclusterlease.core.cnrm.cloud.google.com/finalizer";

/** What one try at the bucket brought: what the status shows of it, and the error. */
interface Attempt {
  readonly info?: { readonly holder?: string; readonly renewMs?: number; readonly transitions?: number };
  readonly error?: string;
}

/**
 * A double of the controller of gke-labs/multicluster-leader-election (1ae5cb1), written from its recorded behaviour,
 * with its flaws: it compares wall clocks, waits the duration of the challenger, renews a dead candidate for two
 * leases, stamps whole seconds of its own clock, takes a holder away without freeing the lease when a signal is taken
 * back, keeps the term where it takes over a free record, and never releases.
 */
export class GoController {
  readonly #options: GoControllerOptions;
  #seen = "";
  #latest: KubernetesResource | undefined;
  #cancel = (): void => {};
  #busy: Promise<void> = Promise.resolve();

  constructor(options: GoControllerOptions) {
    this.#options = options;
    options.signal.addEventListener("abort", () => this.#cancel(), { once: true });
    void followLease(options, (object, change) => this.#hear(object, change === "DELETED"));
  }

  #hear(object: KubernetesResource, isGone: boolean): void {
    this.#latest = isGone ? undefined : object;
    // It hears of new generations only.
    const { uid = "", generation } = object.metadata ?? {};
    const seen = `${uid}/${String(generation)}`;
    if (isGone || seen === this.#seen) return;
    this.#seen = seen;
    this.#enqueue();
  }

  #enqueue(): void {
    this.#cancel();
    this.#busy = this.#busy.then(async () => {
      const again = await this.#reconcile().catch(() => 0); // a conflict: at once, with a back-off
      if (again === undefined || this.#options.signal.aborted) return;
      this.#cancel();
      const { clock } = this.#options;
      const untilMs = clock.monotonicMs() + (again === 0 ? 5 : again * 1000);
      this.#cancel = clock.setTimer(untilMs, () => this.#enqueue());
    });
  }

  /** Seconds until the next round; `undefined`: only a change wakes it. */
  async #reconcile(): Promise<number | undefined> {
    const { client, ref } = this.#options;
    const lease = this.#latest;
    if (lease === undefined) return undefined;
    const { uid, resourceVersion, finalizers, deletionTimestamp } = lease.metadata ?? {};
    const list: readonly unknown[] = Array.isArray(finalizers) ? finalizers : [];
    const set = async (changed: readonly unknown[]): Promise<void> => {
      const answer = await client.patch(ref, { metadata: { uid, resourceVersion, finalizers: changed } });
      if (!answer.written) throw new Error("conflict");
      this.#latest = answer.resource;
    };
    if (deletionTimestamp !== undefined) {
      await set(list.filter((name) => name !== finalizer));
      return undefined;
    }
    if (!list.includes(finalizer)) await set([...list, finalizer]);
    const spec = Object(lease["spec"]) as Fields; // cast: an object
    if (typeof spec["holderIdentity"] !== "string" || spec["holderIdentity"] === "") return undefined;
    await this.#tell(spec, this.#acquireOrRenew(spec, spec["holderIdentity"]));
    const period = spec["retryPeriodSeconds"];
    return period === 0 ? undefined : Number(period ?? 10);
  }

  #acquireOrRenew(spec: Fields, identity: string): Attempt {
    const { bucket } = this.#options;
    const nowMs = this.#wallMs();
    if (typeof spec["renewTime"] !== "string") return { info: {}, error: "candidate has no renew time" };
    const { second = 0, nanosecond = 0 } = parseWireTime(spec["renewTime"]) ?? {};
    const seconds = Number(spec["leaseDurationSeconds"]);
    const stale = nowMs - (second * 1000 + nanosecond / 1e6) > (Number.isNaN(seconds) ? 30 : 2 * seconds) * 1000;
    if (bucket.trouble !== undefined) return { error: `failed to read lease from GCS: ${bucket.trouble}` };
    const { record } = bucket;
    if (stale) {
      const error = "candidate lease is stale";
      return record === undefined ? { error: "failed to read lease" } : { info: told(record), error };
    }
    if (record === undefined) bucket.record = { holderIdentity: identity, renewMs: nowMs, leaseTransitions: 1 };
    else if (record.holderIdentity === identity || nowMs - record.renewMs > seconds * 1000) {
      const changes = record.holderIdentity !== identity && record.holderIdentity !== "";
      const leaseTransitions = record.leaseTransitions + (changes ? 1 : 0);
      bucket.record = { holderIdentity: identity, renewMs: nowMs, leaseTransitions };
    }
    return bucket.record === undefined ? {} : { info: told(bucket.record) };
  }

  async #tell(spec: Fields, { info, error }: Attempt): Promise<void> {
    const { client, ref } = this.#options;
    const lease = this.#latest ?? {};
    const before = Object(lease["status"]) as Fields; // cast: an object
    const generation = lease.metadata?.["generation"];
    const at = this.#seconds(this.#wallMs());
    const state = (type: string, status: string, reason: string, message: string): Fields => {
      const known: readonly Fields[] = Object(before["conditions"] ?? []) as readonly Fields[]; // cast: as we wrote it
      const old = known.find((condition) => condition["type"] === type);
      const lastTransitionTime = old?.["status"] === status ? old["lastTransitionTime"] : at;
      return { type, status, reason, message, lastTransitionTime, observedGeneration: generation };
    };
    const sick = `failed to communicate with backend: ${error ?? ""}`;
    const health =
      error === undefined
        ? state("BackendHealthy", "True", "BackendHealthy", "successfully communicated with backend")
        : state("BackendHealthy", "False", "BackendError", sick);
    const others = (Object(before["conditions"] ?? []) as readonly Fields[]).filter(
      (one) => one["type"] !== "BackendHealthy",
    ); // cast: as we wrote it
    const acquired = state("LockAcquiredInBackend", "True", "LockAcquired", `Lock is held by ${info?.holder ?? ""}`);
    const conditions = error === undefined ? [health, acquired] : [health, ...others];
    const told = info === undefined ? {} : { observedGeneration: generation, ...this.#global(spec, info) };
    const { resourceVersion } = lease.metadata ?? {};
    const merge = { metadata: { resourceVersion }, status: { ...told, conditions } };
    const answer = await client.patch(ref, merge, { subresource: "status" });
    if (!answer.written) throw new Error("conflict");
    this.#latest = answer.resource;
  }

  #global(spec: Fields, { holder, renewMs, transitions }: NonNullable<Attempt["info"]>): Fields {
    return {
      globalHolderIdentity: holder ?? null,
      globalRenewTime: renewMs === undefined ? null : this.#seconds(renewMs),
      ...(spec["leaseDurationSeconds"] !== undefined && { globalLeaseDurationSeconds: spec["leaseDurationSeconds"] }),
      ...(transitions !== undefined && { globalLeaseTransitions: transitions }),
    };
  }

  #wallMs(): number {
    return this.#options.clock.wallMs() + (this.#options.aheadMs ?? 0);
  }

  #seconds(ms: number): string {
    return `${microTime(ms * 1000).slice(0, 19)}Z`;
  }
}

function told(record: NonNullable<GoBucket["record"]>): NonNullable<Attempt["info"]> {
  return { holder: record.holderIdentity, renewMs: record.renewMs, transitions: record.leaseTransitions };
}
