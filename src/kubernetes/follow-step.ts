import type { WatchTrouble } from "./watch-trouble.ts";

/**
 * How new a list has to be. `cache`: any state. `notOlder`: at least what was seen. `consistent`: the newest, whatever
 * was seen.
 */
export type ListStart = "cache" | "notOlder" | "consistent";

/** Why a list follows, or a watch is opened again. */
export type FollowReason = "first" | "listed" | "closed" | "short" | "silent" | "unfinished" | WatchTrouble["kind"];

/** What has been learned of the server, and what went wrong since something new was told. */
export interface FollowState {
  /** It has not refused streaming lists. */
  readonly streaming: boolean;
  /** Whether lists are asked for by page. */
  readonly paging: boolean;
  readonly expired: number;
  readonly silent: number;
  readonly malformed: number;
  readonly unfinished: number;
}

/** What comes next. */
export interface FollowStep {
  readonly next: { readonly do: "watch" } | { readonly do: "list"; readonly start: ListStart };
  readonly reason: FollowReason;
  /** `backOff`: a drawn pause, longer each time; `toldMs`: at least this. */
  readonly pause: { readonly backOff: boolean; readonly toldMs: number };
  readonly state: FollowState;
}

/** How a watch ended: closed by the server in order, no byte for too long, or trouble. */
export interface WatchEnd {
  readonly end: { readonly kind: "closed" | "silent" } | WatchTrouble;
  readonly lastedMs: number;
  /** Whether it told anything at all, a bookmark included. */
  readonly wasHeard: boolean;
  /** Whether it told anything new. */
  readonly hasMoved: boolean;
}

/** How a list failed. */
export interface ListEnd {
  /** `unfinished`: a streaming list that stopped before its end. */
  readonly end: { readonly kind: "unfinished" } | WatchTrouble;
  readonly start: ListStart;
  readonly wasStreaming: boolean;
  /** A page after the first one failed. */
  readonly isPaging: boolean;
}

/** A watch that ends sooner, and told nothing new, has failed: opening the next one at once would be a storm. */
const shortestWatchMs = 1_000;

const calm = { expired: 0, silent: 0, malformed: 0, unfinished: 0 } as const;
const atOnce = { backOff: false, toldMs: 0 } as const;
const later = { backOff: true, toldMs: 0 } as const;
const watch = { do: "watch" } as const;

/** Nothing is known of the server yet. */
export const firstState: FollowState = { streaming: true, paging: true, ...calm };

/** What a run begins with; once something was seen, with nothing older. */
export function firstStep(hasRevision: boolean, state: FollowState): FollowStep {
  const next = { do: "list", start: hasRevision ? "notOlder" : "cache" } as const;
  return { next, reason: "first", pause: atOnce, state };
}

/** After a list that is complete. */
export function afterList(state: FollowState): FollowStep {
  return { next: watch, reason: "listed", pause: atOnce, state: { ...state, paging: true, unfinished: 0 } };
}

/** After a list that is not. */
export function afterFailedList({ end, start, wasStreaming, isPaging }: ListEnd, state: FollowState): FollowStep {
  const again = { next: { do: "list", start }, reason: end.kind, pause: later, state } as const;
  const consistent = { do: "list", start: "consistent" } as const;
  switch (end.kind) {
    case "expired":
      // Not with the token that the refusal offers: its pages would be of another state than those before.
      if (isPaging) return { ...again, pause: atOnce, state: { ...state, paging: false } };
      return { ...again, next: consistent, pause: start === "consistent" ? later : atOnce };
    case "ahead":
      return { ...again, next: consistent, pause: told(end, start === "consistent") };
    case "throttled":
      return { ...again, pause: told(end) };
    case "forbidden":
    case "refused":
      if (!wasStreaming) return { ...again, pause: { backOff: true, toldMs: end.toldMs } };
      return { ...again, pause: atOnce, state: { ...state, streaming: false } };
    case "tooLarge":
      return { ...again, next: consistent, pause: state.paging ? atOnce : later, state: { ...state, paging: true } };
    case "malformed":
    case "unfinished":
      return wasStreaming ? { ...again, state: streamedInVain(state) } : again;
    default:
      return { ...again, pause: { backOff: true, toldMs: end.toldMs } };
  }
}

/** A proxy that holds lines back, or cuts long ones, may let pages pass. */
function streamedInVain(state: FollowState): FollowState {
  const unfinished = state.unfinished + 1;
  return { ...state, unfinished, streaming: state.streaming && unfinished < 2 };
}

/** After a watch: the next one from the same revision, wherever that cannot lose a change. */
export function afterWatch({ end, lastedMs, wasHeard, hasMoved }: WatchEnd, before: FollowState): FollowStep {
  const state = hasMoved ? { ...before, ...calm } : { ...before, silent: wasHeard ? 0 : before.silent };
  const reopened = { next: watch, reason: end.kind, pause: atOnce, state } as const;
  switch (end.kind) {
    case "closed":
      if (hasMoved || lastedMs >= shortestWatchMs) return reopened;
      return { ...reopened, reason: "short", pause: later };
    case "silent":
      return afterSilence(reopened);
    case "expired": {
      const counted = { ...state, expired: state.expired + 1 };
      // The version of a list that is refused again at once would be asked for, and refused, without end.
      if (state.expired > 0) return { ...reopened, ...list("consistent"), pause: later, state: counted };
      return { ...reopened, ...list("notOlder"), state: counted };
    }
    case "ahead":
      return { ...reopened, ...list("consistent"), pause: told(end) };
    case "throttled":
      return { ...reopened, pause: told(end) };
    case "malformed": {
      const counted = { ...state, malformed: state.malformed + 1 };
      if (state.malformed === 0) return { ...reopened, pause: later, state: counted };
      return { ...reopened, ...list("notOlder"), pause: later, state: counted }; // the same line stands there again
    }
    case "refused":
    case "sink":
      return { ...reopened, ...list("notOlder"), pause: later };
    default:
      return { ...reopened, pause: { backOff: true, toldMs: end.toldMs } };
  }
}

/**
 * Once: the connection is dead. Twice: the server may have been set back to before what was seen, and then it waits.
 */
function afterSilence(reopened: FollowStep): FollowStep {
  const { silent } = reopened.state;
  const state = { ...reopened.state, silent: silent + 1 };
  return silent === 0 ? { ...reopened, state } : { ...reopened, ...list("consistent"), state: { ...state, silent: 0 } };
}

function list(start: ListStart): Pick<FollowStep, "next"> {
  return { next: { do: "list", start } };
}

/** As the server says; drawn, if it says nothing, or if the same question was answered so before. */
function told({ toldMs }: WatchTrouble, isRepeated = false): FollowStep["pause"] {
  return { backOff: toldMs === 0 || isRepeated, toldMs };
}
