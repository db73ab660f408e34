import type { LeaseObject, LeaseStorage } from "../storage/lease-storage.ts";
import { sleep, type Clock } from "../system/clock.ts";
import type { Random } from "../system/random.ts";

/** What an observer needs. */
export interface ObserverParts {
  readonly storage: LeaseStorage;
  readonly clock: Clock;
  readonly random: Random;
  readonly pollIntervalMs: number;
  /** Looks at the record. */
  readonly look: () => void;
  /** A hint brought the record. */
  readonly see: (lease: LeaseObject) => void;
  /** Whether looks have to follow each other closely: an absence has no version. */
  readonly isAbsent: () => boolean;
}

/** Pushes are checked by a look as often as this, so that a lost one costs time and nothing else. */
const netMs = 30_000;
const firstPauseMs = 1_000;
const longestPauseMs = 30_000;

/**
 * Looks at one lease of the storage whether or not anybody asks for it: at each hint, where the storage gives hints,
 * and by polling, where it does not, or as a net.
 */
export class StorageObserver {
  readonly #key: string;
  readonly #parts: ObserverParts;
  #stop: AbortController | undefined;
  #hinted = false;

  constructor(key: string, parts: ObserverParts) {
    this.#key = key;
    this.#parts = parts;
  }

  /** `"lead"`: by hints, or closely; `"follow"`: a look each 30 s, by which a standby replica learns of troubles. */
  start(mode: "lead" | "follow"): void {
    this.stop();
    const stop = new AbortController();
    this.#stop = stop;
    void this.#poll(mode, stop.signal);
    if (mode === "lead" && this.#parts.storage.watchLease !== undefined) void this.#watch(stop.signal);
  }

  stop(): void {
    this.#stop?.abort(new Error("nobody observes this lease any more"));
    this.#stop = undefined;
    this.#hinted = false;
  }

  async #poll(mode: "lead" | "follow", signal: AbortSignal): Promise<void> {
    const { clock, random, pollIntervalMs, look, isAbsent } = this.#parts;
    const tickMs = mode === "lead" ? pollIntervalMs : Math.max(netMs, pollIntervalMs);
    let lookedMs = clock.monotonicMs();
    while (!signal.aborted) {
      await sleep(clock, tickMs * (0.9 + 0.2 * random.next()), signal).catch(() => {}); // stopped: the loop ends
      const isDue = !this.#hinted || isAbsent() || clock.monotonicMs() - lookedMs >= netMs;
      if (signal.aborted || !isDue) continue;
      lookedMs = clock.monotonicMs();
      look();
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#parts;
    for (let failures = 0; !signal.aborted; failures += 1) {
      const sinceMs = clock.monotonicMs();
      await this.#hear(signal);
      this.#hinted = false;
      if (signal.aborted) return;
      this.#parts.look();
      if (clock.monotonicMs() - sinceMs > longestPauseMs) failures = 0;
      const pauseMs = Math.min(firstPauseMs * 2 ** failures, longestPauseMs);
      await sleep(clock, pauseMs * (0.5 + random.next() / 2), signal).catch(() => {}); // stopped: the loop ends
    }
  }

  /** Settles when the hints end, for whatever reason: polling goes on. */
  async #hear(signal: AbortSignal): Promise<void> {
    const { storage, look, see } = this.#parts;
    try {
      for await (const { seen } of storage.watchLease?.(this.#key, { signal }) ?? []) {
        if (signal.aborted) return;
        this.#hinted = true;
        if (seen === undefined) look();
        else see(seen);
      }
    } catch {
      // A storage whose watch fails is polled, and what is wrong with it shows there.
    }
  }
}
