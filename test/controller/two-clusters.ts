import { MultiClusterLeaseController } from "../../src/controller/controller.ts";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import { multiClusterLeaseKind } from "../../src/kubernetes/multi-cluster-lease.ts";
import { MultiClusterLeaseLock } from "../../src/kubernetes/multi-cluster-lease-lock.ts";
import type { LeaseStorage } from "../../src/storage/lease-storage.ts";
import { MemoryData, MemoryStorage } from "../../src/storage/memory.ts";
import { DriftingClock } from "../../src/testing/drifting-clock.ts";
import { FakeKubernetes } from "../../src/testing/fake-kubernetes.ts";
import type { FakeKubernetesClient } from "../../src/testing/fake-kubernetes-client.ts";
import { FaultyStorage } from "../../src/testing/faulty-storage.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import type { StorageFault } from "../../src/testing/storage-faults.ts";

const key = "leases/default/billing";
const ref = { ...multiClusterLeaseKind({ namespace: "default" }), name: "billing" };
const faultyMs = 240_000;
const healedMs = 240_000;
/** L + V + the controllers' own election, and the pauses after a long outage. */
const quietMs = 60_000;

/** What one run has shown. */
export interface RunReport {
  /** Broken promises; none if all is well. */
  readonly broken: readonly string[];
  /** How much of the healed time somebody led, from 0 to 1. */
  readonly ledShare: number;
  readonly terms: number;
  readonly globalWrites: number;
  readonly faults: ReadonlySet<string>;
  /** The last events, for people. */
  readonly trace: readonly string[];
}

interface Replica {
  readonly client: FakeKubernetesClient;
  readonly stopping: AbortController;
}

interface Simulated {
  readonly label: string;
  readonly elector: LeaderElector;
  readonly client: FakeKubernetesClient;
  crashed: boolean;
}

/**
 * Two or three clusters over one storage, with real locks, electors and controllers, each on a clock of its own, and
 * troubles from a seed: four minutes of them, then four of peace.
 */
export class TwoClusters {
  readonly #clock = new ManualClock();
  readonly #random: SeededRandom;
  readonly #data = new MemoryData();
  readonly #clusters: FakeKubernetes[];
  readonly #replicas: Replica[][] = [];
  readonly #candidates: Simulated[] = [];
  readonly #broken: string[] = [];
  readonly #trace: string[] = [];
  readonly #faults = new Set<string>();
  readonly #over = new AbortController();
  /** This run's storage: hints or polls, its pace, and how often it fails. */
  readonly #storageKind: { readonly polls: boolean; readonly paceMs: number; readonly troubleShare: number };
  #isHealed = false;
  #isAway = false;
  #highestTerm = 0;
  #terms = 0;
  #globalWrites = 0;
  #drawn = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    const prunes = this.#chance(0.2) ? ["spec.leaseTransitions", "status.globalAcquireTime"] : [];
    const count = this.#chance(0.3) ? 3 : 2;
    this.#clusters = Array.from({ length: count }, () => {
      return new FakeKubernetes({
        clock: this.#clock,
        random: this.#fork(),
        prunedFields: { multiclusterleases: prunes },
      });
    });
    this.#storageKind = {
      polls: this.#chance(0.5),
      paceMs: this.#chance(0.3) ? 1_000 : 0,
      troubleShare: this.#chance(0.5) ? 0.05 : 0.01,
    };
    this.#watchStorage();
  }

  /** Runs it all. */
  async run(): Promise<RunReport> {
    for (const [index, cluster] of this.#clusters.entries()) {
      const replicas = 1 + Number(this.#chance(0.5));
      this.#replicas.push(Array.from({ length: replicas }, () => this.#controller(cluster)));
      for (let count = 1 + Number(this.#chance(0.4)); count > 0; count -= 1) this.#candidate(index);
    }
    await this.#pass(faultyMs, () => this.#trouble());
    this.#heal();
    await this.#pass(quietMs, () => {});
    let [led, looks] = [0, 0];
    await this.#pass(healedMs - quietMs, () => {
      looks += 1;
      led += Number(this.#leaders().length > 0);
    });
    await this.#close();
    return {
      ...{ broken: this.#broken, ledShare: led / looks, terms: this.#terms, globalWrites: this.#globalWrites },
      ...{ faults: this.#faults, trace: this.#trace.slice(-60) },
    };
  }

  #controller(client: FakeKubernetes): Replica {
    const connection = client.connect();
    const stopping = new AbortController();
    const clock = this.#host();
    const storage = this.#storage(clock);
    const parts = { client: connection, storage, clock, random: this.#fork() };
    const controller = new MultiClusterLeaseController(parts);
    void controller.run({ signal: stopping.signal });
    return { client: connection, stopping };
  }

  #storage(clock: DriftingClock): LeaseStorage {
    const { polls, paceMs, troubleShare } = this.#storageKind;
    const inner = new MemoryStorage({ data: this.#data, clock });
    const script = (): StorageFault | undefined => {
      if (this.#isAway) return this.#chance(0.3) ? { kind: "hang" } : { kind: "busy" };
      return !this.#isHealed && this.#chance(troubleShare) ? this.#storageFault() : undefined;
    };
    const faulty = new FaultyStorage(inner, { clock, script });
    const watchLease = faulty.watchLease?.bind(faulty);
    return {
      readLease: (...call) => faulty.readLease(...call),
      createLease: (...call) => faulty.createLease(...call),
      writeLease: (...call) => faulty.writeLease(...call),
      deleteLease: (...call) => faulty.deleteLease(...call),
      capabilities: { ...faulty.capabilities, minWriteIntervalMs: paceMs },
      ...(!polls && watchLease !== undefined && { watchLease }),
    };
  }

  #storageFault(): StorageFault {
    const faults: readonly StorageFault[] = [
      ...([{ kind: "answerLost" }, { kind: "requestLost" }, { kind: "hang" }, { kind: "hangAfter" }] as const),
      { kind: "delay", beforeMs: this.#random.next() * 4_000, afterMs: this.#random.next() * 4_000 },
      { kind: "throttled", retryAfterMs: this.#random.next() * 3_000 },
      { kind: "busy" },
      { kind: "doubled", answer: 2 },
    ];
    const fault = this.#pick(faults);
    this.#note(`storage ${fault.kind}`);
    return fault;
  }

  #candidate(index: number): void {
    const cluster = this.#clusters[index];
    if (cluster === undefined) return;
    const client = cluster.connect();
    const [clock, random] = [this.#host(), this.#fork()];
    const label = `c${this.#candidates.length}-of-${index}`;
    const lock = new MultiClusterLeaseLock({
      namespace: "default",
      name: "billing",
      events: "off",
      client,
      clock,
      random,
      label,
    });
    const elector: LeaderElector = new LeaderElector({
      ...{ lock, clock, random },
      onError: () => {}, // troubles are what this is about
      callbacks: {
        onStartedLeading: async ({ term, signal }) => {
          this.#started(label, elector, term);
          await new Promise<void>((end) => {
            if (signal.aborted) end();
            else signal.addEventListener("abort", () => end(), { once: true });
          });
          this.#note(`${label} ends term ${term}`);
        },
      },
    });
    this.#candidates.push({ label, elector, client, crashed: false });
    void elector.run({ signal: this.#over.signal });
  }

  /** S1 and S5, at the instant at which a term starts. */
  #started(label: string, elector: LeaderElector, term: number): void {
    this.#terms += 1;
    this.#note(`${label} leads term ${term}`);
    const others = this.#candidates.filter((other) => other.elector !== elector && other.elector.isLeader());
    if (others.length > 0) this.#broken.push(`S1: ${label} leads beside ${others.map((one) => one.label).join(", ")}`);
    if (term <= this.#highestTerm) this.#broken.push(`S5: ${label} leads term ${term} after ${this.#highestTerm}`);
    this.#highestTerm = Math.max(this.#highestTerm, term);
  }

  /** S4 and K-61, at each write that the storage takes. */
  #watchStorage(): void {
    const pairs = new Set<string>();
    let highest = 0;
    this.#data.onChange(key, () => {
      const nowMs = this.#clock.monotonicMs();
      const stored = this.#data.look(key, nowMs);
      if (stored === undefined) return;
      const { holderIdentity, renewTime, leaseTransitions } = JSON.parse(new TextDecoder().decode(stored.value)) as {
        holderIdentity: string;
        renewTime: string;
        leaseTransitions: number;
      };
      this.#globalWrites += 1;
      const pair = `${holderIdentity} ${renewTime}`;
      this.#note(`stored ${pair} term ${leaseTransitions}`);
      if (holderIdentity !== "" && pairs.has(pair)) this.#broken.push(`S4: ${pair} is stored again`);
      if (leaseTransitions < highest) this.#broken.push(`K-61: the stored term falls to ${leaseTransitions}`);
      pairs.add(pair);
      highest = Math.max(highest, leaseTransitions);
    });
  }

  /** Each simulated quarter of a second: perhaps a trouble, and always a look at who leads. */
  async #pass(ms: number, act: () => void): Promise<void> {
    for (let passed = 0; passed < ms; passed += 250) {
      await this.#clock.advance(250);
      const leaders = this.#leaders();
      if (leaders.length > 1) this.#broken.push(`S1: ${leaders.join(" and ")} lead at once`);
      if (this.#broken.length > 0) return;
      act();
    }
  }

  #leaders(): readonly string[] {
    return this.#candidates.filter(({ elector }) => elector.isLeader()).map(({ label }) => label);
  }

  #trouble(): void {
    if (!this.#chance(0.04)) return;
    const troubles: readonly (() => string)[] = [
      () => this.#restartController(),
      () => this.#crashCandidate(),
      () => this.#resign(),
      () => this.#outage(),
      () => this.#loseRequests(),
      () => this.#disturbWatches(),
      () => this.#edit(),
    ];
    const what = this.#pick(troubles)();
    this.#faults.add(what.split(" ")[0] ?? "");
    this.#note(what);
  }

  #restartController(): string {
    const index = this.#index(this.#replicas);
    const replica = this.#replicas[index]?.shift();
    const cluster = this.#clusters[index];
    if (replica === undefined || cluster === undefined) return "nothing";
    // SIGKILL, or SIGTERM
    if (this.#chance(0.6)) void replica.client.close();
    replica.stopping.abort(new Error("stopped"));
    const backMs = this.#clock.monotonicMs() + this.#random.next() * 12_000;
    this.#clock.setTimer(backMs, () => void this.#replicas[index]?.push(this.#controller(cluster)));
    return `controller of ${index} restarts`;
  }

  #crashCandidate(): string {
    const alive = this.#candidates.filter(({ crashed }) => !crashed);
    if (alive.length === 0) return "crash of nobody";
    const candidate = this.#pick(alive);
    candidate.crashed = true;
    candidate.client.hang();
    candidate.client.hang({ on: "watch" });
    candidate.client.log.length = 0;
    const index = Number(candidate.label.split("-of-")[1]);
    const backMs = this.#clock.monotonicMs() + this.#random.next() * 10_000;
    this.#clock.setTimer(backMs, () => this.#candidate(index));
    return `crash of ${candidate.label}`;
  }

  #resign(): string {
    for (const { elector } of this.#candidates) if (elector.isLeader()) void elector.resign();
    return "resign";
  }

  #outage(): string {
    this.#isAway = true;
    const backMs = this.#clock.monotonicMs() + this.#random.next() * 40_000;
    this.#clock.setTimer(backMs, () => {
      this.#isAway = false;
      this.#note("storage is back");
    });
    return "outage of the storage";
  }

  #loseRequests(): string {
    const clients = [...this.#replicas.flat(), ...this.#candidates.filter(({ crashed }) => !crashed)];
    const { client } = this.#pick(clients);
    const times = 1 + Math.floor(this.#random.next() * 3);
    const kind = this.#index([0, 1, 2, 3]);
    if (kind === 0) client.loseAnswer({ times });
    if (kind === 1) client.refuse(500, { on: "write", times });
    if (kind === 2)
      client.delay({ requestMs: this.#random.next() * 5_000, answerMs: this.#random.next() * 5_000 }, { times });
    if (kind === 3) client.hang({ times, applied: this.#chance(0.5) });
    return `requests lost (${kind}, ${times})`;
  }

  #disturbWatches(): string {
    const cluster = this.#pick(this.#clusters);
    if (this.#chance(0.5)) cluster.endWatches();
    else cluster.compact();
    return "watches end";
  }

  #edit(): string {
    this.#pick(this.#clusters).annotate(ref);
    return "edit of the annotations";
  }

  #heal(): void {
    this.#isHealed = true;
    this.#isAway = false;
    this.#note("healed");
    const clients = [...this.#replicas.flat(), ...this.#candidates.filter(({ crashed }) => !crashed)];
    for (const { client } of clients) client.heal();
  }

  async #close(): Promise<void> {
    for (const { client } of this.#candidates) client.heal();
    this.#over.abort(new Error("the run is over"));
    for (const replica of this.#replicas.flat()) replica.stopping.abort(new Error("the run is over"));
    await this.#clock.advance(30_000);
  }

  /** A host of its own: up to 5 % fast or slow, and minutes off. */
  #host(): DriftingClock {
    const rate = 1 + (this.#random.next() - 0.5) * 0.1;
    return new DriftingClock(this.#clock, { rate, offsetMs: this.#random.next() * 600_000 });
  }

  #fork(): SeededRandom {
    this.#drawn += 1;
    return new SeededRandom(this.#random.seed * 1_000 + this.#drawn);
  }

  #chance(share: number): boolean {
    return this.#random.next() < share;
  }

  #index(list: readonly unknown[]): number {
    return Math.floor(this.#random.next() * list.length);
  }

  #pick<T>(list: readonly T[]): T {
    const found = list[this.#index(list)];
    if (found === undefined) throw new Error("nothing to draw from");
    return found;
  }

  #note(what: string): void {
    this.#trace.push(`${(this.#clock.monotonicMs() / 1000).toFixed(3)} ${what}`);
  }
}
