import { systemMachineClock } from "../../system/machine-clock.ts";
import { clusterFlags, type Command, type Invocation, placeFlags, resultFlags } from "../command.ts";
import { exitCodes } from "../exit-codes.ts";
import type { Finding } from "../findings.ts";
import { checkClocks, checkNode, checkSettings } from "../machine-checks.ts";
import type { Output } from "../output.ts";
import { packageVersion } from "../package-version.ts";
import { checkPlace } from "../place.ts";
import { readTiming, timingFlags } from "../run-settings.ts";
import { UsageError } from "../usage-error.ts";

/** `tenure doctor [URL]` */
export const doctorCommand: Command = {
  usage: "doctor [URL] [flags]",
  says:
    "Checks this machine, the settings, and the storage if one is named: reachable, rights, round trips, and\n" +
    "whether it enforces its conditions, by a probe that writes below tenure-probe/ and removes that again.\n" +
    "Of lease://NAMESPACE: reachable, rights missing or too much, times, round trips, watch; it stores nothing.\n" +
    "Of multiclusterlease://NAMESPACE also the definition, and for each lease until its next renewal: who holds it,\n" +
    "and whether the controller, its storage, or another candidate of this cluster keeps it from being held.\n" +
    "Each finding has its repair. " +
    "Exits with 0 if nothing failed; warnings do not count.",
  example: "tenure doctor file:///srv/tenure",
  flags: {
    storage: placeFlags["storage"] ?? { says: "" },
    ...clusterFlags,
    ...timingFlags,
    "no-probe": { says: "writes nothing" },
    ...resultFlags,
  },
  async run(invocation: Invocation): Promise<number> {
    const { flags, output, clock, log, signal } = invocation;
    const [named, ...more] = flags.names;
    if (more.length > 0) throw new UsageError(`one URL only; "${more[0]}" is one too many.`);
    if (named !== undefined && flags.on("storage")) throw new UsageError("name the storage once: URL or --storage.");
    const url = named ?? flags.text("storage");
    const timing = readTiming(flags);
    const version: Finding = { check: "package", level: "ok", found: `tenure ${await packageVersion()}` };
    const findings = [
      checkNode(),
      version,
      ...(await checkClocks({ clock, machineClock: systemMachineClock, timing }, signal)),
    ];
    if (url === undefined) findings.push(...checkSettings(timing), noStorage);
    else findings.push(...(await placeFindings(url, invocation)));
    print(findings, output);
    log.debug("looked", { findings: findings.length });
    return codeOf(findings);
  },
};

const noStorage: Finding = {
  check: "storage",
  level: "info",
  found: "none was named",
  repair: "tenure doctor file:///srv/tenure checks one, and so does TENURE_STORAGE_URL",
};

async function placeFindings(url: string, { flags, clock, log, signal }: Invocation): Promise<Finding[]> {
  const timing = readTiming(flags);
  const probe = !flags.on("no-probe");
  const { findings, minWriteIntervalMs } = await checkPlace({ url, flags, timing, clock, logger: log, probe, signal });
  return [...checkSettings(timing, minWriteIntervalMs), ...findings];
}

const colours = { ok: "green", info: "dim", warning: "yellow", failure: "red" } as const;

function print(findings: readonly Finding[], output: Output): void {
  if (output.json) {
    const documents = findings.map(({ repair = null, code = null, ...facts }) => ({ ...facts, repair, code }));
    return output.document({ healthy: !findings.some(isFailure), findings: documents });
  }
  for (const { check, level, found, repair } of findings) {
    output.line(`${output.paint(colours[level], level.padEnd(8))} ${check.padEnd(14)} ${found}`);
    if (repair !== undefined) output.line(`${" ".repeat(24)}repair: ${repair}`);
  }
}

function isFailure({ level }: Finding): boolean {
  return level === "failure";
}

function codeOf(findings: readonly Finding[]): number {
  const failures = findings.filter(isFailure);
  if (failures.length === 0) return exitCodes.done;
  return failures.some(({ code }) => code === "ACCESS_DENIED") ? exitCodes.accessDenied : exitCodes.failed;
}
