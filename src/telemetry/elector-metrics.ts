import { counter, gauge, histogram, textOf, type HistogramFamily, type NumberFamily } from "./metric-families.ts";

const briefBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const longBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 120];
const slackBounds = [0.1, 0.25, 0.5, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 30, 60, 120];
const stallBounds = [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 60];

/** The metrics of a process's electors. The first two bear the names that client-go gave them. */
export class ElectorMetrics {
  readonly leader: NumberFamily = gauge("leader_election_master_status", "1 while this candidate leads, 0 otherwise.");
  readonly slowPath: NumberFamily = counter(
    "leader_election_slowpath_total",
    "Renewals that needed a read first, or more than one attempt.",
  );
  readonly term: NumberFamily = gauge("tenure_term", "The term (the fencing token) that this candidate led last.");
  readonly stops: NumberFamily = counter("tenure_stops_total", "Terms that ended, by reason.");
  readonly renew: HistogramFamily = histogram(
    "tenure_renew_seconds",
    briefBounds,
    "Confirmed renewals, from their send.",
  );
  readonly remaining: HistogramFamily = histogram(
    "tenure_renew_remaining_seconds",
    slackBounds,
    "How long the term still was valid when a renewal was confirmed; near 0 a loss was near.",
  );
  readonly attempts: NumberFamily = counter("tenure_attempts_total", "Calls of the lock, by their end.");
  readonly failures: NumberFamily = counter("tenure_failures_total", "Calls of the lock that threw, by error code.");
  readonly takeover: HistogramFamily = histogram(
    "tenure_takeover_seconds",
    longBounds,
    "From the lease being seen free, expired or absent, until this candidate leads.",
  );
  readonly drain: HistogramFamily = histogram(
    "tenure_drain_seconds",
    longBounds,
    "From the end of a term to the end of its work.",
  );
  readonly overruns: NumberFamily = counter("tenure_overruns_total", "Work that did not end in time after its term.");
  readonly suspicions: NumberFamily = counter("tenure_suspicions_total", "Clocks that moved in an unexplained way.");
  readonly watchLive: NumberFamily = gauge(
    "tenure_watch_live",
    "1 while changes are pushed, 0 while this candidate polls.",
  );
  readonly loopDelay: HistogramFamily = histogram(
    "tenure_loop_delay_seconds",
    stallBounds,
    "The longest standstill of the event loop from one reading of the metrics to the next.",
  );
  readonly guardRefusals: NumberFamily = counter("tenure_guard_refusals_total", "Steps that came after their term.");
  readonly alarms: NumberFamily = counter("tenure_alarms_total", "What needs a person's attention, by kind.");

  /** Makes every series appear whose labels are known beforehand. */
  begin(name: string): void {
    const { leader, term, watchLive, slowPath, overruns, suspicions, guardRefusals } = this;
    for (const family of [leader, term, watchLive, slowPath, overruns, suspicions, guardRefusals])
      family.add({ name }, 0);
    for (const family of [this.renew, this.remaining, this.takeover, this.drain]) family.touch({ name });
  }

  text(): string {
    return textOf([
      ...[this.leader, this.slowPath, this.term, this.stops, this.renew, this.remaining, this.attempts, this.failures],
      ...[
        this.takeover,
        this.drain,
        this.overruns,
        this.suspicions,
        this.watchLive,
        this.loopDelay,
        this.guardRefusals,
        this.alarms,
      ],
    ]);
  }
}

/** What a call of a lock may throw; a label of a metric is a word of a closed list. */
const failureCodes: ReadonlySet<unknown> = new Set([
  ...["STORAGE_UNAVAILABLE", "OUTCOME_UNKNOWN", "ACCESS_DENIED", "CORRUPT_DATA", "INVALID_SETTINGS", "CLOSED"],
  ...["CONTROLLER_SILENT", "GLOBAL_STORAGE_UNHEALTHY", "LOCAL_CONTENTION"],
]);

/** The label of an error: its code, `TIMEOUT` for one of the elector's own, `other` for what locks do not throw. */
export function failureCode(error: unknown): string {
  const code: unknown = Reflect.get(Object(error), "code");
  if (typeof code === "string" && failureCodes.has(code)) return code;
  return error instanceof Error && error.name === "TimeoutError" ? "TIMEOUT" : "other";
}
