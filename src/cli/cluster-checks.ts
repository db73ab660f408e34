import { ClusterQuestions, type ServerGreeting } from "../kubernetes/cluster-questions.ts";
import { openKubernetesClient } from "../kubernetes/kubernetes-client.ts";
import type { KubernetesClient, ResourceRef } from "../kubernetes/kubernetes-resources.ts";
import { PatientEvents } from "../kubernetes/patient-events.ts";
import { printable } from "../system/logger.ts";
import { systemRandom } from "../system/random.ts";
import { linkSignals } from "../system/signals.ts";
import { attempt } from "./attempt.ts";
import { formatDuration } from "./durations.ts";
import type { Finding } from "./findings.ts";
import { clusterOf } from "./lease-places.ts";
import { LeaseRights, type ElectionRights } from "./lease-rights.ts";
import type { LeaseUrl } from "./lease-url.ts";
import type { PlaceCheck, PlaceCheckOptions } from "./place.ts";
import { roundTrips } from "./round-trips.ts";

/** Of each request: whoever looks is waiting. */
const answerMs = 5_000;
/** A lease that nobody makes; a read of nothing takes as long as one of a lease. */
export const unusedName = "tenure-doctor";

/** What to do about a server that does not do what it was asked. */
export const clusterRepairs: Readonly<Record<string, string>> = {
  INVALID_SETTINGS: "correct the URL, or the kubeconfig",
  ACCESS_DENIED: "renew the credentials of the kubeconfig, or choose another --context",
  STORAGE_UNAVAILABLE: "make the server answer: kubectl get --raw /version asks it the same",
};

/** What the checks of one kind of leases have. */
export interface ClusterChecksParts {
  readonly client: KubernetesClient;
  readonly questions: ClusterQuestions;
  readonly url: LeaseUrl;
  readonly options: PlaceCheckOptions;
}

/** Connects to the cluster that URL and kubeconfig name, and looks at it; what cannot be opened is a finding. */
export async function inCluster(
  options: PlaceCheckOptions,
  look: (checks: ClusterChecks) => Promise<Finding[]>,
): Promise<PlaceCheck> {
  const { clock } = options;
  const opened = await attempt(
    "storage",
    async () => {
      const { url, ...cluster } = await clusterOf(options.url, options.flags);
      const questions = new ClusterQuestions({ ...cluster, clock, random: systemRandom });
      return { questions, client: await openKubernetesClient({ ...cluster, clock }), url };
    },
    clusterRepairs,
  );
  if ("check" in opened) return { findings: [opened] };
  await using client = opened.client;
  await using questions = opened.questions;
  return { findings: await look(new ClusterChecks({ client, questions, url: opened.url, options })) };
}

/** What is asked of every cluster, whatever the kind of its leases. */
export class ClusterChecks {
  readonly parts: ClusterChecksParts;
  /** Of each request. */
  readonly call: { readonly signal: AbortSignal; readonly timeoutMs: number };

  constructor(parts: ClusterChecksParts) {
    this.parts = parts;
    this.call = { signal: parts.options.signal, timeoutMs: answerMs };
  }

  /** The server, its clock and the namespace; a failure alone where it does not answer. */
  async place(scheme: string): Promise<Finding[]> {
    const { questions, client, url } = this.parts;
    const greeting = await attempt("storage", () => questions.server(this.call), clusterRepairs);
    if ("check" in greeting) return [greeting];
    const description = `${scheme}://${url.namespace} at ${client.description}`;
    return [greeted(description, greeting), serverClock(greeting), ...(await this.#namespace())];
  }

  /** What this account may do; without an answer `granted` is absent, and the rest has to be found out by trying. */
  async rights(table: ElectionRights): Promise<{ readonly findings: Finding[]; readonly granted?: LeaseRights }> {
    const { questions, url } = this.parts;
    const rights = await attempt("rights", () => questions.rights(url.namespace, this.call), {
      INVALID_SETTINGS: `ask another way: kubectl auth can-i --list -n ${url.namespace}`,
    });
    if ("check" in rights) return { findings: [{ ...rights, level: "warning" }] };
    const granted = new LeaseRights(rights, table);
    return { findings: granted.judge(url.namespace), granted };
  }

  /** How long reads of it take, against the settings. */
  roundTrips(ref: ResourceRef): Promise<Finding> {
    return roundTrips(() => this.parts.client.read(ref, this.call), this.parts.options);
  }

  /** An open watch of a lease that is there tells of it at once; that of another ends in order. */
  async watch({ name, ...kind }: ResourceRef, noun: string): Promise<Finding> {
    const { client, options } = this.parts;
    const { clock, signal } = options;
    const query = { fieldSelector: `metadata.name=${name}`, allowWatchBookmarks: true, timeoutSeconds: 1 };
    const over = linkSignals(signal);
    const sentMs = clock.monotonicMs();
    const events = new PatientEvents(client.watch(kind, query, { signal: over.signal }), { clock, signal });
    const seen = await attempt("watch", async () => ({ next: await events.next(answerMs) }), clusterRepairs);
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
    const ended = `opens, and ends in order (there is no ${noun} "${printable(name, 80)}")`;
    return { check, level: "ok", found: seen.next === "over" ? ended : `tells after ${took}` };
  }

  /** Nothing, if all is well, or if it may not be seen. */
  async #namespace(): Promise<Finding[]> {
    const { client, url } = this.parts;
    const name = url.namespace;
    const ref = { group: "", version: "v1", plural: "namespaces", namespace: "", name };
    const found = await attempt(
      "namespace",
      async () => ({ there: await client.read(ref, this.call) }),
      clusterRepairs,
    );
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
