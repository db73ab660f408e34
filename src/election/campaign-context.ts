import type { ElectionClocks } from "./election-clocks.ts";
import type { ElectionState, Readings } from "./election-state.ts";
import type { AttemptName, Emit } from "./events.ts";
import type { FoldParts } from "./fold-parts.ts";
import type { ElectorParts, ErrorPlace } from "./settings.ts";

/** What the pieces of one campaign share. */
export interface CampaignContext extends FoldParts {
  readonly state: ElectionState;
  readonly parts: ElectorParts;
  readonly clocks: ElectionClocks;
  readonly emit: Emit;
  /** Reads the clocks, and notes it if they have become suspect: before anything is folded that could clear that. */
  look(): Readings;
  /** Tells a trouble that is swallowed: to `onError`, the event and the log. */
  trouble(error: unknown, where: ErrorPlace): void;
  /** Tells a call of the lock that failed. */
  failed(op: AttemptName, result: "unknown" | "failed", error: unknown): void;
  /** Folds an event into the state, if any; then decides, acts, repeats. A fold that throws is told as a bug. */
  turn(fold?: () => void): void;
}
