import { errorCode } from "../errors.ts";
import { apiRights, type ApiRight } from "./api-rights.ts";
import type { KubernetesClient, KubernetesResource } from "../kubernetes/kubernetes-resources.ts";
import { multiClusterLeaseKind, readSpec } from "../kubernetes/multi-cluster-lease.ts";
import type { LeaseStorage } from "../storage/lease-storage.ts";
import { printable } from "../system/logger.ts";
import { troubleText } from "./global-view.ts";

/** What a look at the start has found. */
export interface StartupFinding {
  readonly check: "definition" | "rights" | "intervals";
  /** A failure ends the start. */
  readonly level: "ok" | "warning" | "failure";
  readonly found: string;
  readonly repair?: string;
  /** Of a failure that a right would mend. */
  readonly code?: "ACCESS_DENIED";
}

/** What is looked at. */
export interface StartupQuestion {
  readonly client: Pick<KubernetesClient, "list">;
  /** Whether this account has a right; `undefined`: nobody tells. */
  readonly allows: (right: ApiRight) => Promise<boolean | undefined>;
  readonly storage: LeaseStorage;
  readonly group: string;
  readonly namespaces: readonly string[];
  readonly leaseName: string;
  readonly leaseNamespace: string;
  readonly pollIntervalMs: number;
}

/**
 * Looks at what a controller needs before it begins: the definition of the resource, rights that are missing and rights
 * that are too many, and whether intervals fit the leases that are there. Each finding has its repair. A cluster that
 * does not answer now is no failure: it is asked again by the work itself.
 */
export async function startupChecks(question: StartupQuestion): Promise<readonly StartupFinding[]> {
  const found = await checkDefinition(question);
  const rights = await checkRights(question);
  return [...found, ...rights];
}

async function checkDefinition({ client, group, namespaces, ...rest }: StartupQuestion): Promise<StartupFinding[]> {
  const findings: StartupFinding[] = [];
  for (const namespace of namespaces) {
    try {
      const page = await client.list(multiClusterLeaseKind({ namespace, group }), { limit: 500 });
      findings.push({
        check: "definition",
        level: "ok",
        found: `${page.items.length} MultiClusterLeases${within(namespace)}`,
      });
      findings.push(...checkIntervals(page.items, rest));
    } catch (error) {
      findings.push(definitionTrouble(error));
    }
  }
  return findings;
}

function definitionTrouble(error: unknown): StartupFinding {
  const code = errorCode(error);
  const found = troubleText(error);
  if (code === "INVALID_SETTINGS") {
    const isAbsent = Reflect.get(Object(error), "status") === 404;
    const repair = isAbsent ? "tenure crd | kubectl apply -f -" : "correct the kubeconfig, or what it names";
    return { check: "definition", level: "failure", found, repair };
  }
  if (code === "ACCESS_DENIED") {
    const repair = "bind the controller's role to this account";
    return { check: "definition", level: "failure", found, repair, code };
  }
  return {
    check: "definition",
    level: "warning",
    found,
    repair: "none if the cluster answers soon: it is asked again",
  };
}

/** Whether the renewals that are there fit the storage's pace and the look at others. */
function checkIntervals(
  items: readonly KubernetesResource[],
  { storage, pollIntervalMs }: Pick<StartupQuestion, "storage" | "pollIntervalMs">,
): StartupFinding[] {
  const paceMs = storage.capabilities?.minWriteIntervalMs ?? 0;
  const tooShort = items.filter((item) => {
    const read = readSpec(item);
    if (!("spec" in read) || read.spec.holderIdentity === "") return false;
    const { leaseDurationSeconds = 15, renewDeadlineSeconds = leaseDurationSeconds } = read.spec;
    return renewDeadlineSeconds * 1000 < Math.max(4 * paceMs, 2 * pollIntervalMs);
  });
  if (tooShort.length === 0) return [];
  const names = tooShort
    .slice(0, 3)
    .map(({ metadata }) => printable(`${metadata?.namespace ?? ""}/${metadata?.name ?? ""}`));
  const pace = `a write in ${paceMs} ms and a look in ${pollIntervalMs} ms`;
  return [
    {
      ...{ check: "intervals", level: "warning" },
      found: `${tooShort.length} leases are too short for ${pace}: ${names.join(", ")}`,
      repair: "lengthen their lease duration and renew deadline, or shorten --poll-interval",
    },
  ];
}

async function checkRights(question: StartupQuestion): Promise<StartupFinding[]> {
  const findings: StartupFinding[] = [];
  for (const right of apiRights(question)) {
    let allowed: boolean | undefined;
    try {
      allowed = await question.allows(right);
    } catch (error) {
      const found = `rights cannot be asked for: ${troubleText(error)}`;
      return [...findings, { check: "rights", level: "warning", found, repair: "none if the cluster answers soon" }];
    }
    const finding = judged(right, allowed);
    if (finding !== undefined) findings.push(finding);
  }
  return findings.length > 0 ? findings : [{ check: "rights", level: "ok", found: "all that are needed, and no more" }];
}

function judged(right: ApiRight, allowed: boolean | undefined): StartupFinding | undefined {
  if (allowed === undefined || allowed === (right.need !== "never")) return undefined;
  const { verb, resource, subresource, name, namespace, group } = right;
  const path = subresource === undefined ? resource : `${resource}/${subresource}`;
  const what = `${verb} ${path}${name === undefined ? "" : ` "${name}"`}${within(namespace)}`;
  if (right.need === "never") {
    const found = `may ${what}, which no controller needs`;
    return { check: "rights", level: "warning", found, repair: `take the verb "${verb}" away` };
  }
  const names = name === undefined ? "" : `, resourceNames: ["${name}"]`;
  const repair = `add the rule { apiGroups: ["${group}"], resources: ["${path}"], verbs: ["${verb}"]${names} }`;
  const found = `may not ${what}`;
  if (right.need === "may") return { check: "rights", level: "warning", found, repair };
  return { check: "rights", level: "failure", found, repair, code: "ACCESS_DENIED" };
}

function within(namespace: string): string {
  return namespace === "" ? " in any namespace" : ` in "${namespace}"`;
}
