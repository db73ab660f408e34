import { resolveDurations, tolerancesOf } from "../election/durations.ts";
import { hostName } from "../system/host-name.ts";
import { formatDuration } from "./durations.ts";
import type { Flags, FlagTable } from "./flags.ts";
import { UsageError } from "./usage-error.ts";

/** The three durations of an election, as `run` and `doctor` take them. */
export interface Timing {
  readonly leaseDurationMs: number;
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
}

/** The flags for `Timing`. */
export const timingFlags: FlagTable = {
  "lease-duration": {
    value: "15s",
    env: "TENURE_LEASE_DURATION",
    says: "how long others wait for a silent leader (15s)",
  },
  "renew-deadline": {
    value: "10s",
    env: "TENURE_RENEW_DEADLINE",
    says: "how long a term lasts without a renewal (10s)",
  },
  "retry-period": { value: "2s", env: "TENURE_RETRY_PERIOD", says: "pause after a failure, and polling (2s)" },
};

/** Reads the three durations; the elector checks how they fit. */
export function readTiming(flags: Flags): Timing {
  return {
    leaseDurationMs: flags.durationMs("lease-duration") ?? 15_000,
    renewDeadlineMs: flags.durationMs("renew-deadline") ?? 10_000,
    retryPeriodMs: flags.durationMs("retry-period") ?? 2_000,
  };
}

/**
 * All the time that the settings leave between the end of a validity and the first instant at which another candidate
 * may lead: the greatest `stepMarginMs` that the elector accepts.
 */
export function stepMarginMs(timing: Timing): number {
  const roundingMs = 1e-6; // the elector computes the bound the other way round, and must not find a billionth too much
  return Math.max(0, tolerancesOf(resolveDurations(timing)).stepMarginLeftMs - roundingMs);
}

/** What the SIGKILL itself may take, out of the step margin: 250 ms, or a quarter where that is less. */
export function killAfterLimitMs(timing: Timing): number {
  const marginMs = stepMarginMs(timing);
  return marginMs - Math.min(250, marginMs / 4);
}

/** Everything that `tenure run` was told. */
export interface RunSettings extends Timing {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly label: string;
  readonly restart: boolean;
  /** How long each campaign may take; `0` with `--no-wait`, `undefined`: for ever. */
  readonly waitMs: number | undefined;
  readonly graceMs: number;
  readonly killAfterMs: number;
  /** Beside the lease, before another's is taken over. */
  readonly holderGraceMs: number;
}

/** The flags of `run` beside the common ones. */
export const runFlags: FlagTable = {
  ...timingFlags,
  label: { value: "LABEL", env: "TENURE_LABEL", says: "for people, the first part of the identity (the host name)" },
  wait: { value: "30s", says: "exit with 75 if not leading by then; counts for each campaign (wait for ever)" },
  "no-wait": { says: "exit with 75 if another one holds the lease" },
  grace: { value: "30s", says: "how long the command may take to end after SIGTERM, then SIGKILL (30s)" },
  "kill-after": { value: "2s", says: "from a lost lease's SIGTERM to SIGKILL (all that the settings leave: 2.5s)" },
  "holder-grace": {
    value: "11.4s",
    says: "wait so much longer before another's lease is taken over: of a Lease that client-go shares (0ms)",
  },
  restart: { says: "campaign again after a loss or a resignation" },
};

/** @throws {UsageError} for what no elector would check. */
export function readRunSettings(flags: Flags): RunSettings {
  const [name, ...more] = flags.names;
  if (name === undefined) throw new UsageError("which lease? Write: tenure run NAME -- COMMAND …");
  if (flags.rest === undefined)
    throw new UsageError(`no command. Write "--" before it: tenure run ${name} -- COMMAND …`);
  if (more.length > 0)
    throw new UsageError(`one NAME only, and "--" before the command; "${more[0]}" is one too many.`);
  const [file, ...args] = flags.rest;
  if (file === undefined || file === "") throw new UsageError(`no command after "--": tenure run ${name} -- COMMAND …`);
  if (flags.on("wait") && flags.on("no-wait")) throw new UsageError("--wait and --no-wait exclude each other.");
  const timing = readTiming(flags);
  return {
    ...timing,
    name,
    file,
    args,
    restart: flags.on("restart"),
    label: flags.text("label") ?? hostName(),
    waitMs: flags.on("no-wait") ? 0 : flags.durationMs("wait"),
    graceMs: flags.durationMs("grace") ?? 3e4,
    holderGraceMs: flags.durationMs("holder-grace") ?? 0,
    killAfterMs: readKillAfter(flags, timing),
  };
}

function readKillAfter(flags: Flags, timing: Timing): number {
  const limitMs = killAfterLimitMs(timing);
  const askedMs = flags.durationMs("kill-after");
  if (askedMs !== undefined && askedMs > limitMs) {
    throw new UsageError(
      `--kill-after ${formatDuration(askedMs)} is more than the settings leave, ${formatDuration(limitMs)}: ` +
        "another candidate could lead while the command still runs. Ask for less, or for a longer --lease-duration.",
    );
  }
  return askedMs ?? limitMs;
}
