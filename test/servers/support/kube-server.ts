import { KubeConfig, type Cluster, type User } from "@kubernetes/client-node";
import { randomUUID } from "node:crypto";
import { cpSync, existsSync, readFileSync, rmSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  openKubernetesClient,
  type KubernetesClient,
  type KubernetesClientOptions,
} from "../../../src/kubernetes/index.ts";
import type { FoundServer } from "./found-server.ts";
import { askKube, type KubeAnswer, type KubeQuestion } from "./kube-ask.ts";
import { kubeCandidate, type PolicyRule } from "./kube-candidate.ts";
import { startApiServer, startEtcd, type ApiServerOptions } from "./kube-processes.ts";
import { findKubePrograms } from "./kube-programs.ts";
import type { ServerProcess } from "./server-process.ts";

export type { PolicyRule } from "./kube-candidate.ts";

/** One request as the audit log of a server has it. */
export interface AuditedRequest {
  readonly verb: string;
  readonly user: string;
  readonly uri: string;
  readonly code: number;
}

interface KubeParts {
  readonly admin: KubeConfig;
  readonly etcd?: ServerProcess;
  readonly apiServer?: ServerProcess;
  /** What ends with it; etcd does not where it is somebody else's. */
  readonly ends?: readonly AsyncDisposable[];
}

/** A Kubernetes API server: one of our own over an etcd of its own, or the one that KUBECONFIG names. */
export class KubeServer implements AsyncDisposable {
  /** `undefined` where the server was named: then nobody kills, stops or restarts it. */
  readonly etcd: ServerProcess | undefined;
  /** The same. It is signalled by `kill`, `stop`, `cont`, `restart`. */
  readonly apiServer: ServerProcess | undefined;
  readonly #admin: KubeConfig;
  readonly #ends: readonly AsyncDisposable[];
  readonly #namespaces: string[] = [];
  readonly #clients: KubernetesClient[] = [];
  #folder: Promise<string> | undefined;

  constructor({ admin, etcd, apiServer, ends = [] }: KubeParts) {
    this.#admin = admin;
    this.etcd = etcd;
    this.apiServer = apiServer;
    this.#ends = ends;
  }

  /** Both processes. @throws {Error} where there are none of ours. */
  own(): { readonly etcd: ServerProcess; readonly apiServer: ServerProcess } {
    const { etcd, apiServer } = this;
    if (etcd === undefined || apiServer === undefined) throw new Error("this server was not started here");
    return { etcd, apiServer };
  }

  get host(): string {
    return new URL(this.#cluster.server).hostname;
  }

  /** Of the API server, for a proxy before it. */
  get port(): number {
    return Number(new URL(this.#cluster.server).port || 443);
  }

  /** Of an administrator; a new one each time. */
  kubeConfig(): KubeConfig {
    return this.#configOf(this.#cluster, this.#admin.getCurrentUser() ?? { name: "nobody" });
  }

  /** The same user, by another port of loopback that leads to the server. */
  through(port: number, kubeConfig: KubeConfig = this.kubeConfig()): KubeConfig {
    const server = `${new URL(this.#cluster.server).protocol}//127.0.0.1:${port}`;
    const { tlsServerName = this.host === "127.0.0.1" ? undefined : this.host, ...cluster } = this.#cluster;
    const named = { ...cluster, server, ...(tlsServerName !== undefined && { tlsServerName }) };
    return this.#configOf(named, kubeConfig.getCurrentUser() ?? { name: "nobody" });
  }

  /** Writes it into a file that lives as long as the server. */
  async fileOf(kubeConfig: KubeConfig): Promise<string> {
    this.#folder ??= mkdtemp(join(tmpdir(), "tenure-kubeconfig-"));
    const file = join(await this.#folder, `${randomUUID()}.json`);
    await writeFile(file, kubeConfig.exportConfig(), { mode: 0o600 }); // JSON is YAML
    return file;
  }

  /** Creates a fresh one, and resolves with its name. */
  async namespace(name = `tenure-${randomUUID()}`): Promise<string> {
    await this.make("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
    this.#namespaces.push(name);
    return name;
  }

  /** A fresh service account that may do exactly this there, by a token of its own; its rights count already. */
  candidate(namespace: string, rules: readonly PolicyRule[]): Promise<KubeConfig> {
    return kubeCandidate(this, namespace, {
      rules,
      configOf: (user) => this.#configOf(this.#cluster, user),
    });
  }

  /** Our client, of the administrator by default. It is closed with the server, if not before. */
  async client(
    kubeConfig: KubeConfig = this.kubeConfig(),
    options: Omit<KubernetesClientOptions, "kubeConfig"> = {},
  ): Promise<KubernetesClient> {
    const client = await openKubernetesClient({ ...options, kubeConfig });
    this.#clients.push(client);
    return client;
  }

  /** One bare request of the administrator. */
  ask(method: string, path: string, question?: KubeQuestion): Promise<KubeAnswer> {
    return askKube(this.#admin, method, path, question);
  }

  /** Creates something. @throws {Error} with the answer if it is not created. */
  async make(path: string, body: object): Promise<KubeAnswer["body"]> {
    const answer = await this.ask("POST", path, { body });
    if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.status} ${answer.text}`);
    return answer.body;
  }

  /** Kills the API server and starts it again: connections and its memory of past versions are gone. */
  restartApiServer(): Promise<void> {
    return this.own().apiServer.restart();
  }

  /** Copies what etcd has written so far, as a backup would; for `restore`. */
  snapshot(): string {
    const { etcd } = this.own();
    const copy = join(etcd.place.folder, `snapshot-${randomUUID()}`);
    etcd.stop(); // what it has is as after SIGKILL: enough for it to start from
    cpSync(join(etcd.place.folder, "data"), copy, { recursive: true });
    etcd.cont();
    return copy;
  }

  /** Stops both servers, puts the copy in the place of all that was written, and starts both again. */
  async restore(snapshot: string): Promise<void> {
    const { etcd, apiServer } = this.own();
    await apiServer.kill();
    await etcd.kill();
    const data = join(etcd.place.folder, "data");
    rmSync(data, { recursive: true });
    cpSync(snapshot, data, { recursive: true });
    await etcd.up();
    await apiServer.up();
  }

  /** The requests so far, of the users whose names hold this text; watches count when they are opened. */
  requests(user = ""): AuditedRequest[] {
    const log = join(this.own().apiServer.place.folder, "audit.log");
    const lines = existsSync(log) ? readFileSync(log, "utf8").split("\n").slice(0, -1) : [];
    return lines.flatMap((line) => {
      const { verb, requestURI, stage, responseStatus, user: by } = JSON.parse(line);
      const counts = verb === "watch" ? stage === "ResponseStarted" : stage === "ResponseComplete";
      if (!counts || !by.username.includes(user)) return [];
      return [{ verb, user: by.username, uri: requestURI, code: responseStatus?.code ?? 0 }];
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) await client.close();
    // With one of our own all ends that is in it.
    const left = this.apiServer === undefined ? this.#namespaces : [];
    for (const name of left) await this.ask("DELETE", `/api/v1/namespaces/${name}`);
    for (const end of this.#ends) await end[Symbol.asyncDispose]();
    if (this.#folder !== undefined) await rm(await this.#folder, { recursive: true, force: true });
  }

  get #cluster(): Cluster {
    const cluster = this.#admin.getCurrentCluster();
    if (cluster === null) throw new Error("the kubeconfig names no cluster");
    return cluster;
  }

  #configOf(cluster: Cluster, user: User): KubeConfig {
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromClusterAndUser(cluster, user);
    return kubeConfig;
  }
}

/** Starts one of our own. With `etcd` it shares that one, and needs a prefix of its own to be another cluster. */
export async function startKube({ etcd, ...options }: StartKubeOptions = {}): Promise<KubeServer> {
  const programs = await found().make();
  const store = etcd ?? (await startEtcd(programs.etcd));
  const mine = etcd === undefined ? [store] : [];
  try {
    const { process, admin } = await startApiServer(programs.apiServer, store, options);
    return new KubeServer({ admin, etcd: store, apiServer: process, ends: [process, ...mine] });
  } catch (error) {
    for (const each of mine) await each[Symbol.asyncDispose]();
    throw error;
  }
}

/** How one of our own is started. */
export interface StartKubeOptions extends ApiServerOptions {
  readonly etcd?: ServerProcess;
}

function found(): Extract<ReturnType<typeof findKubePrograms>, { make: unknown }> {
  const programs = findKubePrograms();
  if ("missing" in programs) throw new Error(`what is missing: ${programs.missing}`);
  return programs;
}

function findOwn(): FoundServer<KubeServer> {
  const programs = findKubePrograms();
  if ("missing" in programs) return { name: "kube-apiserver of one's own", missing: programs.missing };
  return { name: programs.name, start: () => startKube() };
}

function find(): FoundServer<KubeServer> {
  if (process.env["KUBECONFIG"] === undefined) return findOwn();
  const start = async (): Promise<KubeServer> => {
    const admin = new KubeConfig();
    admin.loadFromDefault();
    return new KubeServer({ admin });
  };
  return { name: "the cluster of KUBECONFIG", start };
}

/** An API server by `KUBECONFIG`, or one that is started. */
export const foundKube: FoundServer<KubeServer> = find();

/** For what an existing one must not be asked to do: to die, to freeze, to forget. */
export const foundOwnKube: FoundServer<KubeServer> = findOwn();
