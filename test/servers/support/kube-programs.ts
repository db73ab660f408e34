import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildGoServer, findGoServer, type GoServer } from "./go-server.ts";

const [major, minor] = ["1", "36"];
const version = `v${major}.${minor}.3`;
const versionOf = "k8s.io/component-base/version";

/** The server that keeps what a cluster knows. */
export const kubeApiServer: GoServer = {
  name: "kube-apiserver",
  version,
  folder: fileURLToPath(new URL("../kube-apiserver", import.meta.url)),
  package: "k8s.io/kubernetes/cmd/kube-apiserver",
  variables: {
    [`${versionOf}.gitVersion`]: version,
    [`${versionOf}.gitMajor`]: major,
    [`${versionOf}.gitMinor`]: minor,
  },
};

/** Where it keeps that. */
export const etcd: GoServer = {
  name: "etcd",
  version: "v3.6.16",
  folder: fileURLToPath(new URL("../etcd", import.meta.url)),
  package: ".",
};

/** The programs of a cluster. */
export interface KubePrograms {
  readonly etcd: string;
  readonly apiServer: string;
}

/** How the programs are had here: in the folder that KUBEBUILDER_ASSETS names, or built with Go. */
export function findKubePrograms():
  { readonly make: () => Promise<KubePrograms>; readonly name: string } | { readonly missing: string } {
  const folder = process.env["KUBEBUILDER_ASSETS"];
  if (folder !== undefined) {
    const given = { etcd: join(folder, "etcd"), apiServer: join(folder, "kube-apiserver") };
    const absent = Object.values(given).filter((file) => !existsSync(file));
    if (absent.length > 0) return { missing: `${absent.join(" and ")}, for KUBEBUILDER_ASSETS is set` };
    return { make: () => Promise.resolve(given), name: "kube-apiserver of KUBEBUILDER_ASSETS" };
  }
  if (findGoServer(kubeApiServer) === undefined)
    return { missing: "Go, which builds kube-apiserver and etcd; or KUBEBUILDER_ASSETS" };
  // One after the other, or a small machine would run out of memory.
  const make = async (): Promise<KubePrograms> => {
    const store = await buildGoServer(etcd);
    return { etcd: store, apiServer: await buildGoServer(kubeApiServer) };
  };
  return { make, name: `kube-apiserver ${version}` };
}
