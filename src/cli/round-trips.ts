import { resolveDurations } from "../election/durations.ts";
import type { Clock } from "../system/clock.ts";
import { attempt } from "./attempt.ts";
import { formatDuration } from "./durations.ts";
import type { Finding } from "./findings.ts";
import type { Timing } from "./run-settings.ts";

const reads = 20;

/** How long reads take, against the settings. */
export async function roundTrips(
  read: () => Promise<unknown>,
  { clock, timing }: { readonly clock: Clock; readonly timing: Timing },
): Promise<Finding> {
  const timesMs: number[] = [];
  const measured = await attempt("round trips", async () => {
    for (let count = 0; count < reads; count++) {
      const sentMs = clock.monotonicMs();
      await read();
      timesMs.push(clock.monotonicMs() - sentMs);
    }
    return timesMs.sort((a, b) => a - b);
  });
  if ("check" in measured) return measured;
  const [p50 = 0, most = 0] = [measured[reads / 2], measured[reads - 1]];
  return judgeRoundTrips({ p50, most }, timing);
}

/** A term survives answers that are always late by d as long as max(I, d) + d < V. */
export function judgeRoundTrips(
  { p50, most }: { readonly p50: number; readonly most: number },
  timing: Timing,
): Finding {
  const { renewDeadlineMs, renewIntervalMs } = resolveDurations(timing);
  const times = `reads take ${formatDuration(p50)}, at most ${formatDuration(most)} of ${reads}`;
  const found = `${times}; a term lasts ${formatDuration(renewDeadlineMs)}`;
  const repair = "choose a longer --lease-duration and --renew-deadline, or a storage that is nearer";
  if (Math.max(renewIntervalMs, most) + most >= renewDeadlineMs)
    return { check: "round trips", level: "failure", found, repair };
  if (most > renewDeadlineMs / 4) return { check: "round trips", level: "warning", found, repair };
  return { check: "round trips", level: "ok", found };
}
