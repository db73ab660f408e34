import type { Instant } from "../system/machine-clock.ts";

/** What `tenure run` (the supervisor) tells the guardian: JSON, one per line. `seq` grows by one with each. */
export type GuardianOrder = { readonly seq: number } & (
  | {
      readonly do: "start";
      readonly file: string;
      readonly args: readonly string[];
      /** Added to the guardian's own environment. */
      readonly env: Readonly<Record<string, string>>;
      readonly until: Instant;
      readonly killAfterMs: number;
    }
  /** The term is valid until then. */
  | { readonly do: "until"; readonly until: Instant }
  | { readonly do: "signal"; readonly signals: readonly NodeJS.Signals[] }
);

/** What the guardian tells the supervisor: JSON, one per line. */
export type GuardianReport =
  | { readonly is: "ready" }
  /** To each order; it also says that the guardian is at work. */
  | { readonly is: "answer"; readonly seq: number }
  /** The command could not be started. */
  | { readonly is: "failed"; readonly code: string; readonly message: string }
  /** The validity is over: the group was told to end, or was not started. */
  | { readonly is: "termed" }
  /** The command ended; `inTime`: before the validity did. */
  | {
      readonly is: "ended";
      readonly code: number | null;
      readonly signal: NodeJS.Signals | null;
      readonly inTime: boolean;
    };
