import type { GrantedRights } from "../kubernetes/cluster-questions.ts";
import { printable } from "../system/logger.ts";
import type { Finding } from "./findings.ts";

/** Which names a right is for. */
export type Names = "all" | ReadonlySet<string>;

const leases = { group: "coordination.k8s.io", resource: "leases" } as const;
const excessVerbs = ["delete", "deletecollection", "patch"] as const;

/** The names that a verb is granted for. */
export function granted(
  { rules }: GrantedRights,
  verb: string,
  { group, resource }: { readonly group: string; readonly resource: string } = leases,
): Names {
  const has = (list: readonly string[], one: string): boolean => list.includes(one) || list.includes("*");
  const fitting = rules.filter(
    (rule) => has(rule.verbs, verb) && has(rule.apiGroups, group) && has(rule.resources, resource),
  );
  if (fitting.some(({ resourceNames }) => resourceNames.length === 0)) return "all";
  return new Set(fitting.flatMap(({ resourceNames }) => resourceNames));
}

/** The Leases that may be held: those that may be read and written. */
export function electable(rights: GrantedRights): Names {
  const [read, written] = [granted(rights, "get"), granted(rights, "update")];
  if (read === "all") return written;
  return written === "all" ? read : new Set([...read].filter((name) => written.has(name)));
}

/** Whether a verb is granted for Leases: for this one, or for any at all. */
export function mayDo(rights: GrantedRights, verb: string, name?: string): boolean {
  const names = granted(rights, verb);
  return names === "all" || (name === undefined ? names.size > 0 : names.has(name));
}

/** What an election needs and lacks, and what it has and does not need. */
export function judgeRights(rights: GrantedRights, namespace: string): Finding[] {
  const findings = [...judgeNeeded(rights, namespace), ...judgeWanted(rights), ...judgeExcess(rights)];
  if (!rights.incomplete) return findings;
  const found = "the server does not tell all rights: a webhook has more";
  return [
    ...findings.map((finding) => (finding.level === "failure" ? { ...finding, level: "warning" as const } : finding)),
    { check: "rights", level: "info", found },
  ];
}

function judgeNeeded(rights: GrantedRights, namespace: string): Finding[] {
  const missing = ["get", "update"].filter((verb) => !mayDo(rights, verb));
  const names = electable(rights);
  if (missing.length > 0 || isNone(names)) {
    const verbs = missing.length > 0 ? missing : ["get", "update"];
    const same = missing.length > 0 ? "" : " of one name";
    const found = `no right to ${verbs.join(" and ")} Leases in "${namespace}"${same}`;
    return [{ check: "rights", level: "failure", found, repair: add(leases, verbs), code: "ACCESS_DENIED" }];
  }
  const creates = !mayDo(rights, "create") ? "not to create them: each has to exist" : "and to create them";
  return [{ check: "rights", level: "ok", found: `get and update ${shown(names)}, ${creates}` }];
}

/** Elections work without these. */
function judgeWanted(rights: GrantedRights): Finding[] {
  const findings: Finding[] = [];
  if (!mayDo(rights, "watch")) {
    const found = "no right to watch Leases: a standby asks the server every few seconds, and takes over later";
    findings.push({ check: "rights", level: "warning", found, repair: add(leases, ["watch"]) });
  }
  const told = ["events.k8s.io", ""].some((group) => !isNone(granted(rights, "create", { group, resource: "events" })));
  if (!told) {
    const repair = add({ group: "events.k8s.io", resource: "events" }, ["create", "patch"], false);
    findings.push({ check: "rights", level: "info", found: "no right to create events: none is told", repair });
  }
  return findings;
}

/** Whoever may write a Lease may depose its holder, and whoever may delete one may take its term away. */
function judgeExcess(rights: GrantedRights): Finding[] {
  const findings: Finding[] = [];
  const excess = excessVerbs.filter((verb) => mayDo(rights, verb));
  if (excess.length > 0) {
    const found = `may ${excess.join(", ")} Leases, which no election does: a deleted Lease takes its term along`;
    findings.push({ check: "rights", level: "warning", found, repair: `take ${excess.join(", ")} out of the role` });
  }
  if (granted(rights, "update") === "all") {
    const found = "may update every Lease of the namespace, those of others too";
    findings.push({ check: "rights", level: "info", found, repair: "name in resourceNames the Leases it is for" });
  }
  return findings;
}

function isNone(names: Names): boolean {
  return names !== "all" && names.size === 0;
}

function shown(names: Names): string {
  if (names === "all") return "any Lease";
  const some = [...names].slice(0, 5).map((name) => `"${printable(name, 80)}"`);
  return `${some.join(", ")}${names.size > some.length ? ` and ${names.size - some.length} more` : ""}`;
}

function add({ group, resource }: { group: string; resource: string }, verbs: readonly string[], named = true): string {
  const texts = (list: readonly string[]): string => list.map((text) => `"${text}"`).join(", ");
  const limit = named ? ', resourceNames: ["NAME"]' : "";
  return `add the rule { apiGroups: ["${group}"], resources: ["${resource}"], verbs: [${texts(verbs)}]${limit} }`;
}
