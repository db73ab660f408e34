import type { CampaignContext } from "../../src/election/campaign-context.ts";
import { ElectionClocks } from "../../src/election/election-clocks.ts";
import { initialState, type ElectionState } from "../../src/election/election-state.ts";
import { resolveSettings, type LeaderElectorOptions } from "../../src/election/settings.ts";
import { FakeLock, ManualClock } from "../../src/testing/index.ts";

/**
 * What the pieces of a campaign share, in the hand of the test: nothing is decided, everything told is written down.
 */
export interface CampaignParts {
  readonly clock: ManualClock;
  readonly lock: FakeLock;
  readonly context: CampaignContext;
  readonly state: ElectionState;
  /** The events: each with its name and what it says. */
  readonly events: (readonly [name: string, event: unknown])[];
  /** Each trouble as `where: message`. */
  readonly troubles: string[];
  /** What every draw gives. */
  draw: number;
  /** How often the loop was asked to look. */
  turns: number;
  /** The events of this name. */
  eventsOf(name: string): unknown[];
}

/** A candidate `me` that has seen nothing yet, with the default settings. */
export function campaignParts(
  options: Partial<LeaderElectorOptions> = {},
  lockOptions: ConstructorParameters<typeof FakeLock>[0] = {},
): CampaignParts {
  const clock = new ManualClock({ monotonicMs: 50_000 });
  const lock = new FakeLock({ clock, identity: "me", ...lockOptions });
  const events: (readonly [string, unknown])[] = [];
  const troubles: string[] = [];
  const random = { next: () => parts.draw, uuid: () => "" };
  const { settings, parts: electorParts } = resolveSettings({ lock, clock, random, ...options });
  const clocks = new ElectionClocks(clock);
  const state = initialState(settings.identity, clocks.observerMs());
  const trouble = (error: unknown, where: string): void => {
    troubles.push(`${where}: ${error instanceof Error ? error.message : "no error"}`);
  };
  const context: CampaignContext = {
    ...{ state, settings, parts: electorParts, random, clocks, trouble },
    emit: (name, event) => void events.push([name, event]),
    failed: (op, result) => void events.push(["failed", { op, result }]),
    look: () => clocks.readings(),
    turn: (fold) => {
      fold?.();
      parts.turns += 1;
    },
  };
  const parts: CampaignParts = {
    ...{ clock, lock, context, state, events, troubles, draw: 0, turns: 0 },
    eventsOf: (name) => events.flatMap(([told, event]) => (told === name ? [event] : [])),
  };
  return parts;
}
