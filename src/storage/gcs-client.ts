import { InvalidSettingsError, PackageMissingError } from "../errors.ts";

/** What is used of a `Storage` of `@google-cloud/storage`: its configuration, and its credentials. */
export interface GCSClient {
  /** `https://storage.googleapis.com`, unless another one was configured. */
  readonly apiEndpoint: string;
  /** Whether another endpoint than Google's was configured: then requests go without credentials. */
  readonly customEndpoint?: boolean | undefined;
  /** Whether they go with credentials all the same. */
  readonly useAuthWithCustomEndpoint?: boolean | undefined;
  /** Gives the headers that authorize a request. Its own requests for tokens are its own affair. */
  readonly authClient: { getRequestHeaders(): Promise<object> };
}

/** Where the requests of one client go. */
export interface GCSEndpoint {
  readonly origin: string;
  /** Google's own: then nobody has to prove that it keeps conditions. */
  readonly isGoogle: boolean;
  readonly sendsCredentials: boolean;
}

/** The part of the package that is loaded. */
interface GCSPackage {
  readonly Storage: new (options: {
    readonly apiEndpoint?: string;
    readonly useAuthWithCustomEndpoint?: boolean;
    readonly retryOptions: { readonly autoRetry: false; readonly maxRetries: 0 };
  }) => GCSClient;
}

const packageName = "@google-cloud/storage";

/**
 * A client of our own, with application default credentials. They go to Google only: any other endpoint gets none.
 *
 * @throws {PackageMissingError} if the package is not installed.
 */
export async function loadGCSClient(
  apiEndpoint: string | undefined,
  load: () => Promise<GCSPackage> = () => import("@google-cloud/storage"),
): Promise<GCSClient> {
  let loaded: GCSPackage;
  try {
    loaded = await load();
  } catch (error) {
    if (!isMissing(error)) throw error;
    const how = `gs: needs the package ${packageName}: npm install ${packageName}`;
    throw new PackageMissingError(how, { operation: "open", cause: error });
  }
  const isGoogle = apiEndpoint !== undefined && isGoogleOrigin(new URL(apiEndpoint));
  return new loaded.Storage({
    ...(apiEndpoint !== undefined && { apiEndpoint, useAuthWithCustomEndpoint: isGoogle }),
    // Never used by us for objects; a repeated conditional write turns one's own success into a refusal.
    retryOptions: { autoRetry: false, maxRetries: 0 },
  });
}

/** Whether the package itself is missing, not one that it needs. */
function isMissing(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code: unknown = Reflect.get(error, "code");
  return code === "ERR_MODULE_NOT_FOUND" && error.message.includes(`'${packageName}'`);
}

/** Whether this looks like a client; it may come from another copy of the package. */
export function isGCSClient(client: unknown): client is GCSClient {
  if (typeof client !== "object" || client === null) return false;
  const authClient: unknown = Reflect.get(client, "authClient");
  const hasHeaders =
    typeof authClient === "object" &&
    authClient !== null &&
    typeof Reflect.get(authClient, "getRequestHeaders") === "function";
  return hasHeaders && typeof Reflect.get(client, "apiEndpoint") === "string";
}

/**
 * Where the requests of this client go.
 *
 * @throws {InvalidSettingsError} if that is no URL, or plain HTTP to another machine.
 */
export function endpointOf(client: GCSClient): GCSEndpoint {
  const problem = endpointProblem(client.apiEndpoint);
  if (problem !== undefined) throw new InvalidSettingsError([`apiEndpoint ${problem}`], { operation: "open" });
  const url = new URL(client.apiEndpoint);
  const isGoogle = isGoogleOrigin(url);
  const sendsCredentials = client.customEndpoint !== true || client.useAuthWithCustomEndpoint === true;
  return { origin: url.origin + url.pathname.replace(/\/+$/, ""), isGoogle, sendsCredentials };
}

/** What is wrong with an endpoint, or `undefined`. Does not repeat it, since it may hold user info. */
export function endpointProblem(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol)) return 'must be a URL like "https://host"';
  if (url.username !== "" || url.password !== "") return "must not hold user info; credentials come from the client";
  if (url.search !== "" || url.hash !== "") return "must end with its path";
  if (url.protocol === "http:" && !isLoopback(url.hostname)) {
    return "must begin with https:; plain http: is for this machine only (127.0.0.1, [::1], localhost)";
  }
  return undefined;
}

function isGoogleOrigin({ protocol, hostname }: URL): boolean {
  return protocol === "https:" && hostname.endsWith(".googleapis.com");
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}
