import { isDeepStrictEqual } from "node:util";
import type { Leadership } from "../election/leadership.ts";
import type { KubernetesResource } from "../kubernetes/kubernetes-resources.ts";
import { finalizerOf, multiClusterLeaseKind, type MultiClusterLeaseStatus } from "../kubernetes/multi-cluster-lease.ts";
import type { Identity } from "../resources/identity.ts";
import { leaseKey } from "../storage/keys.ts";
import type { LeaseObject } from "../storage/lease-storage.ts";
import { ClusterLane, type ClusterNews, type ClusterPatch } from "./cluster-lane.ts";
import type { ControllerParts, Guard } from "./controller-parts.ts";
import { ForeignStatus } from "./foreign-status.ts";
import { LeaseNotes } from "./lease-notes.ts";
import { LeaseState } from "./lease-state.ts";
import type { Plan } from "./plan.ts";
import { PlanPace } from "./plan-pace.ts";
import { StorageLane, type StorageNews } from "./storage-lane.ts";
import { StorageObserver } from "./storage-observer.ts";

const afterBugMs = 5_000;

/**
 * Keeps one MultiClusterLease: folds what it sees into a state, and, while this replica leads, has a plan made and
 * carries it out. One write, one look and one patch are under way at the most; whatever comes of them is folded, and
 * planned for again.
 */
export class LeaseKeeper {
  readonly #parts: ControllerParts;
  readonly #state: LeaseState;
  readonly #storage: StorageLane;
  readonly #cluster: ClusterLane;
  readonly #observer: StorageObserver;
  readonly #notes: LeaseNotes;
  readonly #foreign = new ForeignStatus();
  readonly #pace: PlanPace;
  #leadership: Leadership | undefined;
  #closed = false;
  #cancelTimer = (): void => {};
  /** The change that is under way. */
  #sent: Plan["status"];
  /** What was asked for last, and what the server made of it: it may drop fields. */
  #made: { readonly asked: MultiClusterLeaseStatus; readonly shown: MultiClusterLeaseStatus | undefined } | undefined;

  constructor(identity: Identity, parts: ControllerParts) {
    const { namespace, name } = identity;
    const key = leaseKey(namespace, name);
    const { clock, group } = parts;
    this.#parts = parts;
    this.#state = new LeaseState(parts);
    this.#pace = new PlanPace(clock.monotonicMs());
    this.#notes = new LeaseNotes(identity, parts);
    this.#storage = new StorageLane(key, parts, (news) => this.#hearStorage(news));
    const ref = { ...multiClusterLeaseKind({ namespace, group }), name };
    this.#cluster = new ClusterLane(ref, parts, (news, patch) => this.#hearCluster(news, patch));
    this.#observer = new StorageObserver(key, {
      ...parts,
      look: () => this.#look(),
      see: (lease) => this.#hint(lease),
      isAbsent: () => this.#state.known.global.record.kind === "absent",
    });
    this.#observer.start("follow");
    this.#storage.look();
  }

  get state(): LeaseState {
    return this.#state;
  }

  /** An event; `found`: it tells a state of unknown age. */
  see(resource: KubernetesResource, found: boolean): void {
    const isNews = this.#state.see(resource, found);
    if (this.#leadership !== undefined && !this.#cluster.isBusy && this.#foreign.isForeign(this.#state.view)) {
      this.#notes.otherController(this.#state.view);
    }
    if (isNews) this.#plan();
  }

  /** This replica leads from now on. What it knows of the record is read again first. */
  lead(leadership: Leadership): void {
    this.#leadership = leadership;
    this.#foreign.start(this.#state.view);
    this.#state.distrust();
    this.#observer.start("lead");
    this.#storage.look();
    this.#plan();
  }

  /** It leads no more: nothing is written, and the lease is observed. */
  follow(): void {
    this.#leadership = undefined;
    this.#cancelTimer();
    if (!this.#closed) this.#observer.start("follow");
  }

  /** The resource is gone, or the controller stops. */
  close(): void {
    this.#closed = true;
    this.#state.gone();
    this.#leadership = undefined;
    this.#cancelTimer();
    this.#observer.stop();
  }

  #look(): void {
    // A storage that is away is asked at its pace, by whoever asks.
    const { away, notBeforeMs } = this.#state.known.global;
    if (away !== undefined && this.#parts.clock.monotonicMs() < notBeforeMs) return;
    if (!this.#closed) this.#storage.look();
  }

  #hint(lease: LeaseObject): void {
    if (this.#storage.isWriting || this.#state.has(lease)) return; // the write's own answer says more
    if (!this.#state.isNewer(lease)) return this.#look();
    this.#state.receive({ kind: "record", lease });
    this.#plan();
  }

  #hearStorage(news: StorageNews): void {
    if (this.#closed) return;
    this.#state.receive(news);
    this.#parts.metrics.storageHealthy.set({}, news.kind === "failed" ? 0 : 1);
    if (news.kind === "written" && news.write.event !== undefined)
      this.#notes.tell([news.write.event], this.#state.view);
    if (news.kind === "lost" || (news.kind === "failed" && news.unknown)) this.#storage.look();
    this.#plan();
  }

  #hearCluster(news: ClusterNews, patch: ClusterPatch | undefined): void {
    if (this.#closed) return;
    if (news.kind === "read" && news.resource !== undefined) this.#state.look(news.resource, news.sentMs);
    if (news.kind === "patched") {
      const sent = this.#sent;
      this.#state.look(news.resource, news.sentMs);
      if (patch?.subresource === "status" && sent !== undefined) this.#shown(sent);
    }
    this.#plan();
  }

  /** A status is there for all to see. */
  #shown({ status }: NonNullable<Plan["status"]>): void {
    const { view } = this.#state;
    this.#made = { asked: status, shown: view?.status };
    this.#foreign.wrote(view);
    this.#notes.shown(status, view, this.#state.known.memory);
  }

  #plan(): void {
    const leadership = this.#leadership;
    if (this.#closed || leadership === undefined || leadership.signal.aborted || this.#state.view === undefined) return;
    const { clock, metrics } = this.#parts;
    const nowMs = clock.monotonicMs();
    const laterMs = this.#pace.take(nowMs);
    if (laterMs !== undefined) return this.#planAt(laterMs);
    try {
      const plan = this.#state.plan();
      metrics.reconcileSeconds.observe({}, (clock.monotonicMs() - nowMs) / 1000);
      metrics.reconciles.add({ result: resultOf(plan) });
      this.#carryOut(plan, leadership);
    } catch (error) {
      // One lease that nobody thought of must not end the others.
      metrics.reconciles.add({ result: "bug" });
      this.#notes.bug(error);
      this.#planAt(nowMs + afterBugMs);
    }
  }

  #carryOut(plan: Plan, leadership: Leadership): void {
    const guard: Guard = (step) => leadership.guard(() => step());
    const { view } = this.#state;
    if (plan.memory === undefined || view === undefined) return this.#cancelTimer();
    const { away, stale, record, notBeforeMs } = this.#state.known.global;
    this.#notes.alarms(plan.alarms);
    const isAway = away !== undefined;
    if (plan.write !== undefined && !isAway) this.#storage.write(plan.write, guard);
    if ((stale || record.kind === "nothing") && !isAway && !this.#storage.isLooking) this.#storage.look();
    if (plan.look === true) this.#cluster.look(leadership.signal);
    if (!this.#cluster.isBusy) this.#patch(plan, guard, leadership.signal);
    const retryAtMs = isAway && !this.#storage.isLooking ? notBeforeMs : Infinity;
    if (retryAtMs <= this.#parts.clock.monotonicMs()) this.#storage.look();
    this.#planAt(Math.min(plan.wakeAtMs ?? Infinity, retryAtMs));
  }

  #patch(plan: Plan, guard: Guard, signal: AbortSignal): void {
    const { view, resource } = this.#state;
    if (view === undefined) return;
    const { resourceVersion } = view;
    if (plan.finalizer !== undefined) {
      this.#notes.tell(plan.events, view);
      const finalizers = this.#finalizers(resource?.metadata?.finalizers ?? [], plan.finalizer);
      return this.#cluster.patch({ body: { metadata: { resourceVersion, finalizers } } }, guard, signal);
    }
    const { status } = plan;
    if (status === undefined || this.#isPruned(status)) return;
    this.#sent = status;
    this.#notes.begin(plan.events);
    const body = { metadata: { resourceVersion }, status: status.patch };
    this.#cluster.patch({ body, subresource: "status" }, guard, signal);
  }

  /** Whether the server has already dropped what this would add: another definition of the resource is in use. */
  #isPruned({ status }: NonNullable<Plan["status"]>): boolean {
    const made = this.#made;
    if (made === undefined || !isDeepStrictEqual(made.asked, status)) return false;
    return isDeepStrictEqual(made.shown, this.#state.view?.status);
  }

  #finalizers(all: readonly string[], change: "add" | "remove"): readonly string[] {
    const ours = finalizerOf(this.#parts.group);
    const others = all.filter((finalizer) => finalizer !== ours);
    return change === "add" ? [...others, ours] : others;
  }

  #planAt(atMs: number): void {
    this.#cancelTimer();
    if (!Number.isFinite(atMs)) return;
    const { clock } = this.#parts;
    this.#cancelTimer = clock.setTimer(Math.max(atMs, clock.monotonicMs()), () => this.#plan());
  }
}

function resultOf(plan: Plan): string {
  if (plan.write !== undefined) return plan.write.kind;
  if (plan.finalizer !== undefined) return "finalizer";
  if (plan.look !== undefined) return "look";
  return plan.status === undefined ? "nothing" : "status";
}
