/**
 * What is written about a lease: client-go's seven fields, and nothing added.
 *
 * @see https://pkg.go.dev/k8s.io/client-go/tools/leaderelection/resourcelock#LeaderElectionRecord
 */
export interface LeaderElectionRecord {
  /** Whom the record names; `""` means that the lease is free. */
  readonly holderIdentity: string;
  /** How long others wait after receiving an unchanged record, in whole seconds, rounded up. */
  readonly leaseDurationSeconds?: number;
  /** When the term began, by the holder's wall clock, for people: text with six fractional digits, or `""`. */
  readonly acquireTime: string;
  /**
   * When it was last written, by the holder's wall clock: text with six fractional digits, or `""`. Never compared with
   * a clock.
   */
  readonly renewTime: string;
  /** The term: an int32 that grows with every acquisition. */
  readonly leaderTransitions: number;
  /** Coordinated election only. */
  readonly strategy?: string;
  /** Who should take over next; cleared by each acquisition. */
  readonly preferredHolder?: string;
}
