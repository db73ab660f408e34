import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { crc32c } from "../../../src/storage/gcs-crc32c.ts";
import type { GCSClient } from "../../../src/storage/gcs.ts";
import { systemClock, type Clock } from "../../../src/system/clock.ts";

/** What is wrong with the double, or strict; whatever is not named is as at Google. */
export interface GcsSwitches {
  /** Conditions of these are not looked at. */
  ignoresConditions?: readonly ("writes" | "deletes" | "reads")[];
  /** Least time between two writes of one object; sooner ones get 429. */
  minWriteIntervalMs?: number;
  /** 503 for writes, before or after they were applied; `slowDown` says that it was before. */
  unavailable?: "before" | "after" | "slowDown";
  /** Neither headers nor bodies of writes name a generation; or the headers of media do not. */
  noGeneration?: "anywhere" | "media";
  noChecksum?: boolean;
  wrongChecksum?: boolean;
  /** Rights that nobody has. */
  denied?: readonly string[];
  /** 403 with this reason, for writes over an object. */
  frozen?: "retentionPolicyNotMet" | "objectUnderActiveHold";
  /** Time between the bytes of media. */
  slowBodyMs?: number;
  /** Answers everything, as a proxy would. */
  page?: { readonly status: number; readonly html: string; readonly location?: string };
  /** How somebody has stored the objects. */
  storedEncoding?: string;
  /** An answer to every request to an object that is absent while a read is conditional, instead of 404. */
  absentIsUnchanged?: boolean;
  /** What the bucket says of itself. */
  bucketSettings?: Readonly<Record<string, unknown>>;
  requesterPays?: boolean;
}

/** One request, as it arrived. */
export interface GcsRequestSeen {
  readonly kind: "read" | "look" | "create" | "replace" | "remove" | "list" | "bucket" | "other";
  readonly name: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly atMs: number;
  /** How it was answered. */
  status: number;
  /** How many bytes the answer's body had. */
  bodyBytes: number;
}

interface StoredObject {
  readonly value: Uint8Array;
  readonly generation: string;
  readonly contentType: string;
  readonly cacheControl: string;
  readonly writtenAtMs: number;
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export const doubleBucket = "tenure-double";

/** One bucket of Google Cloud Storage in this process, behind its JSON API on a port of loopback. */
export class GcsDouble implements AsyncDisposable {
  readonly switches: GcsSwitches = {};
  readonly seen: GcsRequestSeen[] = [];
  readonly objects: Map<string, StoredObject> = new Map<string, StoredObject>();
  /** What requests have to show, if it is set. */
  readonly token: string | undefined;
  readonly #clock: Clock;
  readonly #server: Server;
  readonly #open = new Set<ServerResponse>();
  #answered = 0;
  /** Microseconds of some day, as at Google; only ever grows. */
  #lastGeneration = 1_790_000_000_000_000n;

  private constructor({ clock = systemClock, token }: { readonly clock?: Clock; readonly token?: string }) {
    this.#clock = clock;
    this.token = token;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  static async start(options: { readonly clock?: Clock; readonly token?: string } = {}): Promise<GcsDouble> {
    const double = new GcsDouble(options);
    await once(double.#server.listen(0, "127.0.0.1"), "listening");
    return double;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port; // cast: it listens on TCP
  }

  /** Requests that were neither answered to their end nor given up. */
  get openRequests(): number {
    return this.#open.size;
  }

  /** How many requests were answered. */
  get answered(): number {
    return this.#answered;
  }

  /** What a driver takes. */
  client(port: number = this.port): GCSClient {
    const { token } = this;
    return {
      apiEndpoint: `http://127.0.0.1:${port}`,
      customEndpoint: true,
      useAuthWithCustomEndpoint: token !== undefined,
      authClient: { getRequestHeaders: async () => ({ authorization: `Bearer ${token}` }) },
    };
  }

  /** As a foreign program would: unconditionally. */
  put(name: string, value: Uint8Array, facts: { contentType?: unknown; cacheControl?: unknown } = {}): string {
    this.#lastGeneration += 1n;
    const generation = String(this.#lastGeneration);
    const writtenAtMs = this.#clock.monotonicMs();
    const { contentType = "application/json", cacheControl = "private, max-age=0" } = facts;
    const headers = { contentType: String(contentType), cacheControl: String(cacheControl) };
    this.objects.set(name, { value, generation, ...headers, writtenAtMs });
    return generation;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => void pieces.push(piece)).on("error", () => {});
    this.#open.add(response);
    response.on("error", () => {}).on("finish", () => void (this.#answered += 1));
    response.on("close", () => this.#open.delete(response));
    await once(request, "end").catch(() => undefined); // cut in the middle: nothing is applied
    if (!request.complete) return;
    const seen = this.#note(request);
    const answer = this.#answer(seen, request, Buffer.concat(pieces)); // in one turn: check and write are one step
    const body = answer.body ?? new Uint8Array();
    seen.status = answer.status;
    seen.bodyBytes = body.byteLength;
    response.writeHead(answer.status, {
      ...answer.headers,
      ...(body.byteLength > 0 && { "content-length": body.byteLength }),
    });
    if (seen.kind === "read" && this.switches.slowBodyMs !== undefined) return this.#drip(response, body);
    response.end(body);
  }

  #drip(response: ServerResponse, body: Uint8Array): void {
    let at = 0;
    const timer = setInterval(() => {
      if (response.destroyed || at >= body.byteLength) {
        clearInterval(timer);
        response.end();
      } else response.write(body.subarray(at, (at += 1)));
    }, this.switches.slowBodyMs);
  }

  #note(request: IncomingMessage): GcsRequestSeen {
    const url = new URL(request.url ?? "/", "http://double");
    const [, object] = /^\/storage\/v1\/b\/[^/]+\/o\/([^/]+)$/.exec(url.pathname) ?? [];
    const query = url.searchParams;
    const headers = request.headers;
    const facts = { query, headers, atMs: this.#clock.monotonicMs(), status: 0, bodyBytes: 0 };
    const name = object === undefined ? "" : decodeURIComponent(object);
    const seen: GcsRequestSeen = { kind: kindOf(request.method ?? "", url, object), name, ...facts };
    this.seen.push(seen);
    return seen;
  }

  #answer(seen: GcsRequestSeen, request: IncomingMessage, body: Buffer): Answer {
    const { switches, token } = this;
    const url = new URL(request.url ?? "/", "http://double");
    if (switches.page !== undefined) {
      const { status, html, location } = switches.page;
      const headers = { "content-type": "text/html", ...(location !== undefined && { location }) };
      return { status, headers, body: Buffer.from(html) };
    }
    if (token !== undefined && seen.headers.authorization !== `Bearer ${token}`) {
      return refusal(401, "authError", "Invalid Credentials");
    }
    const bucket = decodeURIComponent(/\/b\/([^/]+)/.exec(url.pathname)?.[1] ?? "");
    if (bucket !== doubleBucket) return refusal(404, "notFound", "The specified bucket does not exist.");
    if (switches.requesterPays === true && !seen.query.has("userProject")) {
      const why = "Bucket is a requester pays bucket but no user project provided.";
      return refusal(400, "required", why);
    }
    const [right] = rightsOf(seen, this.objects).filter((each) => switches.denied?.includes(each));
    if (right !== undefined) return refusal(403, "forbidden", denial(right));
    switch (seen.kind) {
      case "read":
      case "look":
        return this.#get(seen);
      case "create":
      case "replace":
        return this.#upload(seen, request.headers["content-type"] ?? "", body);
      case "remove":
        return this.#remove(seen);
      case "list":
        return this.#list(seen.query);
      case "bucket":
        return json(200, { name: bucket, ...switches.bucketSettings });
      case "other":
        return refusal(404, "notFound", "Not Found");
    }
  }

  #get({ kind, name, query }: GcsRequestSeen): Answer {
    const { ignoresConditions = [], noGeneration, noChecksum, wrongChecksum } = this.switches;
    const object = this.objects.get(name);
    const known = query.get("ifGenerationNotMatch");
    const pinned = query.get("generation");
    if (object === undefined || (pinned !== null && pinned !== object.generation)) {
      if (this.switches.absentIsUnchanged === true && known !== null) return { status: 304 };
      const message = `No such object: ${doubleBucket}/${name}`;
      if (kind === "look") return refusal(404, "notFound", message);
      return { status: 404, headers: { "content-type": "text/html; charset=UTF-8" }, body: Buffer.from(message) };
    }
    if (known === object.generation && !ignoresConditions.includes("reads")) return { status: 304 };
    const sum = wrongChecksum === true ? "AAAAAA==" : crc32c(object.value);
    if (kind === "look") return json(200, selected(query, { generation: object.generation, crc32c: sum, name }));
    const headers = {
      "content-type": object.contentType,
      "cache-control": object.cacheControl,
      "x-goog-stored-content-encoding": this.switches.storedEncoding ?? "identity",
      ...(noGeneration === undefined && { "x-goog-generation": object.generation }),
      ...(noChecksum !== true && { "x-goog-hash": `crc32c=${sum}, md5=1B2M2Y8AsgTpgAmY7PhCfg==` }),
    };
    return { status: 200, headers, body: object.value };
  }

  #upload(seen: GcsRequestSeen, contentType: string, body: Buffer): Answer {
    const { metadata, value } = parseMultipart(contentType, body);
    const name = String(metadata["name"]);
    Object.assign(seen, { name });
    if (metadata["crc32c"] !== undefined && metadata["crc32c"] !== crc32c(value)) {
      return refusal(400, "invalid", "Provided CRC32C does not match calculated CRC32C.");
    }
    const refused = this.#refuseWrite(seen, "writes");
    if (refused !== undefined) return refused;
    const generation = this.put(name, value, metadata);
    if (this.switches.unavailable === "after") return refusal(503, "backendError", "Backend Error");
    return json(200, this.switches.noGeneration === "anywhere" ? {} : { generation });
  }

  #remove(seen: GcsRequestSeen): Answer {
    const refused = this.#refuseWrite(seen, "deletes");
    if (refused !== undefined) return refused;
    this.objects.delete(seen.name);
    return this.switches.unavailable === "after" ? refusal(503, "backendError", "Backend Error") : { status: 204 };
  }

  #refuseWrite({ kind, name, query }: GcsRequestSeen, what: "writes" | "deletes"): Answer | undefined {
    const { ignoresConditions = [], minWriteIntervalMs = 0, unavailable, frozen } = this.switches;
    const object = this.objects.get(name);
    if (unavailable === "before") return refusal(503, "backendError", "Backend Error");
    if (unavailable === "slowDown") return refusal(503, "slowDown", "Please reduce your request rate.");
    if (kind === "remove" && object === undefined)
      return refusal(404, "notFound", `No such object: ${doubleBucket}/${name}`);
    const sinceMs = object === undefined ? Infinity : this.#clock.monotonicMs() - object.writtenAtMs;
    if (sinceMs < minWriteIntervalMs) {
      const why = `The object ${doubleBucket}/${name} exceeded the rate limit for object mutation operations.`;
      return refusal(429, "rateLimitExceeded", why, { "retry-after": "1" });
    }
    const expected = query.get("ifGenerationMatch");
    const meets = expected === null || expected === (object?.generation ?? "0");
    if (!meets && !ignoresConditions.includes(what)) {
      return refusal(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.");
    }
    return frozen !== undefined && object !== undefined ? refusal(403, frozen, "It is kept.") : undefined;
  }

  #list(query: URLSearchParams): Answer {
    const prefix = query.get("prefix") ?? "";
    const after = query.get("pageToken") ?? "";
    const size = Math.min(Number(query.get("maxResults") ?? 1000), 1000);
    const names = [...this.objects.keys()].filter((name) => name.startsWith(prefix) && name > after).sort();
    const page = names.slice(0, size);
    const items = page.map((name) => ({ name, generation: this.objects.get(name)?.generation }));
    const last = names.length > size ? page.at(-1) : undefined;
    return json(200, { ...(items.length > 0 && { items }), ...(last !== undefined && { nextPageToken: last }) });
  }
}

function kindOf(method: string, url: URL, object: string | undefined): GcsRequestSeen["kind"] {
  if (method === "POST" && url.pathname.startsWith("/upload/")) {
    return url.searchParams.get("ifGenerationMatch") === "0" ? "create" : "replace";
  }
  if (object !== undefined && method === "DELETE") return "remove";
  if (object !== undefined && method === "GET") return url.searchParams.get("alt") === "media" ? "read" : "look";
  if (method === "GET" && url.pathname.endsWith("/o")) return "list";
  return method === "GET" && /\/b\/[^/]+$/.test(url.pathname) ? "bucket" : "other";
}

/** What Google asks for; without the right to list, an absent object is not told from a hidden one. */
function rightsOf({ kind, name }: GcsRequestSeen, objects: ReadonlyMap<string, unknown>): readonly string[] {
  switch (kind) {
    case "read":
    case "look":
      return ["storage.objects.get", ...(objects.has(name) ? [] : ["storage.objects.list"])];
    case "create":
      return ["storage.objects.create"];
    case "replace":
      return ["storage.objects.create", "storage.objects.delete"];
    case "remove":
      return ["storage.objects.delete"];
    case "list":
      return ["storage.objects.list"];
    case "bucket":
      return ["storage.buckets.get"];
    case "other":
      return [];
  }
}

function denial(right: string): string {
  const what = "robot@project.iam.gserviceaccount.com does not have";
  const denied = `Permission '${right}' denied on resource (or it may not exist).`;
  return `${what} ${right} access to the Google Cloud Storage object. ${denied}`;
}

/** An error as the JSON API words it. */
export function refusal(
  status: number,
  reason: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  const errors = [{ message, domain: "global", reason }];
  return json(status, { error: { code: status, message, errors } }, headers);
}

function json(status: number, value: object, headers: Readonly<Record<string, string>> = {}): Answer {
  const body = Buffer.from(JSON.stringify(value));
  return { status, headers: { "content-type": "application/json; charset=UTF-8", ...headers }, body };
}

function selected(query: URLSearchParams, all: Readonly<Record<string, string>>): object {
  const names = (query.get("fields") ?? "").split(",");
  return Object.fromEntries(Object.entries(all).filter(([name]) => names.includes(name)));
}

function parseMultipart(contentType: string, body: Buffer): { metadata: Record<string, unknown>; value: Uint8Array } {
  const boundary = `--${/boundary=([\w-]+)/.exec(contentType)?.[1] ?? ""}`;
  const second = body.indexOf(`\r\n${boundary}\r\n`, boundary.length);
  const first = body.subarray(body.indexOf("\r\n\r\n") + 4, second);
  const start = body.indexOf("\r\n\r\n", second + 2) + 4;
  const value = new Uint8Array(body.subarray(start, body.lastIndexOf(`\r\n${boundary}--`)));
  return { metadata: JSON.parse(first.toString()) as Record<string, unknown>, value }; // cast: sent by the driver
}
