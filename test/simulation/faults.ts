import type { Stored } from "../../src/storage/versioned-storage.ts";
import type { Chance, Draws } from "./chance.ts";
import { editedValue, hostileValue } from "./hostile-records.ts";
import type { FaultName, Plan } from "./plan.ts";
import { recordOf, type SimCandidate } from "./sim-candidate.ts";
import type { Standstill } from "./sim-host.ts";
import type { SimNetwork } from "./sim-network.ts";
import type { SimServer } from "./sim-server.ts";
import type { World } from "./world.ts";

/** Where faults strike. */
export interface FaultStage {
  readonly plan: Plan;
  readonly chance: Chance;
  readonly world: World;
  readonly network: SimNetwork;
  readonly servers: readonly SimServer[];
  /** When everything heals. */
  readonly endMs: number;
  /** The candidates whose processes are there, each at its own place. */
  candidates(): readonly SimCandidate[];
  /** Kills or stops a candidate, and brings one with the same label after a while. */
  replace(candidate: SimCandidate, how: "crash" | "stop", afterMs: number): void;
  /** Tells every watch of every server a hundred times a second that something may have changed. */
  floodHints(forMs: number): void;
  note(text: string): void;
}

/** All that strikes at a moment: accidents of processes, clocks and connections, and other hands in the store. */
export class Faults {
  readonly #stage: FaultStage;
  readonly #cadenceMs: number;
  /** Every accident that this run may have, for those that come in company. */
  readonly #accidents: (() => void)[] = [];
  #struckLast: SimCandidate | undefined;
  readonly #damaged = new Map<SimServer, { readonly damaged: Stored | undefined; readonly kept: Stored }>();
  #edits = 0;
  #vandalisms = 0;

  constructor(stage: FaultStage) {
    this.#stage = stage;
    this.#cadenceMs = stage.plan.preset.leaseDurationMs;
  }

  start(): void {
    this.#startNetwork();
    this.#startProcesses();
    this.#startClocks();
    this.#startCalls();
    this.#startHands();
  }

  /** What a person repairs, is repaired. */
  heal(): void {
    for (const server of this.#stage.servers) this.#repair(server);
  }

  #startNetwork(): void {
    const { network, endMs, world } = this.#stage;
    this.#onSomeone("partition", 2, ({ identity }, draws) => {
      const cut = draws.pick(["requests", "answers", "both"] as const);
      network.cut(identity, cut, draws.between(500, 3 * this.#cadenceMs));
      return cut;
    });
    this.#onSomeone("hung", 3, ({ identity }, draws) => {
      network.hang(identity, Math.min(endMs, world.nowMs + draws.between(500, 2 * this.#cadenceMs)));
      return "";
    });
    this.#on("serverPause", 4, (draws) => {
      network.pauseServer(Math.min(endMs, world.nowMs + draws.between(100, 2 * this.#cadenceMs)));
    });
    this.#on("overload", 6, (draws) => {
      const tells = draws.happens(0.5);
      network.overload(Math.min(endMs, world.nowMs + draws.between(500, 3 * this.#cadenceMs)), tells);
    });
    const rarely = 120_000 / this.#cadenceMs; // each costs a hundred wake-ups a second and candidate
    this.#on("hintFlood", rarely, (draws) => this.#stage.floodHints(draws.between(200, 2_000)));
  }

  #startProcesses(): void {
    const pausedAtMost = Math.min(30_000, 2 * this.#cadenceMs);
    this.#onSomeone("pause", 2, (one, draws) => this.#stand(one, "process", { ms: draws.between(100, pausedAtMost) }));
    this.#onSomeone("crash", 3, (one, draws) => {
      this.#stage.replace(one, "crash", draws.between(10, this.#cadenceMs));
      return "";
    });
  }

  #startClocks(): void {
    const { plan } = this.#stage;
    this.#onSomeone("suspend", 3, (one, draws) =>
      this.#stand(one, "suspend", { ms: draws.between(1_000, 4 * this.#cadenceMs) }),
    );
    this.#onSomeone("allClocksStand", 3, (one, draws) => {
      const ms = draws.between(1_000, 30_000);
      return this.#stand(one, "everything", { ms, wallJumpMs: draws.happens(0.7) ? ms : 0 });
    });
    this.#onSomeone("wallStep", 1, ({ host }, draws) => {
      const ms = draws.between(-3_600_000, 3_600_000);
      host.stepWall(ms);
      return `${ms.toFixed(0)} ms`;
    });
    this.#onSomeone("drift", 1, ({ host }, draws) => {
      const rate = 1 + plan.drift * draws.between(-1, 1);
      host.setRate(rate);
      return `rate ${rate.toFixed(4)}`;
    });
  }

  #startCalls(): void {
    this.#onSomeone("resign", 2, ({ elector }, draws) => {
      const other = draws.oneOf(this.#stage.candidates());
      const to = draws.happens(0.5) ? other?.identity : undefined;
      void elector.resign(to === undefined ? {} : { to });
      return to === undefined ? "" : `to ${to}`;
    });
    this.#onSomeone("stopAndStart", 3, (one, draws) => {
      this.#stage.replace(one, "stop", draws.between(this.#cadenceMs, 2 * this.#cadenceMs));
      return "";
    });
  }

  #startHands(): void {
    const { chance, servers, world } = this.#stage;
    const somewhere = (name: FaultName): SimServer | undefined => chance.of(name).oneOf(servers);
    this.#on("edit", 0.5, (draws) => {
      const server = somewhere("edit");
      if (server?.current === undefined || this.#isDamaged(server)) return;
      this.#edits += 1;
      server.put(draws.happens(0.5) ? server.current.value : editedValue(server.current.value, this.#edits));
    });
    this.#on("deletion", 8, () => {
      const server = somewhere("deletion");
      if (server?.current !== undefined && !this.#isDamaged(server)) server.put(undefined);
    });
    this.#on("restored", 8, (draws) => {
      const server = somewhere("restored");
      const old = draws.oneOf(server?.ofCandidates ?? []);
      if (old !== undefined) server?.put(old);
    });
    this.#on("hostile", 8, (draws) => {
      const server = somewhere("hostile");
      if (server?.current === undefined || this.#isDamaged(server)) return;
      const kept = server.current;
      this.#vandalisms += 1;
      server.put(hostileValue(kept.value, draws, this.#vandalisms));
      this.#damaged.set(server, { damaged: server.current, kept });
      world.after(draws.between(100, this.#cadenceMs), () => this.#repair(server));
    });
  }

  /** Whether what a vandal stored is still there; else a candidate took it over, or another hand replaced it. */
  #isDamaged(server: SimServer): boolean {
    return server.current !== undefined && this.#damaged.get(server)?.damaged === server.current;
  }

  #repair(server: SimServer): void {
    const { kept } = this.#damaged.get(server) ?? {};
    if (kept !== undefined && this.#isDamaged(server)) server.put(kept.value);
    this.#damaged.delete(server);
  }

  #stand(one: SimCandidate, kind: Standstill, { ms, wallJumpMs = 0 }: { ms: number; wallJumpMs?: number }): string {
    one.host.stand(kind);
    const draws = this.#stage.chance.of("order after a standstill");
    this.#stage.world.after(ms, () => one.host.resume((items) => draws.shuffle(items), { wallJumpMs }));
    return `${ms.toFixed(0)} ms`;
  }

  /** Strikes again and again, on average once in so many lease durations at intensity 1. */
  #on(name: FaultName, cadences: number, strike: (draws: Draws) => void): void {
    const { plan, chance, world, endMs } = this.#stage;
    if (!plan.faults.has(name)) return;
    const draws = chance.of(name);
    const happen = (): void => {
      if (world.nowMs >= endMs) return;
      this.#stage.note(name);
      strike(draws);
      if (plan.faults.has("company")) this.#bringCompany();
    };
    this.#accidents.push(happen);
    const next = (): void => {
      world.after(draws.gap((cadences * this.#cadenceMs) / plan.intensity), () => {
        happen();
        if (world.nowMs < endMs) next();
      });
    };
    next();
  }

  /** Accidents seldom come alone: who repairs one causes another, and what overloads a server overloads its hosts. */
  #bringCompany(): void {
    const draws = this.#stage.chance.of("company");
    if (!draws.happens(0.35)) return;
    const other = draws.oneOf(this.#accidents);
    if (other !== undefined) this.#stage.world.after(draws.between(0, this.#cadenceMs), other);
  }

  /** Anybody; where accidents are aimed, half of the time whoever holds the lease, or who was struck last. */
  #victim(draws: Draws): SimCandidate | undefined {
    const { plan, chance, servers } = this.#stage;
    const present = this.#stage.candidates();
    const anybody = draws.oneOf(present);
    if (!plan.faults.has("aimed")) return anybody;
    const aim = chance.of("aimed").next();
    const holder = recordOf(servers[0]?.current?.value).holder;
    if (aim < 0.4) return present.find(({ identity }) => identity === holder) ?? anybody;
    return aim < 0.6 && this.#struckLast !== undefined ? this.#struckLast : anybody;
  }

  #onSomeone(name: FaultName, cadences: number, strike: (one: SimCandidate, draws: Draws) => string): void {
    this.#on(name, cadences, (draws) => {
      const one = this.#victim(draws);
      if (one?.host.running !== true || one.settled) return;
      this.#struckLast = one;
      one.tell(`${name} ${strike(one, draws)}`);
    });
  }
}
