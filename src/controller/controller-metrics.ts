import {
  counter,
  gauge,
  histogram,
  textOf,
  type HistogramFamily,
  type NumberFamily,
} from "../telemetry/metric-families.ts";

const callBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const planBounds = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1];

const results = [
  ...["create", "renew", "newTerm", "takeOver", "free"], // writes to the storage
  ...["finalizer", "look", "status", "nothing", "bug"],
];

/** The metrics of a controller. Labels are words of closed lists: neither leases nor identities, which grow. */
export class ControllerMetrics {
  readonly reconciles: NumberFamily = counter("tenure_controller_reconciles_total", "Plans, by what they called for.");
  readonly reconcileSeconds: HistogramFamily = histogram(
    "tenure_controller_reconcile_seconds",
    planBounds,
    "Making one plan.",
  );
  readonly globalWrites: NumberFamily = counter(
    "tenure_controller_global_writes_total",
    "Writes to the storage, by their outcome.",
  );
  readonly globalReads: NumberFamily = counter(
    "tenure_controller_global_reads_total",
    "Reads of the storage, by their outcome.",
  );
  readonly statusWrites: NumberFamily = counter(
    "tenure_controller_status_writes_total",
    "Writes of a status, by their outcome.",
  );
  readonly signals: NumberFamily = counter(
    "tenure_controller_signals_total",
    "Signals of candidates, by what became of them.",
  );
  readonly signalToStatus: HistogramFamily = histogram(
    "tenure_controller_signal_to_status_seconds",
    callBounds,
    "From the receipt of a signal to the status that confirms it.",
  );
  readonly alarms: NumberFamily = counter(
    "tenure_controller_alarms_total",
    "What needs a person's attention, by kind.",
  );
  readonly leases: NumberFamily = gauge("tenure_controller_leases", "MultiClusterLeases, by the state of their lock.");
  readonly storageHealthy: NumberFamily = gauge(
    "tenure_controller_storage_healthy",
    "1 while the storage answers, else 0.",
  );

  /** Makes series appear before their first value, where all are known beforehand. */
  constructor() {
    for (const result of results) this.reconciles.add({ result }, 0);
    for (const outcome of ["written", "lost", "unknown", "failed", "throttled", "refused"])
      this.globalWrites.add({ outcome }, 0);
    for (const outcome of ["record", "absent", "unreadable", "failed", "dropped"]) this.globalReads.add({ outcome }, 0);
    for (const outcome of ["written", "conflict", "failed"]) this.statusWrites.add({ outcome }, 0);
    for (const fate of ["written", "answered", "coalesced", "invalid"]) this.signals.add({ fate }, 0);
    this.signalToStatus.touch({});
    this.reconcileSeconds.touch({});
  }

  /** Prometheus' text format. */
  text(): string {
    return textOf([
      ...[this.reconciles, this.reconcileSeconds, this.globalWrites, this.globalReads, this.statusWrites],
      ...[this.signals, this.signalToStatus, this.alarms, this.leases, this.storageHealthy],
    ]);
  }
}
