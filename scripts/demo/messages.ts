/** What the play tells a process, once: where to campaign. The URL may hold credentials, so it is no argument. */
export interface Order {
  readonly url: string;
  readonly place: Place;
  /** Which of the three is to win where chance decides; absent without `--seed`. */
  readonly rank?: number;
}

/** The keys of one play: a lease, and a document beside it. */
export interface Place {
  readonly namespace: string;
  readonly name: string;
  readonly journal: string;
}

/** What a process tells the play. `atMs` is `nowMs()`. */
export type Report =
  | { readonly kind: "loaded" }
  | { readonly kind: "follows"; readonly holder: string; readonly atMs: number }
  | { readonly kind: "elected"; readonly term: number; readonly atMs: number }
  | { readonly kind: "renewed"; readonly term: number; readonly remainingMs: number; readonly atMs: number }
  | { readonly kind: "appended"; readonly term: number; readonly atMs: number }
  | { readonly kind: "draining"; readonly term: number; readonly atMs: number }
  | { readonly kind: "stopped"; readonly term: number; readonly reason: string; readonly atMs: number }
  /** The first look after a pause of the whole process. */
  | {
      readonly kind: "woke";
      readonly term: number;
      readonly sleptMs: number;
      readonly held: boolean;
      readonly atMs: number;
    }
  /** A write past the guard, by a leader of the past; `acceptedTerm` is what the journal's refusal names. */
  | {
      readonly kind: "forced";
      readonly term: number;
      readonly refused: boolean;
      readonly message: string;
      readonly atMs: number;
    }
  | { readonly kind: "trouble"; readonly message: string; readonly atMs: number };

/** The three durations of the elector: the practical floor, so that a crash is over in seconds. */
export const timing = { leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryPeriodMs: 500 } as const;

/** The monotonic clock that all processes of a machine share; `performance.now()` starts anew in each. */
export function nowMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}
