import type { KubeConfig } from "@kubernetes/client-node";
import { request as httpRequest } from "node:http";
import { request as httpsRequest, type RequestOptions } from "node:https";
import { text } from "node:stream/consumers";
import type { KubernetesResource } from "../../../src/kubernetes/kubernetes-resources.ts";

/** What a server said. */
export interface KubeAnswer {
  readonly status: number;
  /** Its body; `{}` if that is no JSON. */
  readonly body: KubernetesResource;
  /** The same, as it came. */
  readonly text: string;
}

/** What is sent beside method and path. */
export interface KubeQuestion {
  /** A text goes as it is: YAML, say. */
  readonly body?: object | string;
  /** Default: JSON; for PATCH a merge patch. */
  readonly contentType?: string;
}

/**
 * One request on a connection of its own, without the client that is tested: for what that never sends, and for a look
 * from outside. Whatever the answer is, it is resolved with.
 */
export async function askKube(
  kubeConfig: KubeConfig,
  method: string,
  path: string,
  { body, contentType = method === "PATCH" ? "application/merge-patch+json" : "application/json" }: KubeQuestion = {},
): Promise<KubeAnswer> {
  const address = new URL(kubeConfig.getCurrentCluster()?.server ?? "none://");
  const sent = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  const headers = { accept: "application/json", ...(sent !== undefined && { "content-type": contentType }) };
  const options: RequestOptions = { method, headers: { ...headers }, timeout: 15_000 };
  await kubeConfig.applyToHTTPSOptions(options);
  const { promise, resolve, reject } = Promise.withResolvers<KubeAnswer>();
  const send = address.protocol === "https:" ? httpsRequest : httpRequest;
  const url = new URL(address.pathname.replace(/\/$/, "") + path, address);
  const request = send(url, { ...options, agent: options.agent ?? false }, (response) => {
    const whole = (said: string): KubeAnswer => ({
      status: response.statusCode ?? 0,
      body: parsed(said),
      text: said,
    });
    void text(response).then((said) => resolve(whole(said)), reject);
  });
  request.on("timeout", () => request.destroy(new Error(`no answer to ${method} ${path}`)));
  request.on("error", reject).end(sent);
  return promise;
}

function parsed(said: string): KubernetesResource {
  try {
    return JSON.parse(said) as KubernetesResource; // cast: what servers answer with, a Status too
  } catch {
    return {}; // plain text
  }
}
