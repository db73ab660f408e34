import type { Random } from "../system/random.ts";
import type { ResolvedSettings } from "./settings.ts";

/** What folding an event needs besides the state. */
export interface FoldParts {
  readonly settings: ResolvedSettings;
  readonly random: Random;
}
