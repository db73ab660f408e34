import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { ClosedError } from "../errors.ts";
import { sleep, type Clock } from "../system/clock.ts";
import type { FakeAnswer } from "./fake-kubernetes-answer.ts";
import type { FakeKubernetesApi } from "./fake-kubernetes-api.ts";
import { KubernetesFaults, type KubernetesFault, type KubernetesFaultOptions } from "./fake-kubernetes-faults.ts";
import { answerRoute, routeOf, watchQueryOf, type FakeRoute } from "./fake-kubernetes-route.ts";
import type { FakeKubernetesWatches } from "./fake-kubernetes-watches.ts";

/** What a `FakeKubernetesServer` serves; `FakeKubernetes.listen` puts it together. */
export interface FakeKubernetesServerParts {
  readonly api: FakeKubernetesApi;
  readonly watches: FakeKubernetesWatches;
  readonly clock: Clock;
}

const notFound: FakeAnswer = { status: 404, body: "404 page not found\n" };

/** A `FakeKubernetes` behind plain HTTP on loopback, for any client of Kubernetes, with troubles of the wire. */
export class FakeKubernetesServer implements AsyncDisposable {
  /** The requests so far as `"PUT /apis/…"`, oldest first. */
  readonly log: string[] = [];
  /** How many connections were made. */
  connectionCount = 0;
  readonly #parts: FakeKubernetesServerParts;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #faults = new KubernetesFaults();
  readonly #closing = new AbortController();

  constructor(parts: FakeKubernetesServerParts) {
    this.#parts = parts;
    this.#server = createServer((request, response) => {
      this.#take(request, response).catch(() => response.destroy()); // the client has gone
    });
    this.#server.keepAliveTimeout = 90_000;
    this.#server.on("connection", (socket: Socket) => {
      this.connectionCount += 1;
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  /** Listens on a free port; resolves once it does. */
  async listen(): Promise<this> {
    await once(this.#server.listen(0, "127.0.0.1"), "listening");
    return this;
  }

  /** Where it is: `http://127.0.0.1:…`. */
  get url(): string {
    const { port } = this.#server.address() as AddressInfo; // cast: it listens on a port, not on a path
    return `http://127.0.0.1:${port}`;
  }

  /** Requests are answered so, and change nothing. */
  refuse(answer: FakeAnswer, options: KubernetesFaultOptions = {}): void {
    this.#faults.plan({ kind: "refuse", answer }, options);
  }

  /** The connection is cut instead of an answer; with `applied`, a write has happened all the same. */
  cut(options: KubernetesFaultOptions & { readonly applied?: boolean } = {}): void {
    this.#faults.plan({ kind: "fail", error: undefined, applied: options.applied ?? false }, options);
  }

  /** Requests are never answered; with `applied`, a write has happened all the same. */
  hang(options: KubernetesFaultOptions & { readonly applied?: boolean } = {}): void {
    this.#faults.plan({ kind: "hang", applied: options.applied ?? false }, options);
  }

  /** Requests are acted on, and answered, that much later. */
  delay(ms: { readonly requestMs?: number; readonly answerMs?: number }, options: KubernetesFaultOptions = {}): void {
    this.#faults.plan({ kind: "delay", requestMs: ms.requestMs ?? 0, answerMs: ms.answerMs ?? 0 }, options);
  }

  /** Ends all faults. */
  heal(): void {
    this.#faults.clear();
  }

  /** Cuts all connections, as a restart does. */
  cutConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Ends everything; twice is fine. */
  async close(): Promise<void> {
    this.#closing.abort(new ClosedError("the server is closed"));
    this.cutConnections();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, "close");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "" } = request;
    this.log.push(`${method} ${url}`);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer); // cast: the stream has no encoding
    const route = routeOf(method, url);
    if (route === undefined) return send(response, notFound);
    const fault = this.#faults.take({ verb: route.verb, plural: route.kind.plural });
    if (route.verb === "watch" && fault === undefined) return this.#watch(route, response);
    const answer = await this.#answer(fault, () => this.#act(route, Buffer.concat(chunks).toString("utf8")));
    if (answer === "cut") response.destroy();
    else if (answer !== "hangs") send(response, answer);
  }

  async #answer(fault: KubernetesFault | undefined, act: () => FakeAnswer): Promise<FakeAnswer | "cut" | "hangs"> {
    if (fault === undefined) return act();
    if (fault.kind === "refuse") return fault.answer;
    if (fault.kind !== "delay") {
      if (fault.applied) act();
      return fault.kind === "hang" ? "hangs" : "cut";
    }
    await sleep(this.#parts.clock, fault.requestMs, this.#closing.signal);
    const answer = act();
    await sleep(this.#parts.clock, fault.answerMs, this.#closing.signal);
    return answer;
  }

  #act(route: FakeRoute, text: string): FakeAnswer {
    if (route.verb === "watch") return notFound; // a fault has cut in
    try {
      return answerRoute(this.#parts.api, route, text === "" ? {} : JSON.parse(text));
    } catch (error) {
      return { status: 400, body: error instanceof Error ? error.message : "unreadable" };
    }
  }

  async #watch({ kind, query }: FakeRoute, response: ServerResponse): Promise<void> {
    const asked = watchQueryOf(query);
    const refused = this.#parts.api.refusesWatch(kind, asked);
    if (refused !== undefined) return send(response, refused);
    const over = new AbortController();
    response.on("close", () => over.abort());
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    for await (const event of this.#parts.watches.watch(kind, asked, over.signal)) {
      response.write(`${JSON.stringify(event)}\n`);
    }
    response.end();
  }
}

function send(response: ServerResponse, { status, body, retryAfterSeconds }: FakeAnswer): void {
  const isText = typeof body === "string";
  response.writeHead(status, {
    "content-type": isText ? "text/plain" : "application/json",
    ...(retryAfterSeconds !== undefined && { "retry-after": String(retryAfterSeconds) }),
  });
  response.end(isText ? body : JSON.stringify(body));
}
