import type { Clock } from "../../src/system/clock.ts";
import type { World } from "./world.ts";

interface Timer {
  readonly untilMs: number;
  readonly run: () => void;
  cancel: () => void;
}

/**
 * What stands while a process does: nothing but itself, the monotonic clock (suspend), or every clock (a paused
 * machine).
 */
export type Standstill = "process" | "suspend" | "everything";

/**
 * One process on one host: its clocks, which run at their own rate and may stand, and its event loop, which may stand
 * as well: what is due meanwhile arrives afterwards, in an order of its own.
 */
export class SimHost implements Clock {
  readonly #world: World;
  #anchorMs: number;
  #monotonicMs: number;
  #bootMs: number;
  #wallMs: number;
  #rate: number;
  #standstill: Standstill | undefined;
  readonly #timers = new Set<Timer>();
  #overdue: (() => void)[] = [];
  #dead = false;
  #second = 0;
  #wakeUpsInSecond = 0;
  /** The most timers that fired within one true second. */
  mostWakeUps = 0;
  /** When the process last stood still, in true time; `-Infinity` if it never did. */
  lastStoodMs = -Infinity;

  constructor(world: World, { rate, wallMs }: { readonly rate: number; readonly wallMs: number }) {
    this.#world = world;
    this.#anchorMs = world.nowMs;
    this.#rate = rate;
    this.#monotonicMs = 1_000;
    this.#bootMs = 1_000;
    this.#wallMs = wallMs;
  }

  /** Whether it was killed. */
  get dead(): boolean {
    return this.#dead;
  }

  get running(): boolean {
    return !this.#dead && this.#standstill === undefined;
  }

  monotonicMs(): number {
    const stands = this.#standstill === "suspend" || this.#standstill === "everything";
    return this.#monotonicMs + (stands ? 0 : this.#elapsed());
  }

  /** In steps of 10 ms, as Linux tells it. */
  bootMs(): number {
    return Math.floor(this.exactBootMs() / 10) * 10;
  }

  /** What a leader's clock should show: counts a suspend, but not the time in which every clock stood. */
  exactBootMs(): number {
    return this.#bootMs + (this.#standstill === "everything" ? 0 : this.#elapsed());
  }

  wallMs(): number {
    return Math.floor(this.#wallMs + (this.#standstill === "everything" ? 0 : this.#elapsed()));
  }

  setTimer(untilMs: number, run: () => void): () => void {
    const timer: Timer = { untilMs, run, cancel: () => {} };
    this.#timers.add(timer);
    this.#arm(timer);
    return () => {
      timer.cancel();
      this.#timers.delete(timer);
    };
  }

  /** Hands something to the process: now, or when it runs again, or never. */
  deliver(run: () => void): void {
    if (this.#dead) return;
    if (this.#standstill === undefined) run();
    else this.#overdue.push(run);
  }

  setRate(rate: number): void {
    this.#rebase();
    this.#rate = rate;
    this.#rearm();
  }

  stepWall(ms: number): void {
    this.#wallMs += ms;
  }

  /** The process stands from now on; `resume` ends that. */
  stand(standstill: Standstill): void {
    if (!this.running) return;
    this.#rebase();
    this.#standstill = standstill;
    this.#rearm();
  }

  /**
   * Everything that came due meanwhile arrives, in the order that `shuffle` gives it; after `first`, which is what the
   * blocked code itself does next.
   */
  resume(shuffle: <T>(items: readonly T[]) => readonly T[], { wallJumpMs = 0, first = (): void => {} } = {}): void {
    if (this.#standstill === undefined) return this.deliver(first);
    this.#rebase();
    this.#standstill = undefined;
    this.lastStoodMs = this.#world.nowMs;
    this.#wallMs += wallJumpMs;
    const overdue = shuffle(this.#overdue);
    this.#overdue = [];
    this.#world.after(0, () => this.deliver(first));
    for (const run of overdue) this.#world.after(0, () => this.deliver(run));
    this.#rearm();
  }

  /** SIGKILL: nothing of this process ever runs again. */
  kill(): void {
    this.#dead = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    this.#overdue = [];
  }

  #countWakeUp(): void {
    const second = Math.floor(this.#world.nowMs / 1_000);
    this.#wakeUpsInSecond = second === this.#second ? this.#wakeUpsInSecond + 1 : 1;
    this.#second = second;
    this.mostWakeUps = Math.max(this.mostWakeUps, this.#wakeUpsInSecond);
  }

  #elapsed(): number {
    return (this.#world.nowMs - this.#anchorMs) * this.#rate;
  }

  #rebase(): void {
    const monotonicMs = this.monotonicMs();
    const elapsedMs = this.#standstill === "everything" ? 0 : this.#elapsed();
    this.#monotonicMs = monotonicMs;
    this.#bootMs += elapsedMs;
    this.#wallMs += elapsedMs;
    this.#anchorMs = this.#world.nowMs;
  }

  #rearm(): void {
    for (const timer of this.#timers) {
      timer.cancel();
      this.#arm(timer);
    }
  }

  #arm(timer: Timer): void {
    if (this.#dead || this.#standstill === "suspend" || this.#standstill === "everything") return;
    const leftMs = Math.max(0, timer.untilMs - this.#monotonicMs) / this.#rate;
    timer.cancel = this.#world.at(this.#anchorMs + leftMs, () => {
      const due = (): void => {
        if (!this.#timers.has(timer)) return;
        // Rounding may fall short by the last bit: a timer never fires before its clock shows the time.
        if (this.monotonicMs() < timer.untilMs) {
          timer.cancel = this.#world.after(1e-6, due);
          return;
        }
        this.#timers.delete(timer);
        this.#countWakeUp();
        timer.run();
      };
      this.deliver(due);
    });
  }
}
