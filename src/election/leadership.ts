/**
 * Why a term ended. Voluntary, so that the work drains first: `stopped`, `resigned`, `workFailed`, `workReturned`. By
 * loss: `expired` (not renewed in time), `taken` (another holder), `erased` (the record is free or gone), `fenced` (a
 * guarded resource has accepted a larger term).
 */
export type StopReason =
  "stopped" | "resigned" | "workFailed" | "workReturned" | "expired" | "taken" | "erased" | "fenced";

/** How `guard` runs a step. */
export interface GuardOptions {
  /** Refuse the step unless at least this many milliseconds of the term remain; default 0. */
  readonly needMs?: number;
}

/** What a leader holds for one term. */
export interface Leadership extends AsyncDisposable {
  /**
   * The fencing token: an int32 that grows with every term. Send it along with every write that outlives the process.
   */
  readonly term: number;
  readonly identity: string;
  /** Aborted when this term ends or begins to drain, for whatever reason; never un-aborted. */
  readonly signal: AbortSignal;
  /** Whether the term is valid at this very instant: compares the clock at every call, never a stored flag. */
  isHeld(): boolean;
  /** @throws {LeadershipLostError} if the term is over. */
  assertHeld(): void;
  /** How long the term lasts if no renewal succeeds any more, in milliseconds; 0 once it is over. */
  remainingMs(): number;
  /**
   * Checks that the term is held, runs `step`, and checks again. The step's own signal survives the start of a
   * voluntary drain, so that a short step may finish; it aborts at loss, expiry or closure. Running steps delay the
   * release.
   *
   * @throws {LeadershipLostError} with phase `refused` (the step did not run) or `outlasted` (it ended after the term).
   */
  guard<T>(step: (term: number, signal: AbortSignal) => T | Promise<T>, options?: GuardOptions): Promise<T>;
}
