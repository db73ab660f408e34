import type { Clock } from "../system/clock.ts";
import { printable } from "../system/logger.ts";
import { formatDuration } from "./durations.ts";
import type { LeaseState, LeaseView } from "./lease-observer.ts";
import { marks, type Output } from "./output.ts";

const stateMarks: Readonly<Record<LeaseState, string>> = {
  absent: marks.lost,
  free: marks.lost,
  held: marks.follows,
  live: marks.leads,
  expired: marks.lost,
  unreadable: marks.lost,
};

/** A lease as one object of `--json`; the fields are API. */
export function leaseDocument(view: LeaseView, clock: Clock): Record<string, unknown> {
  const record = view.observed?.record;
  const seconds = record?.leaseDurationSeconds;
  return {
    name: view.name,
    state: view.state,
    holder: record === undefined || record.holderIdentity === "" ? null : record.holderIdentity,
    term: record?.leaderTransitions ?? null,
    ageMs: view.state === "absent" ? null : Math.round(clock.monotonicMs() - view.receivedMs),
    ageIsLeast: !view.changeSeen,
    acquireTime: timeOf(record?.acquireTime),
    renewTime: timeOf(record?.renewTime),
    leaseDurationMs: seconds === undefined ? null : seconds * 1000,
    preferredHolder: record?.preferredHolder ?? null,
    version: view.observed?.version ?? view.version ?? null,
    problem: view.problem ?? null,
  };
}

/** A lease as cells of a table: name, state, holder, term, last change. */
export function leaseRow(view: LeaseView, clock: Clock, output: Output): string[] {
  const record = view.observed?.record;
  const holder = record?.holderIdentity;
  const colour = view.state === "live" ? "green" : view.state === "held" ? "yellow" : "red";
  return [
    printable(view.name),
    output.paint(colour, `${stateMarks[view.state]} ${view.state}`),
    holder === undefined || holder === "" ? "-" : printable(holder),
    record === undefined ? "-" : String(record.leaderTransitions),
    view.state === "unreadable" ? printable(view.problem ?? "", 500) : ageText(view, clock),
  ];
}

/** How long ago the record changed, as far as that was seen. */
function ageText(view: LeaseView, clock: Clock): string {
  if (view.state === "absent") return "-";
  const ageMs = clock.monotonicMs() - view.receivedMs;
  if (view.changeSeen) return `${formatDuration(ageMs)} ago`;
  return ageMs < 500 ? "unknown" : `more than ${formatDuration(ageMs)} ago`;
}

function timeOf(stored: string | undefined): string | null {
  return stored === undefined || stored === "" ? null : stored;
}
