import { readFile } from "node:fs/promises";
import {
  controllerFlags,
  readSettings,
  variableOf,
  variablePrefix,
  type ProgramSettings,
  type SettingText,
} from "../controller/settings.ts";
import { InvalidSettingsError } from "../errors.ts";
import { printable } from "../system/logger.ts";
import type { Invocation } from "./command.ts";
import { parseDuration } from "./durations.ts";
import type { Environment, Flags } from "./flags.ts";
import { didYouMean } from "./nearest.ts";

/** Where a pod is told the namespace of its account. */
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/**
 * What `tenure controller` was told: flag, else variable, else default.
 *
 * @throws {InvalidSettingsError} with every problem at once; nothing was sent.
 */
export async function controllerSettings(
  { flags, environment }: Pick<Invocation, "flags" | "environment">,
  file: string = namespaceFile,
): Promise<ProgramSettings> {
  const problems = [...unknownVariables(environment), ...tooMany(flags)];
  const ownNamespace = await namespaceOfPod(file);
  try {
    const settings = readSettings({
      given: (name) => given(name, flags, environment),
      durationMs: ({ text, where }) => parseDuration(text, where),
      ownNamespace,
    });
    if (problems.length === 0) return settings;
  } catch (error) {
    if (!(error instanceof InvalidSettingsError)) throw error;
    problems.push(...error.problems);
  }
  throw new InvalidSettingsError(problems);
}

function given(name: string, flags: Flags, environment: Environment): SettingText | undefined {
  if (controllerFlags[name]?.value === undefined && flags.on(name)) return { text: "true", where: `--${name}` };
  if (flags.on(name)) return { text: flags.text(name) ?? "", where: `--${name}` };
  const where = variableOf(name);
  const text = environment[where];
  return text === undefined || text === "" ? undefined : { text, where };
}

function unknownVariables(environment: Environment): string[] {
  const known = Object.keys(controllerFlags).map(variableOf);
  const unknown = Object.keys(environment).filter((name) => name.startsWith(variablePrefix) && !known.includes(name));
  return unknown.map((name) => `unknown variable ${printable(name, 80)}.${didYouMean(name, known)}`);
}

function tooMany({ names, rest }: Flags): string[] {
  const [first] = [...names, ...(rest ?? [])];
  return first === undefined ? [] : [`"${printable(first, 40)}" is one too many: a controller takes flags only`];
}

async function namespaceOfPod(file: string): Promise<string> {
  try {
    const text = (await readFile(file, "utf8")).trim();
    return /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text) ? text : "default";
  } catch {
    return "default"; // no pod
  }
}
