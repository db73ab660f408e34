import { UnsupportedError } from "../errors.ts";
import type { CallOptions } from "../storage/versioned-storage.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { systemRandom, type Random } from "../system/random.ts";
import { describe, nameWatched, whereOf, type ApiAnswer, type ApiCall } from "./api-error.ts";
import { answerOf } from "./custom-objects-answers.ts";
import { requestOptions } from "./custom-objects-options.ts";
import { watchByCallback, type WatchLike } from "./custom-objects-watch.ts";
import { kubernetesCall, type CallParts } from "./kubernetes-call.ts";
import { checkCondition, encodeBody, listAnswer, readAnswer, writeAnswer } from "./kubernetes-answers.ts";
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

/** The six methods that are used of client-node's `CustomObjectsApi`, 1.x or 2.x. A fake of them does as well. */
export interface CustomObjectsApiLike {
  getNamespacedCustomObject(request: CustomObjectRequest, options?: object): Promise<unknown>;
  createNamespacedCustomObject(request: CustomKindRequest & CustomBody, options?: object): Promise<unknown>;
  replaceNamespacedCustomObject(request: CustomObjectRequest & CustomBody, options?: object): Promise<unknown>;
  patchNamespacedCustomObject(request: CustomObjectRequest & CustomBody, options?: object): Promise<unknown>;
  patchNamespacedCustomObjectStatus(request: CustomObjectRequest & CustomBody, options?: object): Promise<unknown>;
  listNamespacedCustomObject(request: CustomKindRequest & CustomListQuery, options?: object): Promise<unknown>;
}

/** Which resources. */
export interface CustomKindRequest {
  readonly group: string;
  readonly version: string;
  readonly namespace: string;
  readonly plural: string;
}

/** Which of them. */
export interface CustomObjectRequest extends CustomKindRequest {
  readonly name: string;
}

/** What is written. */
export interface CustomBody {
  readonly body: object;
}

/** `ListQuery` by the names of the generated client. */
export interface CustomListQuery {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly limit?: number;
  readonly _continue?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: string;
}

/** What the calls of an injected client are timed with. */
export interface CustomObjectsOptions {
  readonly clock?: Clock;
  readonly random?: Random;
}

/**
 * A client over an API object of your own: client-node's `CustomObjectsApi`, or a fake of its six methods; and its
 * `Watch`, without which `watch` is `UNSUPPORTED`. Deadlines, and the table of answers, hold as for
 * `openKubernetesClient`; connections and the sizes of answers are those of your client. It knows no core group.
 */
export function fromCustomObjectsApi(
  api: CustomObjectsApiLike,
  watch?: WatchLike,
  options: CustomObjectsOptions = {},
): KubernetesClient {
  return new CustomObjectsClient(api, watch, options);
}

type Send = (options: object) => Promise<unknown>;

class CustomObjectsClient implements KubernetesClient {
  readonly description = "an injected Kubernetes client";
  readonly #api: CustomObjectsApiLike;
  readonly #watch: WatchLike | undefined;
  readonly #closing = new AbortController();
  readonly #parts: CallParts;

  constructor(
    api: CustomObjectsApiLike,
    watch: WatchLike | undefined,
    { clock = systemClock, random = systemRandom }: CustomObjectsOptions,
  ) {
    this.#api = api;
    this.#watch = watch;
    this.#parts = { clock, random, closing: this.#closing.signal };
  }

  async read(ref: ResourceRef, options?: CallOptions): Promise<KubernetesResource | undefined> {
    const call = this.#call("read", ref, { name: ref.name });
    const send: Send = (how) => this.#api.getNamespacedCustomObject(objectOf(ref), how);
    return await this.#ask(call, options, { send, answer: (found) => readAnswer(call, found) });
  }

  async create(kind: ResourceKind, body: KubernetesResource, options?: CallOptions): Promise<WriteAnswer> {
    const call = this.#call("create", kind, { name: body.metadata?.name });
    const send: Send = (how) => this.#api.createNamespacedCustomObject({ ...kindOf(kind), body }, how);
    return await this.#write(call, body, send, options);
  }

  async replace(ref: ResourceRef, body: KubernetesResource, options?: CallOptions): Promise<WriteAnswer> {
    const call = this.#call("replace", ref, { name: ref.name });
    checkCondition(call, body);
    const send: Send = (how) => this.#api.replaceNamespacedCustomObject({ ...objectOf(ref), body }, how);
    return await this.#write(call, body, send, options);
  }

  async patch(
    ref: ResourceRef,
    merge: object,
    options?: CallOptions & { readonly subresource?: "status" },
  ): Promise<WriteAnswer> {
    const call = this.#call("patch", ref, { name: ref.name, subresource: options?.subresource });
    const request = { ...objectOf(ref), body: merge };
    const send: Send = (how) =>
      options?.subresource === "status"
        ? this.#api.patchNamespacedCustomObjectStatus(request, how)
        : this.#api.patchNamespacedCustomObject(request, how);
    return await this.#write(call, merge, send, options);
  }

  async list(kind: ResourceKind, query: ListQuery, options?: ListCallOptions): Promise<ResourcePage> {
    const call = this.#call("list", kind, {});
    const { continue: token, ...rest } = query;
    const request = { ...kindOf(kind), ...rest, ...(token !== undefined && { _continue: token }) };
    const send: Send = (how) => this.#api.listNamespacedCustomObject(request, how);
    return await this.#ask(call, options, { send, answer: (found) => listAnswer(call, found) });
  }

  watch(kind: ResourceKind, query: WatchQuery, options: WatchOptions): AsyncIterable<WatchEvent> {
    const call = this.#call("watch", kind, { name: nameWatched(query) });
    if (this.#watch === undefined) {
      throw new UnsupportedError(describe(call, "no watch was passed beside the API object"), whereOf(call));
    }
    const path = kubernetesPath(call);
    return watchByCallback(call, { ...this.#parts, watch: this.#watch, path, query: { ...query } }, options);
  }

  close(): Promise<void> {
    if (!this.#closing.signal.aborted) this.#closing.abort(new Error("the client is closed"));
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #call(operation: ApiCall["operation"], kind: ResourceKind, own: Pick<ApiCall, "name" | "subresource">): ApiCall {
    return { operation, cluster: this.description, kind, ...own };
  }

  #write(call: ApiCall, body: object, send: Send, options: CallOptions | undefined): Promise<WriteAnswer> {
    encodeBody(call, body); // for its bound only
    return this.#ask(call, options, { send, answer: (found) => writeAnswer(call, found) });
  }

  #ask<T>(
    call: ApiCall,
    options: ListCallOptions | undefined,
    { send, answer }: { readonly send: Send; readonly answer: (found: ApiAnswer) => T },
  ): Promise<T> {
    kubernetesPath(call); // for the check of its parts only
    if (call.kind.group === "" || call.kind.namespace === "") {
      const why = "an injected client reaches namespaced resources of named groups only";
      throw new UnsupportedError(describe(call, why), { ...whereOf(call), applied: "no" });
    }
    return kubernetesCall(call, this.#parts, options, async (attempt) => {
      const how = requestOptions(call, attempt);
      attempt.progress.sent = undefined;
      return answer(await answerOf(send(how)));
    });
  }
}

function kindOf({ group, version, namespace, plural }: ResourceKind): CustomKindRequest {
  return { group, version, namespace, plural };
}

function objectOf(ref: ResourceRef): CustomObjectRequest {
  return { ...kindOf(ref), name: ref.name };
}
