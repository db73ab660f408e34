/** What is asked of a `KubeConfig` of `@kubernetes/client-node`, 1.x or 2.x. */
export interface KubeConfigLike {
  getCurrentCluster(): KubeCluster | null;
  getCurrentUser?(): object | null;
  /** Adds what the current user and cluster ask for: headers, certificates, an agent. */
  applyToHTTPSOptions(options: KubeRequestOptions): Promise<void>;
}

/** Where a cluster is. */
export interface KubeCluster {
  readonly server: string;
  readonly skipTLSVerify?: boolean | undefined;
  readonly proxyUrl?: string | undefined;
}

/** What `applyToHTTPSOptions` fills; of `https.RequestOptions`. */
export interface KubeRequestOptions {
  /** Headers of every request: authorization, impersonation. */
  headers?: unknown;
  /** User and password of basic authentication. */
  auth?: unknown;
  /** Whom to trust with the server's certificate. */
  ca?: unknown;
  /** The certificate of the client. */
  cert?: unknown;
  /** Its private key. */
  key?: unknown;
  /** Both of them, in one file. */
  pfx?: unknown;
  /** Opens `key` or `pfx`. */
  passphrase?: unknown;
  /** The name in the server's certificate, if not that of the address. */
  servername?: unknown;
  /** `false`: any certificate will do. */
  rejectUnauthorized?: unknown;
  /** What opens connections; used behind a proxy only. */
  agent?: unknown;
}

/** What one request is sent with. */
export interface KubeCredentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: KubeTLS;
  /** Used behind a proxy only: it has keep-alive off. */
  readonly agent: unknown;
}

/** What decides on a connection; another value anywhere needs another pool. */
export type KubeTLS = Readonly<Record<(typeof tlsNames)[number], unknown>>;

const tlsNames = ["ca", "cert", "key", "pfx", "passphrase", "servername", "rejectUnauthorized"] as const;

/** Asks for what the next request has to carry; a rotated token, CA or certificate is seen here. */
export async function askCredentials(kubeConfig: KubeConfigLike): Promise<KubeCredentials> {
  const options: KubeRequestOptions = { headers: {} };
  await kubeConfig.applyToHTTPSOptions(options);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(Object(options.headers) as object)) {
    // cast: entries of anything. Trimmed: a token file may end with a line feed, which no header may hold
    if (typeof value === "string") headers[name.toLowerCase()] = value.trim();
  }
  if (typeof options.auth === "string") {
    headers["authorization"] ??= `Basic ${Buffer.from(options.auth).toString("base64")}`;
  }
  const { ca, cert, key, pfx, passphrase, servername, rejectUnauthorized } = options;
  return {
    headers,
    tls: { ca, cert, key, pfx, passphrase, servername, rejectUnauthorized },
    agent: options.agent,
  };
}

/** Whether two connections made with these may stand for each other. */
export function isSameTLS(one: KubeTLS, other: KubeTLS): boolean {
  return tlsNames.every((name) => isSame(one[name], other[name]));
}

function isSame(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (one instanceof Uint8Array && other instanceof Uint8Array) return Buffer.compare(one, other) === 0;
  if (!Array.isArray(one) || !Array.isArray(other)) return false;
  return one.length === other.length && one.every((part, index) => isSame(part, other[index]));
}

/**
 * Lets a `KubeConfig` forget tokens that the server refused. It has no method for that: a file's token is kept for 60 s
 * and that of a program without expiry for ever, in private parts. Where they look otherwise, nothing happens.
 */
export function forgetTokens(kubeConfig: KubeConfigLike): void {
  const authenticators: unknown = Reflect.get(kubeConfig, "authenticators");
  if (!Array.isArray(authenticators)) return;
  for (const authenticator of authenticators.map(Object) as object[]) {
    // cast: Object() gives objects
    if ("tokenCache" in authenticator) Reflect.set(authenticator, "tokenCache", {});
    if ("lastRead" in authenticator) Reflect.set(authenticator, "lastRead", null);
  }
}

/** Lets a `KubeConfig` of 2.x make a new agent: it keeps the first one, with its first CA. */
export function forgetAgents(kubeConfig: KubeConfigLike): void {
  const agents: unknown = Reflect.get(kubeConfig, "agentCache");
  if (agents instanceof Map) agents.clear();
}

/** Whether the current user's credentials come from a program that would be run. */
export function runsProgram(kubeConfig: KubeConfigLike): boolean {
  const user = kubeConfig.getCurrentUser?.() ?? {};
  const provider: unknown = Reflect.get(user, "authProvider");
  const config: unknown = Reflect.get(Object(provider), "config");
  const own = Reflect.get(user, "exec") ?? Reflect.get(Object(config), "exec");
  const command: unknown = Reflect.get(Object(config), "cmd-path"); // of the providers gcp and azure
  return Boolean(own) || Boolean(command) || Reflect.get(Object(provider), "name") === "exec";
}
