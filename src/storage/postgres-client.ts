/** What a query answers. */
export interface PostgresResult {
  readonly rows: readonly unknown[];
}

/** What is used of one session: that of a `pg` pool fits, and whatever looks like it. */
export interface PostgresConnection {
  /** Sends one statement; `bytea` comes as bytes, everything else that is asked for as text or boolean. */
  query(text: string, values?: unknown[]): Promise<PostgresResult>;
  /** Its loss; and, on a session that listens, what arrives. */
  on(event: "error" | "end", listener: (error?: Error) => void): unknown;
  on(event: "notification", listener: (notification: PostgresNotification) => void): unknown;
  /** Gives it back; with `true` it is closed instead, at once if a query is under way. */
  release(destroy?: boolean): void;
}

/** What is used of a pool: that of `pg` fits. */
export interface PostgresPool {
  /** A session for one caller, until it is released. */
  connect(): Promise<PostgresConnection>;
}

/** What arrives at a session that listens. */
export interface PostgresNotification {
  readonly channel: string;
  readonly payload?: string | undefined;
}
