import type { AlarmKind } from "./election-state.ts";
import type { StopReason } from "./leadership.ts";
import type { ErrorPlace } from "./settings.ts";

/** What an elector tells, by name. Telemetry is fed from these alone. Times are in milliseconds. */
export interface ElectorEvents {
  /** A term begins. `takeoverMs`: since the lease was seen free, expired or absent. */
  elected: { readonly term: number; readonly takeoverMs: number };
  /** A write of the term was confirmed. `ms`: from send to confirmation; `slow`: it needed a read. */
  renewed: { readonly term: number; readonly ms: number; readonly remainingMs: number; readonly slow: boolean };
  /** The clocks moved in a way that nothing explains; `isHeld()` is false until a renewal settles it. */
  suspect: { readonly term: number };
  /** A voluntary end begins. */
  draining: { readonly term: number; readonly reason: StopReason };
  /** The term is over: no step may start any more. */
  stopped: { readonly term: number; readonly reason: StopReason };
  /** The work of a term, its steps and `onStoppedLeading` have ended, `ms` after the end of the term began. */
  drained: { readonly term: number; readonly ms: number };
  newLeader: { readonly identity: string; readonly term: number };
  outcomeUnknown: { readonly op: AttemptName };
  lostRace: { readonly op: AttemptName };
  /** One call of the lock ended: for counting. */
  attempt: { readonly op: AttemptName; readonly result: "written" | "read" | "lost" | "unknown" | "failed" };
  attemptFailed: { readonly op: AttemptName; readonly error: unknown };
  guardRefused: { readonly term: number };
  watchLive: Record<string, never>;
  watchLost: Record<string, never>;
  alarm: { readonly kind: AlarmKind; readonly message: string };
  error: { readonly error: unknown; readonly where: ErrorPlace };
}

/** The calls of a lock. */
export type AttemptName = "read" | "create" | "takeOver" | "renew" | "release";

/** Tells one event; a listener that throws breaks nothing. */
export type Emit = <Name extends keyof ElectorEvents>(name: Name, event: ElectorEvents[Name]) => void;
