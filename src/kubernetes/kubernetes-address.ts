import { isIP } from "node:net";
import { InvalidSettingsError } from "../errors.ts";
import { runsProgram, type KubeConfigLike } from "./kubernetes-credentials.ts";

/** Where the API server is. */
export interface KubernetesAddress {
  /** For people: without a slash at its end, and without user and password. */
  readonly root: string;
  /** An IPv6 address has no brackets here. */
  readonly hostname: string;
  readonly port: number;
  /** `""`, or that of a gateway, without a slash at its end. */
  readonly path: string;
  readonly isTLS: boolean;
  /**
   * What the certificate has to name, as Node would find out for each request again; `""` for an IP address. Nothing
   * behind a proxy, which finds it out by itself. A `tls-server-name` goes before it.
   */
  readonly serverName: string | undefined;
  readonly isProxied: boolean;
}

/** Reads the address of the current cluster, and checks what cannot be changed by waiting. */
export function kubernetesAddress(kubeConfig: KubeConfigLike, allowExecCredentials: boolean): KubernetesAddress {
  const cluster = kubeConfig.getCurrentCluster();
  if (cluster === null) throw invalid("the kubeconfig has no current cluster: set current-context");
  const url = URL.canParse(cluster.server) ? new URL(cluster.server) : undefined;
  if (url === undefined || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw invalid("the server of the current cluster must be an https URL");
  }
  const isTLS = url.protocol === "https:";
  if (!isTLS && cluster.skipTLSVerify !== true && !isLoopback(url.hostname)) {
    const how = "use https, or set insecure-skip-tls-verify: true";
    throw invalid(`${url.origin}: tokens would travel in the clear over plain http: ${how}`);
  }
  if (!allowExecCredentials && runsProgram(kubeConfig)) {
    throw invalid("the current user's credentials come from a program (exec); allow it with --allow-exec-credentials");
  }
  const path = url.pathname.replace(/\/+$/, "");
  const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const isProxied = (cluster.proxyUrl ?? "") !== "";
  return {
    root: `${url.protocol}//${url.host}${path}`,
    hostname,
    port: Number(url.port === "" ? (isTLS ? 443 : 80) : url.port),
    path,
    isTLS,
    serverName: isTLS && !isProxied ? (isIP(hostname) === 0 ? hostname : "") : undefined,
    isProxied,
  };
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

function invalid(problem: string): InvalidSettingsError {
  return new InvalidSettingsError([problem], { operation: "open" });
}
