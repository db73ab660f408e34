import { InvalidSettingsError } from "../errors.ts";
import type { EventsApi } from "../kubernetes/events.ts";
import { namespaceProblems } from "../kubernetes/lease-options.ts";
import { groupProblems } from "../kubernetes/multi-cluster-lease-options.ts";
import { parseParameter, type Parameter } from "../storage/url-parameters.ts";
import { printable } from "../system/logger.ts";
import type { Flags } from "./flags.ts";
import { UsageError } from "./usage-error.ts";

/** What `lease://NAMESPACE?…` says, and `multiclusterlease://NAMESPACE?…`. */
export interface LeaseUrl {
  readonly namespace: string;
  readonly events: EventsApi | "off";
  /** Of a Lease. */
  readonly labels: Readonly<Record<string, string>>;
  /** Of a MultiClusterLease; default: that of upstream. */
  readonly group?: string;
}

const eventsChoices = ["events.k8s.io", "core", "off"] as const;

const events: Parameter = { type: "choice", default: "events.k8s.io", of: eventsChoices };
const schemes: Readonly<Record<string, Readonly<Record<string, Parameter>>>> = {
  lease: { events, labels: { type: "text", default: undefined } },
  multiclusterlease: { events, group: { type: "text", default: undefined } },
};

/**
 * Reads `lease://NAMESPACE` or `multiclusterlease://NAMESPACE`. The namespace may come from `--namespace` instead, and
 * must not come from both.
 *
 * @throws {InvalidSettingsError} with every problem of the URL, and no part of it that may be secret.
 * @throws {UsageError} if there is no namespace, or if there are two.
 */
export function readLeaseUrl(text: string, flags: Flags): LeaseUrl {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const scheme = text.split(":", 1).join("").toLowerCase();
  const parameters = schemes[scheme] ?? {};
  if (url === undefined || url.host.includes(":")) throw malformed(scheme, []);
  const given = [...url.searchParams];
  const problems = given.flatMap(([name, value], index) => {
    const parameter = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    if (parameter === undefined) return [`"${printable(name, 40)}" is no parameter of ${scheme}:`];
    if (given.findIndex(([other]) => other === name) < index) return [`${name} is given twice`];
    const parsed = parseParameter(parameter, value);
    return "problem" in parsed ? [`${name} ${parsed.problem}`] : [];
  });
  const { labels, problems: wrongLabels } = readLabels(url.searchParams.get("labels") ?? "");
  problems.push(...wrongLabels);
  const group = url.searchParams.get("group");
  if (group !== null) problems.push(...groupProblems(group));
  if (problems.length > 0) problems.push(`allowed are: ${Object.keys(parameters).join(", ")}`);
  const isPlain = url.username === "" && url.password === "" && url.hash === "" && /^\/?$/.test(url.pathname);
  if (!isPlain) throw malformed(scheme, problems);
  if (problems.length > 0) throw new InvalidSettingsError(problems);
  const told = eventsChoices.find((choice) => choice === url.searchParams.get("events")) ?? "events.k8s.io";
  return { namespace: namespaceOf(url.host, flags, scheme), events: told, labels, ...(group !== null && { group }) };
}

function malformed(scheme: string, more: readonly string[]): InvalidSettingsError {
  const things = scheme === "lease" ? "Leases" : "MultiClusterLeases";
  const how = `a URL of ${things} reads "${scheme}://NAMESPACE"; cluster and user are those of the kubeconfig`;
  return new InvalidSettingsError([how, ...more]);
}

function namespaceOf(host: string, flags: Flags, scheme: string): string {
  const flag = flags.text("namespace");
  const named = host === "" ? flag : host;
  if (named === undefined) throw new UsageError(`which namespace? Write ${scheme}://NAMESPACE.`);
  if (flag !== undefined && flag !== named) {
    throw new UsageError(`--namespace ${printable(flag)} and ${scheme}://${printable(named)} differ: name it once.`);
  }
  const problems = namespaceProblems(named);
  if (problems.length > 0) throw new InvalidSettingsError(problems);
  return named;
}

/** `key=value,key=value`. */
function readLabels(text: string): { labels: Readonly<Record<string, string>>; problems: readonly string[] } {
  const pairs = text.split(",").filter(Boolean);
  const problems = pairs
    .filter((pair) => !/^[^=]+=[^=]*$/.test(pair))
    .map((pair) => `labels ("${printable(pair, 40)}") must be like team=billing,tier=web`);
  return { labels: Object.fromEntries(pairs.map((pair) => pair.split("=", 2))), problems };
}
