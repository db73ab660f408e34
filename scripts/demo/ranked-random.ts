import { randomUUID } from "node:crypto";

/** What `LeaderElector` takes as chance. */
interface Chance {
  next(): number;
  uuid(): string;
}

/**
 * Chance for `--seed`: of three processes that wait for one lease, the one with the smallest rank (0, 1 or 2) draws the
 * shortest delay. Identities stay unique, since nothing may ever repeat those.
 */
export function rankedRandom(rank: number): Chance {
  return { next: () => (rank + 0.5) / 3, uuid: () => randomUUID() };
}
