import type { Silence } from "../kubernetes/confirmation.ts";
import { conditionOf, type MultiClusterLeaseStatus } from "../kubernetes/multi-cluster-lease.ts";
import { instanceName } from "../kubernetes/own-names.ts";
import { isFree, unhealthy } from "../kubernetes/shown-lease.ts";
import { printable } from "../system/logger.ts";
import type { Finding } from "./findings.ts";
import type { SignalLook } from "./signal-look.ts";

/** What a look at one MultiClusterLease means for those who want it, by the codes that their calls fail with. */
export function judgeSignals(lease: string, look: SignalLook): Finding {
  const name = `"${printable(lease, 80)}"`;
  const { shown, verdict } = look;
  const trouble = unusable(name, look) ?? (verdict.is === "wait" ? unanswered(name, look, verdict) : undefined);
  const { status } = shown;
  if (trouble !== undefined || status === undefined) return trouble ?? silent(name, look);
  const sick = isOurs(status) ? unhealthy(status) : undefined; // a Go controller says so of healthy standbys, too
  if (sick !== undefined)
    return failure(name, "GLOBAL_STORAGE_UNHEALTHY", `the controller says: ${said(sick.message)}`);
  if (isContended(look)) return contention(name, look, "warning");
  return holding(name, look, status);
}

const repairs: Readonly<Record<Silence, string>> = {
  CONTROLLER_SILENT:
    "look at the controller of this cluster: does it run, does it see this namespace? " +
    "kubectl logs -n tenure-system deployment/tenure-controller",
  GLOBAL_STORAGE_UNHEALTHY: "mend the storage that the clusters share, or the controller's way and rights to it",
  LOCAL_CONTENTION: "look at the candidates that are named: one of them writes while another holds or asks",
  OUTCOME_UNKNOWN: "look at the controller's log: kubectl logs -n tenure-system deployment/tenure-controller",
};

/** What no signal could change. */
function unusable(name: string, { shown, verdict }: SignalLook): Finding | undefined {
  const { problems, deleting, status } = shown;
  const check = "lease";
  if (problems.length > 0) {
    const repair = "a person must look: whoever wrote this status is no controller";
    const found = `the status of ${name} cannot be read: ${problems.join("; ")}`;
    return { check, level: "failure", found, repair, code: "CORRUPT_DATA" };
  }
  if (deleting) {
    const repair = "wait until it is gone: its leader steps down, and the controller lets it go; then create it again";
    return { check, level: "warning", found: `${name} is being deleted`, repair };
  }
  const ready = status && conditionOf(status, "LocalCandidateReady");
  if (ready?.reason !== "SpecInvalid" || verdict.is === "confirmed") return undefined;
  const repair = "correct what this candidate asks for";
  const found = `the controller refuses the signal in ${name}: ${said(ready.message)}`;
  return { check, level: "failure", found, repair, code: "INVALID_SETTINGS" };
}

type Open = Extract<SignalLook["verdict"], { readonly is: "wait" }>;

function unanswered(name: string, look: SignalLook, { silence, told }: Open): Finding {
  if (silence === "CONTROLLER_SILENT") return silent(name, look);
  if (silence === "GLOBAL_STORAGE_UNHEALTHY") return failure(name, silence, `the controller says: ${said(told)}`);
  if (silence === "LOCAL_CONTENTION" || isContended(look)) return contention(name, look, "failure");
  return failure(name, silence, `the controller has neither confirmed nor refused the signal of ${asker(look)}`);
}

function silent(name: string, look: SignalLook): Finding {
  if (look.askers.length > 0) {
    return failure(name, "CONTROLLER_SILENT", `no controller answers the signal of ${asker(look)}`);
  }
  // A Go controller never answers one that nobody has asked for.
  const found = "no controller has answered it; nobody asks for it, either";
  return { ...failure(name, "CONTROLLER_SILENT", found), level: "warning" };
}

function contention(name: string, { askers }: SignalLook, level: "warning" | "failure"): Finding {
  const who = [...new Set(askers)].map((one) => printable(one, 80)).join(" and ");
  return { ...failure(name, "LOCAL_CONTENTION", `${who} write over each other's signals in this cluster`), level };
}

/** One that came back was written over in between: a race for a free lease is decided after one change. */
function isContended({ askers }: SignalLook): boolean {
  return askers.length > 2 && new Set(askers).size < askers.length;
}

/** That somebody else holds it is no trouble. */
function holding(name: string, look: SignalLook, status: MultiClusterLeaseStatus): Finding {
  const { globalHolderIdentity: holder, globalLeaseTransitions: term = 0 } = status;
  const asks = look.verdict.is === "nobody asks" ? "nobody asks in this cluster" : `${asker(look)} asks`;
  if (isFree(status)) {
    const why = said(conditionOf(status, "LockAcquiredInBackend")?.message ?? "nobody holds it");
    return { check: "lease", level: "info", found: `${name} is free (${why}): ${asks}` };
  }
  const isHere = look.verdict.is !== "nobody asks" && look.askers.at(-1) === instanceName(holder);
  const where = isHere ? "a candidate of this cluster" : `not by a signal of this cluster: ${asks}`;
  return {
    check: "lease",
    level: "ok",
    found: `${name} is held by ${printable(holder, 80)} in term ${term}, ${where}`,
  };
}

function failure(name: string, code: Silence, found: string): Finding {
  return { check: "lease", level: "failure", found: `${name}: ${found}`, repair: repairs[code], code };
}

/** Whether the status is of our controller: a Go one has no such condition. */
function isOurs(status: MultiClusterLeaseStatus): boolean {
  return conditionOf(status, "LocalCandidateReady") !== undefined;
}

function asker({ askers }: SignalLook): string {
  return printable(askers.at(-1) ?? "nobody", 80);
}

function said(message: string): string {
  return printable(message, 200);
}
