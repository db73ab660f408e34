import { LeaseLock } from "../../../src/kubernetes/lease-lock.ts";
import { MultiClusterLeaseLock } from "../../../src/kubernetes/multi-cluster-lease-lock.ts";
import type { ResourceLock } from "../../../src/lock/resource-lock.ts";
import { microTime } from "../../../src/system/micro-time.ts";
import { FakeKubernetes } from "../../../src/testing/fake-kubernetes.ts";
import type { Chance } from "../chance.ts";
import type { HistoryEvent } from "../history.ts";
import { SimHost } from "../sim-host.ts";
import { SimNetwork } from "../sim-network.ts";
import { recordOf, SimCandidate, type LockParts, type Scene } from "../sim-candidate.ts";
import { SimServer, type AppliedWrite } from "../sim-server.ts";
import { FencedLog } from "../sim-work.ts";
import { World } from "../world.ts";
import { ClusterClient, type ClusterClientParts } from "./cluster-client.ts";
import { ClusterFaults, type ClusterStage } from "./cluster-faults.ts";
import { waitOf, type CandidatePlan, type ClusterPlan } from "./cluster-plan.ts";
import { leaseRef } from "./lease-ref.ts";
import { SignalBook } from "./signal-book.ts";
import { SimController, type ControllerScene } from "./sim-controller.ts";

/** What one run of two clusters has shown, for the judge. */
export interface PlayedClusters {
  readonly plan: ClusterPlan;
  readonly events: readonly HistoryEvent[];
  readonly candidates: readonly SimCandidate[];
  readonly controllers: readonly SimController[];
  readonly book: SignalBook;
  readonly storageNetwork: SimNetwork;
  /** From here on nothing is disturbed, and every call that was has ended. */
  readonly healedAtMs: number;
  /** By then somebody leads. */
  readonly ledFromMs: number;
  /** When whoever led was killed, and who that was. */
  readonly killed: { readonly atMs: number; readonly who: string } | undefined;
  /** In which cluster a candidate is. */
  readonly clusterOf: (who: string) => number | undefined;
  /** When the next leader was asked to resign. */
  readonly resignedAtMs: number;
  readonly stoppedAtMs: number;
  readonly endMs: number;
}

const faultyMs = 4 * 60_000;
/** What was late or lost has arrived, or is given up, so long after the healing. */
const settlesMs = 20_000;
const calmMs = 60_000;

/** One run: minutes with faults, then everything heals, the leader is killed, the next one resigns, and all stop. */
export class ClustersRun implements ClusterStage {
  readonly plan: ClusterPlan;
  readonly chance: Chance;
  readonly world = new World();
  /** One in each cluster. */
  readonly apiNetworks: readonly [SimNetwork, ...SimNetwork[]];
  readonly storageNetwork: SimNetwork;
  readonly server: SimServer;
  readonly clusters: readonly [FakeKubernetes, ...FakeKubernetes[]];
  readonly endMs = faultyMs;
  readonly #events: HistoryEvent[] = [];
  readonly #book = new SignalBook();
  readonly #log = new FencedLog();
  readonly #faults: ClusterFaults;
  readonly #everyCandidate: SimCandidate[] = [];
  readonly #everyController: SimController[] = [];
  readonly #candidates = new Map<string, SimCandidate>();
  readonly #controllers = new Map<string, SimController>();
  readonly #absent = new Map<string, () => void>();
  readonly #impatient = new SimHost(this.world, { rate: 1, wallMs: 1_790_000_000_000 });
  /** The clusters whose next write of a status fails. */
  readonly #lostStatus = new Set<number>();
  /** Candidates whose lock bears the name of their cluster. */
  readonly #who = new Map<ResourceLock, string>();
  #sends = 0;

  constructor(plan: ClusterPlan, chance: Chance) {
    this.plan = plan;
    this.chance = chance;
    const { world } = this;
    const network = (): SimNetwork => new SimNetwork({ plan: plan.api, chance, world });
    const [, ...others] = plan.clusters;
    this.apiNetworks = [network(), ...others.map(network)];
    this.storageNetwork = new SimNetwork({ plan: plan.storage, chance, world });
    const { versions } = plan.storage;
    this.server = new SimServer({ world, place: "storage", versions, applied: (write) => this.#applied(write) });
    this.clusters = [this.#cluster(), ...others.map(() => this.#cluster())];
    this.#faults = new ClusterFaults(this);
  }

  async play(): Promise<PlayedClusters> {
    const { plan, world } = this;
    const arrivals = this.chance.of("arrivals");
    for (const [cluster, count] of plan.replicas.entries()) {
      for (let replica = 0; replica < count; replica += 1) {
        const label = `controller-${"abc"[cluster] ?? ""}${replica}`;
        this.#joinAfter(label, arrivals.between(0, 2_000), () => this.#startController(label, cluster));
      }
    }
    for (const one of plan.candidates) {
      this.#joinAfter(one.label, arrivals.between(0, 4_000), () => this.#startCandidate(one));
    }
    this.#faults.start();
    await world.runUntil(faultyMs);
    if (plan.hour) await this.#awayForAnHour();
    this.#heal();
    await world.runUntil(world.nowMs + settlesMs);
    const healedAtMs = world.nowMs;
    const ledFromMs = healedAtMs + this.#leaderWithinMs();
    await world.runUntil(ledFromMs + calmMs);
    const killed = this.#killLeader();
    await world.runUntil(world.nowMs + 1.5 * this.#waitMs() + calmMs / 2);
    const resignedAtMs = world.nowMs;
    for (const one of this.#candidates.values()) void one.elector.resign();
    await world.runUntil(world.nowMs + calmMs);
    const stoppedAtMs = world.nowMs;
    for (const one of this.#candidates.values()) if (!one.settled) one.stop();
    await world.runUntil(world.nowMs + calmMs);
    for (const one of this.#controllers.values()) one.stop();
    await world.runUntil(world.nowMs + 15_000 / (1 - plan.api.drift));
    const { storageNetwork } = this;
    return {
      ...{ plan, events: this.#events, candidates: this.#everyCandidate, controllers: this.#everyController },
      ...{ book: this.#book, storageNetwork, healedAtMs, ledFromMs, killed, resignedAtMs, stoppedAtMs },
      clusterOf: (who) => {
        const label = this.#everyCandidate.find(({ identity }) => identity === who)?.label;
        return plan.candidates.find((one) => one.label === label)?.cluster;
      },
      endMs: world.nowMs,
    };
  }

  candidates(): readonly SimCandidate[] {
    return [...this.#candidates.values()];
  }

  controllers(): readonly SimController[] {
    return [...this.#controllers.values()];
  }

  clusterOf({ label }: SimCandidate): number {
    return this.plan.candidates.find((one) => one.label === label)?.cluster ?? 0;
  }

  holder(): string | undefined {
    // The record may bear the name of a cluster.
    if (this.plan.scope === "cluster") return this.#book.writes.at(-1)?.holder;
    return recordOf(this.server.current?.value).holder;
  }

  networkOf(cluster: number): SimNetwork {
    return this.apiNetworks[cluster] ?? this.apiNetworks[0];
  }

  replaceCandidate(candidate: SimCandidate, how: "crash" | "stop", afterMs: number): void {
    if (how === "crash") this.#kill(candidate);
    else candidate.stop();
    this.#candidates.delete(candidate.label);
    const again = this.plan.candidates.find(({ label }) => label === candidate.label);
    if (again !== undefined) this.#joinAfter(again.label, afterMs, () => this.#startCandidate(again));
  }

  replaceController(controller: SimController, how: "crash" | "stop", afterMs: number): void {
    if (how === "crash") controller.kill();
    else controller.stop();
    const { label, cluster } = controller;
    this.#controllers.delete(label);
    this.#joinAfter(label, afterMs, () => this.#startController(label, cluster));
  }

  signalImpatiently(cluster: number): void {
    const { world } = this;
    const holderIdentity = `impatient-${cluster}`;
    const renewTime = microTime((1_790_000_000_000 + world.nowMs) * 1_000);
    const durations = { leaseDurationSeconds: 6, renewDeadlineSeconds: 4, retryPeriodSeconds: 2 };
    const body = { spec: { holderIdentity, renewTime, ...durations, leaseTransitions: null } };
    const server = this.clusters[cluster] ?? this.clusters[0];
    if (world.nowMs >= faultyMs || server.stored(leaseRef) === undefined) return;
    this.#book.send(body, { who: holderIdentity, host: this.#impatient, atMs: world.nowMs });
    void server.connect().patch(leaseRef, body);
  }

  loseStatus(cluster: number): void {
    this.#lostStatus.add(cluster);
  }

  note(text: string, who = "faults"): void {
    this.#events.push({ what: "note", atMs: this.world.nowMs, who, text });
  }

  #kill(candidate: SimCandidate): void {
    candidate.kill();
    const { identity: who, label } = candidate;
    // Whichever term it was: nothing of it runs.
    this.#events.push({ what: "workEnds", atMs: this.world.nowMs, who, term: 0 });
    this.#candidates.delete(label);
  }

  #joinAfter(label: string, ms: number, begin: () => void): void {
    const join = (): void => {
      if (this.#absent.delete(label)) begin();
    };
    this.#absent.set(label, join);
    this.world.after(ms, join);
  }

  #startCandidate(planned: CandidatePlan): void {
    const name = `candidate ${this.#everyCandidate.length}`;
    const rate = this.#rate();
    const candidate = new SimCandidate(this.#scene(planned), { label: planned.label, name, rate });
    this.#everyCandidate.push(candidate);
    this.#candidates.set(planned.label, candidate);
    this.#book.join(candidate.identity, planned.preset);
    candidate.tell(`joins cluster ${planned.cluster} at rate ${rate.toFixed(4)}`);
    void candidate.run();
  }

  #startController(label: string, cluster: number): void {
    const name = `${label}-${this.#everyController.length}`;
    const random = this.chance.random(name);
    const controller = new SimController(this.#controllerScene(), { label, name, cluster, rate: this.#rate(), random });
    this.#everyController.push(controller);
    this.#controllers.set(label, controller);
    this.note("joins", name);
    void controller.run();
  }

  #rate(): number {
    const draws = this.chance.of("rates");
    const share = draws.happens(0.5) ? 1 : draws.next(); // the extremes are where it breaks
    return 1 + this.plan.api.drift * (draws.happens(0.5) ? share : -share);
  }

  #controllerScene(): ControllerScene {
    const { world, server, storageNetwork, plan } = this;
    return {
      ...{ world, server, storageNetwork, storage: plan.storage },
      nextSend: () => (this.#sends += 1),
      connect: (parts) => this.#connect(parts),
      note: (who, text) => this.note(text, who),
    };
  }

  #scene({ cluster, preset }: CandidatePlan): Scene {
    const { world, server, storageNetwork, chance, plan } = this;
    return {
      ...{ world, servers: [server], network: storageNetwork, plan: { ...plan.api, preset }, chance },
      ...{ log: this.#log, events: this.#events, nextSend: () => (this.#sends += 1) },
      ...{ sendPauseMs: () => 0, lingersMs: () => 0, blockedMs: () => 0 },
      lock: (parts) => this.#lock(parts, cluster, preset),
      whoOf: (lock) => this.#who.get(lock) ?? lock.identity,
    };
  }

  #lock(parts: LockParts, cluster: number, { renewDeadlineMs, retryPeriodMs }: CandidatePlan["preset"]): ResourceLock {
    const { label, host, random } = parts;
    const sent = (body: object): void => this.#book.send(body, { who: who(), host, atMs: this.world.nowMs });
    const client = this.#connect({ host, name: label, cluster, sent });
    const { namespace, name } = leaseRef;
    const options = { client, namespace, name, label, random, clock: host, events: "off" } as const;
    const pace = { renewDeadlineMs, retryPeriodMs };
    const within = this.plan.scope === "cluster" ? new LeaseLock(options) : undefined;
    const lock = new MultiClusterLeaseLock({
      ...{ ...options, ...pace },
      ...(within !== undefined && { scope: "cluster", within, label: `cluster-${"abc"[cluster] ?? ""}` }),
    });
    const who = (): string => within?.identity ?? lock.identity;
    this.#who.set(lock, who());
    return lock;
  }

  #connect({
    cluster,
    ...parts
  }: Pick<ClusterClientParts, "host" | "name" | "sent"> & { readonly cluster: number }): ClusterClient {
    const { world, chance } = this;
    const [network, server] = [this.networkOf(cluster), this.clusters[cluster] ?? this.clusters[0]];
    const losesStatus = (): boolean => this.#lostStatus.delete(cluster);
    const draws = chance.of("watches");
    return new ClusterClient({ ...parts, world, network, cluster: server, draws, losesStatus });
  }

  #cluster(): FakeKubernetes {
    const clock = new SimHost(this.world, { rate: 1, wallMs: 1_790_000_000_000 });
    const pruned = ["spec.leaseTransitions", "status.globalAcquireTime"];
    const random = this.chance.random("servers");
    return new FakeKubernetes({
      clock,
      random,
      ...(this.plan.prunes && { prunedFields: { multiclusterleases: pruned } }),
    });
  }

  #applied({ kind, by, send, value, version, named, replaced }: AppliedWrite): void {
    const given = { by, value, atMs: this.world.nowMs, ...recordOf(value) };
    const { atMs, who, isForNeighbour, ...record } = this.#book.apply(given);
    // Where terms are counted by names, a neighbour frees the older name of its cluster.
    const isHand = this.plan.prunes && isForNeighbour;
    const what = { what: "apply", atMs, who, place: "storage", kind: isHand ? "outside" : kind } as const;
    this.#events.push({ ...what, send, version, named, replaced, ...record });
  }

  /** #77: nothing else is wrong meanwhile. */
  async #awayForAnHour(): Promise<void> {
    const { world, apiNetworks, storageNetwork } = this;
    for (const network of apiNetworks) network.heal();
    this.note("the storage is away for an hour");
    const untilMs = world.nowMs + 3_600_000;
    storageNetwork.overload(untilMs, false);
    await world.runUntil(untilMs);
  }

  #heal(): void {
    this.note("everything heals");
    this.#lostStatus.clear();
    for (const network of this.apiNetworks) network.heal();
    this.storageNetwork.heal();
    for (const { host } of [...this.#everyCandidate, ...this.#everyController]) host.resume((items) => items);
    for (const join of [...this.#absent.values()]) join();
  }

  #killLeader(): PlayedClusters["killed"] {
    const holder = this.holder();
    const leader = this.candidates().find(({ identity, elector }) => holder === identity && elector.isLeader());
    if (leader === undefined || this.candidates().length < 2) return undefined;
    this.#kill(leader);
    return { atMs: this.world.nowMs, who: leader.identity };
  }

  /** The longest wait by the slowest clock. */
  #waitMs(): number {
    const { plan } = this;
    return Math.max(...plan.candidates.map(({ preset }) => waitOf(preset, plan.scope))) / (1 - plan.api.drift);
  }

  /** A watch that was given up is opened again within a minute; then come the controllers' own election, and a wait. */
  #leaderWithinMs(): number {
    const { retryPeriodMs } = this.plan.api.preset;
    const { drift } = this.plan.api;
    return this.#waitMs() + (60_000 + 10_000 + 2.2 * retryPeriodMs) / (1 - drift);
  }
}
