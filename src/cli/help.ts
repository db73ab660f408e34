import { sharedFlags, type Command } from "./command.ts";
import type { FlagTable } from "./flags.ts";

/** The commands, in the order of the help. */
export const commandSummaries = {
  run: "run a command on exactly one machine at a time",
  status: "who leads: holder, term, age, live or expired or free",
  watch: "one line per change of holder or state",
  release: "have a candidate resign, or free the lease of a dead one",
  doctor: "check this machine and a storage, and say how to repair",
  controller: "carry MultiClusterLeases to the storage that all clusters share",
  crd: "print the definition of MultiClusterLease, for kubectl apply",
} as const;

/** A name of a command. */
export type CommandName = keyof typeof commandSummaries;

/** The text of `tenure --help`. */
export function programHelp(): string {
  const rows = Object.entries(commandSummaries).map(([name, says]) => `  ${name.padEnd(12)}${says}`);
  return [
    "Example:",
    "  tenure run billing --storage file:///srv/tenure -- node bill.js",
    "",
    "Usage: tenure <command> [NAME] [flags]",
    "",
    "Commands:",
    ...rows,
    "",
    "tenure <command> --help tells more; tenure --version tells the version.",
  ].join("\n");
}

/** The text of `tenure <command> --help`. */
export function commandHelp(command: Command): string {
  return [
    "Example:",
    ...command.example.split("\n").map((line) => `  ${line}`),
    "",
    `Usage: tenure ${command.usage}`,
    "",
    command.says,
    "",
    "Flags:",
    ...flagRows({ ...command.flags, ...sharedFlags }),
    "",
    "A duration carries its unit: 500ms, 15s, 2m, 1h.",
  ].join("\n");
}

function flagRows(table: FlagTable): string[] {
  const rows = Object.entries(table).map(([name, flag]) => {
    const short = flag.short === undefined ? "" : `-${flag.short}, `;
    const value = flag.value === undefined ? "" : ` ${flag.value}`;
    const variable = flag.env === undefined ? "" : ` [${flag.env}]`;
    return [`${short}--${name}${value}`, `${flag.says}${variable}`] as const;
  });
  const widest = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(widest)}  ${right}`);
}
