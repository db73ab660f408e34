import process from "node:process";
import { sleep } from "../../system/clock.ts";
import { type Command, type Invocation, placeFlags } from "../command.ts";
import { runExitCodes } from "../exit-codes.ts";
import { GuardedRun } from "../guarded-run.ts";
import { openPlace } from "../place.ts";
import { readRunSettings, runFlags } from "../run-settings.ts";
import { UsageError } from "../usage-error.ts";

const closePatienceMs = 500;

/** `tenure run NAME -- COMMAND …` */
export const runCommand: Command = {
  usage: "run NAME [flags] -- COMMAND [ARGUMENTS]",
  says:
    "Campaigns for the lease NAME, and runs COMMAND while it leads: nowhere else at the same time. Exits as the\n" +
    "command did; 75: did not become leader in time, 124: leadership lost, 125: tenure failed, 126 and 127: COMMAND\n" +
    "cannot be run.\n" +
    "COMMAND gets TENURE_NAME, TENURE_IDENTITY, TENURE_TERM (the fencing token), TENURE_STORAGE and TENURE_CONTROL.",
  example: "tenure run billing --storage file:///srv/tenure --restart -- node bill.js",
  flags: { ...placeFlags, ...runFlags },
  failureCode: runExitCodes.failed,
  ownSignals: true,
  async run({ flags, log, clock }: Invocation): Promise<number> {
    if (process.platform === "win32") throw new UsageError("run needs process groups, which Windows has not.");
    const settings = readRunSettings(flags);
    if (process.pid === 1) log.warn("running as PID 1, which reaps no orphans: start the container with --init");
    const place = await openPlace(flags, { clock, logger: log });
    try {
      const lock = place.lock(settings.name, settings.label);
      return await new GuardedRun({ settings, lock, storage: place.description, log, clock }).run();
    } finally {
      // a storage that hangs must not hold the exit
      await Promise.race([place[Symbol.asyncDispose](), sleep(clock, closePatienceMs)]);
    }
  },
};
