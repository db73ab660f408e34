import { once } from "node:events";
import { Agent, createServer, request as send } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { StorageFault, StorageFaults, StorageOperation } from "../../../src/testing/storage-faults.ts";
import type { S3Storage } from "../../../src/storage/s3.ts";
import { fail } from "./s3-double.ts";

/** An answer of the server behind. */
interface Taken {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

/** One request on its way. */
interface Passing {
  readonly request: IncomingMessage;
  readonly body: Buffer;
  readonly response: ServerResponse;
}

/**
 * An HTTP proxy in this process between one connection and an S3 server, real or not, with the faults that the suite
 * asks for. It hands on host and signature as they are, so that the server behind has to take its address for its own.
 */
export class S3Faults implements StorageFaults<S3Storage>, AsyncDisposable {
  /** Requests that stand for calls; the look at what refused a create (a `GET` of a range) is not one. */
  requests = 0;
  /** How many conditional reads were answered with 304. */
  unchanged = 0;
  /** A first request loads parts of the client. */
  readonly patienceMs = 100;
  /** The sockets of the connection, which it has to make its requests with. */
  readonly agent: Agent = new Agent({ keepAlive: true });
  readonly #server: Server;
  readonly #onward: Agent = new Agent({ keepAlive: true });
  readonly #queue: { readonly fault: StorageFault; readonly on: StorageOperation | undefined }[] = [];
  readonly #port: number;
  #connection: S3Storage | undefined;

  private constructor(port: number) {
    this.#port = port;
    this.#server = createServer((request, response) => void this.#pass(request, response));
  }

  /** Listens before the server at `port`; `connect` makes the connection that goes through it. */
  static async start(port: number, connect: (endpoint: string, agent: Agent) => S3Storage): Promise<S3Faults> {
    const faults = new S3Faults(port);
    await once(faults.#server.listen(0, "127.0.0.1"), "listening");
    const address = faults.#server.address() as AddressInfo; // on TCP it is no text
    faults.#connection = connect(`http://127.0.0.1:${address.port}`, faults.agent);
    return faults;
  }

  get connection(): S3Storage {
    if (this.#connection === undefined) throw new Error("not started");
    return this.#connection;
  }

  get open(): number {
    const inUse = Object.values(this.agent.sockets).flatMap((sockets: Socket[] | undefined) => sockets ?? []);
    return inUse.filter(({ destroyed }) => !destroyed).length;
  }

  next(fault: StorageFault, on?: StorageOperation): void {
    this.#queue.push({ fault, on });
  }

  /** The next poll breaks. */
  cutWatches(): void {
    this.next({ kind: "requestLost" }, "read");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.agent.destroy();
    this.#onward.destroy();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer); // a request without encoding
      const passing = { request, response, body: Buffer.concat(chunks) };
      const operation = operationOf(request);
      if (operation !== undefined) this.requests += 1;
      await this.#suffer(this.#faultOf(operation), passing);
    } catch {
      response.destroy(); // the client or the server has gone
    }
  }

  #faultOf(operation: StorageOperation | undefined): StorageFault | undefined {
    if (operation === undefined) return undefined;
    const index = this.#queue.findIndex(({ on }) => on === undefined || on === operation);
    return index < 0 ? undefined : this.#queue.splice(index, 1)[0]?.fault;
  }

  async #suffer(fault: StorageFault | undefined, passing: Passing): Promise<void> {
    const { request, response } = passing;
    switch (fault?.kind) {
      case "requestLost":
        return void request.socket.destroy();
      case "answerLost":
        await this.#take(passing);
        return void request.socket.destroy();
      case "hang":
        return;
      case "hangAfter":
        return void (await this.#take(passing));
      case "throttled":
        return refuse(response, 503, "SlowDown", { "retry-after": String((fault.retryAfterMs ?? 1000) / 1000) });
      case "busy":
        return refuse(response, 409, "ConditionalRequestConflict");
      case "denied":
        return refuse(response, 403, "AccessDenied");
      default: {
        await pause(fault?.beforeMs);
        const first = await this.#take(passing);
        const second = fault?.kind === "doubled" ? await this.#take(passing) : first;
        await pause(fault?.afterMs);
        return this.#answer(response, fault?.answer === 2 ? second : first);
      }
    }
  }

  async #take({ request, body }: Passing): Promise<Taken> {
    const { method, url: path, headers } = request;
    const onward = send({ port: this.#port, host: "127.0.0.1", method, path, headers, agent: this.#onward });
    onward.end(body);
    const [answer] = (await once(onward, "response")) as [IncomingMessage]; // what this event carries
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk as Buffer); // an answer without encoding
    return { status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) };
  }

  #answer(response: ServerResponse, { status, headers, body }: Taken): void {
    if (status === 304) this.unchanged += 1;
    const { connection: _own, "transfer-encoding": _encoding, "keep-alive": _kept, ...rest } = headers;
    response.writeHead(status, rest);
    response.end(body);
  }
}

function refuse(response: ServerResponse, status: number, code: string, more: Record<string, string> = {}): void {
  const { headers, body } = fail(status, code, more);
  response.writeHead(status, headers);
  response.end(body);
}

function operationOf({ method, url = "", headers }: IncomingMessage): StorageOperation | undefined {
  const isList = /[?&]list-type=2/.test(url);
  if (headers.range !== undefined) return undefined;
  if (method === "GET") return isList ? (/[?&]max-keys=1(&|$)/.test(url) ? "health" : "list") : "read";
  if (method !== "PUT") return undefined;
  if (headers["if-none-match"] !== undefined) return "create";
  return headers["x-amz-meta-tenure-tombstone"] === undefined ? "replace" : "remove";
}

async function pause(ms: number | undefined): Promise<void> {
  if (ms !== undefined && ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
}
