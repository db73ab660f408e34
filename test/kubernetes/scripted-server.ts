import { once } from "node:events";
import { createServer as createPlainServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { ServerOptions } from "node:https";
import { KubeConfig } from "@kubernetes/client-node";
import type { Certificates } from "./certificates.ts";

/** One request as it arrived. */
export interface Arrived {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  readonly socket: Socket;
}

type Answer = (request: Arrived, response: ServerResponse) => void;

/** An API server that answers as it is told to, on loopback, and counts connections and requests. */
export class ScriptedServer implements AsyncDisposable {
  readonly requests: Arrived[] = [];
  readonly sockets: Set<Socket> = new Set();
  /** Connections that were made, TLS included. */
  handshakes = 0;
  answer: Answer = (_request, response) => sendJson(response, 200, lease());
  readonly #certificates: Certificates | undefined;
  readonly #options: ServerOptions;
  #server: Server | undefined;
  port = 0;

  private constructor(certificates: Certificates | undefined, options: ServerOptions) {
    this.#certificates = certificates;
    this.#options = options;
  }

  /** Plain http without certificates. */
  static async start(certificates?: Certificates, options: ServerOptions = {}): Promise<ScriptedServer> {
    return await new ScriptedServer(certificates, options).listen();
  }

  async listen(certificates: Certificates | undefined = this.#certificates): Promise<this> {
    const listener = (request: IncomingMessage, response: ServerResponse): void => void this.#take(request, response);
    const server =
      certificates === undefined
        ? createPlainServer(listener)
        : createServer({ ...this.#options, ...certificates.server, ca: certificates.ca }, listener);
    server.keepAliveTimeout = 90_000;
    server.on("connection", (socket: Socket) => {
      this.sockets.add(socket);
      socket.on("error", () => {}).on("close", () => this.sockets.delete(socket));
      if (certificates === undefined) this.handshakes += 1;
    });
    server.on("secureConnection", () => (this.handshakes += 1));
    await once(server.listen(this.port, "127.0.0.1"), "listening");
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
    return this;
  }

  /** As if it were killed: its connections are reset. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server?.close(resolve));
    for (const socket of this.sockets) socket.resetAndDestroy();
    await closed;
  }

  get url(): string {
    return `${this.#certificates === undefined ? "http" : "https"}://127.0.0.1:${this.port}`;
  }

  /** A real `KubeConfig` for it. */
  kubeConfig(user: object = {}, cluster: object = {}): KubeConfig {
    const kubeConfig = new KubeConfig();
    const ca = this.#certificates?.ca;
    const how = ca === undefined ? { skipTLSVerify: true } : { caData: Buffer.from(ca).toString("base64") };
    kubeConfig.loadFromOptions({
      clusters: [{ name: "here", server: this.url, ...how, ...cluster }],
      users: [{ name: "me", token: "t0ken", ...user }],
      contexts: [{ name: "context", cluster: "here", user: "me" }],
      currentContext: "context",
    });
    return kubeConfig;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
    const { method = "", url = "", headers, socket } = request;
    const arrived = { method, url, headers, socket, body: Buffer.concat(pieces).toString() };
    this.requests.push(arrived);
    this.answer(arrived, response);
  }
}

export function sendJson(response: ServerResponse, status: number, body: unknown, headers: object = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

/** A refusal as the API server has it. */
export function statusBody(code: number, reason: string, details?: object): object {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: "in words",
    reason,
    details,
    code,
  };
}

export const leases = { group: "coordination.k8s.io", version: "v1", plural: "leases", namespace: "jobs" } as const;
export const billing = { ...leases, name: "billing" } as const;

export function lease(spec: object = { holderIdentity: "a" }, metadata: object = {}): any {
  return {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name: "billing", namespace: "jobs", uid: "u-1", resourceVersion: "7", ...metadata },
    spec,
  };
}
