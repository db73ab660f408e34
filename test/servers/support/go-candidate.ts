import { setTimeout as pause } from "node:timers/promises";
import type { KubernetesClient, KubernetesResource, ResourceRef } from "../../../src/kubernetes/index.ts";
import { readStatus, type MultiClusterLeaseStatus } from "../../../src/kubernetes/multi-cluster-lease.ts";
import { microTime } from "../../../src/system/micro-time.ts";
import type { Journal } from "../../process/support/journal.ts";
import type { quick } from "./two-clusters.ts";

/** What a `GoCandidate` takes. */
export interface GoCandidateOptions {
  readonly client: KubernetesClient;
  readonly ref: ResourceRef;
  readonly identity: string;
  readonly timing: typeof quick;
  /** Where its guarded steps go. */
  readonly journal: Journal;
}

const stepMs = 100;
const askEveryMs = 1_000;

/**
 * A double of the candidates of gke-labs/multicluster-leader-election (1ae5cb1): client-go's elector on its lock, from
 * what was recorded of it. It signals by holder, duration, renew time and period alone, then asks once a second whether
 * the status has its name, whichever signal that answers, and tells nobody when it ends.
 */
export class GoCandidate implements AsyncDisposable {
  readonly identity: string;
  readonly #options: GoCandidateOptions;
  readonly #over = new AbortController();
  readonly #running: Promise<unknown>;
  #untilMs = 0;
  #term = 0;

  constructor(options: GoCandidateOptions) {
    this.identity = options.identity;
    this.#options = options;
    this.#running = Promise.all([this.#elect(), this.#work()]);
  }

  /** The term that it leads with by its own opinion; 0 if it does not. */
  get term(): number {
    return performance.now() < this.#untilMs ? this.#term : 0;
  }

  /** From now on nothing of it moves, as after SIGKILL. */
  async crash(): Promise<void> {
    this.#over.abort();
    await this.#running;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.crash();
  }

  async #elect(): Promise<void> {
    const { renewDeadlineMs, retryPeriodMs } = this.#options.timing;
    const { signal } = this.#over;
    while (!signal.aborted) {
      const deadlineMs = performance.now() + renewDeadlineMs;
      await this.#signal().catch(() => undefined); // the next period has another
      const status = await this.#confirmed(deadlineMs);
      if (signal.aborted) return;
      if (status !== undefined) {
        this.#term = status.globalLeaseTransitions ?? 0;
        this.#untilMs = performance.now() + renewDeadlineMs;
      }
      await this.#rest(retryPeriodMs);
    }
  }

  async #signal(): Promise<void> {
    const { client, ref, timing } = this.#options;
    const { namespace, name, ...kind } = ref;
    const spec = {
      holderIdentity: this.identity,
      leaseDurationSeconds: timing.leaseDurationMs / 1_000,
      renewTime: microTime(Date.now() * 1_000),
      retryPeriodSeconds: timing.retryPeriodMs / 1_000,
    };
    if ((await client.patch(ref, { spec })).written) return;
    const apiVersion = `${ref.group}/${ref.version}`;
    const body: KubernetesResource = { apiVersion, kind: "MultiClusterLease", metadata: { namespace, name }, spec };
    await client.create({ ...kind, namespace }, body);
  }

  async #confirmed(deadlineMs: number): Promise<MultiClusterLeaseStatus | undefined> {
    const { client, ref } = this.#options;
    while (performance.now() < deadlineMs && !this.#over.signal.aborted) {
      await this.#rest(askEveryMs);
      const read = readStatus((await client.read(ref).catch(() => undefined)) ?? {});
      if ("status" in read && read.status.globalHolderIdentity === this.identity) return read.status;
    }
    return undefined;
  }

  async #work(): Promise<void> {
    const { identity } = this;
    while (!this.#over.signal.aborted) {
      const { term } = this;
      const beginNs = String(process.hrtime.bigint());
      if (term > 0) this.#options.journal.append({ append: 0, term, identity, beginNs }, identity);
      await this.#rest(stepMs);
    }
  }

  async #rest(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.#over.signal }).catch(() => {}); // the loops see that it is over
  }
}
