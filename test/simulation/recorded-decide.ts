import type { Action } from "../../src/election/action.ts";
import { decide as decideForReal } from "../../src/election/decide.ts";
import type { ElectionState, Readings } from "../../src/election/election-state.ts";
import type { RecordVersion, SentWrite } from "../../src/election/sent-table.ts";
import type { ResolvedSettings } from "../../src/election/settings.ts";
import { rowOf } from "./rows.ts";

/** How often each row was taken in this process. */
export const takenRows: Map<string, number> = new Map();

/** What each elector had confirmed at its last decision. */
const confirmed = new WeakMap<ElectionState, { readonly write: SentWrite; readonly version: RecordVersion }>();

/** Takes the place of `decide` in the elector (see record-rows.ts): decides as it does, and notes the row. */
export function decide(state: ElectionState, now: Readings, settings: ResolvedSettings): Action {
  const action = decideForReal(state, now, settings);
  const row = rowOf({ state, now, settings, action });
  if (row !== undefined) count(row);
  noteEdit(state);
  return action;
}

/** G3 is folded before the decision: the confirmed write is the same, its version is another. */
function noteEdit(state: ElectionState): void {
  const { confirmed: last } = state.sent;
  if (last === undefined) return;
  const before = confirmed.get(state);
  if (state.term !== undefined && before?.write === last.write && before.version !== last.version) count("G3");
  confirmed.set(state, { write: last.write, version: last.version });
}

function count(row: string): void {
  takenRows.set(row, (takenRows.get(row) ?? 0) + 1);
}
