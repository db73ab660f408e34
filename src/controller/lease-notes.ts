import { LeaseEvents } from "../kubernetes/events.ts";
import { multiClusterLeaseNames, type MultiClusterLeaseStatus } from "../kubernetes/multi-cluster-lease.ts";
import type { Identity } from "../resources/identity.ts";
import { microTimeInUtc } from "../kubernetes/micro-time.ts";
import type { ControllerParts } from "./controller-parts.ts";
import type { LeaseMemory, LeaseView } from "./lease-view.ts";
import type { EventNote, PlanAlarm } from "./plan.ts";

/** What is told to people about one lease: events, alarms, and how long an answer took. */
export class LeaseNotes {
  readonly #identity: Identity;
  readonly #parts: ControllerParts;
  readonly #events: LeaseEvents;
  #waiting: readonly EventNote[] = [];
  #raised: ReadonlySet<string> = new Set();
  /** The signals that were confirmed already. */
  #confirmed = "";

  constructor(identity: Identity, parts: ControllerParts) {
    const { client, clock, random, logger, instance } = parts;
    this.#identity = identity;
    this.#parts = parts;
    this.#events = new LeaseEvents({ client, clock, random, logger, instance, api: "events.k8s.io" });
  }

  /** These belong to the status that is being written. */
  begin(events: readonly EventNote[]): void {
    this.#waiting = events;
  }

  /** It is written. */
  shown(status: MultiClusterLeaseStatus, view: LeaseView | undefined, memory: LeaseMemory): void {
    this.tell(this.#waiting, view);
    this.#waiting = [];
    const { globalHolderIdentity: holder, globalRenewTime = "" } = status;
    const candidate = memory.candidates.find(({ identity }) => identity === holder);
    const isConfirmed = candidate !== undefined && candidate.renewTime === microTimeInUtc(globalRenewTime);
    const pair = `${holder}/${globalRenewTime}`;
    if (!isConfirmed || candidate.found || pair === this.#confirmed) return;
    this.#confirmed = pair;
    const ms = this.#parts.clock.monotonicMs() - candidate.changedMs;
    this.#parts.metrics.signalToStatus.observe({}, ms / 1000);
  }

  tell(events: readonly EventNote[], view: LeaseView | undefined): void {
    const { namespace, name } = this.#identity;
    const { version, kind } = multiClusterLeaseNames;
    const uid = view !== undefined && { uid: view.uid };
    const subject = { kind, apiVersion: `${this.#parts.group}/${version}`, namespace, name, ...uid };
    for (const { reason, message } of events) {
      this.#events.tell(subject, message, reason);
      this.#log("info", `${namespace}/${name}: ${message}`, { reason });
    }
  }

  /** Somebody else writes the status. */
  otherController(view: LeaseView | undefined): void {
    const message = "another controller writes the status of this cluster's MultiClusterLeases: stop one of both";
    this.tell([{ reason: "OtherController", message }], view);
    this.#raise("otherController", message);
  }

  /** What holds now; each is raised when it begins to. */
  alarms(alarms: readonly PlanAlarm[]): void {
    for (const { kind, message } of alarms) if (!this.#raised.has(kind)) this.#raise(kind, message);
    this.#raised = new Set(alarms.map(({ kind }) => kind));
  }

  /** Planning failed. */
  bug(error: unknown): void {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#raise("bug", `bug: ${what}`);
  }

  #raise(kind: string, message: string): void {
    this.#parts.metrics.alarms.add({ kind });
    this.#log("error", `${this.#identity.namespace}/${this.#identity.name}: ${message}`, { alarm: kind });
  }

  #log(level: "info" | "error", message: string, fields: Readonly<Record<string, unknown>>): void {
    try {
      this.#parts.logger[level](message, fields);
    } catch {
      // Log lines are for people; a logger that fails must not stop a lease.
    }
  }
}
