import type { Clock } from "../system/clock.ts";
import type { Random } from "../system/random.ts";

const firstPauseMs = 800;
const longestPauseMs = 30_000;
/** After so long without a pause, the next trouble is a new one. */
const quietMs = 120_000;

/**
 * The pauses between attempts to follow a server: 0.8 s, doubled each time up to 30 s, each with as much again drawn on
 * top, as client-go draws it. So many that start together spread over the whole window, and none of them asks a server
 * that is away more than twice a minute.
 */
export class RestartPause {
  readonly #clock: Clock;
  readonly #random: Random;
  #pauseMs = firstPauseMs;
  #overMs = -Infinity;

  constructor({ clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = clock;
    this.#random = random;
  }

  /** How long to wait now, in milliseconds; the next one is longer. */
  next(): number {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#overMs > quietMs) this.#pauseMs = firstPauseMs;
    const drawnMs = this.#pauseMs * (1 + this.#random.next());
    this.#pauseMs = Math.min(2 * this.#pauseMs, longestPauseMs);
    this.#overMs = nowMs + drawnMs;
    return drawnMs;
  }
}
