import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { check, type HistoryEvent, type ServerWrite, type Violation } from "./history.ts";
import { drawPlan, type FaultName, type Plan } from "./plan.ts";
import { FencedLog, SimCandidate, type Scene } from "./sim-candidate.ts";
import { SimServer } from "./sim-server.ts";
import type { HintPassage, Network, Passage } from "./sim-storage.ts";
import { World } from "./world.ts";

/** How a run went. */
export interface RunResult {
  readonly plan: Plan;
  readonly events: readonly HistoryEvent[];
  readonly writes: readonly ServerWrite[];
  readonly violations: readonly Violation[];
  readonly ledShare: number;
  readonly terms: number;
}

const faultyMs = 8 * 60_000;

/** One run from a seed: eight simulated minutes with faults, then everything heals. */
export async function simulate(
  seed: number,
  options: { drift?: number; without?: ReadonlySet<FaultName> } = {},
): Promise<RunResult> {
  const random = new SeededRandom(seed);
  const drawn = drawPlan(seed, random, options.drift);
  const faults = new Set([...drawn.faults].filter((fault) => options.without?.has(fault) !== true));
  const run = new Run({ ...drawn, faults }, random);
  return run.play();
}

class Run {
  readonly #plan: Plan;
  readonly #random: SeededRandom;
  readonly #world = new World();
  readonly #server: SimServer;
  readonly #scene: Scene;
  readonly #candidates: SimCandidate[] = [];
  readonly #cut = new Map<string, "requests" | "answers" | "both">();
  #healed = false;
  #serverStandsUntilMs = 0;
  #incarnations = 0;
  readonly #requests = new Map<string, number>();

  constructor(plan: Plan, random: SeededRandom) {
    this.#plan = plan;
    this.#random = random;
    this.#server = new SimServer(this.#world);
    const network: Network = {
      passage: (from, kind) => this.#passage(from, kind),
      hint: () => this.#hint(),
    };
    this.#scene = {
      ...{ world: this.#world, server: this.#server, network, plan, log: new FencedLog(), events: [] },
    };
  }

  async play(): Promise<RunResult> {
    const { preset } = this.#plan;
    for (let index = 0; index < this.#plan.candidates; index += 1) {
      this.#world.after(this.#random.next() * 2_000, () => this.#join(`c${index}`, index));
    }
    this.#scheduleFaults();
    await this.#world.runUntil(faultyMs);
    this.#heal();
    const boundMs = ((preset.leaseDurationMs + 2.2 * preset.retryPeriodMs) / (1 - 0.1) + 2_000) * 2;
    const healMs = Math.max(120_000, boundMs);
    const healedAtMs = this.#world.nowMs;
    await this.#world.runUntil(healedAtMs + healMs);
    return this.#judge(healedAtMs);
  }

  #judge(healedAtMs: number): RunResult {
    const { events } = this.#scene;
    const writes = this.#server.applied.map((write) => serverWrite(write));
    const violations = check(events, writes).filter(({ invariant }) => this.#demands(invariant));
    const led = events.filter((event) => event.what === "act" && event.atMs > healedAtMs).length;
    const steady = this.#plan.work === "short" || this.#plan.work === "long";
    if (led === 0 && steady && !this.#plan.faults.has("hostile")) {
      violations.push({ invariant: "L1", atMs: this.#world.nowMs, text: "nobody leads after everything has healed" });
    }
    violations.push(...this.#judgePacing());
    for (const event of events) {
      if (event.what === "note" && event.text.startsWith("broken")) {
        violations.push({ invariant: "bug", atMs: event.atMs, text: `${event.who}: ${event.text}` });
      }
    }
    const terms = events.filter((event) => event.what === "start").length;
    return { plan: this.#plan, events, writes, violations, ledShare: led, terms };
  }

  /** L5: requests of one candidate in one minute, under any fault. */
  #judgePacing(): Violation[] {
    const { retryPeriodMs, renewDeadlineMs, leaseDurationMs } = this.#plan.preset;
    const renewals = 60_000 / Math.min(leaseDurationMs / 3, renewDeadlineMs / 2);
    const most = renewals + 150_000 / retryPeriodMs + 130 + 20;
    const busy = [...this.#requests].filter(([, count]) => count > most);
    return busy.map(([key, count]) => {
      const [who, minute] = key.split(" ");
      const text = `${who} sent ${count} requests in minute ${minute}, at most ${most} are allowed`;
      return { invariant: "L5", atMs: Number(minute) * 60_000, text };
    });
  }

  /** What the assumptions of a run allow to be demanded. */
  #demands(invariant: string): boolean {
    const { faults } = this.#plan;
    const undone = faults.has("restored") || faults.has("hostile");
    if (invariant === "S1") return !faults.has("allClocksStand") && !undone && !faults.has("deletion");
    if (invariant === "S5" && faults.has("allClocksStand")) return false; // a win may be started long after
    if (invariant === "S5" || invariant === "S4") return !undone && !faults.has("deletion");
    return true;
  }

  #join(label: string, index: number): void {
    this.#incarnations += 1;
    const drift = this.#plan.drift;
    const share = this.#random.next() < 0.5 ? 1 : this.#random.next(); // the extremes are where it breaks
    const rate = 1 + drift * (this.#random.next() < 0.5 ? share : -share);
    const seed = this.#plan.seed * 1_000 + this.#incarnations;
    const candidate = new SimCandidate(this.#scene, { label, seed, rate });
    this.#candidates[index] = candidate;
    void candidate.run();
  }

  #scheduleFaults(): void {
    const strike = (meanMs: number, run: () => void): void => {
      const next = (): void => {
        const inMs = -Math.log(1 - this.#random.next()) * (meanMs / this.#plan.intensity);
        this.#world.after(inMs, () => {
          if (this.#healed) return;
          run();
          next();
        });
      };
      next();
    };
    const faults = this.#plan.faults;
    const cadenceMs = this.#plan.preset.leaseDurationMs;
    const someone = (run: (candidate: SimCandidate, index: number) => void): void => {
      const index = Math.floor(this.#random.next() * this.#candidates.length);
      const candidate = this.#candidates[index];
      if (candidate?.host.running === true) run(candidate, index);
    };
    const between = (fromMs: number, toMs: number): number => fromMs + this.#random.next() * (toMs - fromMs);
    const on = (name: FaultName, meanMs: number, run: () => void): void => {
      if (faults.has(name)) strike(meanMs, run);
    };
    const stand = (kind: "process" | "suspend" | "everything", ms: number, wallJump: number): void =>
      someone(({ host }) => {
        host.stand(kind);
        this.#world.after(ms, () => host.resume((items) => this.#shuffle(items), wallJump));
      });
    on("partition", 2 * cadenceMs, () =>
      someone(({ identity }) => {
        const kinds = ["requests", "answers", "both"] as const;
        const kind = kinds[Math.floor(this.#random.next() * 3)] ?? "both";
        this.#cut.set(identity, kind);
        this.#world.after(between(500, 3 * cadenceMs), () => this.#cut.delete(identity));
      }),
    );
    on("pause", 2 * cadenceMs, () => stand("process", between(100, 2 * cadenceMs), 0));
    on("suspend", 3 * cadenceMs, () => stand("suspend", between(1_000, 4 * cadenceMs), 0));
    on("allClocksStand", 3 * cadenceMs, () => {
      const ms = between(1_000, 30_000);
      stand("everything", ms, this.#random.next() < 0.7 ? ms : 0);
    });
    on("wallStep", cadenceMs, () => someone(({ host }) => host.stepWall((this.#random.next() - 0.5) * 7_200_000)));
    on("drift", cadenceMs, () =>
      someone(({ host }) => host.setRate(1 + this.#plan.drift * (2 * this.#random.next() - 1))),
    );
    on("crash", 3 * cadenceMs, () =>
      someone(({ host, label, identity }, index) => {
        host.kill();
        this.#scene.events.push({ what: "settled", atMs: this.#world.nowMs, who: identity });
        this.#world.after(between(10, cadenceMs), () => this.#join(label, index));
      }),
    );
    on("resign", 2 * cadenceMs, () =>
      someone(({ elector }) => {
        const other = this.#candidates[Math.floor(this.#random.next() * this.#candidates.length)];
        void elector.resign(this.#random.next() < 0.5 && other !== undefined ? { to: other.identity } : {});
      }),
    );
    on("stopAndStart", 3 * cadenceMs, () =>
      someone(({ elector, label }, index) => {
        void elector.stop();
        this.#world.after(between(cadenceMs, 2 * cadenceMs), () => this.#join(label, index));
      }),
    );
    on("edit", cadenceMs / 2, () => {
      const now = this.#server.current;
      if (now !== undefined) this.#server.put(now.value);
    });
    on("deletion", 8 * cadenceMs, () => {
      if (this.#server.current !== undefined) this.#server.put(undefined);
    });
    on("restored", 8 * cadenceMs, () => {
      const old = this.#server.past[Math.floor(this.#random.next() * this.#server.past.length)];
      if (old?.stored !== undefined) this.#server.put(old.stored.value);
    });
    on("hostile", 8 * cadenceMs, () => {
      const texts = [
        "{}",
        "[]",
        "null",
        "{",
        '{"holderIdentity":"x","renewTime":"2026-01-01T00:00:00Z","leaseTransitions":2147483647}',
      ];
      const text = texts[Math.floor(this.#random.next() * texts.length)] ?? "";
      const kept = this.#server.current;
      this.#server.put(new TextEncoder().encode(text));
      this.#world.after(between(100, cadenceMs), () => {
        if (kept !== undefined) this.#server.put(kept.value); // a person repairs it
      });
    });
    on("serverPause", 4 * cadenceMs, () => {
      this.#serverStandsUntilMs = this.#world.nowMs + between(100, 2 * cadenceMs);
    });
  }

  #heal(): void {
    this.#healed = true;
    this.#cut.clear();
    for (const { host } of this.#candidates.filter((one) => one !== undefined)) host.resume((items) => items);
    this.#serverStandsUntilMs = 0;
  }

  #shuffle<T>(items: T[]): T[] {
    return items
      .map((item) => ({ item, draw: this.#random.next() }))
      .sort((a, b) => a.draw - b.draw)
      .map(({ item }) => item);
  }

  #passage(from: string, kind: "read" | "write"): Passage {
    const minute = `${from} ${Math.floor(this.#world.nowMs / 60_000)}`;
    this.#requests.set(minute, (this.#requests.get(minute) ?? 0) + 1);
    const faults = this.#healed ? new Set<FaultName>() : this.#plan.faults;
    const chance = (name: FaultName, p: number): boolean =>
      faults.has(name) && this.#random.next() < Math.min(0.5, p * this.#plan.intensity);
    const halfMs = (): number => (this.#plan.roundTripMs / 2) * (0.5 + this.#random.next());
    const lateMs = (): number => (chance("late", 0.08) ? this.#random.next() * 9_000 : 0);
    const cut = this.#cut.get(from);
    const standsMs = Math.max(0, this.#serverStandsUntilMs - this.#world.nowMs);
    const refused = chance("refused", 0.04);
    return {
      requestMs: halfMs() + lateMs() + standsMs,
      answerMs: halfMs() + lateMs(),
      requestLost: cut === "requests" || cut === "both" || chance("requestLost", 0.05),
      answerLost: cut === "answers" || cut === "both" || chance("answerLost", 0.05),
      doubledMs: !refused && kind === "write" && chance("doubled", 0.05) ? this.#random.next() * 5_000 : undefined,
      refused: refused ? { retryAfterMs: this.#random.next() < 0.3 ? this.#random.next() * 20_000 : 0 } : undefined,
      failsAfter: kind === "write" && chance("failsAfter", 0.04),
      staleMs: kind === "read" && chance("stale", 0.1) ? this.#random.next() * 10_000 : 0,
    };
  }

  #hint(): HintPassage | undefined {
    const faults = this.#healed ? new Set<FaultName>() : this.#plan.faults;
    const chance = (name: FaultName, p: number): boolean => faults.has(name) && this.#random.next() < p;
    if (chance("hintLost", 0.2)) return undefined;
    const delayMs = this.#plan.roundTripMs / 2 + (chance("hintLate", 0.2) ? this.#random.next() * 9_000 : 0);
    return { delayMs, again: chance("hintDoubled", 0.2) ? delayMs + this.#random.next() * 5_000 : undefined };
  }
}

function serverWrite(write: {
  atMs: number;
  by: string;
  kind: ServerWrite["kind"];
  value: Uint8Array | undefined;
}): ServerWrite {
  const { atMs, by, kind, value } = write;
  let parsed: Record<string, unknown> = {};
  try {
    if (value !== undefined) parsed = JSON.parse(new TextDecoder().decode(value)) ?? {};
  } catch {
    parsed = {}; // a hostile record: judged as nobody's
  }
  const text = (field: string): string | undefined => {
    const found = parsed[field];
    return typeof found === "string" ? found : undefined;
  };
  const term = typeof parsed["leaseTransitions"] === "number" ? parsed["leaseTransitions"] : undefined;
  return { atMs, by, kind, holder: text("holderIdentity"), renewTime: text("renewTime"), term };
}
