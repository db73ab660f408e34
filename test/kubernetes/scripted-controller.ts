import {
  conditionOf,
  defaultGroup,
  finalizerOf,
  readStatus,
  type MultiClusterLeaseSpec,
} from "../../src/kubernetes/multi-cluster-lease.ts";
import type { KubernetesClient, KubernetesResource, ResourceRef } from "../../src/kubernetes/kubernetes-resources.ts";
import type { Clock } from "../../src/system/clock.ts";
import { microTime } from "../../src/system/micro-time.ts";
import { followLease } from "./follow-lease.ts";

/** What a `GlobalLease` holds. */
export interface GlobalRecord {
  readonly holder: string;
  readonly renewTime: string;
  readonly acquireTime: string;
  readonly seconds: number;
  readonly term: number;
}

/** The storage record that the controllers of all clusters share. */
export class GlobalLease {
  record: GlobalRecord | undefined;
  highestTerm = 0;
  changedMs = 0;
  readonly writes: GlobalRecord[] = [];
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isExpired(): boolean {
    return this.#clock.monotonicMs() - this.changedMs >= (this.record?.seconds ?? 0) * 1000;
  }

  write(record: GlobalRecord): void {
    this.record = record;
    this.highestTerm = Math.max(this.highestTerm, record.term);
    this.changedMs = this.#clock.monotonicMs();
    this.writes.push(record);
    for (const hear of [...this.#listeners]) hear();
  }

  listen(hear: () => void): void {
    this.#listeners.add(hear);
  }
}

/** What a `ScriptedController` takes. */
export interface ScriptedControllerOptions {
  readonly client: KubernetesClient;
  readonly ref: ResourceRef;
  readonly clock: Clock;
  readonly global: GlobalLease;
  readonly signal: AbortSignal;
}

/** What its storage says beside what it holds. */
const healthy = { type: "BackendHealthy", status: "True", reason: "BackendHealthy", message: "" } as const;

/**
 * A controller as our locks expect it, on one storage record in memory: it carries each signal there, frees what is
 * released, and writes the status. A test may make it silent, slow, sick or blind.
 */
export class ScriptedController {
  /** Does nothing at all. */
  silent = false;
  /** So long after a signal, or after a change in its storage, it hears of that. */
  delayMs = 0;
  /** Gives the lease to whoever asks, as a storage does that knows no leases. */
  yields = false;
  /** What is wrong with its storage. */
  trouble: string | undefined;
  readonly #options: ScriptedControllerOptions;
  #latest: KubernetesResource | undefined;
  #handled = "";
  #working = false;
  #again = false;

  constructor(options: ScriptedControllerOptions) {
    this.#options = options;
    options.global.listen(() => this.#later(() => void this.look()));
    void followLease(options, (object, change) =>
      this.#later(() => {
        this.#latest = change === "DELETED" ? undefined : object;
        void this.look();
      }),
    );
  }

  #later(run: () => void): void {
    const { clock } = this.#options;
    if (this.delayMs === 0) run();
    else clock.setTimer(clock.monotonicMs() + this.delayMs, run);
  }

  /** Works on what is there; once more if something came meanwhile. */
  async look(): Promise<void> {
    this.#again = true;
    if (this.#working) return;
    this.#working = true;
    while (this.#again && !this.#options.signal.aborted) {
      this.#again = false;
      await this.#reconcile().catch(() => {}); // a write of the candidate came first: its event comes, too
    }
    this.#working = false;
  }

  async #reconcile(): Promise<void> {
    const lease = this.#latest;
    if (this.silent || lease === undefined || (await this.#finalize(lease))) return;
    const spec = Object(lease["spec"]) as Partial<MultiClusterLeaseSpec>; // cast: as candidates of these tests write it
    if (this.trouble !== undefined) return await this.#tell(lease);
    const { holderIdentity: holder = "", renewTime, leaseDurationSeconds = 15, leaseTransitions: asked } = spec;
    const text = JSON.stringify([holder, renewTime]);
    if (holder !== "" && text !== this.#handled) {
      this.#handled = text;
      if (renewTime === undefined) this.#free(holder, asked);
      else this.#carry({ holder, renewTime, acquireTime: renewTime, seconds: leaseDurationSeconds, term: asked ?? 0 });
    }
    await this.#tell(lease);
  }

  #free(holder: string, asked: number | undefined): void {
    const { global } = this.#options;
    const { record } = global;
    if (record?.holder !== holder || (asked !== undefined && asked !== record.term)) return;
    global.write({
      ...record,
      holder: "",
      renewTime: "1970-01-01T00:00:00.000000Z",
      seconds: 1,
      term: record.term + 1,
    });
  }

  #carry(signal: GlobalRecord): void {
    const { global } = this.#options;
    const { record, highestTerm } = global;
    if (record?.holder === signal.holder) {
      if (signal.term > record.term) return global.write(signal);
      if (signal.term !== 0 && signal.term < record.term) return;
      const { acquireTime, term } = record;
      return global.write({ ...signal, acquireTime, term });
    }
    if (signal.term !== 0 && signal.term <= highestTerm) return; // it has to ask anew
    if (record !== undefined && record.holder !== "" && !global.isExpired && !this.yields) return;
    global.write({ ...signal, term: signal.term === 0 ? highestTerm + 1 : signal.term });
  }

  /** Sets the finalizer, or takes it away; whether that was to be done first. */
  async #finalize(lease: KubernetesResource): Promise<boolean> {
    const { client, ref, global } = this.#options;
    const { finalizers, deletionTimestamp, uid, resourceVersion } = lease.metadata ?? {};
    const own = finalizerOf(ref.group);
    const list: readonly unknown[] = Array.isArray(finalizers) ? finalizers : [];
    const set = async (changed: readonly unknown[]): Promise<void> =>
      void (await client.patch(ref, { metadata: { uid, resourceVersion, finalizers: changed } }));
    if (deletionTimestamp === undefined) {
      if (!list.includes(own)) await set([...list, own]);
      return !list.includes(own);
    }
    const spec = Object(lease["spec"]) as Partial<MultiClusterLeaseSpec>; // cast: as candidates of these tests write it
    const { record } = global;
    const held = record !== undefined && record.holder !== "" && record.holder === spec.holderIdentity;
    if (held && spec.renewTime === undefined) this.#free(record.holder, undefined);
    if (!held || spec.renewTime === undefined) await set(list.filter((name) => name !== own));
    return true;
  }

  async #tell(lease: KubernetesResource): Promise<void> {
    const { client, ref, global, clock } = this.#options;
    const { record } = global;
    const at = `${microTime(clock.wallMs() * 1000).slice(0, 19)}Z`;
    const observedGeneration = lease.metadata?.["generation"];
    const stamp = { lastTransitionTime: at, observedGeneration };
    const sick = { ...healthy, status: "False", reason: "BackendError", message: this.trouble };
    const acquired = { type: "LockAcquiredInBackend", message: "" };
    const isFree = record === undefined || record.holder === "";
    const state = isFree ? ["False", "LockReleased"] : ["True", "LockAcquired"];
    const expired = !isFree && global.isExpired ? ["False", "LeaseExpired"] : state;
    const before = readStatus(lease);
    const was = "status" in before ? before.status.observedGeneration : undefined;
    const known = {
      globalHolderIdentity: isFree ? null : record.holder,
      globalRenewTime: record?.renewTime ?? null,
      globalAcquireTime: record?.acquireTime ?? null,
      globalLeaseDurationSeconds: record?.seconds ?? null,
      globalLeaseTransitions: global.highestTerm === 0 ? null : global.highestTerm,
    };
    const conditions = [
      { ...(this.trouble === undefined ? healthy : sick), ...stamp },
      { ...acquired, status: expired[0], reason: expired[1], ...stamp },
    ];
    const status = { observedGeneration: this.trouble === undefined ? observedGeneration : was, ...known, conditions };
    if (JSON.stringify(plain(lease["status"])) === JSON.stringify(plain(status))) return;
    const answer = await client.patch(ref, { status }, { subresource: "status" }); // nobody else writes it
    // What it shows beside the status has its delay, too.
    if (answer.written && this.delayMs === 0 && this.#latest === lease) this.#latest = answer.resource;
  }
}

/** What matters of a status: without the moments of its conditions. */
function plain(status: unknown): unknown {
  const fields = Object.entries(Object(status)).filter(([name, value]) => value !== null && name !== "conditions");
  const conditions: readonly object[] = Object(status).conditions ?? [];
  const states = conditions.map((one) => [
    Reflect.get(one, "status"),
    Reflect.get(one, "reason"),
    Reflect.get(one, "message"),
  ]);
  return [fields.sort(([first], [second]) => (first < second ? -1 : 1)), states];
}

/** The place of these tests. */
export function leaseRef(name = "billing"): ResourceRef {
  return { group: defaultGroup, version: "v1alpha1", plural: "multiclusterleases", namespace: "default", name };
}

/** A condition of a stored lease, for assertions. */
export function storedCondition(lease: KubernetesResource | undefined, type: string): string | undefined {
  const read = readStatus(lease ?? {});
  return "status" in read ? conditionOf(read.status, type)?.reason : undefined;
}
