import type { Chance } from "./chance.ts";
import { Faults, type FaultStage } from "./faults.ts";
import type { EventOf, HistoryEvent } from "./history.ts";
import type { Plan } from "./plan.ts";
import { recordOf, SimCandidate, type Scene } from "./sim-candidate.ts";
import { endsInFlood, floodedTakeoverMs, type FloodedTakeover } from "./sim-flood.ts";
import { longestRetryAfterMs, SimNetwork } from "./sim-network.ts";
import { SimServer, type AppliedWrite } from "./sim-server.ts";
import { FencedLog } from "./sim-work.ts";
import { World } from "./world.ts";

/** What one run has shown, for the judge. */
export interface PlayedRun {
  readonly plan: Plan;
  readonly events: readonly HistoryEvent[];
  /** Everybody who ever took part. */
  readonly candidates: readonly SimCandidate[];
  readonly network: SimNetwork;
  /** From here on nothing is disturbed, and every call that was has ended. */
  readonly healedAtMs: number;
  /** How long after that a leader may take (L1). */
  readonly leaderWithinMs: number;
  /** When the leader was asked to resign, after everything had healed. */
  readonly resignedAtMs: number;
  /** The leader that was killed in a flood of hints after that, if this run ends so. */
  readonly flood: FloodedTakeover | undefined;
  /** When all were stopped. */
  readonly stoppedAtMs: number;
  readonly endMs: number;
}

const faultyMs = 8 * 60_000;
/** How far round trips stretch beyond the drawn one, plus what a slow write and a second lock add. */
const stretch = 1.5;

/** One run: eight simulated minutes with faults, then everything heals, a leader resigns, and all stop. */
export class SimRun implements FaultStage {
  readonly plan: Plan;
  readonly chance: Chance;
  readonly world = new World();
  readonly network: SimNetwork;
  readonly servers: readonly [SimServer, ...SimServer[]];
  readonly endMs = faultyMs;
  readonly #scene: Scene;
  readonly #faults: Faults;
  readonly #everybody: SimCandidate[] = [];
  readonly #present = new Map<string, SimCandidate>();
  readonly #absent = new Map<string, () => void>();
  readonly #events: HistoryEvent[] = [];
  #sends = 0;
  #healed = false;

  constructor(plan: Plan, chance: Chance) {
    this.plan = plan;
    this.chance = chance;
    const { world } = this;
    this.network = new SimNetwork({ plan, chance, world });
    this.servers = plan.multiLock ? [this.#server("first"), this.#server("second")] : [this.#server("first")];
    this.#scene = {
      ...{ world, servers: this.servers, network: this.network, plan, chance, log: new FencedLog() },
      events: this.#events,
      nextSend: () => (this.#sends += 1),
      blockedMs: () => this.#blockedMs(),
      lingersMs: () => this.#lingersMs(),
      sendPauseMs: () => this.#sendPauseMs(),
    };
    this.#faults = new Faults(this);
  }

  async play(): Promise<PlayedRun> {
    const arrivals = this.chance.of("arrivals");
    for (let index = 1; index <= this.plan.candidates; index += 1) {
      this.#joinAfter(`c${index}`, arrivals.between(0, 2_000));
    }
    this.#faults.start();
    await this.world.runUntil(faultyMs);
    this.#heal();
    while (this.world.nowMs < this.network.troubleUntilMs) await this.world.runUntil(this.network.troubleUntilMs);
    const healedAtMs = this.world.nowMs;
    const leaderWithinMs = this.#leaderWithinMs();
    const calmMs = Math.max(120_000, 2 * leaderWithinMs);
    await this.world.runUntil(healedAtMs + (leaderWithinMs + calmMs) / 2);
    const resignedAtMs = this.world.nowMs;
    for (const one of this.candidates()) void one.elector.resign();
    await this.world.runUntil(healedAtMs + calmMs);
    const flood = endsInFlood(this.plan) ? await this.#killInFlood() : undefined;
    const stoppedAtMs = this.world.nowMs;
    for (const one of this.candidates()) if (!one.settled) one.stop();
    await this.world.runUntil(stoppedAtMs + this.#settledWithinMs());
    const { plan, network } = this;
    return {
      ...{ plan, network, events: this.#events, candidates: this.#everybody, healedAtMs, leaderWithinMs },
      ...{ resignedAtMs, flood, stoppedAtMs, endMs: this.world.nowMs },
    };
  }

  candidates(): readonly SimCandidate[] {
    return [...this.#present.values()];
  }

  replace(candidate: SimCandidate, how: "crash" | "stop", afterMs: number): void {
    if (how === "crash") candidate.kill();
    else candidate.stop();
    this.#present.delete(candidate.label);
    this.#joinAfter(candidate.label, afterMs);
  }

  note(text: string): void {
    this.#events.push({ what: "note", atMs: this.world.nowMs, who: "faults", text });
  }

  floodHints(forMs: number): void {
    const untilMs = this.world.nowMs + forMs;
    const tell = (): void => {
      for (const server of this.servers) server.hint();
      if (this.world.nowMs < untilMs) this.world.after(10, tell);
    };
    tell();
  }

  /** L6: the leader dies while hints flood everybody, and they flood again when its lease runs out. */
  async #killInFlood(): Promise<FloodedTakeover | undefined> {
    const { world, plan } = this;
    const edgeMs = 2_000;
    this.floodHints(edgeMs);
    await world.runUntil(world.nowMs + edgeMs);
    const last = this.#lastWrite();
    const leader = this.candidates().find(({ identity }) => identity === last?.holder);
    if (last === undefined || leader === undefined) return undefined;
    leader.kill();
    this.#present.delete(leader.label);
    const killedAtMs = world.nowMs;
    const withinMs = floodedTakeoverMs(plan, roundTripMs(plan));
    await world.runUntil(Math.max(killedAtMs, last.atMs + plan.preset.leaseDurationMs / (1 + plan.drift) - edgeMs));
    this.floodHints(last.atMs + withinMs - world.nowMs);
    await world.runUntil(killedAtMs + withinMs + edgeMs);
    const { atMs: renewedAtMs } = this.#lastWrite(leader.identity) ?? last; // one may have been under way
    return { renewedAtMs, killedAtMs, withinMs };
  }

  #lastWrite(holder?: string): EventOf<"apply"> | undefined {
    const isIt = (event: HistoryEvent): event is EventOf<"apply"> =>
      event.what === "apply" && (holder === undefined || event.holder === holder);
    return this.#events.findLast(isIt);
  }

  #joinAfter(label: string, ms: number): void {
    const join = (): void => {
      if (this.#absent.delete(label)) this.#join(label);
    };
    this.#absent.set(label, join);
    this.world.after(ms, join);
  }

  #join(label: string): void {
    const draws = this.chance.of("rates");
    const share = draws.happens(0.5) ? 1 : draws.next(); // the extremes are where it breaks
    const rate = 1 + this.plan.drift * (draws.happens(0.5) ? share : -share);
    const candidate = new SimCandidate(this.#scene, { label, name: `candidate ${this.#everybody.length}`, rate });
    this.#everybody.push(candidate);
    this.#present.set(label, candidate);
    candidate.tell(`joins at rate ${rate.toFixed(4)}`);
    void candidate.run();
  }

  #heal(): void {
    this.#healed = true;
    this.note("everything heals");
    this.network.heal();
    this.network.untroubledAfter(this.#leftOverMs() / (1 - this.plan.drift));
    this.#faults.heal();
    for (const { host } of this.#everybody) host.resume((items) => items);
    for (const join of [...this.#absent.values()]) join();
  }

  #server(place: string): SimServer {
    const applied = (write: AppliedWrite): void => {
      const { kind, by: who, send, value, version, named, replaced } = write;
      const what = { what: "apply", atMs: this.world.nowMs, who, place, kind } as const;
      this.#events.push({ ...what, send, version, named, replaced, ...recordOf(value) });
    };
    return new SimServer({ world: this.world, place, versions: this.plan.versions, applied });
  }

  #blockedMs(): number {
    if (this.#healed || !this.plan.faults.has("blockedLoop")) return 0;
    const draws = this.chance.of("blockedLoop");
    if (!draws.happens(0.002 * this.plan.intensity)) return 0;
    return draws.between(0, 1.5 * this.plan.preset.renewDeadlineMs);
  }

  #sendPauseMs(): number {
    if (this.#healed || !this.plan.faults.has("sendPause")) return 0;
    const draws = this.chance.of("sendPause");
    return draws.happens(0.02 * this.plan.intensity) ? draws.between(0, 1.5 * this.plan.preset.renewDeadlineMs) : 0;
  }

  #lingersMs(): number {
    if (this.#healed || !this.plan.faults.has("lingers")) return 0;
    const draws = this.chance.of("lingers");
    return draws.happens(0.7) ? draws.between(0, this.#lingersAtMostMs()) : 0;
  }

  /** Earlier work, and what a server asked for (`Retry-After`), come before anything; their clocks may have stood. */
  #leftOverMs(): number {
    const { faults } = this.plan;
    const stood = faults.has("suspend") || faults.has("allClocksStand");
    const quietMs = stood && (faults.has("refused") || faults.has("overload")) ? longestRetryAfterMs : 0;
    return Math.max(quietMs, faults.has("lingers") ? this.#lingersAtMostMs() : 0);
  }

  #lingersAtMostMs(): number {
    return 1.5 * this.plan.preset.leaseDurationMs;
  }

  /** L1: the longest wait and one poll by the slowest clock, the herd window, two round trips. */
  #leaderWithinMs(): number {
    const { preset, drift, multiLock } = this.plan;
    const waitMs = (preset.leaseDurationMs + 2.2 * preset.retryPeriodMs) / (1 - drift);
    // Of two locks, an acquisition by what was read before the healing may stay a half, which is waited out as well.
    return (multiLock ? 2 : 1) * waitMs + 1_000 + 2 * roundTripMs(this.plan);
  }

  /** L4: by the slowest clock, and a little more, so that the judge sees who is late. */
  #settledWithinMs(): number {
    return (1.5 * this.plan.preset.renewDeadlineMs + 1_000) / (1 - this.plan.drift);
  }
}

/** The longest round trip of one call when nothing is disturbed. */
export function roundTripMs({ roundTripMs: drawnMs, slowWriteMs, multiLock }: Plan): number {
  return (drawnMs * stretch + slowWriteMs) * (multiLock ? 2 : 1);
}
