import type { CallOptions } from "../storage/versioned-storage.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { systemRandom, type Random } from "../system/random.ts";
import { nameWatched, type ApiAnswer, type ApiCall } from "./api-error.ts";
import { loadDefaultKubeConfig, type KubeConfigPackage } from "./kube-config.ts";
import { kubernetesAddress, type KubernetesAddress } from "./kubernetes-address.ts";
import { kubernetesCall, type CallParts } from "./kubernetes-call.ts";
import type { KubeConfigLike } from "./kubernetes-credentials.ts";
import {
  checkCondition,
  encodeBody,
  listAnswer,
  maxPageBytes,
  maxResourceBytes,
  readAnswer,
  writeAnswer,
} from "./kubernetes-answers.ts";
import { kubernetesPath } from "./kubernetes-paths.ts";
import type {
  KubernetesClient,
  KubernetesResource,
  ListCallOptions,
  ListQuery,
  ResourceKind,
  ResourcePage,
  ResourceRef,
  WatchEvent,
  WatchOptions,
  WatchQuery,
  WriteAnswer,
} from "./kubernetes-resources.ts";
import { KubernetesTransport, type TransportRequest } from "./kubernetes-transport.ts";
import { watchLines } from "./kubernetes-watch.ts";

/** How a client is opened. */
export interface KubernetesClientOptions {
  /** A loaded `KubeConfig`; default: one of `@kubernetes/client-node` by its `loadFromDefault()`. */
  readonly kubeConfig?: KubeConfigLike | undefined;
  /** Whether credentials may come from a program, which is then run; default true. */
  readonly allowExecCredentials?: boolean | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
}

/**
 * A client for the current cluster of a `KubeConfig`, over `node:https`: raw JSON, connections of its own that are kept
 * alive, and a deadline for every call at which its socket is destroyed. Nothing is sent before the first call.
 *
 * @throws {InvalidSettingsError} if the kubeconfig names no server, or none that is safe to talk to.
 * @throws {PackageMissingError} if no `KubeConfig` is given, and the package is absent or cannot run on this Node.
 */
export async function openKubernetesClient(
  options: KubernetesClientOptions = {},
  load?: () => Promise<KubeConfigPackage>,
): Promise<KubernetesClient> {
  const { allowExecCredentials = true, clock = systemClock, random = systemRandom } = options;
  const kubeConfig = options.kubeConfig ?? (await loadDefaultKubeConfig(load));
  const address = kubernetesAddress(kubeConfig, allowExecCredentials);
  return new HttpKubernetesClient(new KubernetesTransport(kubeConfig, address), address, { clock, random });
}

class HttpKubernetesClient implements KubernetesClient {
  readonly description: string;
  readonly #transport: KubernetesTransport;
  readonly #closing = new AbortController();
  readonly #parts: CallParts;

  constructor(
    transport: KubernetesTransport,
    { root }: KubernetesAddress,
    parts: { readonly clock: Clock; readonly random: Random },
  ) {
    this.description = root;
    this.#transport = transport;
    this.#parts = { ...parts, closing: this.#closing.signal };
  }

  async read(ref: ResourceRef, options?: CallOptions): Promise<KubernetesResource | undefined> {
    const call = this.#call("read", ref, { name: ref.name });
    return await this.#get(call, kubernetesPath(call), options, {
      limitBytes: maxResourceBytes,
      answer: (found) => readAnswer(call, found),
    });
  }

  async create(kind: ResourceKind, body: KubernetesResource, options?: CallOptions): Promise<WriteAnswer> {
    const call = this.#call("create", kind, { name: body.metadata?.name });
    return await this.#write(call, { method: "POST", contentType: "application/json" }, body, options);
  }

  async replace(ref: ResourceRef, body: KubernetesResource, options?: CallOptions): Promise<WriteAnswer> {
    const call = this.#call("replace", ref, { name: ref.name });
    checkCondition(call, body);
    return await this.#write(call, { method: "PUT", contentType: "application/json" }, body, options);
  }

  async patch(
    ref: ResourceRef,
    merge: object,
    options?: CallOptions & { readonly subresource?: "status" },
  ): Promise<WriteAnswer> {
    const call = this.#call("patch", ref, { name: ref.name, subresource: options?.subresource });
    return await this.#write(call, { method: "PATCH", contentType: "application/merge-patch+json" }, merge, options);
  }

  async list(kind: ResourceKind, query: ListQuery, options?: ListCallOptions): Promise<ResourcePage> {
    const call = this.#call("list", kind, {});
    return await this.#get(call, kubernetesPath(call, query), options, {
      limitBytes: maxPageBytes,
      answer: (found) => listAnswer(call, found),
    });
  }

  watch(kind: ResourceKind, query: WatchQuery, options: WatchOptions): AsyncIterable<WatchEvent> {
    const call = this.#call("watch", kind, { name: nameWatched(query) });
    const path = kubernetesPath(call, { ...query, watch: true });
    return watchLines(call, { ...this.#parts, transport: this.#transport, path }, options);
  }

  close(): Promise<void> {
    if (!this.#closing.signal.aborted) this.#closing.abort(new Error("the client is closed"));
    this.#transport.close();
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #call(operation: ApiCall["operation"], kind: ResourceKind, own: Pick<ApiCall, "name" | "subresource">): ApiCall {
    return { operation, cluster: this.description, kind, ...own };
  }

  #get<T>(
    call: ApiCall,
    path: string,
    options: ListCallOptions | undefined,
    { limitBytes, answer }: { readonly limitBytes: number; readonly answer: (found: ApiAnswer) => T },
  ): Promise<T> {
    const request = { method: "GET", path } as const;
    return kubernetesCall(call, this.#parts, options, async (attempt) => {
      let found = await this.#transport.ask(request, attempt, limitBytes);
      if (found.status === 401) {
        this.#transport.forgetTokens();
        found = await this.#transport.ask(request, attempt, limitBytes); // once: it may have been an old token
      }
      return answer(found);
    });
  }

  #write(
    call: ApiCall,
    how: Pick<TransportRequest, "method" | "contentType">,
    body: object,
    options: CallOptions | undefined,
  ): Promise<WriteAnswer> {
    const request = { ...how, path: kubernetesPath(call), body: encodeBody(call, body) };
    return kubernetesCall(call, this.#parts, options, async (attempt) => {
      const answer = await this.#transport.ask(request, attempt, maxResourceBytes);
      if (answer.status === 401) this.#transport.forgetTokens();
      return writeAnswer(call, answer);
    });
  }
}
