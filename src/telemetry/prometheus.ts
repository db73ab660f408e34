import type { LeaderElector } from "../election/leader-elector.ts";
import { systemLoopDelay, type LoopDelay } from "../system/loop-delay.ts";
import { ElectorMetrics, failureCode } from "./elector-metrics.ts";

/** What metrics need of an elector: its configured name, its events, and whether it leads. */
export type MeteredElector = Pick<LeaderElector, "name" | "on" | "isLeader">;

/** How metrics are taken. */
export interface PrometheusOptions {
  /** What measures the event loop; default: the one of this process, at 20 looks a second. */
  readonly loopDelay?: LoopDelay;
}

/** The metrics of one or more electors. */
export interface PrometheusMetrics {
  /** The content type of `text()`. */
  readonly contentType: string;
  /** Prometheus' text format, with the state of this instant. */
  text(): string;
  /** Ends the counting. The last counts stay; `leader_election_master_status` goes on telling the truth. */
  close(): void;
}

/**
 * Counts what electors tell, for Prometheus. Attach it before `run`, or what came before is not counted.
 *
 * `leader_election_master_status` is computed at each reading, by the clock of the term: it is 0 on every way out,
 * also in a process that stood still past its lease. Labels hold `LeaderElectorOptions.name` and words of closed lists,
 * never an identity.
 *
 * ```ts
 * const metrics = prometheusMetrics(elector);
 * createServer((_request, response) => response.setHeader("content-type", metrics.contentType).end(metrics.text()));
 * ```
 */
export function prometheusMetrics(
  electors: MeteredElector | readonly MeteredElector[],
  options: PrometheusOptions = {},
): PrometheusMetrics {
  const all = "on" in electors ? [electors] : electors;
  const loopDelay = options.loopDelay ?? systemLoopDelay();
  const metrics = new ElectorMetrics();
  const unsubscribe = all.flatMap((elector) => subscribe(elector, metrics));
  let closed = false;
  return {
    contentType: "text/plain; version=0.0.4; charset=utf-8",
    text() {
      for (const { name } of all) metrics.leader.set({ name }, 0);
      for (const elector of all) {
        if (elector.isLeader()) metrics.leader.set({ name: elector.name }, 1); // two electors may bear one name
      }
      if (!closed) metrics.loopDelay.observe({}, loopDelay.takeLongestMs() / 1000);
      return metrics.text();
    },
    close() {
      if (closed) return;
      closed = true;
      loopDelay.close();
      for (const end of unsubscribe) end();
    },
  };
}

function subscribe(elector: MeteredElector, metrics: ElectorMetrics): (() => void)[] {
  const { name } = elector;
  metrics.begin(name);
  return [
    elector.on("elected", ({ term, takeoverMs }) => {
      metrics.term.set({ name }, term);
      metrics.takeover.observe({ name }, takeoverMs / 1000);
    }),
    elector.on("renewed", ({ term, ms, remainingMs, slow }) => {
      metrics.term.set({ name }, term);
      metrics.renew.observe({ name }, ms / 1000);
      metrics.remaining.observe({ name }, remainingMs / 1000);
      if (slow) metrics.slowPath.add({ name });
    }),
    elector.on("stopped", ({ reason }) => metrics.stops.add({ name, reason })),
    elector.on("attempt", ({ op, result }) => metrics.attempts.add({ name, op, result })),
    elector.on("attemptFailed", ({ error }) => metrics.failures.add({ name, code: failureCode(error) })),
    elector.on("drained", ({ ms }) => metrics.drain.observe({ name }, ms / 1000)),
    elector.on("suspect", () => metrics.suspicions.add({ name })),
    elector.on("watchLive", () => metrics.watchLive.set({ name }, 1)),
    elector.on("watchLost", () => metrics.watchLive.set({ name }, 0)),
    elector.on("guardRefused", () => metrics.guardRefusals.add({ name })),
    elector.on("alarm", ({ kind }) => {
      metrics.alarms.add({ name, kind });
      if (kind === "workOverrun") metrics.overruns.add({ name });
    }),
  ];
}
