import { errorCode } from "../errors.ts";
import { systemClock } from "../system/clock.ts";
import { sharedFlags, type Command, type Invocation } from "./command.ts";
import { exitCodeOf, exitCodes } from "./exit-codes.ts";
import { Flags, type Environment } from "./flags.ts";
import { commandHelp, type CommandName, commandSummaries, programHelp } from "./help.ts";
import type { Log } from "./log.ts";
import { logLevels } from "./log.ts";
import { didYouMean } from "./nearest.ts";
import { packageVersion } from "./package-version.ts";
import { Output, type ResultStream } from "./output.ts";

/** The world of one call of `tenure`. */
export interface CliOptions {
  readonly args: readonly string[];
  readonly environment: Environment;
  readonly stdin: Invocation["stdin"];
  readonly stdout: () => ResultStream;
  readonly log: Log;
  /** Falls at SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  /** Called before a command that handles signals by itself. */
  readonly leaveSignals: () => void;
}

const commands: Record<CommandName, () => Promise<Command>> = {
  run: async () => (await import("./commands/run.ts")).runCommand,
  status: async () => (await import("./commands/status.ts")).statusCommand,
  watch: async () => (await import("./commands/watch.ts")).watchCommand,
  release: async () => (await import("./commands/release.ts")).releaseCommand,
  doctor: async () => (await import("./commands/doctor.ts")).doctorCommand,
  controller: async () => (await import("./commands/controller.ts")).controllerCommand,
  crd: async () => (await import("./commands/crd.ts")).crdCommand,
};

/** Runs `tenure` with the given command line; resolves with the exit code, and never rejects. */
export async function cli(options: CliOptions): Promise<number> {
  const [name, ...rest] = options.args;
  if (name === "--help" || name === "-h" || name === "help") return print(options, programHelp());
  if (name === "--version" || name === "-V") return print(options, await packageVersion());
  if (name === undefined) {
    options.log.write(`${programHelp()}\n`);
    return exitCodes.usage;
  }
  if (!isCommand(name)) {
    const what = name.startsWith("-") ? `unknown flag ${name}` : `unknown command "${name}"`;
    options.log.write(`tenure: ${what}.${didYouMean(name, Object.keys(commands))} See: tenure --help\n`);
    return exitCodes.usage;
  }
  return runCommand(name, rest, options);
}

async function runCommand(name: CommandName, args: readonly string[], options: CliOptions): Promise<number> {
  const command = await commands[name]();
  const { log, stdout, environment } = options;
  try {
    const flags = new Flags(args, { ...command.flags, ...sharedFlags }, environment);
    if (flags.on("help")) return print(options, commandHelp(command));
    log.setLevel(flags.oneOf("log", logLevels) ?? "info");
    const colour = flags.on("color") ? true : flags.on("no-color") ? false : undefined;
    const output = new Output({ stdout, log, environment, json: flags.on("json"), colour });
    const { stdin, signal } = options;
    const invocation: Invocation = { flags, output, log, environment, stdin, signal, clock: systemClock };
    if (command.ownSignals) options.leaveSignals();
    return await command.run(invocation);
  } catch (error) {
    return tellFailure(error, { name, command, options });
  }
}

function tellFailure(
  error: unknown,
  { name, command, options }: { readonly name: CommandName; readonly command: Command; readonly options: CliOptions },
): number {
  const code = exitCodeOf(error);
  // the signal's own code is given by whoever listens to it
  if (options.signal.aborted && error === options.signal.reason) return code;
  const problems: unknown = errorCode(error) === "INVALID_SETTINGS" && Reflect.get(Object(error), "problems");
  const lines = Array.isArray(problems)
    ? problems.map(String)
    : [error instanceof Error ? error.message : String(error)];
  for (const line of lines) options.log.write(`tenure ${name}: ${line}\n`);
  if (errorCode(error) === "USAGE") options.log.write(`See: tenure ${name} --help\n`);
  return command.failureCode ?? code;
}

function print(options: CliOptions, text: string): number {
  options.stdout().write(`${text}\n`);
  return exitCodes.done;
}

function isCommand(name: string): name is CommandName {
  return Object.hasOwn(commandSummaries, name);
}
