import type { GCSClient, GCSEndpoint } from "./gcs-client.ts";
import type { FailedGCSCall } from "./gcs-errors.ts";
import { credentialError, networkError } from "./gcs-network-errors.ts";
import type { WriteProgress } from "./storage-call.ts";

/** One request to the JSON API. */
export interface GCSRequest {
  readonly method: "GET" | "POST" | "DELETE";
  /** After the endpoint: `/storage/v1/b/…`, encoded. */
  readonly path: string;
  readonly query: Readonly<Record<string, string | undefined>>;
  readonly body?: Uint8Array;
  readonly contentType?: string;
  /** How much of the body is read at the most, in bytes. */
  readonly limitBytes: number;
}

/** What came back, with its whole body. */
export interface GCSAnswer {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  /** `undefined` if it is longer than was allowed; its connection is gone then. */
  readonly body: Uint8Array | undefined;
}

/** What ends a request, and who has to know that it was sent. */
export interface GCSAttempt {
  readonly signal: AbortSignal;
  readonly progress?: WriteProgress | undefined;
}

/** Where requests go, and with which credentials. */
export interface GCSConnection {
  readonly client: GCSClient;
  readonly endpoint: GCSEndpoint;
  readonly userProject: string | undefined;
}

/** A refusal is read whatever the limit of values is: it may say that there is none. */
const refusalBytes = 2 ** 16;

/**
 * Sends one request, once. Its signal ends it at any point, and the socket with it: the package's own calls end neither
 * at a deadline of ours nor when a body stalls. (By itself `fetch` repeats only what was answered with 421, which says
 * that nothing was done; redirects are not followed.)
 *
 * @throws what `credentialError` and `networkError` make of trouble; every answer that arrives is returned.
 */
export async function sendToGCS(
  connection: GCSConnection,
  request: GCSRequest,
  { call, attempt }: { readonly call: FailedGCSCall; readonly attempt: GCSAttempt },
): Promise<GCSAnswer> {
  const { signal, progress } = attempt;
  if (progress !== undefined) progress.applied = "no";
  const headers = await headersOf(connection, request, call);
  signal.throwIfAborted(); // nothing may be sent once it has fallen
  try {
    if (progress !== undefined) progress.applied = "unknown";
    const response = await fetch(urlOf(connection, request), {
      method: request.method,
      headers,
      body: request.body ?? null,
      signal,
      redirect: "manual", // credentials are for this host only
    });
    const body = await readUpTo(response.body, response.ok ? request.limitBytes : refusalBytes);
    return { status: response.status, headers: response.headers, body };
  } catch (error) {
    signal.throwIfAborted();
    throw networkError(error, call);
  }
}

async function headersOf(
  { client, endpoint }: GCSConnection,
  { contentType }: GCSRequest,
  call: FailedGCSCall,
): Promise<Headers> {
  try {
    // Version 7 of the package gives a plain object, 8 gives Headers.
    const given = endpoint.sendsCredentials ? await client.authClient.getRequestHeaders() : {};
    const headers = new Headers(given as Record<string, string>); // cast: Headers take either
    headers.set("accept-encoding", "identity"); // the checksum is that of the stored bytes
    headers.set("cache-control", "no-cache"); // no answer of a proxy that stored it
    if (contentType !== undefined) headers.set("content-type", contentType);
    return headers;
  } catch (error) {
    throw credentialError(error, call);
  }
}

function urlOf({ endpoint, userProject }: GCSConnection, { path, query }: GCSRequest): string {
  const parameters = Object.entries({ ...query, userProject }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`],
  );
  return `${endpoint.origin}${path}?${parameters.join("&")}`;
}

/** The whole body, or `undefined` as soon as it is longer: then the rest is not waited for. */
async function readUpTo(body: ReadableStream<Uint8Array> | null, limitBytes: number): Promise<Uint8Array | undefined> {
  if (body === null) return new Uint8Array();
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of body) {
    length += piece.byteLength;
    if (length > limitBytes) return undefined; // leaving the loop cancels the body
    pieces.push(piece);
  }
  return new Uint8Array(Buffer.concat(pieces, length));
}
