import type { Clock } from "../system/clock.ts";
import type { Random } from "../system/random.ts";
import type { StorageFaults } from "./storage-faults.ts";

/** What a case cannot do without; a storage that lacks it says so in `lacks`. */
export type StorageNeed = "faults" | "watch" | "transact" | "expiry";

/** What a case is given: a fresh place, and whatever it needs. */
export interface StorageSuiteContext<Connection> {
  /** A new connection to the place of this case; closed when the case is over. */
  connect(): Promise<Connection>;
  /** What the harness made. */
  readonly place: unknown;
  /** Present wherever a case names it in `needs`. */
  readonly faults?: StorageFaults<Connection>;
  readonly clock: Clock;
  readonly random: Random;
  /** What may appear in no error, inspection or log. */
  readonly secrets: readonly string[];
  /** How many repetitions of `count` the harness asks for (`scale`); at least 1. */
  scaled(count: number): number;
  /** What was logged meanwhile. */
  logged(): string;
  /** Puts these bytes under the key, as a foreign program would. */
  put(key: string, body: Uint8Array): Promise<void>;
}

/** One promise, as data for any test runner. */
export interface StorageSuiteCase<Connection> {
  /** `R…` of the storage suite, `LS…` of the lease suite. */
  readonly id: string;
  /** A sentence about behaviour. */
  readonly name: string;
  readonly needs?: readonly StorageNeed[];
  /** Whether it repeats itself often, and less often where the harness says so. */
  readonly scales?: boolean;
  /** Rejects if the storage breaks the promise. */
  run(context: StorageSuiteContext<Connection>): Promise<void>;
}
