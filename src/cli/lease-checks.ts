import type { KubernetesResource, ResourceRef } from "../kubernetes/kubernetes-resources.ts";
import { printable } from "../system/logger.ts";
import { microTime } from "../system/micro-time.ts";
import { attempt } from "./attempt.ts";
import { inCluster, unusedName, type ClusterChecks } from "./cluster-checks.ts";
import type { Finding } from "./findings.ts";
import { leaseKind } from "./lease-places.ts";
import { leaseRights, type LeaseRights } from "./lease-rights.ts";
import type { PlaceCheck, PlaceCheckOptions } from "./place.ts";

/** Looks at a namespace as a place of elections: reachable, allowed, exact, fast enough, and whether it tells. */
export function checkLeases(options: PlaceCheckOptions): Promise<PlaceCheck> {
  return inCluster(options, look);
}

async function look(checks: ClusterChecks): Promise<Finding[]> {
  const findings = await checks.place("lease");
  if (findings.length === 1) return findings;
  const rights = await checks.rights(leaseRights);
  findings.push(...rights.findings);
  if (findings.some(({ level }) => level === "failure")) return findings;
  return [...findings, ...(await tries(checks, rights.granted))];
}

/** What only trying tells, on a Lease that may be read. */
async function tries(checks: ClusterChecks, rights: LeaseRights | undefined): Promise<Finding[]> {
  const { url, options } = checks.parts;
  const names = rights === undefined ? "all" : rights.electable();
  const [first = unusedName] = names === "all" ? [] : names;
  const ref = { ...leaseKind(url.namespace), name: first };
  const creates = rights === undefined || rights.may("create");
  const findings: Finding[] = [];
  if (options.probe || !creates) findings.push(await times(checks, ref, creates));
  findings.push(await checks.roundTrips(ref));
  if (rights === undefined || rights.may("watch", first)) findings.push(await checks.watch(ref, "Lease"));
  return findings;
}

/** A server that cuts times makes two writes alike. Nothing is stored. */
async function times({ parts, call }: ClusterChecks, ref: ResourceRef, creates: boolean): Promise<Finding> {
  const { client, questions, options } = parts;
  const check = "times";
  const at = microTime(Math.floor(options.clock.wallMs()) * 1000 + 321); // digits that are no zeros
  const tried = await attempt(
    check,
    async (): Promise<{ stored?: KubernetesResource | undefined; there: boolean }> => {
      const name = creates ? unusedName : ref.name;
      const lease = creates ? newLease(at, { ...ref, name }) : await client.read(ref, call);
      if (lease === undefined || !options.probe) return { there: lease !== undefined };
      const spec = { ...Object(lease["spec"]), renewTime: at };
      return { there: true, stored: await questions.dryRun({ ...ref, name }, { ...lease, spec }, call) };
    },
    { INVALID_SETTINGS: "let the server and its admission take Leases of coordination.k8s.io/v1" },
  );
  if ("check" in tried) return tried;
  if (!tried.there) return notThere(ref);
  if (tried.stored === undefined) return { check, level: "info", found: "not tried: nothing was to be written" };
  const stored: unknown = Reflect.get(Object(tried.stored["spec"]), "renewTime");
  if (stored === at) return { check, level: "ok", found: "the server keeps six digits, as holders need them" };
  const found = `of ${at} the server would keep ${printable(String(stored), 40)}`;
  return { check, level: "failure", found, repair: "elect on a server that keeps times of six digits" };
}

function notThere({ name }: ResourceRef): Finding {
  const found = `there is no Lease "${name}", and no right to create it: nobody can lead`;
  return { check: "lease", level: "failure", found, repair: "create it first: deploy/lease-rbac.yaml has one" };
}

function newLease(at: string, { namespace, name }: ResourceRef): KubernetesResource {
  const spec = { holderIdentity: name, leaseDurationSeconds: 1, acquireTime: at, renewTime: at, leaseTransitions: 0 };
  return { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { namespace, name }, spec };
}
