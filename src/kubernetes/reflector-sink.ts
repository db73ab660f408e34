import type { Identity } from "../resources/identity.ts";

/** What a sink holds under an identity: enough to tell an old event from a new one. */
export interface KnownResource {
  readonly uid: string | undefined;
  readonly version: string | undefined;
}

/** One change of what is followed, as it is for the sink: what it did not hold is created, whatever the event was. */
export type ReflectedChange<T> = ReflectedAt &
  (
    | { readonly kind: "created" | "modified"; readonly resource: T }
    /** With its last state, where that was told. */
    | { readonly kind: "deleted"; readonly resource: T | undefined }
  );

/** Which resource changed, and what the view has reached with it. */
export interface ReflectedAt extends KnownResource {
  readonly identity: Identity;
  /** Of the whole view, with this change in it; `undefined` before the first list, which no sink is told of. */
  readonly revision: string | undefined;
}

/** What a new state is completed with. */
export interface ReplacementEnd {
  readonly revision: string;
  /** The server was set back: its revisions count again from an earlier one. */
  readonly restored: boolean;
  /**
   * Equal uids and versions do not prove equal resources: the server was set back, or may have been, and have passed
   * since what was seen of it before.
   */
  readonly comparesAnew: boolean;
  /** Falls when nobody wants the new state any more. */
  readonly signal: AbortSignal;
}

/** A new state that is built beside the old one, which readers see until the swap. */
export interface Replacement<T> {
  /** More of it; of one identity, what comes later counts. More is read once this has settled. */
  put(items: readonly T[]): void | Promise<void>;
  /** It was deleted while the state was told. */
  drop(identity: Identity): void;
  /** That was all: swap, in one step. If it fails, the old state stays, and the server is asked again. */
  swap(end: ReplacementEnd): void | Promise<void>;
  /** There will be no swap: the old state stays, whole. Not called after `swap`. */
  discard(): void;
}

/**
 * Where a `Reflector` puts what it sees. One call at a time; what a call returns is awaited before more is read, so a
 * slow sink slows the server. A call that throws, or rejects, is told to `onError`, and the whole state is told anew.
 *
 * Nothing is called before the first `replacement()`, or after the end of `run`.
 */
export interface ReflectorSink<T> {
  /** What it holds under this identity. */
  known(identity: Identity): KnownResource | undefined;
  /** One change. */
  apply(change: ReflectedChange<T>): void | Promise<void>;
  /** Nothing has changed up to this revision. */
  bookmark?(revision: string): void;
  /** The whole state follows: for the first time, or because changes may have been missed. */
  replacement(): Replacement<T>;
}
