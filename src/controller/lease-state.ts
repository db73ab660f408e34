import { isDeepStrictEqual } from "node:util";
import type { KubernetesResource } from "../kubernetes/kubernetes-resources.ts";
import { isLater } from "../kubernetes/micro-time.ts";
import type { MultiClusterLease } from "../kubernetes/multi-cluster-lease.ts";
import type { LeaseObject } from "../storage/lease-storage.ts";
import type { ControllerParts } from "./controller-parts.ts";
import {
  receiveAbsence,
  receiveFailure,
  receiveLease,
  receiveUnreadable,
  unknownLease,
  type GlobalReceipt,
  type KnownLease,
} from "./global-view.ts";
import { noteLease } from "./lease-memory.ts";
import type { LeaseView } from "./lease-view.ts";
import type { Plan } from "./plan.ts";
import { readLeaseView } from "./read-lease-view.ts";
import { reconcile } from "./reconcile.ts";
import type { StorageNews } from "./storage-lane.ts";

const firstRetryMs = 250;
/** A storage that is away is asked no more often than this. */
const longestRetryMs = 5_000;

/** What a state needs. */
export type StateParts = Pick<ControllerParts, "clock" | "random" | "settings" | "group" | "metrics" | "storage">;

/** What one controller knows of one MultiClusterLease: everything that is received is folded in here. */
export class LeaseState {
  readonly #parts: StateParts;
  #known: KnownLease;
  #view: LeaseView | undefined;
  #resource: MultiClusterLease | undefined;
  #failures = 0;
  #lostRaces = 0;
  /** When the storage answered last. */
  #answeredMs: number | undefined;

  constructor(parts: StateParts) {
    this.#parts = parts;
    this.#known = unknownLease(parts.clock.monotonicMs());
  }

  get known(): KnownLease {
    return this.#known;
  }

  get view(): LeaseView | undefined {
    return this.#view;
  }

  /** As it was received last. */
  get resource(): MultiClusterLease | undefined {
    return this.#resource;
  }

  get answeredMs(): number | undefined {
    return this.#answeredMs;
  }

  /**
   * An event of the resource, or an answer that holds it. Every signal counts; what is shown is the newest version.
   * `found`: nobody knows how old it is. Returns whether it tells anything that a plan depends on.
   */
  see(resource: KubernetesResource, found: boolean): boolean {
    const view = readLeaseView(resource, this.#parts.group);
    if (view === undefined) return false;
    if (this.#view !== undefined && this.#view.uid !== view.uid) {
      if (isOlder(view, this.#view)) return false; // the late answer of a patch of its predecessor
      this.#forgetCandidates();
    }
    const { clock, settings } = this.#parts;
    this.#countSignal(view);
    const receipt = { nowMs: clock.monotonicMs(), wallMs: clock.wallMs(), found, settings };
    const { candidates } = this.#known.memory;
    this.#known = noteLease(this.#known, view, receipt);
    const isSignal = candidates !== this.#known.memory.candidates;
    if (this.#view !== undefined && isOlder(view, this.#view)) return isSignal;
    const isNews =
      isSignal || !isDeepStrictEqual({ ...view, resourceVersion: "" }, { ...this.#view, resourceVersion: "" });
    this.#view = view;
    this.#resource = resource;
    return isNews;
  }

  /** An answer that holds the resource as it was when it was asked for, or later. */
  look(resource: KubernetesResource, sentMs: number): void {
    this.see(resource, false);
    const looked = { sentMs, receivedMs: this.#parts.clock.monotonicMs() };
    this.#known = { ...this.#known, memory: { ...this.#known.memory, looked } };
  }

  /** The resource is gone. */
  gone(): void {
    this.#view = undefined;
    this.#resource = undefined;
  }

  /** What is known of the record has to be read again before anything is written. */
  distrust(): void {
    this.#known = { ...this.#known, global: { ...this.#known.global, stale: true } };
  }

  /** Whether a record that came with a hint can be taken as it is: then it is newer, beyond doubt. */
  isNewer({ data, generation }: LeaseObject): boolean {
    const { record } = this.#known.global;
    if (record.kind !== "record" || this.#known.global.stale) return false;
    if (record.generation === generation) return false;
    if (data.leaseTransitions !== record.data.leaseTransitions) {
      return data.leaseTransitions > record.data.leaseTransitions;
    }
    return data.holderIdentity === record.data.holderIdentity && isLater(data.renewTime, record.data.renewTime);
  }

  /** Whether this very version is in hand. */
  has({ generation }: LeaseObject): boolean {
    const { record, stale } = this.#known.global;
    return record.kind === "record" && !stale && record.generation === generation;
  }

  /** Folds what came of a call to the storage. */
  receive(news: StorageNews): void {
    const { clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    if (news.kind === "refused") return;
    if (news.kind === "failed") return this.#fail(news.error, news.unknown, nowMs);
    this.#failures = 0;
    this.#answeredMs = nowMs;
    if (news.kind === "record") this.#known = receiveLease(this.#known, news.lease, this.#receipt());
    if (news.kind === "absent") this.#known = receiveAbsence(this.#known, this.#receipt());
    if (news.kind === "unreadable") this.#known = receiveUnreadable(this.#known, news.problem);
    if (news.kind === "lost") this.#lose(nowMs);
    if (news.kind === "throttled") this.#quiet(nowMs + news.retryAfterMs);
    if (news.kind === "written") this.#written(news, nowMs);
  }

  /** What is to be done now. */
  plan(): Plan {
    const { clock, settings } = this.#parts;
    const [nowMs, wallMs] = [clock.monotonicMs(), clock.wallMs()];
    const plan = reconcile({ nowMs, wallMs, cluster: this.#view, ...this.#known }, settings);
    if (plan.memory === undefined) return plan;
    const { answered } = this.#known.memory;
    if (answered > 0 && plan.memory.answered > answered) this.#parts.metrics.signals.add({ fate: "answered" });
    this.#known = { ...this.#known, memory: plan.memory };
    return plan;
  }

  #fail(error: unknown, unknown: boolean, nowMs: number): void {
    if (unknown) return this.distrust(); // whether the storage answers, the read that follows will tell
    const pauseMs = Math.min(firstRetryMs * 2 ** this.#failures, longestRetryMs) * (1 + this.#parts.random.next() / 10);
    this.#failures += 1;
    this.#known = receiveFailure(this.#known, error, { nowMs, retryAtMs: nowMs + pauseMs, unknown });
  }

  /** Read and decide once more; who loses again waits. */
  #lose(nowMs: number): void {
    this.distrust();
    this.#lostRaces += 1;
    if (this.#lostRaces > 1) this.#quiet(nowMs + firstRetryMs * (1 + this.#parts.random.next()));
  }

  #written({ write, lease }: Extract<StorageNews, { kind: "written" }>, nowMs: number): void {
    this.#lostRaces = 0;
    const { holderIdentity: identity, renewTime } = write.data;
    this.#known = receiveLease(this.#known, lease, this.#receipt());
    const { memory } = this.#known;
    const answered = Math.max(memory.answered, write.answers);
    const written = identity === "" ? memory.written : { identity, renewTime };
    this.#known = { ...this.#known, memory: { ...memory, answered, written } };
    if (identity !== "") this.#parts.metrics.signals.add({ fate: "written" });
    this.#quiet(nowMs + (this.#parts.storage.capabilities?.minWriteIntervalMs ?? 0));
  }

  #quiet(untilMs: number): void {
    const { global } = this.#known;
    this.#known = { ...this.#known, global: { ...global, notBeforeMs: Math.max(global.notBeforeMs, untilMs) } };
  }

  /** A resource that was created again: others may bear the names of before. What the storage showed stays known. */
  #forgetCandidates(): void {
    const { memory } = this.#known;
    const fresh = unknownLease(this.#parts.clock.monotonicMs()).memory;
    const { highest, lastWaitMs, spent, goWriter } = memory;
    this.#known = { ...this.#known, memory: { ...fresh, highest, lastWaitMs, spent, goWriter } };
    this.#view = undefined;
  }

  #countSignal(view: LeaseView): void {
    const { memory } = this.#known;
    const before = this.#view;
    if (before === undefined || view.generation <= before.generation) return;
    if (before.generation > memory.answered) this.#parts.metrics.signals.add({ fate: "coalesced" });
    if (view.specProblems.length > 0) this.#parts.metrics.signals.add({ fate: "invalid" });
  }

  #receipt(): GlobalReceipt {
    const { clock, random, settings } = this.#parts;
    return { nowMs: clock.monotonicMs(), share: random.next(), settings };
  }
}

/** Versions of one resource are numbers on every server so far; what is none counts as newer. */
function isOlder(view: LeaseView, than: LeaseView): boolean {
  const [one, other] = [view.resourceVersion, than.resourceVersion];
  if (!/^\d+$/.test(one) || !/^\d+$/.test(other)) return false;
  return one.length === other.length ? one < other : one.length < other.length;
}
