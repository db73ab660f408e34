import type { CallOptions } from "../storage/versioned-storage.ts";
import type { Clock } from "../system/clock.ts";
import { httpDateMs } from "../system/http-date.ts";
import type { Random } from "../system/random.ts";
import { apiError, type ApiAnswer, type ApiCall } from "./api-error.ts";
import { kubernetesAddress } from "./kubernetes-address.ts";
import { encodeBody, maxResourceBytes, thrown } from "./kubernetes-answers.ts";
import { kubernetesCall, type CallParts } from "./kubernetes-call.ts";
import type { KubeConfigLike } from "./kubernetes-credentials.ts";
import { kubernetesPath } from "./kubernetes-paths.ts";
import { parsed } from "./kubernetes-resource-shape.ts";
import type { KubernetesResource, ResourceRef } from "./kubernetes-resources.ts";
import { KubernetesTransport, wholeAnswer } from "./kubernetes-transport.ts";

/** What `ClusterQuestions` needs. */
export interface ClusterQuestionsParts {
  readonly kubeConfig: KubeConfigLike;
  readonly allowExecCredentials: boolean;
  readonly clock: Clock;
  readonly random: Random;
}

/** What a server says of itself. */
export interface ServerGreeting {
  /** `v1.36.3`; `undefined` where it does not tell. */
  readonly version: string | undefined;
  /** How far its wall clock is ahead of ours: about, since it tells whole seconds. */
  readonly aheadMs: number | undefined;
  readonly tookMs: number;
}

/** One rule of what the caller may do, as a Role has it. */
export interface GrantedRule {
  readonly verbs: readonly string[];
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  /** Empty: whatever the name is. */
  readonly resourceNames: readonly string[];
}

/** One right, asked for by its name. */
export interface AskedRight {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly name?: string;
  /** `""`: every namespace, or none where the resource has none. */
  readonly namespace: string;
}

/** What the caller may do in a namespace. */
export interface GrantedRights {
  readonly rules: readonly GrantedRule[];
  /** Whether the server knows of more than it tells, from a webhook for example. */
  readonly incomplete: boolean;
}

/** Asks a cluster what no election has to know, and changes nothing in it: for people whose election does not work. */
export class ClusterQuestions implements AsyncDisposable {
  readonly #transport: KubernetesTransport;
  readonly #cluster: string;
  readonly #closing = new AbortController();
  readonly #parts: CallParts;

  /** @throws {InvalidSettingsError} as `openKubernetesClient`. */
  constructor({ kubeConfig, allowExecCredentials, clock, random }: ClusterQuestionsParts) {
    const address = kubernetesAddress(kubeConfig, allowExecCredentials);
    this.#transport = new KubernetesTransport(kubeConfig, address);
    this.#cluster = address.root;
    this.#parts = { clock, random, closing: this.#closing.signal };
  }

  /** Its version and its clock. @throws as a read, if it does not answer. */
  async server(options?: CallOptions): Promise<ServerGreeting> {
    const { clock } = this.#parts;
    const kind = { group: "", version: "", plural: "server", namespace: "" };
    const call: ApiCall = { operation: "read", cluster: this.#cluster, kind, name: "version" };
    return await kubernetesCall(call, this.#parts, options, async (attempt) => {
      const [sentMs, sentWallMs] = [clock.monotonicMs(), clock.wallMs()];
      const response = await this.#transport.open("request", { method: "GET", path: "/version" }, attempt);
      const tookMs = clock.monotonicMs() - sentMs;
      const dateMs = httpDateMs(response.headers.date);
      const answer = await wholeAnswer(response, 2 ** 16);
      // whoever may not see the version, or speaks to something that has none, was answered all the same
      if (!isSuccess(answer) && answer.status !== 403 && answer.status !== 404)
        throw thrown(call, apiError(call, answer));
      // the seconds that it tells are cut off: in the middle of one it is right on the average
      const aheadMs = dateMs === undefined ? undefined : dateMs + 500 - (sentWallMs + tookMs / 2);
      const version = isSuccess(answer) ? field(parsed(answer.text ?? ""), "gitVersion") : undefined;
      return { version: typeof version === "string" ? version : undefined, aheadMs, tookMs };
    });
  }

  /** What the caller may do in a namespace, by a `SelfSubjectRulesReview`, which everybody may ask for. */
  async rights(namespace: string, options?: CallOptions): Promise<GrantedRights> {
    const group = "authorization.k8s.io";
    const kind = { group, version: "v1", plural: "selfsubjectrulesreviews", namespace: "" };
    const body = { apiVersion: `${group}/v1`, kind: "SelfSubjectRulesReview", spec: { namespace } };
    const call: ApiCall = { operation: "create", cluster: this.#cluster, kind };
    const status = field(await this.#send(call, { method: "POST", body }, options), "status");
    const rules = field(status, "resourceRules");
    return {
      rules: Array.isArray(rules) ? rules.map(ruleOf) : [],
      incomplete: field(status, "incomplete") === true,
    };
  }

  /**
   * Whether the caller has this right, by a `SelfSubjectAccessReview`, which everybody may ask for; `undefined` if the
   * server does not tell.
   */
  async allows(
    { verb, group, resource, subresource, name, namespace }: AskedRight,
    options?: CallOptions,
  ): Promise<boolean | undefined> {
    const reviews = "authorization.k8s.io";
    const kind = { group: reviews, version: "v1", plural: "selfsubjectaccessreviews", namespace: "" };
    const more = { ...(subresource !== undefined && { subresource }), ...(name !== undefined && { name }) };
    const spec = { resourceAttributes: { verb, group, resource, namespace, ...more } };
    const body = { apiVersion: `${reviews}/v1`, kind: "SelfSubjectAccessReview", spec };
    const call: ApiCall = { operation: "create", cluster: this.#cluster, kind };
    const allowed = field(field(await this.#send(call, { method: "POST", body }, options), "status"), "allowed");
    return typeof allowed === "boolean" ? allowed : undefined;
  }

  /**
   * A resource as the server would store it: it is checked and answered like a write, and not kept. With a version in
   * it it replaces, without one it creates. `undefined`: the race would be lost.
   *
   * @throws {AccessDeniedError} as the write.
   */
  async dryRun(
    ref: ResourceRef,
    resource: KubernetesResource,
    options?: CallOptions,
  ): Promise<KubernetesResource | undefined> {
    const creates = resource.metadata?.resourceVersion === undefined;
    const operation = creates ? "create" : "replace";
    const call: ApiCall = { operation, cluster: this.#cluster, kind: ref, name: ref.name };
    const answer = await this.#send(
      call,
      { method: creates ? "POST" : "PUT", body: resource, query: "?dryRun=All" },
      options,
    );
    return answer as KubernetesResource | undefined; // cast: its fields are looked at where they are used
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error("the client is closed"));
    this.#transport.close();
    await Promise.resolve();
  }

  /** `undefined`: lost. */
  #send(
    call: ApiCall,
    { method, body, query = "" }: { readonly method: "POST" | "PUT"; readonly body: object; readonly query?: string },
    options: CallOptions | undefined,
  ): Promise<unknown> {
    const path = kubernetesPath(call) + query;
    const request = { method, path, body: encodeBody(call, body), contentType: "application/json" };
    return kubernetesCall(call, this.#parts, options, async (attempt) => {
      const answer = await this.#transport.ask(request, attempt, maxResourceBytes);
      const object = isSuccess(answer) ? parsed(answer.text ?? "") : undefined;
      if (typeof object === "object" && object !== null) return object;
      const verdict = apiError(call, answer);
      if (verdict === "lost") return undefined;
      throw thrown(call, verdict);
    });
  }
}

function ruleOf(rule: unknown): GrantedRule {
  return {
    verbs: textsOf(field(rule, "verbs")),
    apiGroups: textsOf(field(rule, "apiGroups")),
    resources: textsOf(field(rule, "resources")),
    resourceNames: textsOf(field(rule, "resourceNames")),
  };
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((text) => typeof text === "string") : [];
}

function field(value: unknown, name: string): unknown {
  return Reflect.get(Object(value), name);
}

function isSuccess({ status }: ApiAnswer): boolean {
  return status >= 200 && status < 300;
}
