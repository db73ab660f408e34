import process from "node:process";

/** What `tenure run` does something about. SIGUSR1 belongs to Node's debugger. */
const handled = ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR2", "SIGWINCH"] as const;
/** Ctrl-Z, and the terminal's way of stopping background jobs: a stopped leader loses its term. */
const ignored = ["SIGTSTP", "SIGTTIN", "SIGTTOU"] as const;

/**
 * Tells each signal that `tenure run` handles, and ignores those that would stop it. Until the process ends: a signal
 * that comes while it exits must not change its exit code.
 */
export function listenToRunSignals(onSignal: (signal: NodeJS.Signals) => void): void {
  for (const signal of handled) process.on(signal, () => onSignal(signal));
  for (const signal of ignored) process.on(signal, () => {});
}
