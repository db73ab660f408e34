import { KubeConfig } from "@kubernetes/client-node";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { World, type Tenure } from "../../process/cli-world.ts";
import { applied, at } from "./applied.ts";
import type { FoundServer } from "./found-server.ts";
import { accountOf } from "./kube-account.ts";
import { foundOwnKube, KubeServer, startKube } from "./kube-server.ts";
import { deploy, manifestsOf, renderedFolder } from "./kustomize.ts";

/** A cluster to which `deploy/` was applied, and whose controllers run. */
export interface DeployedCluster {
  readonly kube: KubeServer;
  /** SIGKILL to the replica that writes. Another one takes its place, as a Deployment has it. */
  readonly killController: () => Promise<void>;
  /** Nothing that etcd is asked is answered for so long. */
  readonly holdEtcd: (ms: number) => Promise<void>;
}

/** Two clusters over one storage. */
export interface DeployedClusters extends AsyncDisposable {
  readonly a: DeployedCluster;
  readonly b: DeployedCluster;
  /** The storage of both, as this machine reaches it. */
  readonly storageUrl: string;
}

const system = "tenure-system";
const ownLease = `/apis/coordination.k8s.io/v1/namespaces/${system}/leases/tenure-controller`;

/** Two API servers with the manifests: what the pods of the Deployment would run are processes with the same words. */
async function startApiServers(): Promise<DeployedClusters> {
  const world = new World();
  const servers: KubeServer[] = [];
  const storageUrl = world.environment()["TENURE_STORAGE_URL"] ?? "";
  const stop = async (): Promise<void> => {
    await world[Symbol.asyncDispose]();
    await closed(servers);
  };
  const make = async (): Promise<DeployedCluster> => {
    const kube = await startKube();
    servers.push(kube);
    return await deployed(kube, world, storageUrl);
  };
  try {
    return { a: await make(), b: await make(), storageUrl, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function deployed(kube: KubeServer, world: World, storageUrl: string): Promise<DeployedCluster> {
  const crd = manifestsOf(readFileSync(join(deploy, "crd.yaml"), "utf8"));
  const manifests = await renderedFolder("overlays/kind");
  for (const manifest of [...crd, ...manifests]) {
    const { status, text } = await applied(kube, manifest);
    if (status !== 200 && status !== 201) throw new Error(`${manifest.resource.kind}: ${text}`);
  }
  const pods = manifests.find(({ resource }) => resource.kind === "Deployment")?.resource;
  const args = at(pods, "spec", "template", "spec", "containers", 0, "args");
  const served = (Array.isArray(args) ? args.map(String) : []).map(
    (arg) => (arg.startsWith("--http-addr=") ? "--http-addr=127.0.0.1:0" : arg), // four replicas share this machine
  );
  const kubeconfig = await kube.fileOf(await accountOf(kube, system, "tenure-controller"));
  const env = { TENURE_STORAGE_URL: storageUrl, TENURE_CONTROLLER_LEASE_NAMESPACE: system };
  const start = (): Tenure => world.tenure([...served, `--kubeconfig=${kubeconfig}`], { env });
  const replicas = [start(), start()];
  await theOneThatWrites(replicas);
  const killController = async (): Promise<void> => {
    const writing = await theOneThatWrites(replicas);
    replicas.splice(replicas.indexOf(writing), 1);
    writing.kill("SIGKILL");
    await writing.ended;
    replicas.push(start());
  };
  const { etcd } = kube.own();
  const holdEtcd = async (ms: number): Promise<void> => {
    etcd.stop();
    await pause(ms);
    etcd.cont();
  };
  return { kube, killController, holdEtcd };
}

async function theOneThatWrites(replicas: readonly Tenure[]): Promise<Tenure> {
  const untilMs = performance.now() + 30_000;
  for (;;) {
    const found = replicas.find(({ stderr }) => /writes now(?![^]*writes no more)/.test(stderr));
    if (found !== undefined) return found;
    if (performance.now() > untilMs) throw new Error(`none writes: ${replicas.map(({ stderr }) => stderr).join("\n")}`);
    await pause(20);
  }
}

/** Two of kind, which `deploy/kind/e2e.sh` made: NAME=KUBECONFIG,NAME=KUBECONFIG. */
function kindClusters(told: string, storageUrl: string): Promise<DeployedClusters> {
  const [a, b] = told.split(",").map(kindCluster);
  if (a === undefined || b === undefined) throw new Error("TENURE_TEST_KIND names two clusters");
  return Promise.resolve({ a, b, storageUrl, [Symbol.asyncDispose]: () => closed([a.kube, b.kube]) });
}

async function closed(kubes: readonly KubeServer[]): Promise<void> {
  for (const kube of kubes) await kube[Symbol.asyncDispose]();
}

function kindCluster(told: string): DeployedCluster {
  const [name, file = ""] = told.split("=");
  const admin = new KubeConfig();
  admin.loadFromFile(file);
  const kube = new KubeServer({ admin });
  const inNode = (...command: readonly string[]): Promise<unknown> =>
    promisify(execFile)("docker", ["exec", `${name}-control-plane`, ...command]);
  const killController = async (): Promise<void> => {
    const holder = String(at((await kube.ask("GET", ownLease)).body, "spec", "holderIdentity"));
    const pod = holder.slice(0, holder.lastIndexOf("_")); // the label is the name of the host, which is that of the pod
    if (!/^[-a-z0-9]+$/.test(pod)) throw new Error(`no pod holds ${ownLease}: "${holder}"`);
    const pid = "crictl inspect --output go-template --template '{{.info.pid}}'";
    await inNode("sh", "-c", `kill -KILL $(${pid} $(crictl ps --quiet --label io.kubernetes.pod.name=${pod}))`);
  };
  const holdEtcd = async (ms: number): Promise<void> => {
    await inNode("pkill", "-STOP", "-x", "etcd");
    await pause(ms);
    await inNode("pkill", "-CONT", "-x", "etcd");
  };
  return { kube, killController, holdEtcd };
}

function find(): FoundServer<DeployedClusters> {
  const [told, storageUrl] = [process.env["TENURE_TEST_KIND"], process.env["TENURE_TEST_KIND_STORAGE"]];
  if (told !== undefined && storageUrl !== undefined) {
    return { name: "two kind clusters", start: () => kindClusters(told, storageUrl) };
  }
  const name = "two API servers with the manifests of deploy/";
  return "missing" in foundOwnKube ? { name, missing: foundOwnKube.missing } : { name, start: startApiServers };
}

/** Those that `deploy/kind/e2e.sh` made, else two API servers of one's own. */
export const foundDeployedClusters: FoundServer<DeployedClusters> = find();
