import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";
import { writeHeapSnapshot } from "node:v8";
import { join } from "node:path";
import type * as Tenure from "../../../src/index.ts";
import type { PrometheusMetrics } from "../../../src/telemetry/index.ts";
import { nowNs, tell, type JournalClient } from "./channel.ts";
import type { CandidateSettings, Command, StepOutcome } from "./protocol.ts";

type WorkFault = Extract<Command, { do: "block" | "stopBetweenCheckAndWrite" | "throwInWork" }>;

const lookEveryMs = 10;
const standstillMs = 1_000;

/** The work of a leader: a guarded step now and then, and whatever fault it was told. */
export class CandidateWork {
  readonly #settings: CandidateSettings;
  readonly #journal: JournalClient;
  readonly #codeOf: typeof Tenure.errorCode;
  #leadership: Tenure.Leadership | undefined;
  #fault: WorkFault | undefined;
  #metrics: PrometheusMetrics | undefined;

  constructor(settings: CandidateSettings, journal: JournalClient, codeOf: typeof Tenure.errorCode) {
    this.#settings = settings;
    this.#journal = journal;
    this.#codeOf = codeOf;
  }

  /** Whose view of the event loop is told after it was blocked. */
  meter(metrics: PrometheusMetrics): void {
    this.#metrics = metrics;
  }

  /** Of the term that started last. */
  get term(): number {
    return this.#leadership?.term ?? 0;
  }

  /** Once, before the next step. */
  fail(fault: WorkFault): void {
    this.#fault = fault;
  }

  async run(leadership: Tenure.Leadership): Promise<void> {
    this.#leadership = leadership;
    const { term, signal } = leadership;
    void tell({ did: "started", term });
    signal.addEventListener("abort", () => void tell({ did: "signalled", term }), { once: true });
    void this.#lookForGaps(leadership);
    const untilMs = performance.now() + (this.#settings.workMs ?? Infinity);
    while (!signal.aborted && performance.now() < untilMs) {
      await this.#useFault(leadership);
      await this.#step(leadership);
      await pause(this.#settings.stepEveryMs, undefined, { signal }).catch(() => {}); // the loop's condition sees it
    }
    await pause(this.#settings.drainMs);
    void tell({ did: "workEnded", term });
  }

  /** How long the term is not held from now on: the wall clock has just stepped. */
  watchSuspicion(): void {
    const leadership = this.#leadership;
    if (leadership === undefined) return;
    void (async () => {
      const beginNs = nowNs();
      const heldAtOnce = leadership.isHeld();
      while (!leadership.isHeld() && !leadership.signal.aborted) await nextTurn();
      await tell({ did: "suspected", heldAtOnce, notHeldForMs: Number(nowNs() - beginNs) / 1e6 });
    })();
  }

  async #useFault(leadership: Tenure.Leadership): Promise<void> {
    const fault = this.#fault;
    this.#fault = undefined;
    if (fault?.do === "block") await this.#block(leadership, fault);
    if (fault?.do === "stopBetweenCheckAndWrite") await this.#step(leadership, () => stopMyself(leadership));
    if (fault?.do !== "throwInWork") return;
    void this.#step(leadership, () => pause(fault.stepMs));
    throw new Error("the work fails while a step of it runs");
  }

  /** Checks, does what a test wants to happen between the check and the write, and writes. */
  async #step(leadership: Tenure.Leadership, between?: () => Promise<unknown>): Promise<void> {
    const { identity } = leadership;
    const beginNs = nowNs();
    let outcome: StepOutcome = "accepted";
    try {
      await leadership.guard(async (term) => {
        const stepNs = nowNs();
        await between?.();
        await this.#journal.append({ term, identity, beginNs: stepNs });
      });
    } catch (error) {
      const code = this.#codeOf(error);
      if (code !== "STALE_TERM" && code !== "LEADERSHIP_LOST") throw error;
      outcome = code === "STALE_TERM" ? "rejected" : phaseOf(error);
    }
    void tell({ did: "step", term: leadership.term, beginNs: String(beginNs), outcome });
  }

  /** The event loop stands for a while; the next microtask takes a guarded step. */
  async #block(leadership: Tenure.Leadership, { ms, by }: Extract<WorkFault, { do: "block" }>): Promise<void> {
    const { term, signal } = leadership;
    const untilNs = nowNs() + BigInt(ms) * 1_000_000n;
    while (nowNs() < untilNs) {
      if (by === "snapshots") writeHeapSnapshot(join(this.#settings.directory, "@snapshot"));
    }
    await Promise.resolve();
    const abortedBefore = signal.aborted;
    let stepRan = false;
    const guarded = leadership.guard(async () => {
      stepRan = true;
    });
    const abortedInside = signal.aborted;
    const refusal = await guarded.then(
      () => "none",
      (error: unknown) => (this.#codeOf(error) === "LEADERSHIP_LOST" ? phaseOf(error) : String(error)),
    );
    await pause(100); // counted from before the standstill, so it ends at once
    await pause(100); // until the event loop was looked at again
    const loopDelaySeconds = this.#longestLoopDelay();
    void tell({ did: "blocked", term, abortedBefore, abortedInside, stepRan, refusal, loopDelaySeconds });
  }

  #longestLoopDelay(): number {
    const line = /^tenure_loop_delay_seconds_sum (.*)$/m.exec(this.#metrics?.text() ?? "");
    return Number(line?.[1] ?? 0);
  }

  /** Looks every few milliseconds; a look much later than that comes after a standstill. */
  async #lookForGaps(leadership: Tenure.Leadership): Promise<void> {
    let lastNs = nowNs();
    for (let over = false; !over;) {
      const beforeNs = nowNs();
      const held = leadership.isHeld();
      const aborted = leadership.signal.aborted;
      const afterNs = nowNs();
      const ms = Number(afterNs - lastNs) / 1e6;
      const ambiguous = Number(afterNs - beforeNs) / 1e6 > standstillMs / 2;
      if (ms > standstillMs) void tell({ did: "gap", term: leadership.term, ms, held, aborted, ambiguous });
      over = aborted && !held;
      lastNs = nowNs();
      await pause(lookEveryMs);
    }
  }
}

async function stopMyself(leadership: Tenure.Leadership): Promise<void> {
  await tell({ did: "stopping", identity: leadership.identity });
  leadership.assertHeld(); // the last check before the write
  process.kill(process.pid, "SIGSTOP");
}

function phaseOf(error: unknown): "refused" | "outlasted" {
  return typeof error === "object" && error !== null && Reflect.get(error, "phase") === "outlasted"
    ? "outlasted"
    : "refused";
}
