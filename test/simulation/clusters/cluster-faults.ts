import { finalizerOf, readStatus } from "../../../src/kubernetes/multi-cluster-lease.ts";
import type { FakeKubernetes } from "../../../src/testing/fake-kubernetes.ts";
import type { Chance, Draws } from "../chance.ts";
import { recordOf, type SimCandidate } from "../sim-candidate.ts";
import type { SimHost, Standstill } from "../sim-host.ts";
import type { SimNetwork } from "../sim-network.ts";
import type { SimServer } from "../sim-server.ts";
import type { World } from "../world.ts";
import type { ClusterFault, ClusterPlan } from "./cluster-plan.ts";
import { leaseRef } from "./lease-ref.ts";
import type { SimController } from "./sim-controller.ts";

/** Where faults of two clusters strike. */
export interface ClusterStage {
  readonly plan: ClusterPlan;
  readonly chance: Chance;
  readonly world: World;
  readonly apiNetworks: readonly [SimNetwork, ...SimNetwork[]];
  readonly storageNetwork: SimNetwork;
  readonly server: SimServer;
  readonly clusters: readonly [FakeKubernetes, ...FakeKubernetes[]];
  /** When everything heals. */
  readonly endMs: number;
  candidates(): readonly SimCandidate[];
  controllers(): readonly SimController[];
  clusterOf(candidate: SimCandidate): number;
  /** Whom the record names. */
  holder(): string | undefined;
  networkOf(cluster: number): SimNetwork;
  /** Kills or stops a process, and brings another one in its place after a while. */
  replaceCandidate(candidate: SimCandidate, how: "crash" | "stop", afterMs: number): void;
  replaceController(controller: SimController, how: "crash" | "stop", afterMs: number): void;
  /** A candidate of a short lease signals whoever holds the lease, as gke-labs' lock does. It never acts. */
  signalImpatiently(cluster: number): void;
  /** The next write of a status in this cluster fails. */
  loseStatus(cluster: number): void;
  note(text: string): void;
}

/** The usual lease: accidents are counted in it. */
const leaseMs = 15_000;

/** All that strikes two clusters at a moment: processes, clocks, connections, servers, and hands. */
export class ClusterFaults {
  readonly #stage: ClusterStage;

  constructor(stage: ClusterStage) {
    this.#stage = stage;
  }

  start(): void {
    this.#startLinks();
    this.#startServers();
    this.#startCandidates();
    this.#startControllers();
    this.#startHands();
  }

  #startLinks(): void {
    const { networkOf, clusterOf, storageNetwork } = this.#bound();
    this.#on("partition", 2, (draws) => {
      const [cut, ms] = [draws.pick(["requests", "answers", "both"] as const), draws.between(500, 3 * leaseMs)];
      const one = draws.happens(0.5) ? this.#candidate(draws) : undefined;
      const controller = this.#controller(draws);
      if (one !== undefined) networkOf(clusterOf(one)).cut(one.label, cut, ms);
      else if (controller !== undefined) networkOf(controller.cluster).cut(controller.name, cut, ms);
      return `${one?.label ?? controller?.name ?? "nobody"} ${cut} ${ms.toFixed(0)} ms`;
    });
    this.#on("storagePartition", 3, (draws) => {
      const [cut, ms] = [draws.pick(["requests", "answers", "both"] as const), draws.between(500, 3 * leaseMs)];
      const name = this.#controller(draws)?.name ?? "nobody";
      storageNetwork.cut(name, cut, ms);
      return `${name} ${cut} ${ms.toFixed(0)} ms`;
    });
    this.#on("hung", 3, (draws) => {
      const one = this.#candidate(draws);
      if (one === undefined) return "nobody";
      networkOf(clusterOf(one)).hang(one.label, this.#until(draws.between(500, 2 * leaseMs)));
      return one.label;
    });
  }

  #startServers(): void {
    const { apiNetworks, storageNetwork, clusters } = this.#stage;
    this.#on("serverPause", 4, (draws) => {
      draws.pick(apiNetworks).pauseServer(this.#until(draws.between(100, 2 * leaseMs)));
      return "";
    });
    this.#on("storagePause", 4, (draws) => {
      storageNetwork.pauseServer(this.#until(draws.between(100, 2 * leaseMs)));
      return "";
    });
    this.#on("storageAway", 6, (draws) => {
      storageNetwork.overload(this.#until(draws.between(500, 4 * leaseMs)), draws.happens(0.3));
      return "";
    });
    this.#on("watchesEnd", 2, (draws) => {
      draws.pick(clusters).endWatches();
      return "";
    });
    this.#on("compaction", 3, (draws) => {
      const cluster = draws.pick(clusters);
      cluster.compact();
      cluster.endWatches();
      return "";
    });
  }

  #startCandidates(): void {
    const { replaceCandidate } = this.#bound();
    this.#onCandidate("pause", 3, (one, draws) => this.#stand(one.host, "process", draws.between(100, 2 * leaseMs)));
    this.#onCandidate("suspend", 4, (one, draws) =>
      this.#stand(one.host, "suspend", draws.between(1_000, 3 * leaseMs)),
    );
    this.#onCandidate("crash", 3, (one, draws) => {
      replaceCandidate(one, "crash", draws.between(10, leaseMs));
      return "";
    });
    this.#onCandidate("stopAndStart", 4, (one, draws) => {
      replaceCandidate(one, "stop", draws.between(leaseMs, 2 * leaseMs));
      return "";
    });
    this.#onCandidate("resign", 2, ({ elector }) => {
      void elector.resign();
      return "";
    });
    this.#on("wallStep", 1, (draws) => {
      const ms = draws.between(-3_600_000, 3_600_000);
      this.#anyHost(draws)?.stepWall(ms);
      return `${ms.toFixed(0)} ms`;
    });
    this.#on("drift", 1, (draws) => {
      const rate = 1 + this.#stage.plan.api.drift * draws.between(-1, 1);
      this.#anyHost(draws)?.setRate(rate);
      return `rate ${rate.toFixed(4)}`;
    });
  }

  #startControllers(): void {
    const { replaceController } = this.#bound();
    this.#onController("controllerPause", 3, ({ host }, draws) => {
      const how = draws.pick(["process", "process", "suspend"] as const);
      return `${how} ${this.#stand(host, how, draws.between(100, 2 * leaseMs))}`;
    });
    this.#onController("controllerCrash", 3, (one, draws) => {
      replaceController(one, "crash", draws.between(10, leaseMs));
      return "";
    });
    this.#onController("controllerRestart", 3, (one, draws) => {
      replaceController(one, "stop", draws.between(10, 3_000));
      return "";
    });
  }

  #startHands(): void {
    const { clusters, world, server, plan } = this.#stage;
    this.#on("edit", 0.5, (draws) => {
      draws.pick(clusters).annotate(leaseRef);
      return "";
    });
    this.#on("editFlood", 6, (draws) => {
      const cluster = draws.pick(clusters);
      const untilMs = this.#until(draws.between(500, 5_000));
      const edit = (): void => {
        cluster.annotate(leaseRef);
        if (world.nowMs < untilMs) world.after(10, edit);
      };
      edit();
      return "";
    });
    this.#on("deletion", 5, (draws) => {
      draws.pick(clusters).remove(leaseRef);
      return "";
    });
    this.#on("finalizerTaken", 5, (draws) => {
      const cluster = draws.pick(clusters);
      const stored = cluster.stored(leaseRef);
      if (stored === undefined) return "of nothing";
      const { finalizers } = stored.metadata ?? {};
      const own: unknown = finalizerOf(leaseRef.group);
      const kept = Array.isArray(finalizers) ? finalizers.filter((name) => name !== own) : [];
      void cluster.connect().patch(leaseRef, { metadata: { finalizers: kept } }); // what was being deleted, goes
      if (draws.happens(0.5)) cluster.remove(leaseRef);
      return "";
    });
    this.#on("impatient", 4, (draws) => {
      const cluster = draws.pick(plan.clusters);
      for (let nth = 0; nth < 5; nth += 1) world.after(2_000 * nth, () => this.#stage.signalImpatiently(cluster));
      return `in cluster ${cluster}`;
    });
    this.#on("statusLost", 1.5, (draws) => {
      const cluster = draws.pick(plan.clusters);
      this.#stage.loseStatus(cluster);
      return `of cluster ${cluster}`;
    });
    let deleted = false; // two of them are left to the fence
    this.#on("recordDeleted", 8, () => {
      if (deleted || !this.#isSeenByAll()) return "of nothing";
      deleted = true;
      server.put(undefined);
      return "";
    });
  }

  /** Whether every cluster has seen the term that the storage holds; who has not is left to the fence, too. */
  #isSeenByAll(): boolean {
    const { server, clusters } = this.#stage;
    const { term = Infinity } = recordOf(server.current?.value);
    return clusters.every((cluster) => {
      const read = readStatus(cluster.stored(leaseRef) ?? {});
      return "status" in read && (read.status.globalLeaseTransitions ?? 0) >= term;
    });
  }

  #bound(): Pick<
    ClusterStage,
    "networkOf" | "clusterOf" | "storageNetwork" | "replaceCandidate" | "replaceController"
  > {
    const stage = this.#stage;
    return {
      storageNetwork: stage.storageNetwork,
      networkOf: (cluster) => stage.networkOf(cluster),
      clusterOf: (one) => stage.clusterOf(one),
      replaceCandidate: (...given) => stage.replaceCandidate(...given),
      replaceController: (...given) => stage.replaceController(...given),
    };
  }

  #until(ms: number): number {
    const { world, endMs } = this.#stage;
    return Math.min(endMs, world.nowMs + ms);
  }

  #stand(host: SimHost, kind: Standstill, ms: number): string {
    host.stand(kind);
    const draws = this.#stage.chance.of("order after a standstill");
    this.#stage.world.after(ms, () => host.resume((items) => draws.shuffle(items)));
    return `${ms.toFixed(0)} ms`;
  }

  /** Anybody; where accidents are aimed, half of the time whoever holds the lease. */
  #candidate(draws: Draws): SimCandidate | undefined {
    const { plan, chance } = this.#stage;
    const present = this.#stage.candidates().filter(({ host, settled }) => host.running && !settled);
    const anybody = draws.oneOf(present);
    if (!plan.faults.has("aimed") || chance.of("aimed").happens(0.5)) return anybody;
    const holder = this.#stage.holder();
    return present.find(({ identity }) => identity === holder) ?? anybody;
  }

  #controller(draws: Draws): SimController | undefined {
    const present = this.#stage.controllers().filter(({ host, settled }) => host.running && !settled);
    const leading = present.filter(({ controller }) => controller.isLeader);
    return draws.oneOf(draws.happens(0.5) && leading.length > 0 ? leading : present);
  }

  #anyHost(draws: Draws): SimHost | undefined {
    return draws.oneOf([...this.#stage.candidates(), ...this.#stage.controllers()].map(({ host }) => host));
  }

  #onCandidate(name: ClusterFault, leases: number, strike: (one: SimCandidate, draws: Draws) => string): void {
    this.#on(name, leases, (draws) => {
      const one = this.#candidate(draws);
      return one === undefined ? "nobody" : `${one.label} ${strike(one, draws)}`;
    });
  }

  #onController(name: ClusterFault, leases: number, strike: (one: SimController, draws: Draws) => string): void {
    this.#on(name, leases, (draws) => {
      const one = this.#controller(draws);
      return one === undefined ? "nobody" : `${one.name} ${strike(one, draws)}`;
    });
  }

  /** Strikes again and again, on average once in so many leases at intensity 1. */
  #on(name: ClusterFault, leases: number, strike: (draws: Draws) => string): void {
    const { plan, chance, world, endMs } = this.#stage;
    if (!plan.faults.has(name)) return;
    const draws = chance.of(name);
    const next = (): void => {
      world.after(draws.gap((leases * leaseMs) / plan.intensity), () => {
        if (world.nowMs >= endMs) return;
        this.#stage.note(`${name} ${strike(draws)}`);
        next();
      });
    };
    next();
  }
}
