import { ClusterQuestions, type GrantedRights, type ServerGreeting } from "../kubernetes/cluster-questions.ts";
import { openKubernetesClient } from "../kubernetes/kubernetes-client.ts";
import type { KubernetesClient, KubernetesResource, ResourceRef } from "../kubernetes/kubernetes-resources.ts";
import { PatientEvents } from "../kubernetes/patient-events.ts";
import { printable } from "../system/logger.ts";
import { microTime } from "../system/micro-time.ts";
import { systemRandom } from "../system/random.ts";
import { linkSignals } from "../system/signals.ts";
import { attempt } from "./attempt.ts";
import { formatDuration } from "./durations.ts";
import type { Finding } from "./findings.ts";
import { leaseCluster, leaseKind } from "./lease-places.ts";
import { electable, judgeRights, mayDo } from "./lease-rights.ts";
import type { PlaceCheck, PlaceCheckOptions } from "./place.ts";
import { roundTrips } from "./round-trips.ts";

/** Of each request: whoever looks is waiting. */
const answerMs = 5_000;
/** A Lease that nobody makes; a read of nothing takes as long as one of a Lease. */
const unusedName = "tenure-doctor";
const repairs = {
  INVALID_SETTINGS: "correct the URL, or the kubeconfig",
  ACCESS_DENIED: "renew the credentials of the kubeconfig, or choose another --context",
  STORAGE_UNAVAILABLE: "make the server answer: kubectl get --raw /version asks it the same",
};

/** Looks at a namespace as a place of elections: reachable, allowed, exact, fast enough, and whether it tells. */
export async function checkLeases(options: PlaceCheckOptions): Promise<PlaceCheck> {
  const { clock } = options;
  const opened = await attempt(
    "storage",
    async () => {
      const { url, ...cluster } = await leaseCluster(options.url, options.flags);
      const questions = new ClusterQuestions({ ...cluster, clock, random: systemRandom });
      return { questions, client: await openKubernetesClient({ ...cluster, clock }), namespace: url.namespace };
    },
    repairs,
  );
  if ("check" in opened) return { findings: [opened] };
  await using client = opened.client;
  await using questions = opened.questions;
  return { findings: await new LeaseChecks({ client, questions, namespace: opened.namespace, options }).run() };
}

interface LeaseChecksParts {
  readonly client: KubernetesClient;
  readonly questions: ClusterQuestions;
  readonly namespace: string;
  readonly options: PlaceCheckOptions;
}

class LeaseChecks {
  readonly #parts: LeaseChecksParts;
  readonly #call: { readonly signal: AbortSignal; readonly timeoutMs: number };

  constructor(parts: LeaseChecksParts) {
    this.#parts = parts;
    this.#call = { signal: parts.options.signal, timeoutMs: answerMs };
  }

  async run(): Promise<Finding[]> {
    const { questions, client, namespace } = this.#parts;
    const greeting = await attempt("storage", () => questions.server(this.#call), repairs);
    if ("check" in greeting) return [greeting];
    const findings = [greeted(`lease://${namespace} at ${client.description}`, greeting), serverClock(greeting)];
    findings.push(...(await this.#namespace()));
    const rights = await attempt("rights", () => questions.rights(namespace, this.#call), {
      INVALID_SETTINGS: `ask another way: kubectl auth can-i --list -n ${namespace}`,
    });
    // whether it may, the rest finds out by trying
    findings.push(...("check" in rights ? [{ ...rights, level: "warning" as const }] : judgeRights(rights, namespace)));
    if (findings.some(({ level }) => level === "failure")) return findings;
    return [...findings, ...(await this.#tries("check" in rights ? undefined : rights))];
  }

  /** What only trying tells, on a Lease that may be read. */
  async #tries(rights: GrantedRights | undefined): Promise<Finding[]> {
    const { client, namespace, options } = this.#parts;
    const names = rights === undefined ? "all" : electable(rights);
    const [first = unusedName] = names === "all" ? [] : names;
    const ref = { ...leaseKind(namespace), name: first };
    const creates = rights === undefined || mayDo(rights, "create");
    const findings: Finding[] = [];
    if (options.probe || !creates) findings.push(await this.#times(ref, creates));
    findings.push(await roundTrips(() => client.read(ref, this.#call), options));
    if (rights === undefined || mayDo(rights, "watch", first)) findings.push(await this.#watch(ref));
    return findings;
  }

  /** Nothing, if all is well, or if it may not be seen. */
  async #namespace(): Promise<Finding[]> {
    const { client, namespace: name } = this.#parts;
    const ref = { group: "", version: "v1", plural: "namespaces", namespace: "", name };
    const found = await attempt("namespace", async () => ({ there: await client.read(ref, this.#call) }), repairs);
    if ("check" in found) return found.code === "ACCESS_DENIED" ? [] : [found];
    const check = "namespace";
    if (found.there === undefined) {
      const repair = `kubectl create namespace ${name}`;
      return [{ check, level: "failure", found: `"${name}" does not exist`, repair, code: "NOT_FOUND" }];
    }
    const phase: unknown = Reflect.get(Object(found.there["status"]), "phase");
    if (phase !== "Terminating") return [];
    return [{ check, level: "failure", found: `"${name}" is being deleted`, repair: "elect in another namespace" }];
  }

  /** A server that cuts times makes two writes alike. Nothing is stored. */
  async #times(ref: ResourceRef, creates: boolean): Promise<Finding> {
    const { client, questions, options } = this.#parts;
    const check = "times";
    const at = microTime(Math.floor(options.clock.wallMs()) * 1000 + 321); // digits that are no zeros
    const tried = await attempt(
      check,
      async (): Promise<{ stored?: KubernetesResource | undefined; there: boolean }> => {
        const name = creates ? unusedName : ref.name;
        const lease = creates ? newLease(at, { ...ref, name }) : await client.read(ref, this.#call);
        if (lease === undefined || !options.probe) return { there: lease !== undefined };
        const spec = { ...Object(lease["spec"]), renewTime: at };
        return { there: true, stored: await questions.dryRun({ ...ref, name }, { ...lease, spec }, this.#call) };
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

  /** An open watch of a Lease that is there tells of it at once; that of another ends in order. */
  async #watch({ name, ...kind }: ResourceRef): Promise<Finding> {
    const { client, options } = this.#parts;
    const { clock, signal } = options;
    const query = { fieldSelector: `metadata.name=${name}`, allowWatchBookmarks: true, timeoutSeconds: 1 };
    const over = linkSignals(signal);
    const sentMs = clock.monotonicMs();
    const events = new PatientEvents(client.watch(kind, query, { signal: over.signal }), { clock, signal });
    const seen = await attempt("watch", async () => ({ next: await events.next(answerMs) }), repairs);
    events.close();
    over.abort(new Error("it was seen"));
    over.unlink();
    const check = "watch";
    if ("check" in seen) return { ...seen, level: "warning" };
    if (seen.next === "silent") {
      const repair = "let no proxy before the server keep answers back; a standby polls meanwhile";
      return { check, level: "warning", found: "open, and nothing came, not even its end", repair };
    }
    const took = formatDuration(clock.monotonicMs() - sentMs);
    const found =
      seen.next === "over" ? `opens, and ends in order (there is no Lease "${name}")` : `tells after ${took}`;
    return { check, level: "ok", found };
  }
}

function greeted(description: string, { version, tookMs }: ServerGreeting): Finding {
  const name = version === undefined ? "a server" : `Kubernetes ${printable(version, 40)}`;
  return { check: "storage", level: "ok", found: `${description}: ${name}, answers in ${formatDuration(tookMs)}` };
}

/** Information only: nobody's wall clock is compared with another's. */
function serverClock({ aheadMs }: ServerGreeting): Finding {
  const check = "server clock";
  if (aheadMs === undefined) return { check, level: "info", found: "not told" };
  const how = aheadMs > 0 ? "ahead of" : "behind";
  const apart = Math.abs(aheadMs) < 1000 ? "within a second of" : `${formatDuration(Math.abs(aheadMs))} ${how}`;
  return { check, level: "info", found: `${apart} this one; no election depends on it` };
}

function notThere({ name }: ResourceRef): Finding {
  const found = `there is no Lease "${name}", and no right to create it: nobody can lead`;
  return { check: "lease", level: "failure", found, repair: "create it first: deploy/lease-rbac.yaml has one" };
}

function newLease(at: string, { namespace, name }: ResourceRef): KubernetesResource {
  const spec = { holderIdentity: name, leaseDurationSeconds: 1, acquireTime: at, renewTime: at, leaseTransitions: 0 };
  return { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { namespace, name }, spec };
}
