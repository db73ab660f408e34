import type { Clock } from "../system/clock.ts";
import { type Instant, type MachineClock, msBetween } from "../system/machine-clock.ts";

/** How often the clocks are read although no timer is due: timers stand while the machine is suspended. */
const longestPauseMs = 100;

/** What a `ValidityWatch` needs. */
export interface ValidityWatchOptions {
  readonly clock: Clock;
  readonly machineClock: MachineClock;
  readonly until: Instant;
  readonly killAfterMs: number;
  /** Called once, when the validity is over. */
  readonly onOver: () => void;
  /** Called from `killAfterMs` after the validity on, again at each look, until `stop`. */
  readonly onKill: () => void;
}

/**
 * Watches until when a group of processes may live. Both processes that may end the group have one, with the same
 * instants; neither trusts a timer: each look reads the clocks, and a look comes at the deadline and every 100 ms.
 */
export class ValidityWatch {
  readonly #options: ValidityWatchOptions;
  #until: Instant;
  #over = false;
  #stopped = false;
  #cancel: (() => void) | undefined;

  constructor(options: ValidityWatchOptions) {
    this.#options = options;
    this.#until = options.until;
    this.#arm();
  }

  /** A write was confirmed. Too late is too late: once over, nothing extends. */
  extend(until: Instant): void {
    if (!this.look()) this.#until = until;
    this.#arm();
  }

  /** Reads the clocks and acts; says whether the validity is over. */
  look(): boolean {
    if (this.#stopped) return this.#over;
    const leftMs = this.#leftMs();
    if (leftMs <= 0 && !this.#over) {
      this.#over = true;
      this.#options.onOver();
    }
    if (leftMs <= -this.#options.killAfterMs) this.#options.onKill();
    this.#arm();
    return this.#over;
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #leftMs(): number {
    return msBetween(this.#options.machineClock.now(), this.#until);
  }

  #arm(): void {
    this.#cancel?.();
    if (this.#stopped) return;
    const { clock, killAfterMs } = this.#options;
    const dueMs = this.#leftMs() + (this.#over ? killAfterMs : 0);
    // a kill that was due is repeated, with pauses: not every process ends at once
    const pauseMs = dueMs <= 0 && this.#over ? longestPauseMs : Math.min(Math.max(dueMs, 1), longestPauseMs);
    this.#cancel = clock.setTimer(clock.monotonicMs() + pauseMs, () => this.look());
  }
}
