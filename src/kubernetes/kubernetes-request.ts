import { request as httpRequest, type Agent, type ClientRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import type { KubernetesAddress } from "./kubernetes-address.ts";
import type { RequestAttempt, RequestProgress } from "./kubernetes-call.ts";

/** One request to the API server. */
export interface KubernetesRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH";
  readonly address: KubernetesAddress;
  /** With its query, and with the address's own path before it. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Text, so that it leaves in one piece with the headers: two cost a third more. */
  readonly body: string | undefined;
  readonly agent: Agent;
  readonly onSocket: (socket: Socket) => void;
}

/**
 * Sends one request, once, and resolves with its answer as soon as its headers are there. When the signal falls, before
 * or after that, the socket is destroyed: nothing queues behind a connection that does not answer.
 *
 * `progress.sent` becomes true at the latest when the first byte may have left.
 */
export function sendKubernetesRequest(
  { method, address, path, headers, body, agent, onSocket }: KubernetesRequest,
  { signal, progress }: RequestAttempt,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted(); // nothing may be sent once it has fallen
    const send = address.isTLS ? httpsRequest : httpRequest;
    const { hostname, port, serverName: servername } = address;
    const named = servername === undefined ? {} : { servername };
    const request = send({ hostname, port, path, method, headers, agent, ...named });
    const abort = (): void => void request.destroy(new Error("the call is over"));
    signal.addEventListener("abort", abort, { once: true });
    request.on("socket", (socket) => {
      onSocket(socket);
      watchSending(request, socket, progress);
    });
    let isAnswered = false;
    request.on("response", (response) => {
      isAnswered = true;
      resolve(response);
    });
    request.on("error", reject); // also after the answer: it then reaches the reader of the body
    request.on("close", () => {
      signal.removeEventListener("abort", abort);
      if (!isAnswered) reject(new Error("the connection was closed without an answer"));
    });
    request.end(body);
  });
}

/** The request waits in the socket until the connection is made, and with TLS until the certificate was judged. */
function watchSending(request: ClientRequest, socket: Socket, progress: RequestProgress): void {
  const isTLS = "encrypted" in socket;
  const isOpening = socket.connecting || (isTLS && Reflect.get(socket, "secureConnecting") === true);
  if (request.reusedSocket || !isOpening) {
    progress.sent = true;
    return;
  }
  socket.prependOnceListener(isTLS ? "secureConnect" : "connect", () => (progress.sent = true));
}

/** The whole body as text, or `undefined` as soon as it is longer than allowed: the rest is not waited for. */
export function readBody(response: IncomingMessage, limitBytes: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let length = 0;
    // By events: iteration costs as much as the rest of a request.
    response.on("data", (piece: Buffer) => {
      length += piece.length;
      if (length <= limitBytes) return void pieces.push(piece);
      resolve(undefined);
      response.destroy(); // and its socket
    });
    response.on("end", () => {
      const [only] = pieces;
      resolve((pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces, length)).toString("utf8"));
    });
    response.on("error", reject);
    response.on("close", () => {
      if (!response.complete) reject(new Error("the connection was closed within an answer"));
    });
  });
}
