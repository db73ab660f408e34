import { LeaderElector } from "../../src/election/leader-elector.ts";
import type { Leadership } from "../../src/election/leadership.ts";
import { MultiLock } from "../../src/lock/multi-lock.ts";
import { maxReadableTerm } from "../../src/lock/record-codec.ts";
import type { ResourceLock } from "../../src/lock/resource-lock.ts";
import { StorageLock } from "../../src/lock/storage-lock.ts";
import type { SeededRandom } from "../../src/testing/seeded-random.ts";
import type { Chance } from "./chance.ts";
import type { HistoryEvent, HistoryRecord } from "./history.ts";
import type { Plan } from "./plan.ts";
import { SimHost } from "./sim-host.ts";
import type { SimNetwork } from "./sim-network.ts";
import type { SimServer } from "./sim-server.ts";
import { SimStorage, type SentRequest } from "./sim-storage.ts";
import { peekingLock } from "./sim-peeks.ts";
import { simWork, type FencedLog } from "./sim-work.ts";
import type { World } from "./world.ts";

/** What candidates share. */
export interface Scene {
  readonly world: World;
  /** One, or two for a `MultiLock`. */
  readonly servers: readonly [SimServer, ...SimServer[]];
  readonly network: SimNetwork;
  readonly plan: Plan;
  readonly chance: Chance;
  readonly log: FencedLog;
  readonly events: HistoryEvent[];
  readonly nextSend: () => number;
  /** How long a process stands just after it has sent a write. */
  readonly sendPauseMs: () => number;
  /** How long somebody's work goes on after it was told to end. */
  readonly lingersMs: () => number;
  /** How long the loop of somebody's work is blocked before its next step. */
  readonly blockedMs: () => number;
  /** Makes the lock of one process, where it is not one on `servers`. */
  readonly lock?: (parts: LockParts) => ResourceLock;
  /** Who contends by this lock, where its identity does not tell: candidates of a cluster may share one. */
  readonly whoOf?: (lock: ResourceLock) => string;
}

/** What a lock is made for. */
export interface LockParts {
  readonly label: string;
  readonly host: SimHost;
  readonly random: SeededRandom;
}

const yearMs = 365 * 86_400_000;

/** One process with a real elector on a simulated host. Killed, it is replaced by another one with the same label. */
export class SimCandidate {
  readonly host: SimHost;
  readonly elector: LeaderElector;
  readonly label: string;
  readonly #lock: ResourceLock;
  readonly #scene: Scene;
  #term = 0;
  #answered = 0;
  /** The run has settled, or the process is dead. */
  settled = false;
  /** Rows of the tables that show outside: how often. */
  readonly rows = new Map<string, number>();

  constructor(
    scene: Scene,
    { label, name, rate }: { readonly label: string; readonly name: string; readonly rate: number },
  ) {
    this.#scene = scene;
    this.label = label;
    const { plan, world, log } = scene;
    const random = scene.chance.random(name);
    const wallMs = 1_790_000_000_000 + (random.next() - 0.5) * 10 * yearMs; // clocks need not agree
    this.host = new SimHost(world, { rate, wallMs });
    this.#lock = this.#peeking(this.#makeLock(random));
    this.elector = new LeaderElector({
      ...{ lock: this.#lock, clock: this.host, random, ...plan.preset },
      ...{ onMissing: plan.onMissing, whenWorkReturns: plan.whenWorkReturns },
      ...(plan.termFloor && { termFloor: async () => log.highest }),
      callbacks: {
        onStartedLeading: (leadership) => this.#start(leadership),
        onStoppedLeading: (reason) => this.#note({ what: "stop", term: this.#term, reason }),
      },
    });
    this.#listen();
  }

  get identity(): string {
    return this.#scene.whoOf?.(this.#lock) ?? this.#lock.identity;
  }

  async run(): Promise<void> {
    await this.elector.run();
    this.settled = true;
    this.#note({ what: "settled", localMs: this.host.monotonicMs() });
  }

  stop(): void {
    this.#note({ what: "stopCalled", localMs: this.host.monotonicMs() });
    void this.elector.stop();
  }

  /** SIGKILL. */
  kill(): void {
    this.host.kill();
    this.settled = true;
    this.#note({ what: "note", text: "killed" });
  }

  tell(text: string): void {
    this.#note({ what: "note", text });
  }

  #makeLock(random: SeededRandom): ResourceLock {
    const { servers, plan, lock } = this.#scene;
    if (lock !== undefined) return lock({ label: this.label, host: this.host, random });
    const options = { namespace: "sim", name: "lease", label: this.label, random, clock: this.host };
    const [primary, ...more] = servers.map((server) => new StorageLock({ ...options, storage: this.#open(server) }));
    const [secondary] = more;
    if (primary === undefined) throw new Error("a scene has at least one server");
    if (!plan.multiLock || secondary === undefined) return primary;
    return new MultiLock(primary, secondary, { clock: this.host });
  }

  #peeking(lock: ResourceLock): ResourceLock {
    const { plan, chance } = this.#scene;
    if (!plan.faults.has("peeks")) return lock;
    const draws = chance.of("peeks");
    const peek = (): void => void this.elector.isLeader();
    return peekingLock(lock, peek, () => Math.floor(draws.between(0, 4)));
  }

  #open(server: SimServer): SimStorage {
    const { world, network, plan, nextSend } = this.#scene;
    return new SimStorage({
      ...{ world, server, network, nextSend, watch: plan.watch, minWriteIntervalMs: plan.minWriteIntervalMs },
      host: this.host,
      name: () => this.identity,
      sent: (request) => this.#noteSend(request),
      received: (stored, from, askedMs) => {
        const seen = {
          ...{ from, askedMs },
          absent: stored === undefined,
          localMs: this.host.monotonicMs(),
          ...recordOf(stored?.value),
        };
        this.#note({ what: "receive", ...seen });
      },
    });
  }

  #noteSend({ send, value, named }: SentRequest): void {
    const fastMs = this.host.exactBootMs();
    this.#note({ what: "send", send, named, fastMs, localMs: this.host.monotonicMs(), ...recordOf(value) });
    const ms = this.#scene.sendPauseMs();
    if (ms > 0) this.#scene.world.after(0, () => this.#standFor(ms));
  }

  #standFor(ms: number): void {
    if (!this.host.running) return;
    this.tell(`pause ${ms.toFixed(0)} ms, a write is under way`);
    this.host.stand("process");
    const draws = this.#scene.chance.of("order after a pause at a send");
    this.#scene.world.after(ms, () => this.host.resume((items) => draws.shuffle(items)));
  }

  #listen(): void {
    const { elector } = this;
    elector.on("newLeader", ({ identity, term }) => this.#note({ what: "newLeader", leader: identity, term }));
    elector.on("alarm", ({ kind, message }) => {
      this.#note({ what: "alarm", kind });
      this.#note({ what: "note", text: `alarm ${kind}: ${message}` });
    });
    elector.on("attempt", ({ op, result }) => {
      if (result === "written" && op !== "release") this.#answered += 1;
    });
    elector.on("renewed", () => {
      if (this.#answered === 0) this.#count("G2"); // confirmed by what was read, not by its answer
      this.#answered = Math.max(0, this.#answered - 1);
    });
    elector.on("elected", () => {
      this.#answered = 0;
    });
    elector.on("error", ({ error, where }) => {
      if (where === "election") this.tell(`bug: ${String(error)}`);
    });
  }

  #count(row: string): void {
    this.rows.set(row, (this.rows.get(row) ?? 0) + 1);
  }

  async #start(leadership: Leadership): Promise<void> {
    const { term } = leadership;
    this.#term = term;
    this.#note({ what: "start", term });
    this.#note({ what: "workBegins", term });
    const { world, plan, log, blockedMs, lingersMs, chance } = this.#scene;
    try {
      await simWork(leadership, {
        ...{ world, host: this.host, plan, log, blockedMs, lingersMs, draws: chance.of("blockedLoop") },
        acted: (current) => this.#note({ what: "act", term: current, fastMs: this.host.exactBootMs() }),
        fenced: (current) => {
          const accepted = log.append(current, this.identity);
          this.#note({ what: "fence", term: current, accepted });
          return accepted;
        },
      });
    } finally {
      this.#note({ what: "workEnds", term });
    }
  }

  #note(event: DistributiveOmit<HistoryEvent, "atMs" | "who">): void {
    this.#scene.events.push({ ...event, atMs: this.#scene.world.nowMs, who: this.identity });
  }
}

/** What a stored value says; nothing of what cannot be read. */
export function recordOf(value: Uint8Array | undefined): HistoryRecord {
  let parsed: unknown;
  try {
    parsed = value === undefined ? undefined : JSON.parse(decoder.decode(value));
  } catch {
    return {}; // a hostile record: nobody's
  }
  if (typeof parsed !== "object" || parsed === null) return {};
  const [holder, renewTime, term] = ["holderIdentity", "renewTime", "leaseTransitions"].map((field): unknown =>
    Reflect.get(parsed, field),
  );
  if (typeof holder !== "string" || typeof renewTime !== "string" || typeof term !== "number") return {};
  return term > maxReadableTerm ? {} : { holder, renewTime, term };
}

const decoder = new TextDecoder();

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
