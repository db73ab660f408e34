import { once } from "node:events";
import {
  Agent,
  createServer,
  request as send,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import type { VersionedStorage } from "../../../src/storage/versioned-storage.ts";
import type { StorageFault, StorageFaults, StorageOperation } from "../../../src/testing/storage-faults.ts";
import { refusal } from "./gcs-double.ts";

interface Passed {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** How a door is opened. */
export interface GcsDoorOptions {
  /** The port of the bucket's server on loopback. */
  readonly port: number;
  /** A connection through the door. */
  readonly connect: (port: number) => VersionedStorage;
}

/** A way into a bucket, double or server, on which requests meet faults: an HTTP proxy in this process. */
export class GcsDoor implements StorageFaults<VersionedStorage>, AsyncDisposable {
  readonly connection: VersionedStorage;
  readonly #target: number;
  readonly #server: Server;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #queue: { readonly fault: StorageFault; readonly on: StorageOperation | undefined }[] = [];
  readonly #open = new Set<ServerResponse>();
  #requests = 0;
  #cut = false;

  private constructor(server: Server, { port, connect }: GcsDoorOptions) {
    this.#target = port;
    this.#server = server.on("request", (request, response) => void this.#pass(request, response));
    this.connection = connect(this.port);
  }

  static async open(options: GcsDoorOptions): Promise<GcsDoor> {
    const server = createServer();
    await once(server.listen(0, "127.0.0.1"), "listening");
    return new GcsDoor(server, options);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port; // cast: it listens on TCP
  }

  get requests(): number {
    return this.#requests;
  }

  /** Requests that are neither answered nor given up, with their sockets. */
  get open(): number {
    return this.#open.size;
  }

  next(fault: StorageFault, on?: StorageOperation): void {
    if (fault.kind === "stale" || fault.kind === "unconditional") throw new Error(`no ${fault.kind} at this door`);
    this.#queue.push({ fault, on });
  }

  /** The next poll is cut; polls are all that there is of a watch. */
  cutWatches(): void {
    this.#cut = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => void pieces.push(piece)).on("error", () => {});
    this.#open.add(response);
    response.on("error", () => {}).on("close", () => this.#open.delete(response));
    await once(request, "end").catch(() => undefined); // cut in the middle: nothing is passed on
    if (!request.complete) return;
    this.#requests += 1;
    const pass = (): Promise<Passed> => this.#forward(request, Buffer.concat(pieces));
    const operation = operationOf(request);
    if (operation === undefined && this.#cut) {
      this.#cut = false;
      return void request.socket.destroy();
    }
    try {
      const passed = await this.#meet(this.#take(operation), pass);
      if (passed === "cut") request.socket.destroy();
      else if (passed !== "silent") reply(response, passed);
    } catch {
      request.socket.destroy(); // the server is gone: so is the connection
    }
  }

  #take(operation: StorageOperation | undefined): StorageFault | undefined {
    const at = operation === undefined ? -1 : this.#queue.findIndex(({ on }) => on === undefined || on === operation);
    return at < 0 ? undefined : this.#queue.splice(at, 1)[0]?.fault;
  }

  async #meet(fault: StorageFault | undefined, pass: () => Promise<Passed>): Promise<Passed | "cut" | "silent"> {
    const { beforeMs = 0, afterMs = 0, retryAfterMs, answer = 1 } = fault ?? {};
    switch (fault?.kind) {
      case undefined:
      case "stale":
      case "unconditional":
        return pass();
      case "requestLost":
        return "cut";
      case "answerLost":
        return pass().then(() => "cut");
      case "hang":
        return "silent";
      case "hangAfter":
        return pass().then(() => "silent");
      case "delay": {
        await new Promise((resolve) => setTimeout(resolve, beforeMs));
        const passed = await pass();
        await new Promise((resolve) => setTimeout(resolve, afterMs));
        return passed;
      }
      case "throttled": {
        const pause = retryAfterMs === undefined ? {} : { "retry-after": String(retryAfterMs / 1000) };
        return passedOf(refusal(429, "rateLimitExceeded", "The rate of change requests is too high.", pause));
      }
      case "busy":
        return passedOf(refusal(503, "slowDown", "Please reduce your request rate."));
      case "denied":
        return passedOf(refusal(403, "forbidden", "Permission 'storage.objects.update' denied on resource."));
      case "doubled": {
        const both = [await pass(), await pass()] as const;
        return both[answer === 1 ? 0 : 1];
      }
    }
  }

  #forward({ method, url, headers }: IncomingMessage, body: Buffer): Promise<Passed> {
    const options = { host: "127.0.0.1", port: this.#target, method, path: url, headers, agent: this.#agent };
    return new Promise((resolve, reject) => {
      const passing = send(options, (answer) => {
        const pieces: Buffer[] = [];
        answer.on("data", (piece: Buffer) => void pieces.push(piece)).on("error", reject);
        answer.on("end", () => {
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(pieces) });
        });
      });
      passing.on("error", reject).end(body);
    });
  }
}

function reply(response: ServerResponse, { status, headers, body }: Passed): void {
  const { connection: _connection, "transfer-encoding": _encoding, ...kept } = headers;
  response.writeHead(status, kept);
  response.end(body);
}

function passedOf({ status, headers = {}, body = new Uint8Array() }: ReturnType<typeof refusal>): Passed {
  return { status, headers: { ...headers }, body: Buffer.from(body) };
}

/** `undefined` for a poll, which meets no faults. */
function operationOf({ method, url = "/" }: IncomingMessage): StorageOperation | undefined {
  const { pathname, searchParams } = new URL(url, "http://door");
  if (method === "POST") return searchParams.get("ifGenerationMatch") === "0" ? "create" : "replace";
  if (method === "DELETE") return "remove";
  if (pathname.endsWith("/o")) return "list";
  return searchParams.get("alt") === "media" ? "read" : undefined;
}
