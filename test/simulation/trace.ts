import type { HistoryEvent } from "./history.ts";

/** A history for people: one line for each event, from `fromMs` to `untilMs` of true time. */
export function traceOf(events: readonly HistoryEvent[], fromMs = -Infinity, untilMs = Infinity): string[] {
  return events.filter(({ atMs }) => atMs >= fromMs && atMs <= untilMs).map(lineOf);
}

function lineOf({ atMs, who, what, ...rest }: HistoryEvent): string {
  const fields = Object.entries(rest).flatMap(([name, value]) => (value === undefined ? [] : `${name}=${told(value)}`));
  return [atMs.toFixed(1).padStart(9), shortened(who).padEnd(8), what.padEnd(10), ...fields].join(" ");
}

function told(value: unknown): string {
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : value.toFixed(1);
  return typeof value === "string" ? shortened(value) : String(value);
}

/** Of an identity, its label and four letters; texts hold several. */
function shortened(text: string): string {
  return text.replaceAll(/_([0-9a-f]{4})[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, "_$1");
}
