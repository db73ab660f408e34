import { controllerFlags, variableOf } from "../../controller/settings.ts";
import type { Command } from "../command.ts";
import { controllerSettings } from "../controller-settings.ts";
import type { FlagTable } from "../flags.ts";
import { UsageError } from "../usage-error.ts";

/** `tenure controller` */
export const controllerCommand: Command = {
  usage: "controller --storage URL [flags]",
  says:
    "Carries the signals of this cluster's MultiClusterLeases to the storage that all clusters share, and shows in\n" +
    "their status what became of them. Of several replicas one writes. SIGTERM ends it, and workloads keep their\n" +
    "locks; a second one ends it at once. An unknown variable TENURE_CONTROLLER_… is an error.",
  example: "tenure controller --storage gs://acme-leases",
  flags: flags(),
  ownSignals: true,
  async run(invocation) {
    const { flags: told, log } = invocation;
    if (!told.on("log") && isTalkative(told.text("verbosity"))) log.setLevel("debug");
    const settings = await controllerSettings(invocation); // all problems, before anything is loaded or asked
    const { runController } = await import("../controller-run.ts");
    return runController(settings, invocation);
  },
};

/** `-v=4` and `-v 4` are one. */
function isTalkative(verbosity: string | undefined): boolean {
  const level = verbosity?.replace(/^=/, "") ?? "0";
  if (!/^\d{1,2}$/.test(level)) throw new UsageError(`-v: "${level}" is no whole number.`);
  return Number(level) >= 4;
}

function flags(): FlagTable {
  const own = Object.entries(controllerFlags).map(
    ([name, flag]) => [name, { ...flag, env: variableOf(name) }] as const,
  );
  const verbosity = { value: "N", short: "v", says: "as Go programs have it: 4 and more is --log debug" };
  return { ...Object.fromEntries(own), verbosity };
}
