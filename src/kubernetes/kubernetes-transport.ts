import type { IncomingMessage } from "node:http";
import { InvalidSettingsError } from "../errors.ts";
import type { ApiAnswer } from "./api-error.ts";
import { CredentialsError } from "./api-failure.ts";
import type { RequestAttempt } from "./kubernetes-call.ts";
import {
  askCredentials,
  forgetAgents,
  forgetTokens,
  type KubeConfigLike,
  type KubeCredentials,
} from "./kubernetes-credentials.ts";
import { KubernetesPools, type PoolUse } from "./kubernetes-pools.ts";
import { readBody, sendKubernetesRequest, type KubernetesRequest } from "./kubernetes-request.ts";
import type { KubernetesAddress } from "./kubernetes-address.ts";

/** What a client asks; where it goes, and as whom, is the transport's. */
export interface TransportRequest {
  readonly method: KubernetesRequest["method"];
  /** Below the server's address, with its query. */
  readonly path: string;
  readonly body?: string | undefined;
  readonly contentType?: string | undefined;
}

/** A refusal is read whatever the bound of resources is. */
const refusalBytes = 2 ** 16;

/** Sends requests with what `KubeConfig` gives for each, over connections of its own. */
export class KubernetesTransport {
  readonly #kubeConfig: KubeConfigLike;
  readonly #address: KubernetesAddress;
  readonly #pools: KubernetesPools;
  readonly #track: KubernetesRequest["onSocket"] = (socket) => this.#pools.track(socket);

  constructor(kubeConfig: KubeConfigLike, address: KubernetesAddress) {
    this.#kubeConfig = kubeConfig;
    this.#address = address;
    this.#pools = new KubernetesPools(address.isTLS);
  }

  /** One request and its whole answer; the text is `undefined` if a success was longer than `limitBytes`. */
  async ask(request: TransportRequest, attempt: RequestAttempt, limitBytes: number): Promise<ApiAnswer> {
    const response = await this.open("request", request, attempt);
    try {
      return await wholeAnswer(response, limitBytes);
    } catch (error) {
      this.#pools.dropIdle("request");
      throw error;
    }
  }

  /** One request, until the headers of its answer are there. */
  async open(use: PoolUse, asked: TransportRequest, attempt: RequestAttempt): Promise<IncomingMessage> {
    const credentials = await this.#ask();
    attempt.signal.throwIfAborted(); // a call that is over sends nothing
    const agent = this.#pools.agentFor(use, credentials, this.#address.isProxied);
    const { method, path, body, contentType } = asked;
    const headers = {
      accept: "application/json",
      "user-agent": "tenure",
      ...credentials.headers,
      ...(contentType !== undefined && { "content-type": contentType }),
      ...(body !== undefined && { "content-length": String(Buffer.byteLength(body)) }),
    };
    const request = { method, address: this.#address, path: this.#address.path + path, headers, body, agent };
    try {
      return await sendKubernetesRequest({ ...request, onSocket: this.#track }, attempt);
    } catch (error) {
      this.#pools.dropIdle(use); // the server may be gone, and then they are dead, too
      throw error;
    }
  }

  /** The server refused the credentials: the next request asks anew. */
  forgetTokens(): void {
    forgetTokens(this.#kubeConfig);
  }

  close(): void {
    this.#pools.close();
  }

  async #ask(): Promise<KubeCredentials> {
    try {
      const credentials = await askCredentials(this.#kubeConfig);
      if (!this.#address.isProxied || this.#pools.fits(credentials)) return credentials;
      forgetAgents(this.#kubeConfig);
      return await askCredentials(this.#kubeConfig);
    } catch (error) {
      if (error instanceof Error && error.message.startsWith("HTTP protocol is not allowed")) {
        const problem = "client-node wants insecure-skip-tls-verify: true in the kubeconfig for plain http";
        throw new InvalidSettingsError([problem], { applied: "no" });
      }
      throw new CredentialsError(error);
    }
  }
}

/** The body of an answer, within its bound. */
export async function wholeAnswer(response: IncomingMessage, limitBytes: number): Promise<ApiAnswer> {
  const status = response.statusCode ?? 0;
  const text = await readBody(response, status >= 200 && status < 300 ? limitBytes : refusalBytes);
  return { status, retryAfter: response.headers["retry-after"], text };
}
