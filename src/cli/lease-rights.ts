import type { GrantedRights } from "../kubernetes/cluster-questions.ts";
import { multiClusterLeaseNames } from "../kubernetes/multi-cluster-lease.ts";
import { printable } from "../system/logger.ts";
import type { Finding } from "./findings.ts";

/** Which names a right is for. */
export type Names = "all" | ReadonlySet<string>;

/** What elections on one kind of leases need, and what they never do. */
export interface ElectionRights {
  readonly group: string;
  readonly resource: string;
  /** What people call several of them. */
  readonly plural: string;
  /** The verb of each write but the first. */
  readonly write: "update" | "patch";
  readonly unused: readonly string[];
  /** Why the unused ones are better taken away. */
  readonly danger: string;
  /** What happens without `watch`. */
  readonly unwatched: string;
  /** Whether a status is the word of somebody else. */
  readonly foreignStatus: boolean;
}

/** Of Leases. */
export const leaseRights: ElectionRights = {
  ...{ group: "coordination.k8s.io", resource: "leases", plural: "Leases", write: "update" },
  unused: ["delete", "deletecollection", "patch"],
  danger: "a deleted Lease takes its term along",
  unwatched: "a standby asks the server every few seconds, and takes over later",
  foreignStatus: false,
};

/** Of MultiClusterLeases, on the side of a candidate. */
export function multiClusterLeaseRights(group: string): ElectionRights {
  return {
    ...{ group, resource: multiClusterLeaseNames.plural, plural: "MultiClusterLeases", write: "patch" },
    unused: ["delete", "deletecollection", "update"],
    danger: "to delete one deposes its leader",
    unwatched: "a candidate asks the server each second",
    foreignStatus: true,
  };
}

interface Resource {
  readonly group: string;
  readonly resource: string;
}

/** The rights of one account in one namespace, as elections see them. */
export class LeaseRights {
  readonly #rights: GrantedRights;
  readonly #table: ElectionRights;

  constructor(rights: GrantedRights, table: ElectionRights) {
    this.#rights = rights;
    this.#table = table;
  }

  /** Whether a verb is granted: for this name, or for any at all. */
  may(verb: string, name?: string): boolean {
    const names = this.#granted(verb);
    return names === "all" || (name === undefined ? names.size > 0 : names.has(name));
  }

  /** The leases that may be held: those that may be read and written. */
  electable(): Names {
    const [read, written] = [this.#granted("get"), this.#granted(this.#table.write)];
    if (read === "all") return written;
    return written === "all" ? read : new Set([...read].filter((name) => written.has(name)));
  }

  /** What an election needs and lacks, and what it has and does not need. */
  judge(namespace: string): Finding[] {
    const findings = [...this.#needed(namespace), ...this.#wanted(), ...this.#excess()];
    if (!this.#rights.incomplete) return findings;
    const found = "the server does not tell all rights: a webhook has more";
    return [
      ...findings.map((finding) => (finding.level === "failure" ? { ...finding, level: "warning" as const } : finding)),
      { check: "rights", level: "info", found },
    ];
  }

  /** The names that a verb is granted for. */
  #granted(verb: string, { group, resource }: Resource = this.#table): Names {
    const has = (list: readonly string[], one: string): boolean => list.includes(one) || list.includes("*");
    const ofAny = resource.replace(/^[^/]*\//, "*/"); // of a status: those of all kinds
    const fitting = this.#rights.rules.filter(
      ({ verbs, apiGroups, resources }) =>
        has(verbs, verb) && has(apiGroups, group) && (has(resources, resource) || resources.includes(ofAny)),
    );
    if (fitting.some(({ resourceNames }) => resourceNames.length === 0)) return "all";
    return new Set(fitting.flatMap(({ resourceNames }) => resourceNames));
  }

  #needed(namespace: string): Finding[] {
    const { plural, write } = this.#table;
    const missing = ["get", write].filter((verb) => !this.may(verb));
    const names = this.electable();
    if (missing.length > 0 || isNone(names)) {
      const verbs = missing.length > 0 ? missing : ["get", write];
      const same = missing.length > 0 ? "" : " of one name";
      const found = `no right to ${verbs.join(" and ")} ${plural} in "${namespace}"${same}`;
      return [{ check: "rights", level: "failure", found, repair: add(this.#table, verbs), code: "ACCESS_DENIED" }];
    }
    const creates = !this.may("create") ? "not to create them: each has to exist" : "and to create them";
    return [{ check: "rights", level: "ok", found: `get and ${write} ${this.#shown(names)}, ${creates}` }];
  }

  /** Elections work without these. */
  #wanted(): Finding[] {
    const { plural, unwatched } = this.#table;
    const findings: Finding[] = [];
    if (!this.may("watch")) {
      const found = `no right to watch ${plural}: ${unwatched}`;
      findings.push({ check: "rights", level: "warning", found, repair: add(this.#table, ["watch"]) });
    }
    const told = ["events.k8s.io", ""].some((group) => !isNone(this.#granted("create", { group, resource: "events" })));
    if (!told) {
      const repair = add({ group: "events.k8s.io", resource: "events" }, ["create", "patch"], false);
      findings.push({ check: "rights", level: "info", found: "no right to create events: none is told", repair });
    }
    return findings;
  }

  /** Whoever may write a lease may depose its holder, and whoever may write a status may make itself one. */
  #excess(): Finding[] {
    const { group, resource, plural, write, unused, danger, foreignStatus } = this.#table;
    const findings: Finding[] = [];
    const excess = unused.filter((verb) => this.may(verb));
    if (excess.length > 0) {
      const found = `may ${excess.join(", ")} ${plural}, which no election does: ${danger}`;
      findings.push({ check: "rights", level: "warning", found, repair: `take ${excess.join(", ")} out of the role` });
    }
    const status = { group, resource: `${resource}/status` };
    const writes = foreignStatus && ["patch", "update"].some((verb) => !isNone(this.#granted(verb, status)));
    if (writes) {
      const found = "may write the status, which is the word of the controller: a candidate could confirm itself";
      findings.push({ check: "rights", level: "warning", found, repair: `take ${status.resource} out of the role` });
    }
    if (this.#granted(write) === "all") {
      const found = `may ${write} every ${plural.slice(0, -1)} of the namespace, those of others too`;
      findings.push({ check: "rights", level: "info", found, repair: `name in resourceNames the ${plural} it is for` });
    }
    return findings;
  }

  #shown(names: Names): string {
    if (names === "all") return `any ${this.#table.plural.slice(0, -1)}`;
    const some = [...names].slice(0, 5).map((name) => `"${printable(name, 80)}"`);
    return `${some.join(", ")}${names.size > some.length ? ` and ${names.size - some.length} more` : ""}`;
  }
}

function isNone(names: Names): boolean {
  return names !== "all" && names.size === 0;
}

function add({ group, resource }: Resource, verbs: readonly string[], named = true): string {
  const texts = (list: readonly string[]): string => list.map((text) => `"${text}"`).join(", ");
  const limit = named ? ', resourceNames: ["NAME"]' : "";
  return `add the rule { apiGroups: ["${group}"], resources: ["${resource}"], verbs: [${texts(verbs)}]${limit} }`;
}
