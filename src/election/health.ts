import type { ResourceLock } from "../lock/resource-lock.ts";
import type { Campaign } from "./campaign.ts";
import type { ResolvedSettings } from "./settings.ts";

/** What a health check looks at besides the campaign. */
export interface HealthQuestion {
  readonly toleranceMs: number;
  readonly settings: ResolvedSettings;
  readonly lock: ResourceLock;
}

/** @throws {Error} that names the lock, unless all is well. */
export function checkHealth(campaign: Campaign, { toleranceMs, settings, lock }: HealthQuestion): void {
  const { state, clocks } = campaign;
  const { confirmed } = state.sent;
  if (state.term !== undefined && confirmed !== undefined) {
    const ageMs = clocks.leaderMs() - confirmed.write.sentAtMs;
    if (ageMs > settings.leaseDurationMs + toleranceMs) {
      throw new Error(`failed election to renew leadership on lease ${lock.description}: ${Math.round(ageMs)} ms ago`);
    }
  }
  if (campaign.overrun) throw new Error(`work of an ended term still runs: lease ${lock.description}`);
  if (state.termWentBack) throw new Error(`the term of the record went back: lease ${lock.description}`);
}

/** Something that can be checked: a `LeaderElector`. */
export interface Checkable {
  check(toleranceMs?: number): void;
}

/** A named health check for a server that is started before the elector exists: fine until one is attached. */
export class HealthAdaptor {
  /** client-go's name of the check. */
  readonly name = "leaderElection";
  readonly #toleranceMs: number;
  #elector: Checkable | undefined;

  /** `toleranceMs`: how long after the lease duration a leader that cannot renew still counts as healthy; default 0. */
  constructor(toleranceMs = 0) {
    this.#toleranceMs = toleranceMs;
  }

  /** From now on, `check` asks this elector. */
  setElector(elector: Checkable): void {
    this.#elector = elector;
  }

  /** @throws {Error} that names the lock, if the elector is not healthy. */
  check(): void {
    this.#elector?.check(this.#toleranceMs);
  }
}
