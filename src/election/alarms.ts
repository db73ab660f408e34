import type { AlarmKind, ElectionState } from "./election-state.ts";

/** Raises an alarm once for each cause: again only for another cause, or after it was settled. */
export function raise(
  state: ElectionState,
  alarm: AlarmKind,
  { cause, message }: { readonly cause: string; readonly message: string },
): void {
  if (state.alarmed.get(alarm) === cause) return;
  state.alarmed.set(alarm, cause);
  state.effects.push({ kind: "alarm", alarm, message });
}

/** What an alarm was raised for is over. */
export function settleAlarm(state: ElectionState, alarm: AlarmKind): void {
  state.alarmed.delete(alarm);
}
