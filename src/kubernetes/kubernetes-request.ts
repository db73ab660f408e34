import { request as httpRequest, type Agent, type ClientRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import type { RequestAttempt, RequestProgress } from "./kubernetes-call.ts";

/** One request to the API server. */
export interface KubernetesRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
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
  { method, url, headers, body, agent, onSocket }: KubernetesRequest,
  { signal, progress }: RequestAttempt,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted(); // nothing may be sent once it has fallen
    const send = url.protocol === "http:" ? httpRequest : httpsRequest;
    const request = send(url, { method, headers, agent });
    const abort = (): void => void request.destroy(new Error("the call is over"));
    signal.addEventListener("abort", abort, { once: true });
    request.on("socket", (socket) => {
      onSocket(socket);
      watchSending(request, socket, progress);
    });
    request.on("response", resolve);
    request.on("error", reject); // also after the answer: it then reaches the reader of the body
    request.on("close", () => {
      signal.removeEventListener("abort", abort);
      reject(new Error("the connection was closed without an answer"));
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
export async function readBody(response: IncomingMessage, limitBytes: number): Promise<string | undefined> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    // cast: without an encoding the pieces are buffers
    length += piece.length;
    if (length > limitBytes) return undefined; // leaving the loop destroys the response, and its socket
    pieces.push(piece);
  }
  const [only] = pieces;
  return (pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces, length)).toString("utf8");
}
