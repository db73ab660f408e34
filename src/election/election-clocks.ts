import type { Clock } from "../system/clock.ts";
import type { Readings } from "./election-state.ts";

/** Below this, boot and monotonic time differ by the resolution of the boot clock alone. */
const bootNoiseMs = 20;
/** A wall clock that gained more than this on the monotonic one makes the boot clock worth its cost. */
const lookCloserMs = 100;
/** Turns of the loop in quick succession share one look at the boot clock: it opens a file, and has steps of 10 ms. */
const bootLookMs = 10;
/** Unless the wall clock and the monotonic one moved apart by more than this since then. */
const apartMs = 2;
/** A gain of the wall clock that suspend does not explain: a paused machine, or a step by an operator. */
const suspectMs = 2_000;

/**
 * The two clocks of an elector. The observer's is monotonic: it judges how long others were silent, so it must not run
 * ahead. The leader's adds the time that the machine was suspended, as one growing offset: it judges one's own
 * validity, so it must not fall behind. Adding max(Δmonotonic, Δboot) at each check would run ahead by the boot
 * clock's steps.
 */
export class ElectionClocks {
  readonly #clock: Clock;
  readonly #bootLeadMs: number;
  #suspendedMs = 0;
  #lookedAtMs: number;
  #wallLeadAtLookMs: number;
  #wallLeadMs: number;
  #suspendedAtRebaseMs = 0;
  #suspect = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    const monotonicMs = clock.monotonicMs();
    this.#bootLeadMs = clock.bootMs() - monotonicMs;
    this.#lookedAtMs = monotonicMs;
    this.#wallLeadMs = clock.wallMs() - monotonicMs;
    this.#wallLeadAtLookMs = this.#wallLeadMs;
  }

  observerMs(): number {
    return this.#clock.monotonicMs();
  }

  wallMs(): number {
    return this.#clock.wallMs();
  }

  /** Two cheap clock readings; the boot clock is read only if the wall clock moved apart. Allocates nothing. */
  leaderMs(): number {
    const monotonicMs = this.#clock.monotonicMs();
    const gainedMs = this.#clock.wallMs() - monotonicMs - this.#wallLeadMs;
    if (gainedMs > lookCloserMs || gainedMs < 0) this.#lookCloser(monotonicMs, gainedMs);
    return monotonicMs + this.#suspendedMs;
  }

  /** Both clocks, with a look at the boot clock every now and then: for the loop, which can afford it. */
  readings(): Readings {
    this.leaderMs();
    const observerMs = this.#clock.monotonicMs();
    if (this.#isLookOld(observerMs)) this.#readBoot(observerMs);
    return { observerMs, leaderMs: observerMs + this.#suspendedMs };
  }

  /** Whether the wall clock moved on in a way that nothing explains, since the last `rebase`. */
  get suspect(): boolean {
    return this.#suspect;
  }

  /** A renewal that was sent after the last look is confirmed: what the wall clock shows now is the new normal. */
  rebase(): void {
    this.#suspect = false;
    this.#wallLeadMs = this.#clock.wallMs() - this.#clock.monotonicMs();
    this.#suspendedAtRebaseMs = this.#suspendedMs;
  }

  #lookCloser(monotonicMs: number, gainedMs: number): void {
    if (gainedMs < 0) {
      // Stepped back (or rounded): follow at once, or the step would hide a later suspend of the same length.
      this.#wallLeadMs += gainedMs;
      if (gainedMs < -lookCloserMs) this.#readBoot(monotonicMs);
      return;
    }
    this.#readBoot(monotonicMs);
    const explainedMs = this.#suspendedMs - this.#suspendedAtRebaseMs;
    if (gainedMs - explainedMs > suspectMs) this.#suspect = true;
  }

  /** A suspend that a step of the wall clock hides in the same instant is found 10 ms later. */
  #isLookOld(monotonicMs: number): boolean {
    const apart = Math.abs(this.#clock.wallMs() - monotonicMs - this.#wallLeadAtLookMs);
    return monotonicMs - this.#lookedAtMs >= bootLookMs || apart > apartMs;
  }

  #readBoot(monotonicMs: number): void {
    this.#lookedAtMs = monotonicMs;
    this.#wallLeadAtLookMs = this.#clock.wallMs() - monotonicMs;
    const grownMs = this.#clock.bootMs() - monotonicMs - this.#bootLeadMs;
    if (grownMs > this.#suspendedMs + bootNoiseMs) this.#suspendedMs = grownMs;
  }
}
