import { LeaseTrouble } from "../lock/lease-trouble.ts";
import type { LockHint, ObservedRecord } from "../lock/resource-lock.ts";
import type { CallOptions } from "../storage/versioned-storage.ts";
import type { Clock } from "../system/clock.ts";
import type { Logger } from "../system/logger.ts";
import type { Random } from "../system/random.ts";
import { TimeoutError, withDeadline } from "../system/signals.ts";
import type { KubernetesClient, KubernetesResource, ResourceRef } from "./kubernetes-resources.ts";
import { LatestLook, versionOf } from "./latest-look.ts";
import { shownRecord } from "./multi-cluster-lease-record.ts";
import type { Sender } from "./own-names.ts";
import { OwnSignals, type OwnSignal } from "./own-signals.ts";
import { shownLease, type ShownLease } from "./shown-lease.ts";
import { SharedWatch } from "./shared-watch.ts";
import { TermNames } from "./term-names.ts";

/** What a `MultiClusterLeaseView` needs. */
export interface MultiClusterLeaseViewParts {
  readonly client: KubernetesClient;
  readonly ref: ResourceRef;
  readonly sender: Sender;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

type Hear = (shown: ShownLease | undefined) => void;

/** Where states of one MultiClusterLease come in, by reads, answers and the watch, and all who need them look. */
export class MultiClusterLeaseView {
  readonly own: OwnSignals;
  readonly names: TermNames;
  readonly latest: LatestLook;
  readonly #parts: MultiClusterLeaseViewParts;
  readonly #trouble: LeaseTrouble;
  readonly #shared: SharedWatch;
  readonly #listeners = new Set<Hear>();
  /** The newest spec that the watch has shown. */
  #watched: { readonly uid: string; readonly generation: number } | undefined;
  #warned = "";

  constructor(parts: MultiClusterLeaseViewParts) {
    const { client, ref, sender, clock, random } = parts;
    this.#parts = parts;
    this.own = new OwnSignals(sender);
    this.names = new TermNames(sender);
    this.latest = new LatestLook(this.own);
    this.#trouble = new LeaseTrouble(`${ref.namespace}/${ref.name}`, client.description);
    this.#shared = new SharedWatch({
      ...{ client, ref, clock, random, tellsVersions: true },
      observe: (resource) => this.#observeEvent(resource),
      gone: (resource) => this.#gone(shownLease(resource)),
    });
  }

  /** The state now; `undefined` if there is none. */
  async read(options: CallOptions & { readonly timeoutMs: number }): Promise<ShownLease | undefined> {
    const { client, ref, clock } = this.#parts;
    const { timeoutMs, signal } = options;
    const lastSeen = this.latest.shown; // what is created after this is not what the read found absent
    let resource: KubernetesResource | undefined;
    try {
      // The client keeps the deadline itself, and knows more when it passes; the later one is for clients that do not.
      resource = await withDeadline({ clock, timeoutMs: 1.5 * timeoutMs, signal }, (ended) =>
        client.read(ref, { timeoutMs, signal: ended }),
      );
    } catch (error) {
      throw error instanceof TimeoutError ? this.#trouble.readOverdue(error) : error;
    }
    if (resource !== undefined) return this.receive(resource, lastSeen);
    this.#gone(lastSeen);
    return undefined;
  }

  /**
   * Takes in a state; an old one changes nothing, unless it answers what was sent after the newest.
   *
   * @throws {CorruptDataError} if it lacks what a write has to name.
   */
  receive(resource: KubernetesResource, sentAfter?: ShownLease): ShownLease {
    const shown = shownLease(resource);
    if (shown === undefined) throw this.#trouble.noGeneration();
    if (!this.latest.see(shown, sentAfter)) return shown;
    this.names.look(shown, this.own.isOwn(shown));
    for (const hear of [...this.#listeners]) hear(shown);
    return shown;
  }

  /** Takes in the answer of a write, of this signal if it is one; `undefined` if it lacks what a write has to name. */
  answered(
    resource: KubernetesResource,
    { sentAfter, signal }: { readonly sentAfter: ShownLease | undefined; readonly signal?: OwnSignal },
  ): ShownLease | undefined {
    const shown = shownLease(resource);
    if (shown === undefined) return undefined;
    if (signal !== undefined) this.own.answered(signal, shown);
    return this.receive(resource, sentAfter);
  }

  /**
   * The record of a state; `undefined` for one that is being deleted: it counts as absent.
   *
   * @throws {CorruptDataError} if the status cannot be read.
   */
  observe(shown: ShownLease): ObservedRecord | undefined {
    if (shown.deleting) return undefined;
    const version = versionOf(shown);
    const reader = { identity: this.#parts.sender.identity, own: this.own };
    const { record, problems } = shownRecord(shown, reader, this.#trouble.source(version));
    if (problems.length > 0) this.#warn(problems, version);
    return { record, version };
  }

  /** Whether a neighbour that shares the name has, or had, the term that is to be asked for. */
  isTaken(shown: ShownLease, term: number): boolean {
    const isNamed = this.#parts.sender.isShared === true && this.names.named(shown) !== undefined;
    return isNamed && !this.own.holds(shown) && (shown.status?.globalLeaseTransitions ?? 0) >= term;
  }

  /** Hears each state that comes in; the returned function ends it. */
  listen(hear: Hear): () => void {
    this.#listeners.add(hear);
    return () => void this.#listeners.delete(hear);
  }

  /** Keeps the watch open for a call; the returned function lets go of it. */
  join(): () => void {
    return this.#shared.join();
  }

  hints(signal: AbortSignal): AsyncGenerator<LockHint, void, undefined> {
    return this.#shared.hints(signal);
  }

  /** Whether the watch has shown this spec, or a later one. */
  isWatched({ uid, generation }: Pick<ShownLease, "uid" | "generation">): boolean {
    return this.#watched?.uid === uid && this.#watched.generation >= generation;
  }

  #observeEvent(resource: KubernetesResource): ObservedRecord {
    const shown = this.receive(resource);
    this.#watched = shown;
    const observed = shown.status === undefined ? undefined : this.observe(shown);
    if (observed === undefined) throw new Error("nothing to attach: only a read tells what this means");
    return observed;
  }

  #gone(lastSeen: ShownLease | undefined): void {
    if (!this.latest.gone(lastSeen)) return;
    for (const hear of [...this.#listeners]) hear(undefined);
  }

  #warn(problems: readonly string[], version: string): void {
    const text = problems.join("; ");
    if (text === this.#warned) return;
    this.#warned = text;
    try {
      this.#parts.logger.warn(`${this.#parts.ref.name}: the status has fields out of range`, { problems, version });
    } catch {
      // Log lines are for people; a logger that fails must not end a term.
    }
  }
}
