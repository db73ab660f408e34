import type { KubeConfig } from "@kubernetes/client-node";
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { inspect } from "node:util";
import type { KubernetesResource } from "../../../src/kubernetes/kubernetes-resources.ts";
import { LeaseLock } from "../../../src/kubernetes/lease-lock.ts";
import type { LeaderElectionRecord } from "../../../src/lock/leader-election-record.ts";
import { atMs, type Candidate } from "../../process/support/candidate-process.ts";
import { Candidates, timing, type StartSettings } from "../../process/support/candidates.ts";
import { FaultProxy } from "../../process/fault-proxy.ts";
import {
  clientGoElector,
  seenByClientGo,
  startClientGo,
  type ClientGoSettings,
  type SeenByClientGo,
} from "./client-go-elector.ts";
import type { FoundServer } from "./found-server.ts";
import { buildGoServer, findGoServer } from "./go-server.ts";
import {
  foundKube,
  foundOwnKube,
  startKube,
  type KubeServer,
  type PolicyRule,
  type StartKubeOptions,
} from "./kube-server.ts";

/**
 * What candidates of ours add to their wait among client-go's of the same times, with a request timeout of 1 s:
 * client-go acts up to T + P + V + T after a write is applied, on clocks that may differ by `driftRatio`.
 */
export const graceMs: number = 1.2 * (1_000 + timing.retryPeriodMs + timing.renewDeadlineMs + 1_000) - 3_000;

const name = "lease";
const leaseKind = { apiVersion: "coordination.k8s.io/v1", kind: "Lease" };

/** What both sides need; ours watches as well. Who may not create needs a Lease that is there. */
function rights(preCreated: boolean): { readonly ours: readonly PolicyRule[]; readonly theirs: readonly PolicyRule[] } {
  const leases = { apiGroups: ["coordination.k8s.io"], resources: ["leases"] };
  const theirs = [
    { ...leases, verbs: ["get", "update"], resourceNames: [name] },
    ...(preCreated ? [] : [{ ...leases, verbs: ["create"] }]), // no creation can be granted by name
  ];
  return { theirs, ours: [...theirs, { ...leases, verbs: ["watch"], resourceNames: [name] }] };
}

/** An API server, and the program that runs client-go's elector. */
export interface MixedPlace extends AsyncDisposable {
  readonly kube: KubeServer;
  readonly program: string;
}

/** How both are had here. With options the server is always one of our own. */
export function findMixedPlace(options?: StartKubeOptions): FoundServer<MixedPlace> {
  const found = options === undefined ? foundKube : foundOwnKube;
  const both = `client-go ${clientGoElector.version.split("-")[0]} on ${found.name}`;
  if ("missing" in found) return { name: both, missing: found.missing };
  if (findGoServer(clientGoElector) === undefined)
    return { name: both, missing: "Go, which builds client-go's elector" };
  const start = async (): Promise<MixedPlace> => {
    const program = await buildGoServer(clientGoElector);
    const kube = await (options === undefined ? found.start() : startKube(options));
    return { kube, program, [Symbol.asyncDispose]: () => kube[Symbol.asyncDispose]() };
  };
  return { name: both, start };
}

interface OpenOptions {
  /** `false`: the journal accepts any term; default true. */
  readonly fenced?: boolean;
  /** The `holderGraceMs` of ours. */
  readonly graceMs?: number;
  /** The Lease is there, empty, and nobody may create one; default false. */
  readonly preCreated?: boolean;
}

type TheirSettings = Partial<ClientGoSettings> & { readonly behind?: FaultProxy };
type OurSettings = StartSettings & { readonly behind?: FaultProxy };

/** Candidates of ours and of client-go on one Lease, with the rights that they need, and one journal for all. */
export class MixedFleet implements AsyncDisposable {
  readonly candidates: Candidates;
  /** The record as it changed, seen by a watch of an onlooker. */
  readonly history: LeaderElectionRecord[] = [];
  readonly namespace: string;
  readonly #place: MixedPlace;
  readonly #graceMs: number;
  readonly #config: { readonly ours: KubeConfig; readonly theirs: KubeConfig };
  readonly #ours: Candidate[] = [];
  readonly #theirs: Candidate[] = [];
  readonly #proxies: FaultProxy[] = [];
  readonly #over = new AbortController();
  #watched: Promise<void> = Promise.resolve();
  /** Why the onlooker sees nothing any more. */
  readonly #blind: string[] = [];

  private constructor(parts: {
    readonly place: MixedPlace;
    readonly namespace: string;
    readonly candidates: Candidates;
    readonly config: { readonly ours: KubeConfig; readonly theirs: KubeConfig };
    readonly graceMs: number;
  }) {
    this.#place = parts.place;
    this.namespace = parts.namespace;
    this.candidates = parts.candidates;
    this.#config = parts.config;
    this.#graceMs = parts.graceMs;
  }

  static async open(place: MixedPlace, options: OpenOptions = {}): Promise<MixedFleet> {
    const { kube } = place;
    const { fenced = true, preCreated = false } = options;
    const namespace = await kube.namespace();
    const may = rights(preCreated);
    const [ours, theirs] = [await kube.candidate(namespace, may.ours), await kube.candidate(namespace, may.theirs)];
    const lease = { namespace, name, kubeConfig: await kube.fileOf(ours) };
    const candidates = await Candidates.open({ fenced, lease });
    const config = { ours, theirs };
    const fleet = new MixedFleet({ place, namespace, candidates, config, graceMs: options.graceMs ?? graceMs });
    if (preCreated) await kube.make(fleet.#path("leases"), { ...leaseKind, metadata: { namespace, name } });
    await fleet.#look();
    return fleet;
  }

  /** A candidate of ours, which campaigns at once. */
  async ours(label: string, { behind, ...settings }: OurSettings = {}): Promise<Candidate> {
    const { kube } = this.#place;
    const through = behind && { KUBECONFIG: await kube.fileOf(kube.through(behind.port, this.#config.ours)) };
    const candidate = this.candidates.start(label, {
      timing: { ...timing, holderGraceMs: this.#graceMs },
      ...settings,
      ...(through !== undefined && { env: through }),
    });
    this.#ours.push(candidate);
    return candidate;
  }

  /** A candidate that runs client-go's elector. */
  async theirs(label: string, { behind, ...settings }: TheirSettings = {}): Promise<Candidate> {
    const { kube, program } = this.#place;
    const { theirs } = this.#config;
    const kubeConfig = await kube.fileOf(behind === undefined ? theirs : kube.through(behind.port, theirs));
    const identity = `${label}_${randomUUID()}`; // as controller-runtime makes them: no name tells who is who
    const where = { kubeConfig, namespace: this.namespace, name, identity };
    const child = startClientGo(program, { ...where, ...timing, ...settings });
    const candidate = this.candidates.adopt(label, child);
    this.#theirs.push(candidate);
    return candidate;
  }

  /** A way to the server that can be broken. */
  async way(): Promise<FaultProxy> {
    const { host, port } = this.#place.kube;
    const proxy = await new FaultProxy({ host, port }).inject({});
    this.#proxies.push(proxy);
    return proxy;
  }

  /** A lock of ours, of somebody who may do everything; on another Lease, if one is named. */
  async lock(lease: string = name): Promise<LeaseLock> {
    const { namespace } = this;
    return new LeaseLock({ client: await this.#place.kube.client(), namespace, name: lease, events: "off" });
  }

  /** The Lease as client-go's lock reads it. */
  async seenByTheirs(): Promise<SeenByClientGo> {
    const { kube, program } = this.#place;
    const kubeConfig = await kube.fileOf(this.#config.theirs);
    return seenByClientGo(program, { kubeConfig, namespace: this.namespace, name, identity: "onlooker" });
  }

  /** The Lease as the server has it. */
  async stored(): Promise<KubernetesResource> {
    return (await this.#place.kube.ask("GET", this.#path(`leases/${name}`))).body;
  }

  /** Another hand edits the Lease. */
  async edit(merge: object): Promise<void> {
    const { status, text } = await this.#place.kube.ask("PATCH", this.#path(`leases/${name}`), { body: merge });
    if (status !== 200) throw new Error(`the edit was refused: ${text}`);
  }

  async removeLease(): Promise<void> {
    const { status, text } = await this.#place.kube.ask("DELETE", this.#path(`leases/${name}`));
    if (status !== 200) throw new Error(`the removal was refused: ${text}`);
  }

  /** Terms with their holders' labels, in the order in which they were held. */
  get terms(): string[] {
    const held = this.history.filter(({ holderIdentity }) => holderIdentity !== "");
    const named = held.map(
      ({ holderIdentity, leaderTransitions }) => `${holderIdentity.split("_")[0]} ${leaderTransitions}`,
    );
    return named.filter((each, index) => each !== named[index - 1]);
  }

  /** The same, as soon as the onlooker has seen so many of them, and in any case after some seconds. */
  async termsSeen(count: number): Promise<string[]> {
    const untilMs = performance.now() + 5_000;
    while (this.terms.length < count && performance.now() < untilMs) await pause(20);
    return this.terms;
  }

  /** What all that happened breaks of what we promise: as of our own candidates alone, and `ourFaults`. */
  async problems(): Promise<string[]> {
    await pause(100); // a watch may tell a write, and so start a term, before its answer does
    return [...(await this.candidates.problems()), ...this.ourFaults(), ...this.#blind];
  }

  /**
   * Where ours did what made an overlap possible, whoever else did as well: a step that began V or later after the send
   * of the last write of its term that was applied (S2), or a lease that was replaced before its wait was over (S3).
   */
  ourFaults(): string[] {
    const { accepted, rejected } = this.candidates.journal;
    return this.#ours.flatMap((candidate) => {
      const steps = [...accepted, ...rejected].filter(({ actor }) => actor === candidate.actor);
      const late = steps.filter(({ term, beginNs }) => !this.#isValid(candidate, term, Number(beginNs) / 1e6));
      return [
        ...late.map(({ term }) => `${candidate.actor} acted in term ${term} when that was over`),
        ...this.#hasty(candidate),
      ];
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.candidates[Symbol.asyncDispose]();
    this.#over.abort();
    await this.#watched;
    for (const proxy of this.#proxies) await proxy[Symbol.asyncDispose]();
  }

  /** Whether some write of the term, applied as it told or as the onlooker saw, was sent less than V before. */
  #isValid(candidate: Candidate, term: number, beginMs: number): boolean {
    const answered = candidate.all("applied").map(({ record }) => record.renewTime);
    const applied = new Set([...answered, ...this.history.map(({ renewTime }) => renewTime)]);
    return candidate.all("sending").some(({ record, ...told }) => {
      const ageMs = beginMs - atMs(told);
      const counts = record.leaderTransitions === term && record.holderIdentity !== "" && applied.has(record.renewTime);
      return counts && ageMs >= 0 && ageMs < timing.renewDeadlineMs;
    });
  }

  #path(rest: string): string {
    return `/apis/coordination.k8s.io/v1/namespaces/${this.namespace}/${rest}`;
  }

  /** The acquisitions that came before the wait for the record that they replaced was over. */
  #hasty(candidate: Candidate): string[] {
    const all = [...this.#ours, ...this.#theirs];
    const written = all.flatMap((each) => each.all("applied").map((told) => ({ ...told, sentMs: sentMs(each, told) })));
    const acquired = candidate.all("applied").filter(({ op }) => op === "acquire");
    return acquired.flatMap(({ record }) => {
      const takenMs = sentMs(candidate, { record });
      const before = written
        .filter((write) => write.sentMs < takenMs)
        .toSorted((a, b) => a.sentMs - b.sentMs)
        .at(-1);
      if (before === undefined || before.op === "release") return [];
      const waitedMs = takenMs - before.sentMs;
      const leaseMs = 1_000 * (before.record.leaseDurationSeconds ?? 0);
      if (waitedMs >= Math.max(leaseMs, timing.leaseDurationMs) + this.#graceMs) return [];
      return [`${candidate.actor} took over from ${before.record.holderIdentity} after ${waitedMs} ms`];
    });
  }

  /** Notes each change of the record from now on. */
  async #look(): Promise<void> {
    const lock = await this.lock();
    const { signal } = this.#over;
    this.#watched = (async () => {
      while (!signal.aborted) {
        for await (const { observed } of lock.watch({ signal })) {
          if (observed !== undefined) this.history.push(observed.record);
        }
      }
    })().catch((error: unknown) => {
      if (!signal.aborted) this.#blind.push(`the onlooker's watch failed: ${inspect(error)}`);
    });
  }
}

/** When the write of this record was sent. */
export function sentMs(candidate: Candidate, { record }: { readonly record: LeaderElectionRecord }): number {
  const sent = candidate.all("sending").find((told) => told.record.renewTime === record.renewTime);
  return atMs(sent ?? { atNs: "0" });
}
