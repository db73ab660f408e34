import type { KubeConfig } from "@kubernetes/client-node";
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { defaultGroup, readStatus, type MultiClusterLeaseStatus } from "../../../src/kubernetes/multi-cluster-lease.ts";
import { World, type Tenure } from "../../process/cli-world.ts";
import { Candidates, compileCache, type StartSettings } from "../../process/support/candidates.ts";
import type { Candidate } from "../../process/support/candidate-process.ts";
import { candidateRights, controllerRights, type ClusterPair } from "./cluster-pair.ts";
import { rulesOf } from "./deploy-rules.ts";
import type { AuditedRequest, KubeServer } from "./kube-server.ts";

/** Which of the two. */
export type ClusterName = "a" | "b";

/** As short as the whole seconds of a MultiClusterLease and a signal a second allow on a busy machine. */
export const quick = { leaseDurationMs: 6_000, renewDeadlineMs: 4_000, retryPeriodMs: 1_000 } as const;
/** What the bars speak of. */
export const usual = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 } as const;

/** By what most elections here are bound: a crash is over, and a release has a successor, by then on a busy machine. */
export const patienceMs = 30_000;

/** In this time a process starts on a machine that starts many. */
const startMs = 90_000;

/** How one controller differs. */
export interface ControllerOptions {
  /** The port of a proxy before its API server. */
  readonly serverPort?: number;
  /** Its way to the storage, through a proxy, say; default: that of both clusters. */
  readonly storageUrl?: string;
  /** `tenure` of another build; default: this one's. */
  readonly program?: string | undefined;
  readonly env?: Readonly<Record<string, string>>;
}

/** How one candidate differs. */
export type CandidateOptions = StartSettings & Pick<ControllerOptions, "serverPort">;

/** Where two clusters elect. */
export interface TwoClustersOptions {
  /** Default: files in a fresh folder. */
  readonly storageUrl?: string;
  readonly timing?: typeof quick | typeof usual;
  /** `"cluster"`: candidates contend in the name of their cluster, with the rights on a Lease beside the others. */
  readonly scope?: "process" | "cluster";
}

/**
 * One election over two clusters (K-99): a namespace in both, accounts with the rights of `deploy/` and no more, the
 * processes of controllers and candidates, and the journal that the candidates' work is guarded by.
 */
export class TwoClusters implements AsyncDisposable {
  /** Of administrators. */
  readonly a: KubeConfig;
  readonly b: KubeConfig;
  readonly namespace: string;
  readonly storageUrl: string;
  readonly timing: typeof quick | typeof usual;
  readonly candidates: Candidates;
  readonly scope: "process" | "cluster";
  /** The folder of the processes. */
  readonly world: World = new World();
  readonly #pair: ClusterPair;
  readonly #accounts = new Map<string, KubeConfig>();

  private constructor(pair: ClusterPair, candidates: Candidates, options: TwoClustersOptions & { namespace: string }) {
    this.#pair = pair;
    this.a = pair.a.kubeConfig();
    this.b = pair.b.kubeConfig();
    this.candidates = candidates;
    this.namespace = options.namespace;
    this.storageUrl = options.storageUrl ?? `file:${this.world.storage}?fsync=off`;
    this.timing = options.timing ?? quick;
    this.scope = options.scope ?? "process";
  }

  /** Namespaces and accounts; nothing is started. */
  static async open(pair: ClusterPair, options: TwoClustersOptions = {}): Promise<TwoClusters> {
    const namespace = `tenure-${randomUUID()}`;
    const multiClusterLease = { namespace, name: "invoices" }; // the name of the shipped rules
    const candidates = await Candidates.open({ multiClusterLease });
    const clusters = new TwoClusters(pair, candidates, { ...options, namespace });
    await Promise.all([clusters.#prepare("a"), clusters.#prepare("b")]);
    return clusters;
  }

  kube(of: ClusterName): KubeServer {
    return this.#pair[of];
  }

  /** Its requests so far, by what their accounts are called. */
  requestsOf(of: ClusterName, who: "controller" | "candidate"): AuditedRequest[] {
    return this.#pair[of].requests(this.#account(of, who).getCurrentUser()?.name ?? "nobody");
  }

  /** Of the MultiClusterLease in the API, or of all of them. */
  path(name = "/invoices"): string {
    return `/apis/${defaultGroup}/v1alpha1/namespaces/${this.namespace}/multiclusterleases${name}`;
  }

  /** One more replica of a cluster's controller; resolves when it runs, the only one when it writes. */
  async startController(of: ClusterName, options: ControllerOptions = {}): Promise<Tenure> {
    const { serverPort, storageUrl = this.storageUrl, program } = options;
    const kubeconfig = await this.fileOf(of, "controller", serverPort);
    const env = { NODE_COMPILE_CACHE: compileCache, ...options.env };
    const poll = this.timing === quick ? "1s" : "2s";
    const places = ["--namespaces", this.namespace, "--lease-namespace", this.namespace, "--kubeconfig", kubeconfig];
    const flags = ["--storage", storageUrl, "--poll-interval", poll, "--http-addr", "127.0.0.1:0"];
    const controller = this.world.tenure(["controller", ...places, ...flags], { env, program });
    await until(
      () => controller.stderr.includes(", https://"),
      () => `its controller runs: ${controller.stderr}`,
      startMs,
    );
    return controller;
  }

  /** One in each cluster; resolves when both write. */
  async startControllers(options: ControllerOptions = {}): Promise<{ readonly a: Tenure; readonly b: Tenure }> {
    const [a, b] = await Promise.all([this.startController("a", options), this.startController("b", options)]);
    await Promise.all([writes(a), writes(b)]);
    return { a, b };
  }

  /** Starts a candidate of a cluster, maybe through a proxy before its API server. */
  async start(of: ClusterName, label: string, options: CandidateOptions = {}): Promise<Candidate> {
    const { serverPort, env, ...settings } = options;
    const file = await this.fileOf(of, "candidate", serverPort);
    const { timing, scope } = this;
    const cluster = scope === "cluster" ? { cluster: `cluster-${of}` } : {};
    return this.candidates.start(label, { timing, ...cluster, ...settings, env: { KUBECONFIG: file, ...env } });
  }

  /** The same, and waits until it leads and a step of its work is accepted. */
  async startLeader(of: ClusterName, label: string, settings: CandidateOptions = {}): Promise<Candidate> {
    const candidate = await this.start(of, label, settings);
    await works(candidate);
    return candidate;
  }

  /** The same, and waits until its watch is live and it knows the leader. */
  async startStandby(of: ClusterName, label: string, settings: CandidateOptions = {}): Promise<Candidate> {
    const candidate = await this.start(of, label, settings);
    const withinMs = patienceMs;
    await Promise.all([candidate.until("watchLive", { withinMs }), candidate.until("newLeader", { withinMs })]);
    return candidate;
  }

  /** The kubeconfig of an account with the shipped rights, maybe through a proxy before its API server. */
  async fileOf(of: ClusterName, who: "controller" | "candidate", serverPort?: number): Promise<string> {
    const kube = this.#pair[of];
    const account = this.#account(of, who);
    return kube.fileOf(serverPort === undefined ? account : kube.through(serverPort, account));
  }

  /** What a cluster shows; `undefined` if it has no lease, or one that nobody answered. */
  async status(of: ClusterName): Promise<MultiClusterLeaseStatus | undefined> {
    const { status, body } = await this.#pair[of].ask("GET", this.path());
    if (status === 404) return undefined;
    const read = readStatus(body);
    return "status" in read ? read.status : undefined;
  }

  /** Waits until both clusters show this candidate as the one that holds the lease. */
  async bothShow(candidate: Candidate): Promise<void> {
    const identity = candidate.all("ready")[0]?.identity;
    for (const each of ["a", "b"] as const) {
      const shown = async (): Promise<boolean> => (await this.status(each))?.globalHolderIdentity === identity;
      await until(shown, () => `cluster ${each} shows ${candidate.label}`);
    }
  }

  /** What all that happened breaks; empty if nothing. */
  problems(): Promise<string[]> {
    return this.candidates.problems();
  }

  async close(): Promise<void> {
    await this.candidates[Symbol.asyncDispose]();
    await this.world[Symbol.asyncDispose]();
    for (const kube of [this.#pair.a, this.#pair.b]) {
      // An existing cluster could not delete the namespace: who takes the finalizer away has been killed.
      if (kube.apiServer === undefined)
        await kube.ask("PATCH", this.path(), { body: { metadata: { finalizers: null } } });
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #prepare(of: ClusterName): Promise<void> {
    const { namespace } = this;
    const kube = this.#pair[of];
    await kube.namespace(namespace);
    const lease = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name: "tenure-controller" } };
    await kube.make(`/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`, lease);
    const beside = this.scope === "cluster" ? rulesOf("lease-rbac.yaml", "invoices-candidate", "lease-creator") : [];
    const candidate = [...candidateRights(), ...beside];
    for (const [who, rules] of Object.entries({ controller: controllerRights(), candidate })) {
      this.#accounts.set(`${of} ${who}`, await kube.candidate(namespace, rules));
    }
  }

  #account(of: ClusterName, who: "controller" | "candidate"): KubeConfig {
    const account = this.#accounts.get(`${of} ${who}`);
    if (account === undefined) throw new Error(`cluster ${of} has no account for a ${who}`);
    return account;
  }
}

/** Waits until this replica is the one that writes. */
export function writes(controller: Tenure): Promise<number> {
  return until(
    () => (controller.stderr.match(/this replica writes (now|no more)/g) ?? []).at(-1)?.endsWith("now") ?? false,
    () => `its controller writes: ${controller.stderr}`,
    startMs,
  );
}

/** Waits until a step of this candidate's work is accepted that comes after this call. */
export async function works(candidate: Candidate): Promise<void> {
  const after = candidate.count("step");
  await candidate.until("step", { after, withinMs: patienceMs, where: ({ outcome }) => outcome === "accepted" });
}

/** Waits until something is so, and resolves with how long that took. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  what: () => string,
  withinMs: number = patienceMs,
): Promise<number> {
  const fromMs = performance.now();
  while (!(await holds())) {
    if (performance.now() - fromMs > withinMs) throw new Error(`not within ${withinMs} ms: ${what()}`);
    await pause(20);
  }
  return performance.now() - fromMs;
}
