import { finalizerOf, defaultGroup } from "../../src/kubernetes/multi-cluster-lease.ts";
import {
  receiveAbsence,
  receiveFailure,
  receiveLease,
  receiveUnreadable,
  unknownLease,
  type KnownLease,
} from "../../src/controller/global-view.ts";
import { noteLease } from "../../src/controller/lease-memory.ts";
import type { LeaseView, ReconcileSettings } from "../../src/controller/lease-view.ts";
import type { Plan } from "../../src/controller/plan.ts";
import { readLeaseView } from "../../src/controller/read-lease-view.ts";
import { reconcile } from "../../src/controller/reconcile.ts";
import type { LeaseData } from "../../src/storage/lease-storage.ts";
import { microTime } from "../../src/system/micro-time.ts";

export const settings: ReconcileSettings = {
  holderGraceMs: 0,
  goLeaseDurationMs: 15_000,
  maxHonouredLeaseMs: 3_600_000,
  absenceGapMs: 6_000,
};

const wallMs = Date.UTC(2026, 10, 21, 12);

/** A signal's text, by the wall clock of its candidate, so many milliseconds after noon. */
export function at(ms: number): string {
  return microTime((wallMs + ms) * 1000);
}

/** What a candidate writes, 15/10/2 s unless said otherwise. */
export function spec(holderIdentity: string, renewTime: string | undefined, more: object = {}): object {
  return {
    holderIdentity,
    ...(renewTime !== undefined && { renewTime }),
    ...{ leaseDurationSeconds: 15, renewDeadlineSeconds: 10, retryPeriodSeconds: 2, ...more },
  };
}

/** What our controllers store. */
export function record(holderIdentity: string, renewTime: string, more: Partial<LeaseData> = {}): LeaseData {
  const held = { acquireTime: renewTime, leaseDurationSeconds: 15, leaseTransitions: 3 };
  return { holderIdentity, renewTime, ...held, ...more };
}

/** One lease as a controller receives it, without a controller: events and answers are folded, plans are asked for. */
export class Scene {
  nowMs = 1_000_000;
  /** Drawn with each pair. */
  share = 0;
  known: KnownLease = unknownLease(this.nowMs - 60_000);
  settings: ReconcileSettings = settings;
  view: LeaseView | undefined;
  #resource: Record<string, unknown> = {};
  #generation = 0;
  #version = 0;
  #records = 0;

  /** The MultiClusterLease with this spec is told. */
  told(
    leaseSpec: object,
    more: { found?: boolean; finalizer?: boolean; deleting?: boolean; status?: object } = {},
  ): this {
    this.#generation += 1;
    const { finalizer = true, deleting = false, status = this.#resource["status"] } = more;
    this.#resource = {
      metadata: {
        ...{ name: "billing", namespace: "default", uid: "u1", generation: this.#generation },
        finalizers: ["others/finalizer", ...(finalizer ? [finalizerOf(defaultGroup)] : [])],
        ...(deleting && { deletionTimestamp: "2026-11-21T12:00:00Z" }),
      },
      spec: leaseSpec,
      ...(status !== undefined && { status }),
    };
    return this.#note(more.found ?? false);
  }

  /** The spec stays, and so does its generation: an edit of labels, or a status. */
  repeated(status?: object): this {
    if (status !== undefined) this.#resource = { ...this.#resource, status };
    return this.#note(false);
  }

  stored(data: LeaseData, generation: string = `g${++this.#records}`): this {
    this.known = receiveLease(this.known, { data, generation }, this.#receipt());
    return this;
  }

  absent(): this {
    this.known = receiveAbsence(this.known, this.#receipt());
    return this;
  }

  unreadable(problem = "it is no lease"): this {
    this.known = receiveUnreadable(this.known, problem);
    return this;
  }

  fails(retryAfterMs = 5_000, unknown = false): this {
    const retryAtMs = this.nowMs + retryAfterMs;
    this.known = receiveFailure(this.known, new Error("no"), { nowMs: this.nowMs, retryAtMs, unknown });
    return this;
  }

  /** Has to be read again before anything is written. */
  stale(): this {
    this.known = { ...this.known, global: { ...this.known.global, stale: true } };
    return this;
  }

  notBefore(inMs: number): this {
    this.known = { ...this.known, global: { ...this.known.global, notBeforeMs: this.nowMs + inMs } };
    return this;
  }

  passes(ms: number): this {
    this.nowMs += ms;
    return this;
  }

  /** What is decided once the resource was read, where the first plan wants that. */
  plan(): Plan {
    const first = this.firstPlan();
    return first.look === true ? this.looked().firstPlan() : first;
  }

  firstPlan(): Plan {
    const { nowMs, view } = this;
    return reconcile({ nowMs, wallMs: wallMs + nowMs, cluster: view, ...this.known }, this.settings);
  }

  /** The resource is read, and shows what was told last. */
  looked(): this {
    const looked = { sentMs: this.nowMs, receivedMs: this.nowMs };
    this.known = { ...this.known, memory: { ...this.known.memory, looked } };
    return this;
  }

  /** Carries out what a plan says, as a controller would, with every outcome known. */
  carryOut(plan: Plan): this {
    if (plan.memory !== undefined) this.known = { ...this.known, memory: plan.memory };
    const { write, status } = plan;
    if (write !== undefined) {
      const { holderIdentity: identity, renewTime } = write.data;
      const answered = Math.max(this.known.memory.answered, write.answers);
      this.stored(write.data);
      const written = identity === "" ? this.known.memory.written : { identity, renewTime };
      this.known = { ...this.known, memory: { ...this.known.memory, answered, written } };
    }
    if (status !== undefined) this.repeated(status.status);
    if (plan.finalizer !== undefined) this.#finalizer(plan.finalizer === "add");
    return this;
  }

  /** Plans and carries out until nothing is left to do now. */
  settle(): Plan[] {
    const plans: Plan[] = [];
    for (let plan = this.plan(); plans.length < 10; plan = this.plan()) {
      plans.push(plan);
      this.carryOut(plan);
      if (plan.write === undefined && plan.status === undefined && plan.finalizer === undefined) return plans;
      if (plan.finalizer === "remove" || plan.memory === undefined) return plans;
    }
    throw new Error("the plans do not come to an end");
  }

  get status(): LeaseView["status"] {
    return this.view?.status ?? { globalHolderIdentity: "", conditions: [] };
  }

  /** `True BackendHealthy`, say. */
  condition(type: string): string | undefined {
    const found = this.status.conditions.find((condition) => condition.type === type);
    return found && `${found.status} ${found.reason}`;
  }

  #finalizer(present: boolean): void {
    const others = ["others/finalizer", ...(present ? [finalizerOf(defaultGroup)] : [])];
    const metadata = { ...Object(this.#resource["metadata"]), finalizers: others };
    this.#resource = { ...this.#resource, metadata };
    this.#note(false);
  }

  #note(found: boolean): this {
    this.#version += 1;
    const metadata = { ...Object(this.#resource["metadata"]), resourceVersion: String(this.#version) };
    this.view = readLeaseView({ ...this.#resource, metadata }, defaultGroup);
    if (this.view === undefined) throw new Error("the view cannot be read");
    const receipt = { nowMs: this.nowMs, wallMs: wallMs + this.nowMs, found, settings: this.settings };
    this.known = noteLease(this.known, this.view, receipt);
    return this;
  }

  #receipt(): { nowMs: number; share: number; settings: ReconcileSettings } {
    return { nowMs: this.nowMs, share: this.share, settings: this.settings };
  }
}
