import type { ResourceRef } from "../kubernetes/kubernetes-resources.ts";
import { defaultGroup, multiClusterLeaseKind } from "../kubernetes/multi-cluster-lease.ts";
import { signalIntervalMs } from "../kubernetes/signal-calls.ts";
import { printable } from "../system/logger.ts";
import { attempt } from "./attempt.ts";
import { clusterRepairs, inCluster, unusedName, type ClusterChecks } from "./cluster-checks.ts";
import type { Finding } from "./findings.ts";
import { namesIn } from "./lease-places.ts";
import { multiClusterLeaseRights, type LeaseRights } from "./lease-rights.ts";
import type { PlaceCheck, PlaceCheckOptions } from "./place.ts";
import { judgeSignals } from "./signal-findings.ts";
import { lookAtSignals } from "./signal-look.ts";

/** So many leases are looked at: each costs two reads a second for as long as it takes. */
const mostLeases = 16;

/** Looks at a namespace as a candidate across clusters would: allowed, told, and answered by a controller. */
export async function checkMultiClusterLeases(options: PlaceCheckOptions): Promise<PlaceCheck> {
  return { ...(await inCluster(options, look)), minWriteIntervalMs: signalIntervalMs };
}

async function look(checks: ClusterChecks): Promise<Finding[]> {
  const findings = await checks.place("multiclusterlease");
  if (findings.length === 1) return findings;
  const { namespace, group = defaultGroup } = checks.parts.url;
  const rights = await checks.rights(multiClusterLeaseRights(group));
  findings.push(...rights.findings);
  if (findings.some(({ level }) => level === "failure")) return findings;
  const names = await electable(checks, rights.granted);
  const [first = unusedName] = "found" in names ? [] : names;
  const ref = { ...multiClusterLeaseKind({ namespace, group }), name: first };
  const definition = await definitionOf(checks, ref);
  findings.push(definition);
  if (definition.level === "failure") return findings;
  findings.push(await checks.roundTrips(ref));
  if (rights.granted?.may("watch", first) !== false) findings.push(await checks.watch(ref, "MultiClusterLease"));
  if ("found" in names) return [...findings, names];
  const creates = rights.granted?.may("create") !== false;
  return [...findings, ...(await leaseFindings(names, (name) => leaseFinding(checks, { ...ref, name }, creates)))];
}

/** Which leases this account may hold, or why nobody tells. */
async function electable(checks: ClusterChecks, rights: LeaseRights | undefined): Promise<readonly string[] | Finding> {
  const names = rights?.electable() ?? "all";
  if (names !== "all") return [...names];
  const { namespace, group = defaultGroup } = checks.parts.url;
  const kind = multiClusterLeaseKind({ namespace, group });
  const listed = await attempt("lease", () => namesIn(checks.parts.client, kind, checks.call.signal));
  if (!("check" in listed)) return listed;
  const found = "none was looked at: this account may not list them";
  const repair = "name them in the resourceNames of its role, or look as an account that may list them";
  return { check: "lease", level: "info", found, repair };
}

async function definitionOf({ parts, call }: ClusterChecks, ref: ResourceRef): Promise<Finding> {
  const { group } = ref;
  const check = "definition";
  const named = group === defaultGroup ? "" : ` --group ${group}`;
  const read = await attempt(check, async () => ({ there: await parts.client.read(ref, call) }), {
    ...clusterRepairs,
    INVALID_SETTINGS: `tenure crd${named} | kubectl apply -f -`,
  });
  return "check" in read ? read : { check, level: "ok", found: `MultiClusterLeases of ${group} are served` };
}

async function leaseFindings(
  names: readonly string[],
  look: (name: string) => Promise<Finding>,
): Promise<readonly Finding[]> {
  if (names.length === 0) return [{ check: "lease", level: "info", found: "there is none in this namespace" }];
  const findings = await Promise.all(names.slice(0, mostLeases).map(look));
  const left = names.length - findings.length;
  const more: Finding = { check: "lease", level: "info", found: `${left} more were not looked at` };
  return left > 0 ? [...findings, more] : findings;
}

async function leaseFinding({ parts, call }: ClusterChecks, ref: ResourceRef, creates: boolean): Promise<Finding> {
  const { client, options } = parts;
  const { clock, timing } = options;
  const check = "lease";
  const looked = await attempt(
    check,
    async () => ({ seen: await lookAtSignals({ client, ref, clock, timing, call }) }),
    clusterRepairs,
  );
  if ("check" in looked) return looked;
  if (looked.seen !== undefined) return judgeSignals(ref.name, looked.seen);
  const there = `there is no MultiClusterLease "${printable(ref.name, 80)}"`;
  if (creates) return { check, level: "info", found: `${there} yet: its first candidate makes it` };
  const repair = "create it first: deploy/multi-cluster-lease-rbac.yaml has one";
  return { check, level: "failure", found: `${there}, and no right to create it: nobody can lead`, repair };
}
