import type { Action } from "../../src/election/action.ts";
import { isMine, type ElectionState, type Readings, type SeenRecord } from "../../src/election/election-state.ts";
import type { ResolvedSettings } from "../../src/election/settings.ts";

/** Every row of the two tables that decisions are made by. */
export const allRows: readonly string[] = [
  ...["F1", "F2", "F3", "F3b", "F4", "F5", "F6", "F7", "F8", "F8b", "F9", "F10", "F11", "F12", "F13", "F14"],
  ...["G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8", "G9", "G10", "G11"],
];

/** What a decision was made of. */
export interface Decision {
  readonly state: ElectionState;
  readonly now: Readings;
  readonly settings: ResolvedSettings;
  readonly action: Action;
}

/**
 * Which row of the tables a decision has taken, told from the situation and the action, beside `decide` and not by it;
 * `undefined` for what no row is about: an end that is under way, a release, an acquisition whose answer is awaited.
 */
export function rowOf(decision: Decision): string | undefined {
  const { phase } = decision.state;
  if (phase === "releasing") return undefined;
  return phase === "following" ? followingRow(decision) : leadingRow(decision);
}

function followingRow({ state, now, settings, action }: Decision): string | undefined {
  const nowMs = now.observerMs;
  if (state.finishing !== undefined || state.acquiring !== undefined || state.floor === "asking") return undefined;
  if (action.do === "begin") return "F7";
  if (state.workRunning || nowMs < state.holdUntilMs) return "F1";
  const { seen } = state;
  if (state.mustReadSinceSeq !== undefined || state.readFailed || seen.kind === "nothing") return "F2";
  if (seen.kind === "unreadable") return "F3";
  if (isMine(state)) return action.do === "release" && neverBegun(state) ? "F8" : "F8b";
  if (nowMs < state.acquirePauseUntilMs) return "F3b";
  if (seen.kind === "absent") {
    if (action.do === "create") return "F6";
    return state.everSaw ? "F4" : settings.onMissing === "wait" ? "F5" : undefined;
  }
  if (seen.record.holderIdentity !== "") return heldRow(seen, settings, action);
  const { preferredHolder = "" } = seen.record;
  const heldBack = preferredHolder !== "" && preferredHolder !== state.identity;
  return heldBack && nowMs < seen.firstReceiptMs + settings.retryPeriodMs ? "F9" : "F10";
}

function neverBegun({ sent, begunWrite }: ElectionState): boolean {
  return sent.confirmed?.write.kind === "acquire" && sent.confirmed.write !== begunWrite;
}

function heldRow({ storedMs }: SeenRecord, { maxHonouredLeaseMs }: ResolvedSettings, action: Action): string {
  if (storedMs !== undefined && storedMs > maxHonouredLeaseMs) return "F11";
  if (storedMs === undefined) return "F12";
  return action.do === "takeOver" ? "F13" : "F14";
}

function leadingRow({ state, action }: Decision): string | undefined {
  const { term } = state;
  switch (action.do) {
    case "demote":
      if (term?.loss !== undefined && action.reason === term.loss) return term.loss === "fenced" ? undefined : "G4";
      return action.reason === "expired" ? "G1" : "G9";
    case "drain":
    case "close":
    case "release":
      return "G9";
    case "read":
      if (term?.lostRace !== undefined) return "G6";
      return isDoubted(state) ? "G7" : undefined;
    case "renew":
      return renewalRow(state);
    case "wait":
      return "G11";
    default:
      return undefined;
  }
}

function renewalRow(state: ElectionState): string {
  const { term, sent } = state;
  if (term?.challenged === true && sent.underWay() === 0) return "G5";
  if (isDoubted(state)) return "G7";
  const suspectSeq = term?.suspectSeq;
  return suspectSeq !== undefined && !sent.later.some(({ sentSeq }) => sentSeq > suspectSeq) ? "G8" : "G10";
}

/** The newest write is not confirmed, and no answer has ended it. */
function isDoubted({ sent }: ElectionState): boolean {
  const status = sent.newest()?.status;
  return status === "underWay" || status === "unknown";
}
