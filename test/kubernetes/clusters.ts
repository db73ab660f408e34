import { LeaderElector } from "../../src/election/leader-elector.ts";
import type { LeaderElectorOptions } from "../../src/election/settings.ts";
import { MultiClusterLeaseLock } from "../../src/kubernetes/multi-cluster-lease-lock.ts";
import type { MultiClusterLeaseLockOptions } from "../../src/kubernetes/multi-cluster-lease-options.ts";
import type { ResourceLock } from "../../src/lock/resource-lock.ts";
import { FakeKubernetes, ManualClock, SeededRandom, type FakeKubernetesClient } from "../../src/testing/index.ts";
import { GoController, type GoBucket } from "./go-controller.ts";
import { GlobalLease, leaseRef, ScriptedController } from "./scripted-controller.ts";

/** One candidate with its elector, and the terms that it led. */
export interface Candidate {
  readonly label: string;
  readonly lock: ResourceLock;
  readonly elector: LeaderElector;
  readonly client: FakeKubernetesClient;
  readonly terms: number[];
  readonly stops: string[];
  /** The codes of what its elector swallowed. */
  readonly errors: unknown[];
  /** All of it stands, as after SIGKILL: no request of it arrives any more. */
  crash(): void;
}

/** How a candidate differs from others. */
export interface CandidateOptions {
  readonly settings?: Partial<LeaderElectorOptions>;
  readonly lock?: Partial<MultiClusterLeaseLockOptions>;
  /** Another lock than one on the MultiClusterLease. */
  readonly connect?: (client: FakeKubernetesClient, label: string) => ResourceLock;
}

/** What candidates signal to. */
export type ControllerKind = "ours" | "go";

/** Some clusters with one storage, controllers of ours or of Go, and candidates whose overlaps are counted. */
export class Clusters {
  readonly clock: ManualClock = new ManualClock();
  readonly random: SeededRandom;
  readonly global: GlobalLease;
  readonly bucket: GoBucket = { record: undefined, trouble: undefined };
  readonly clusters: FakeKubernetes[];
  /** Ours, by cluster; empty where Go controllers run. */
  readonly controllers: ScriptedController[] = [];
  readonly ref = leaseRef();
  /** Who leads now, by label. */
  leading: string[] = [];
  mostLeaders = 0;
  /** All terms that were led, in the order of their starts. */
  readonly story: { readonly label: string; readonly term: number; readonly atMs: number }[] = [];
  readonly #over = new AbortController();
  readonly #candidates: Candidate[] = [];

  constructor(
    kinds: readonly ControllerKind[],
    { prunes = false, aheadMs = [] }: { readonly prunes?: boolean; readonly aheadMs?: readonly number[] } = {},
    seed = 5,
  ) {
    this.random = new SeededRandom(seed);
    this.global = new GlobalLease(this.clock);
    const pruned = prunes || kinds.includes("go") ? ["spec.leaseTransitions", "status.globalAcquireTime"] : [];
    const prunedFields = { multiclusterleases: pruned };
    this.clusters = kinds.map(() => new FakeKubernetes({ clock: this.clock, prunedFields }));
    for (const [index, cluster] of this.clusters.entries()) {
      const shared = { client: cluster.connect(), ref: this.ref, clock: this.clock, signal: this.#over.signal };
      if (kinds[index] === "go") new GoController({ ...shared, bucket: this.bucket, aheadMs: aheadMs[index] ?? 0 });
      else this.controllers.push(new ScriptedController({ ...shared, global: this.global }));
    }
  }

  cluster(index: number): FakeKubernetes {
    const cluster = this.clusters[index];
    if (cluster === undefined) throw new RangeError(`no cluster ${index}`);
    return cluster;
  }

  controller(index: number): ScriptedController {
    const controller = this.controllers[index];
    if (controller === undefined) throw new RangeError(`no controller of ours ${index}`);
    return controller;
  }

  /** Runs a candidate in one of the clusters. */
  candidate(label: string, index: number, options: CandidateOptions = {}): Candidate {
    const client = this.cluster(index).connect();
    const { clock, random } = this;
    const place = { namespace: "default", name: "billing", events: "off" } as const;
    const lock =
      options.connect?.(client, label) ??
      new MultiClusterLeaseLock({ ...place, client, clock, random, label, ...options.lock });
    const [terms, stops, errors]: [number[], string[], unknown[]] = [[], [], []];
    const elector = new LeaderElector({
      ...{ lock, clock, random, ...options.settings },
      onError: (error) => errors.push(error),
      callbacks: {
        onStartedLeading: async ({ term, signal }) => {
          terms.push(term);
          this.#starts(label, term);
          signal.addEventListener("abort", () => this.#stops(label), { once: true });
          if (!signal.aborted) await new Promise((end) => signal.addEventListener("abort", end, { once: true }));
        },
        onStoppedLeading: (reason) => void stops.push(reason),
      },
    });
    void elector.run();
    const crash = (): void => {
      client.hang();
      client.hang({ on: "watch" });
    };
    const candidate = { label, lock, elector, client, terms, stops, errors, crash };
    this.#candidates.push(candidate);
    return candidate;
  }

  /** How long it takes until somebody leads, in milliseconds. */
  async untilLed(by: string | undefined, mostMs: number): Promise<number> {
    const fromMs = this.clock.monotonicMs();
    await this.clock.advanceUntil(
      () => (by === undefined ? this.leading.length > 0 : this.leading.includes(by)),
      mostMs,
    );
    return this.clock.monotonicMs() - fromMs;
  }

  /** Ends everything; electors are stopped first. */
  async close(): Promise<void> {
    for (const { client } of this.#candidates) client.heal();
    const stopped = Promise.all(this.#candidates.map(({ elector }) => elector.stop()));
    let isOver = false;
    void stopped.then(() => (isOver = true));
    await this.clock.advanceUntil(() => isOver, 120_000);
    this.#over.abort();
  }

  #starts(label: string, term: number): void {
    this.story.push({ label, term, atMs: this.clock.monotonicMs() });
    this.leading.push(label);
    this.mostLeaders = Math.max(this.mostLeaders, this.leading.length);
  }

  #stops(label: string): void {
    this.leading = this.leading.filter((other) => other !== label);
  }
}
