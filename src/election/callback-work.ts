import type { LeaderCallbacks } from "./settings.ts";
import type { CampaignWork } from "./term-run.ts";

/** The callbacks of `run` as the work of a campaign. */
export function callbackWork(callbacks: LeaderCallbacks, whenWorkReturns: "keep" | "resign"): CampaignWork {
  return {
    onlyOneTerm: false,
    start: async (leadership) => {
      await callbacks.onStartedLeading(leadership);
      return whenWorkReturns === "resign" ? "workReturned" : "keep";
    },
    stopped: (reason) => callbacks.onStoppedLeading?.(reason),
    newLeader: (identity) => callbacks.onNewLeader?.(identity),
  };
}
