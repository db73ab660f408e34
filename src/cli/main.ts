#!/usr/bin/env node
import process from "node:process";
import { cli } from "./cli.ts";
import { exitCodes, runExitCodes, signalExitCode } from "./exit-codes.ts";
import { Log } from "./log.ts";
import type { ResultStream } from "./output.ts";

/** How long the last lines on stderr may take: a paused reader must not hold the exit. */
const flushPatienceMs = 500;

function main(): void {
  const log = new Log();
  const interrupted = new AbortController();
  let usedStdout: ResultStream | undefined;
  const stdout = (): ResultStream => (usedStdout ??= openStdout());
  let leaving = false;
  const leave = (code: number): void => {
    if (leaving) return;
    leaving = true;
    const written = new Promise<void>((resolve) => {
      if (usedStdout === undefined) resolve();
      else usedStdout.write("", () => resolve());
    });
    void Promise.all([written, log.flush(flushPatienceMs)]).then(() => {
      log.close();
      process.exit(code);
    });
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    interrupted.abort(new Error(signal));
    leave(signalExitCode(signal));
  };
  process.once("SIGINT", onSignal);
  process.once("SIGTERM", onSignal);
  const fail = (error: unknown): void => {
    log.error(`bug: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    // of run, the guardian ends the command when this process is gone
    leave(process.argv[2] === "run" ? runExitCodes.failed : exitCodes.failed);
  };
  process.on("uncaughtException", fail); // unhandled rejections too
  process.removeAllListeners("warning"); // the default prints to stderr, and waits for its reader
  process.on("warning", (warning) => log.debug(warning.message));
  const leaveSignals = (): void => {
    process.removeListener("SIGINT", onSignal);
    process.removeListener("SIGTERM", onSignal);
  };
  const stdin = (): NodeJS.ReadStream => process.stdin;
  const { signal } = interrupted;
  cli({ args: process.argv.slice(2), environment: process.env, stdin, stdout, log, signal, leaveSignals }).then(
    (code) => {
      if (!interrupted.signal.aborted) leave(code);
    },
    fail,
  );
}

function openStdout(): ResultStream {
  // "| head" has seen enough: that is no failure
  process.stdout.on("error", () => process.exit(exitCodes.done));
  return process.stdout;
}

main();
