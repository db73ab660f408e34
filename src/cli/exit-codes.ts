import { errorCode } from "../errors.ts";

/** What a command of `tenure` (except `run`) ends with. Part of the API: `docs/cli.md`. */
export const exitCodes = {
  /** Done; or the answer is yes. */
  done: 0,
  failed: 1,
  /** Wrong flags or settings. */
  usage: 2,
  /** The answer is no: nobody leads, not found, lost the race, not in time. */
  no: 3,
  /** Refused for safety: the term moved on, the holder is alive, confirmation is missing. */
  refused: 4,
  accessDenied: 5,
} as const;

/** What `tenure run` adds to the command's own exit codes. Part of the API: `docs/cli.md`. */
export const runExitCodes = {
  /** Did not become leader in time (`--no-wait`, `--wait`). */
  notLeader: 75,
  /** Leadership was lost, the command was stopped. */
  lost: 124,
  /** `tenure` failed itself, wrong flags, guardian lost. */
  failed: 125,
  notExecutable: 126,
  notFound: 127,
  /** The command was killed by us: by `--grace` or a second signal. */
  killed: 137,
} as const;

const signalNumbers: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGKILL: 9, SIGTERM: 15 };

/** The exit code of something that a signal ended: 128 + its number. */
export function signalExitCode(signal: string, numbers: Readonly<Record<string, number>> = signalNumbers): number {
  return 128 + (numbers[signal] ?? 0);
}

/** The exit code that an error calls for. */
export function exitCodeOf(error: unknown): number {
  switch (errorCode(error)) {
    case "USAGE":
    case "INVALID_SETTINGS":
    case "INVALID_KEY":
      return exitCodes.usage;
    case "NOT_FOUND":
    case "CONDITIONAL_UPDATE_FAILED":
    case "ALREADY_EXISTS":
      return exitCodes.no;
    case "ACCESS_DENIED":
      return exitCodes.accessDenied;
    default:
      return exitCodes.failed;
  }
}
