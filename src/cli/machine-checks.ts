import process from "node:process";
import { durationProblems, resolveDurations, tolerancesOf } from "../election/durations.ts";
import { sleep, type Clock } from "../system/clock.ts";
import type { MachineClock } from "../system/machine-clock.ts";
import { formatDuration } from "./durations.ts";
import type { Finding } from "./findings.ts";
import type { Timing } from "./run-settings.ts";

const leastNode = [22, 12] as const;
const sampleMs = 1000;
const tickMs = 20;
const jumpMs = 100;

/** Whether this Node.js is one that the package supports. */
export function checkNode(version: string = process.versions.node): Finding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const fine = major > leastNode[0] || (major === leastNode[0] && minor >= leastNode[1]);
  const found = `${version} on ${process.platform} ${process.arch}`;
  if (fine) return { check: "node", level: "ok", found };
  return { check: "node", level: "failure", found, repair: `install Node.js ${leastNode.join(".")} or later` };
}

/** How the three durations fit together, and what they survive. */
export function checkSettings(timing: Timing, minWriteIntervalMs = 0): Finding[] {
  const durations = resolveDurations(timing);
  const problems = durationProblems(durations, minWriteIntervalMs);
  if (problems.length > 0) {
    const repair = "change --lease-duration, --renew-deadline or --retry-period, or leave them at 15s, 10s, 2s";
    return problems.map((found) => ({ check: "settings", level: "failure", found, repair }));
  }
  const { clockRate, stepMarginLeftMs, outageMs } = tolerancesOf(durations);
  const three = [timing.leaseDurationMs, timing.renewDeadlineMs, timing.retryPeriodMs].map(formatDuration).join(" / ");
  const margin = `the command of a lost term is gone ${formatDuration(stepMarginLeftMs)} after it at the latest`;
  return [
    { check: "settings", level: "ok", found: `${three}: survives an outage of ${formatDuration(outageMs)}; ${margin}` },
    {
      check: "rate tolerance",
      level: "ok",
      found: `clocks of hosts may run ${(clockRate * 100).toFixed(0)} % fast or slow`,
    },
  ];
}

/** Watches clocks and event loop for a second. */
export async function checkClocks(
  {
    clock,
    machineClock,
    timing,
  }: { readonly clock: Clock; readonly machineClock: MachineClock; readonly timing: Timing },
  signal?: AbortSignal,
): Promise<Finding[]> {
  const startedMs = clock.monotonicMs();
  const offsetMs = clock.wallMs() - startedMs;
  let latestMs = 0;
  let movedMs = 0;
  while (clock.monotonicMs() - startedMs < sampleMs) {
    const dueMs = clock.monotonicMs() + tickMs;
    await sleep(clock, tickMs, signal);
    latestMs = Math.max(latestMs, clock.monotonicMs() - dueMs);
    movedMs = Math.max(movedMs, Math.abs(clock.wallMs() - clock.monotonicMs() - offsetMs));
  }
  return [jumps(movedMs), suspended(machineClock), loopDelay(latestMs, timing)];
}

function jumps(movedMs: number): Finding {
  const found = `the wall clock moved ${formatDuration(movedMs)} against the monotonic one in a second`;
  if (movedMs <= jumpMs) return { check: "clock jumps", level: "ok", found };
  const repair =
    "have the time daemon slew, not step (chrony: makestep only at the start); a step costs one extra renewal";
  return { check: "clock jumps", level: "warning", found, repair };
}

/** Information only: a suspended machine loses its term, and knows it. */
function suspended(machineClock: MachineClock): Finding {
  const { monotonicMs, bootMs } = machineClock.now();
  if (bootMs === undefined) {
    return { check: "suspension", level: "info", found: "the monotonic clock of this system counts suspended time" };
  }
  const sleptMs = Math.max(0, bootMs - monotonicMs);
  const found =
    sleptMs < 1000 ? "not suspended since it started" : `suspended for ${formatDuration(sleptMs)} since it started`;
  return { check: "suspension", level: "info", found };
}

function loopDelay(latestMs: number, { renewDeadlineMs }: Timing): Finding {
  const found = `a timer was ${formatDuration(latestMs)} late at the most`;
  if (latestMs <= Math.min(jumpMs, renewDeadlineMs / 4)) return { check: "loop delay", level: "ok", found };
  const repair = "give this process more CPU, or choose a longer --lease-duration";
  return { check: "loop delay", level: latestMs > renewDeadlineMs / 2 ? "failure" : "warning", found, repair };
}
