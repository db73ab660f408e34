/** The calls of a storage that can meet a fault. */
export type StorageOperation = "read" | "create" | "replace" | "remove" | "list" | "transact" | "health";

/** One fault of one call. */
export interface StorageFault {
  /**
   * - `requestLost`: nothing arrives, the connection breaks; `answerLost`: applied, then the connection breaks.
   * - `hang`: nothing arrives and nothing is answered; `hangAfter`: applied, and never answered.
   * - `delay`: `beforeMs` until it is applied, `afterMs` until it is answered.
   * - `throttled` (with `retryAfterMs`), `busy`, `denied`: provably without effect.
   * - `doubled`: delivered twice; `answer` says which of the two answers arrives, default the first.
   * - `stale` (reads): what was there before the last write that passed through this connection.
   * - `unconditional` (writes): applied whatever the condition says.
   */
  readonly kind:
    | "requestLost"
    | "answerLost"
    | "hang"
    | "hangAfter"
    | "delay"
    | "throttled"
    | "busy"
    | "denied"
    | "doubled"
    | "stale"
    | "unconditional";
  readonly beforeMs?: number;
  readonly afterMs?: number;
  readonly retryAfterMs?: number;
  readonly answer?: 1 | 2;
}

/** How a harness lets a storage meet faults: in its process (`FaultyStorage`), or between it and a server. */
export interface StorageFaults<Connection> {
  /** A connection of the case's place that meets the faults. */
  readonly connection: Connection;
  /** The next call (of `on`, if it is named) meets this fault. */
  next(fault: StorageFault, on?: StorageOperation): void;
  /** How many requests were sent over that connection. */
  readonly requests: number;
  /** How many sockets, child processes or other calls of that connection are still under way. */
  readonly open: number;
  /** In how many milliseconds a new connection is open and has sent a call, at most; default 20. */
  readonly patienceMs?: number;
  /** Whether what is `throttled` is told when to come back; default yes. Some technologies know no such answer. */
  readonly tellsRetryAfter?: boolean;
  /** Cuts the watches of that connection; they establish themselves again. */
  cutWatches(): void;
}
