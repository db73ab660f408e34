import { KubeConfig } from "@kubernetes/client-node";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { askKube } from "./kube-ask.ts";
import { ServerProcess, type ServerPlace } from "./server-process.ts";

/** An etcd of one member. */
export function startEtcd(program: string): Promise<ServerProcess> {
  return ServerProcess.start({
    name: "etcd",
    command: ({ host, port, folder }) => [
      ...[program, "--data-dir", join(folder, "data"), "--log-level", "warn"],
      ...["--listen-client-urls", `http://${host}:${port}`, "--advertise-client-urls", `http://${host}:${port}`],
      ...["--listen-peer-urls", `http://${host}:0`], // nobody comes: it is alone
    ],
    ready: async ({ host, port }) => {
      const answer = await fetch(`http://${host}:${port}/health`, { signal: AbortSignal.timeout(2_000) });
      return answer.ok && (await answer.text()).includes("true");
    },
  });
}

/** What differs from the usual API server. */
export interface ApiServerOptions {
  /** Where in etcd its cluster is; two clusters in one etcd have two. */
  readonly prefix?: string;
  /** More flags. */
  readonly flags?: readonly string[];
}

/** An API server with RBAC on, and the kubeconfig of its administrator. */
export async function startApiServer(
  program: string,
  etcd: ServerProcess,
  { prefix = "/registry", flags = [] }: ApiServerOptions = {},
): Promise<{ readonly process: ServerProcess; readonly admin: KubeConfig }> {
  const token = randomUUID();
  const process = await ServerProcess.start({
    name: "kube-apiserver",
    patienceMs: 60_000,
    prepare: ({ folder }) => prepare(folder, token),
    command: ({ host, port, folder }) => [
      ...[program, `--etcd-servers=http://${etcd.place.host}:${etcd.place.port}`, `--etcd-prefix=${prefix}`],
      ...[`--bind-address=${host}`, `--secure-port=${port}`, `--cert-dir=${certificates(folder)}`],
      `--service-account-issuer=https://${host}:${port}`,
      `--service-account-key-file=${join(folder, "sa.pub")}`,
      `--service-account-signing-key-file=${join(folder, "sa.key")}`,
      ...["--authorization-mode=RBAC", `--token-auth-file=${join(folder, "tokens.csv")}`],
      ...["--service-cluster-ip-range=10.0.0.0/24", "--endpoint-reconciler-type=none"],
      "--disable-admission-plugins=ServiceAccount", // nobody makes the accounts that it asks for
      `--audit-policy-file=${join(folder, "audit.json")}`,
      `--audit-log-path=${join(folder, "audit.log")}`,
      ...flags,
    ],
    ready: async (place) => (await askKube(administrator(place, token), "GET", "/readyz")).status === 200,
  });
  return { process, admin: administrator(process.place, token) };
}

function prepare(folder: string, token: string): void {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  writeFileSync(join(folder, "sa.key"), privateKey.export({ type: "pkcs8", format: "pem" }));
  writeFileSync(join(folder, "sa.pub"), publicKey.export({ type: "spki", format: "pem" }));
  writeFileSync(join(folder, "tokens.csv"), `${token},admin,1,"system:masters"\n`, { mode: 0o600 });
  const rules = [{ level: "None", users: ["system:apiserver"] }, { level: "Metadata" }];
  const policy = { apiVersion: "audit.k8s.io/v1", kind: "Policy", omitStages: ["RequestReceived"], rules };
  writeFileSync(join(folder, "audit.json"), JSON.stringify(policy));
}

function certificates(folder: string): string {
  return join(folder, "certificates");
}

/** The server makes its certificate by itself, with the one that signed it in the same file. */
function administrator({ host, port, folder }: ServerPlace, token: string): KubeConfig {
  const caData = readFileSync(join(certificates(folder), "apiserver.crt")).toString("base64");
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromClusterAndUser(
    { name: "tenure", server: `https://${host}:${port}`, caData, skipTLSVerify: false },
    { name: "admin", token },
  );
  return kubeConfig;
}
