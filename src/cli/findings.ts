/** What `tenure doctor` says about one thing; the fields are API. */
export interface Finding {
  readonly check: string;
  readonly level: "ok" | "info" | "warning" | "failure";
  readonly found: string;
  /** What to do about it; each warning and failure has one. */
  readonly repair?: string;
  /** The code of the error behind it, if there is one. */
  readonly code?: string;
}
