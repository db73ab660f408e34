import process from "node:process";
import { signalExitCode } from "./exit-codes.ts";

/**
 * Calls `stop` at the first SIGTERM or SIGINT, and ends the process at the second, with the signal's exit code. Until
 * the process ends: a signal that comes while it exits must not change its exit code.
 */
export function listenToStopSignals(stop: (signal: NodeJS.Signals) => void): void {
  let asked = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (asked) process.exit(signalExitCode(signal));
    asked = true;
    stop(signal);
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
}
