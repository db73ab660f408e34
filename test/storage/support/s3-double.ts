import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What is wrong with the double; each switch holds until it is turned off. */
export interface S3Switches {
  /** Writes whatever the condition says. */
  ignoresConditions?: boolean;
  /** A replace of what is not there creates it (minio/minio#21526). */
  replaceCreates?: boolean;
  /** A write is applied, and answered with 412, as if one's own success had been repeated. */
  refusesOwnSuccess?: boolean;
  /** Answers 409 instead of doing anything: with the code that means busy, or with another one. */
  conflict?: "ConditionalRequestConflict" | "OperationAborted" | "ObjectParentIsFile";
  /** Answers 503 `SlowDown`, with so many seconds to wait. */
  slowDownSeconds?: number;
  /** Answers 403 to everything. */
  denies?: "AccessDenied" | "InvalidAccessKeyId" | "SignatureDoesNotMatch";
  /** Successes come without an ETag, as from a proxy. */
  withoutETag?: boolean;
  /** Answers with a proxy's page and this status. */
  page?: number;
  /** The ETag is drawn instead of computed from the bytes. */
  drawnETags?: boolean;
  /** The bucket is gone. */
  withoutBucket?: boolean;
  /** The body of an answer stops halfway, until the connection ends. */
  stuckBody?: boolean;
  /** What `GetBucketLifecycleConfiguration` answers. */
  lifecycle?: string;
  /** Greatest number of entries of one page, whatever was asked for. */
  pageSize?: number;
}

/** One request, as it was answered. */
export interface S3Request {
  readonly method: string;
  /** Path and query, decoded. */
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  status: number;
  /** How many bytes the body of the answer had. */
  bodyBytes: number;
}

interface StoredObject {
  readonly body: Buffer;
  readonly etag: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** An answer under way. */
interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
}

/**
 * As much of the S3 REST API as the driver uses, over a map in this process, with switches for what real servers do on
 * bad days. It checks no signature. Each write is one step: Node runs it to its end.
 */
export class S3Double implements AsyncDisposable {
  readonly requests: S3Request[] = [];
  switches: S3Switches = {};
  readonly #buckets = new Map<string, Map<string, StoredObject>>();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(): Promise<S3Double> {
    const double = new S3Double();
    await once(double.#server.listen(0, "127.0.0.1"), "listening");
    return double;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port; // on TCP it is no text
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Makes a bucket, fresh unless it is named. */
  bucket(name: string = `b-${randomUUID()}`): string {
    this.#buckets.set(name, new Map());
    return name;
  }

  /** What is stored, by the name of the object. */
  object(bucket: string, name: string): StoredObject | undefined {
    return this.#buckets.get(bucket)?.get(name);
  }

  names(bucket: string): readonly string[] {
    return [...(this.#buckets.get(bucket)?.keys() ?? [])];
  }

  /** Puts bytes there as a foreign program would. */
  put(bucket: string, name: string, body: Uint8Array): void {
    this.#buckets.get(bucket)?.set(name, { body: Buffer.from(body), etag: etagOf(Buffer.from(body)), headers: {} });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer); // a request without encoding
    } catch {
      return; // cut off on its way: nothing arrived
    }
    const url = new URL(`${this.endpoint}${request.url}`);
    const { method = "" } = request;
    const asked: S3Request = {
      method,
      path: decodeURIComponent(url.pathname) + url.search,
      headers: request.headers,
      status: 0,
      bodyBytes: 0,
    };
    this.requests.push(asked);
    const { status, headers, body = "" } = this.#answerTo(method, url, { request, body: Buffer.concat(chunks) });
    const bytes = method === "HEAD" || status === 304 ? Buffer.alloc(0) : Buffer.from(body);
    Object.assign(asked, { status, bodyBytes: bytes.length });
    const length = status === 304 || status === 204 ? {} : { "content-length": String(Buffer.from(body).length) };
    response.writeHead(status, { "x-amz-request-id": "DOUBLE", ...length, ...headers });
    if (this.switches.stuckBody && method === "GET") return void response.write(bytes.subarray(0, bytes.length >> 1));
    response.end(bytes);
  }

  #answerTo(method: string, url: URL, sent: { request: IncomingMessage; body: Buffer }): Answer {
    const [, bucket = "", ...rest] = url.pathname.split("/");
    const name = decodeURIComponent(rest.join("/"));
    const { denies, slowDownSeconds, conflict, page, withoutBucket, lifecycle } = this.switches;
    const objects = this.#buckets.get(bucket);
    if (page !== undefined) return { status: page, headers: { "content-type": "text/html" }, body: "<html></html>" };
    if (denies !== undefined) return fail(403, denies);
    if (slowDownSeconds !== undefined) return fail(503, "SlowDown", { "retry-after": String(slowDownSeconds) });
    if (objects === undefined || withoutBucket) return fail(404, "NoSuchBucket");
    if (url.searchParams.has("lifecycle")) {
      return lifecycle === undefined ? fail(404, "NoSuchLifecycleConfiguration") : { status: 200, body: lifecycle };
    }
    if (name === "") return this.#list(objects, url.searchParams, bucket);
    if (method === "PUT" && conflict !== undefined) return fail(409, conflict);
    if (method === "PUT") return this.#write(objects, name, sent);
    if (method === "DELETE") {
      objects.delete(name);
      return { status: 204 }; // a missing key, too
    }
    return this.#read(objects.get(name), sent.request);
  }

  #read(object: StoredObject | undefined, { headers }: IncomingMessage): Answer {
    if (object === undefined) return fail(404, "NoSuchKey");
    const named = this.#etag(object.etag);
    if (headers["if-none-match"] === object.etag) return { status: 304, headers: named };
    return { status: 200, headers: { ...object.headers, ...named }, body: object.body };
  }

  #write(objects: Map<string, StoredObject>, name: string, sent: { request: IncomingMessage; body: Buffer }): Answer {
    const { headers } = sent.request;
    const { ignoresConditions, replaceCreates, refusesOwnSuccess, drawnETags } = this.switches;
    const [ifNoneMatch, ifMatch, before] = [headers["if-none-match"], headers["if-match"], objects.get(name)];
    const creates = ifMatch !== undefined && before === undefined;
    if (!ignoresConditions) {
      if (ifNoneMatch !== undefined && ifNoneMatch !== "*") return fail(501, "NotImplemented");
      if (ifNoneMatch === "*" && before !== undefined) return fail(412, "PreconditionFailed");
      if (creates && !replaceCreates) return fail(404, "NoSuchKey");
      if (ifMatch !== undefined && !creates && before?.etag !== ifMatch) return fail(412, "PreconditionFailed");
    }
    const shown = /^x-amz-meta-|^(content-type|cache-control)$/;
    const kept = Object.entries(headers).filter(([header]) => shown.test(header));
    const etag = drawnETags ? `"${randomUUID()}"` : etagOf(sent.body);
    objects.set(name, { body: sent.body, etag, headers: Object.fromEntries(kept) as Record<string, string> }); // texts
    return refusesOwnSuccess ? fail(412, "PreconditionFailed") : { status: 200, headers: this.#etag(etag) };
  }

  #etag(etag: string): Record<string, string> {
    return this.switches.withoutETag ? {} : { etag };
  }

  #list(objects: Map<string, StoredObject>, query: URLSearchParams, bucket: string): Answer {
    const prefix = query.get("prefix") ?? "";
    const asked = Number(query.get("max-keys") ?? 1000);
    const size = Math.min(asked, this.switches.pageSize ?? 1000);
    const after = Buffer.from(query.get("continuation-token") ?? "", "base64url").toString();
    const names = [...objects.keys()].filter((name) => name.startsWith(prefix) && name > after).sort();
    const page = names.slice(0, size);
    const more = names.length > page.length;
    const entries = page.map((name) => {
      const { etag = "", body = Buffer.alloc(0) } = objects.get(name) ?? {};
      const key = encodeURIComponent(name).replaceAll("%20", "+");
      const tag = etag.replaceAll('"', "&quot;");
      return `<Contents><Key>${key}</Key><ETag>${tag}</ETag><Size>${body.length}</Size></Contents>`;
    });
    const token = Buffer.from(page.at(-1) ?? "").toString("base64url");
    return {
      status: 200,
      headers: { "content-type": "application/xml" },
      body:
        `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` +
        `<Name>${bucket}</Name><EncodingType>url</EncodingType><KeyCount>${page.length}</KeyCount>` +
        `<IsTruncated>${more}</IsTruncated>${more ? `<NextContinuationToken>${token}</NextContinuationToken>` : ""}` +
        `${entries.join("")}</ListBucketResult>`,
    };
  }
}

function etagOf(body: Buffer): string {
  return `"${createHash("md5").update(body).digest("hex")}"`;
}

/** An error of S3, with all that such errors hold and nobody may see. */
export function fail(status: number, code: string, headers: Readonly<Record<string, string>> = {}): Answer {
  const told = "AKIASECRETSECRET<StringToSign>AWS4-HMAC-SHA256 secret-signature</StringToSign>";
  return {
    status,
    headers: { ...headers, "content-type": "application/xml" },
    body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${told}</Message></Error>`,
  };
}
