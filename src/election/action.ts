import type { StopReason } from "./leadership.ts";

/** What to do next. `wait` ends at `untilMs` (monotonic), or with the next event. */
export type Action =
  | { readonly do: "wait"; readonly untilMs: number }
  /** Ask the lock for the record. */
  | { readonly do: "read" }
  /** Write the acquisition of `term`. */
  | { readonly do: "create" | "takeOver"; readonly term: number }
  /** An acquisition is confirmed in time: start the work. */
  | { readonly do: "begin"; readonly term: number }
  | { readonly do: "renew"; readonly term: number }
  /** Begin a voluntary end: abort the work's signal, go on renewing. */
  | { readonly do: "drain"; readonly reason: StopReason }
  /** The work has ended: no step may start any more; call `onStoppedLeading`. */
  | { readonly do: "close" }
  /** The term is over without a release: lost, or the drain time is over. */
  | { readonly do: "demote"; readonly reason: StopReason }
  /** Write the release (or its repetition). */
  | { readonly do: "release" }
  /** The release is settled, or given up. */
  | { readonly do: "endRelease" }
  /** The work of an ended term does not end: tell. */
  | { readonly do: "overrun" }
  /** Everything has ended: settle. */
  | { readonly do: "finish" };
