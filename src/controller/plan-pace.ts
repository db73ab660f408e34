/** A release and the next acquisition, with all their outcomes, fit in. */
const burst = 20;
const refillMs = 100;

/** Twenty plans at once, then ten a second: a flood of events costs no more than that. */
export class PlanPace {
  #tokens = burst;
  #refilledMs: number;

  constructor(nowMs: number) {
    this.#refilledMs = nowMs;
  }

  /** Takes a plan; returns when there will be one, if there is none now. */
  take(nowMs: number): number | undefined {
    const refills = Math.floor((nowMs - this.#refilledMs) / refillMs);
    if (refills > 0) {
      this.#refilledMs += refills * refillMs;
      this.#tokens = Math.min(this.#tokens + refills, burst);
    }
    if (this.#tokens === 0) return this.#refilledMs + refillMs;
    this.#tokens -= 1;
    return undefined;
  }
}
