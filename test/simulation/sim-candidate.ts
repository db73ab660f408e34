import { StaleTermError } from "../../src/errors.ts";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import type { Leadership } from "../../src/election/leadership.ts";
import { StorageLock } from "../../src/lock/storage-lock.ts";
import { sleep } from "../../src/system/clock.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import type { HistoryEvent } from "./history.ts";
import type { Plan } from "./plan.ts";
import { SimHost } from "./sim-host.ts";
import type { SimServer } from "./sim-server.ts";
import { SimStorage, type Network } from "./sim-storage.ts";
import type { World } from "./world.ts";

/** The guarded resource: a log that takes terms in an order that never goes back, checked in the step that appends. */
export class FencedLog {
  #highest = 0;
  #holder = "";

  append(term: number, who: string): boolean {
    if (term < this.#highest || (term === this.#highest && who !== this.#holder)) return false;
    this.#highest = term;
    this.#holder = who;
    return true;
  }

  get highest(): number {
    return this.#highest;
  }
}

/** What candidates share. */
export interface Scene {
  readonly world: World;
  readonly server: SimServer;
  readonly network: Network;
  readonly plan: Plan;
  readonly log: FencedLog;
  readonly events: HistoryEvent[];
}

/** One process with a real elector on a simulated host. Killed, it is replaced by another one with the same label. */
export class SimCandidate {
  readonly host: SimHost;
  readonly elector: LeaderElector;
  readonly lock: StorageLock;
  readonly label: string;
  readonly #scene: Scene;
  leadership: Leadership | undefined;
  alarms: string[] = [];
  reads = 0;
  writes = 0;
  hints = 0;

  constructor(
    scene: Scene,
    { label, seed, rate }: { readonly label: string; readonly seed: number; readonly rate: number },
  ) {
    const { world, server, network, plan } = scene;
    this.#scene = scene;
    this.label = label;
    const random = new SeededRandom(seed);
    const years = 365 * 86_400_000;
    this.host = new SimHost(world, { rate, wallMs: 1_790_000_000_000 + (random.next() - 0.5) * 10 * years });
    const identity = (): string => this.lock.identity;
    const storage = new SimStorage({
      ...{ world, host: this.host, server, network, watch: plan.watch, minWriteIntervalMs: plan.minWriteIntervalMs },
      get name() {
        return identity();
      },
    });
    this.lock = new StorageLock({ storage, namespace: "sim", name: "lease", label, random, clock: this.host });
    this.elector = new LeaderElector({
      ...{ lock: this.lock, clock: this.host, random, ...plan.preset, onMissing: plan.onMissing },
      drainTimeoutMs: plan.preset.renewDeadlineMs,
      callbacks: {
        onStartedLeading: (leadership) => this.#start(leadership),
        onStoppedLeading: (reason) => this.#note({ what: "stop", term: this.leadership?.term ?? 0, reason }),
        onNewLeader: (leader) => this.#note({ what: "newLeader", leader, term: 0 }),
      },
    });
    this.elector.on("alarm", ({ kind, message }) => this.#note({ what: "note", text: `alarm ${kind}: ${message}` }));
    this.elector.on("attempt", ({ op }) => {
      if (op === "read") this.reads += 1;
      else this.writes += 1;
    });
    this.elector.on("error", ({ error, where }) => {
      if (where === "election") this.#note({ what: "note", text: `broken: ${String(error)}` });
    });
  }

  get identity(): string {
    return this.lock.identity;
  }

  run(): Promise<void> {
    return this.elector.run().then(() => this.#note({ what: "settled" }));
  }

  async #start(leadership: Leadership): Promise<void> {
    this.leadership = leadership;
    const { term } = leadership;
    this.#note({ what: "start", term });
    this.#note({ what: "workBegins", term });
    try {
      await this.#work(leadership);
    } finally {
      this.#note({ what: "workEnds", term });
    }
  }

  async #work(leadership: Leadership): Promise<void> {
    const { plan } = this.#scene;
    const stepMs = plan.preset.retryPeriodMs / 8;
    for (let steps = 0; ; steps += 1) {
      if (leadership.signal.aborted && plan.work !== "ignoresAbort") return;
      if (plan.work === "throws" && steps > 20) throw new Error("the work failed");
      if (plan.work === "returns" && steps > 20) return;
      if (plan.work === "ignoresAbort" && steps > 400) return;
      try {
        await leadership.guard(async (current) => this.#act(current));
      } catch (error) {
        if (error instanceof StaleTermError) throw error;
        if (plan.work !== "ignoresAbort") return; // refused or outlasted: the term is over
      }
      await sleep(this.host, plan.work === "long" ? stepMs * 4 : stepMs);
    }
  }

  async #act(term: number): Promise<void> {
    this.#note({ what: "act", term });
    const { log } = this.#scene;
    const accepted = log.append(term, this.identity);
    this.#note({ what: "fence", term, accepted });
    if (!accepted) throw new StaleTermError("a larger term was here", { acceptedTerm: log.highest });
  }

  #note(event: DistributiveOmit<HistoryEvent, "atMs" | "who">): void {
    this.#scene.events.push({ ...event, atMs: this.#scene.world.nowMs, who: this.identity });
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
