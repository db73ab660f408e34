import { ClosedError, StorageUnavailableError, UnknownOutcomeError } from "../errors.ts";
import { describe, isWrite, nameWatched, whereOf, type ApiCall } from "../kubernetes/api-error.ts";
import type {
  KubernetesClient,
  KubernetesResource,
  ListQuery,
  ResourceKind,
  ResourcePage,
  ResourceRef,
  WatchEvent,
  WatchQuery,
  WriteAnswer,
} from "../kubernetes/kubernetes-resources.ts";
import type { CallOptions } from "../storage/versioned-storage.ts";
import { sleep, type Clock } from "../system/clock.ts";
import { linkSignals, TimeoutError, withDeadline } from "../system/signals.ts";
import { refusal, type FakeAnswer } from "./fake-kubernetes-answer.ts";
import type { FakeKubernetesApi } from "./fake-kubernetes-api.ts";
import { answerOfRead, answerOfWrite, resourceOf, troubleOf } from "./fake-kubernetes-trouble.ts";
import {
  KubernetesFaults,
  type FakeVerb,
  type KubernetesFault,
  type KubernetesFaultOptions,
} from "./fake-kubernetes-faults.ts";
import type { FakeKubernetesWatches } from "./fake-kubernetes-watches.ts";

/** One request that a `FakeKubernetesClient` sent. */
export interface FakeKubernetesCall {
  readonly verb: FakeVerb;
  /** `"leases"`, `"events"`. */
  readonly plural: string;
  readonly name?: string;
  /** When it was sent, by the monotonic clock. */
  readonly atMs: number;
  /** What a write sent. */
  readonly body?: object;
  /** What a list or a watch asked for. */
  readonly query?: ListQuery | WatchQuery;
}

/** What a `FakeKubernetesClient` is connected to; `FakeKubernetes.connect` puts it together. */
export interface FakeKubernetesClientParts {
  readonly api: FakeKubernetesApi;
  readonly watches: FakeKubernetesWatches;
  readonly clock: Clock;
  readonly description: string;
}

/**
 * A connection of one candidate to a `FakeKubernetes`: a `KubernetesClient` with a log, and with troubles of its own.
 */
export class FakeKubernetesClient implements KubernetesClient {
  readonly description: string;
  /** The requests so far, oldest first. */
  readonly log: FakeKubernetesCall[] = [];
  readonly #parts: FakeKubernetesClientParts;
  readonly #faults = new KubernetesFaults();
  readonly #closing = new AbortController();

  constructor(parts: FakeKubernetesClientParts) {
    this.#parts = parts;
    this.description = parts.description;
  }

  /** The requests so far as `"read leases"`. */
  get calls(): string[] {
    return this.log.map(({ verb, plural }) => `${verb} ${plural}`);
  }

  read(ref: ResourceRef, options?: CallOptions): Promise<KubernetesResource | undefined> {
    const request = { verb: "read", kind: ref, name: ref.name, act: () => this.#parts.api.read(ref) } as const;
    return this.#send(request, options, answerOfRead);
  }

  create(kind: ResourceKind, body: KubernetesResource, options?: CallOptions): Promise<WriteAnswer> {
    const act = (): FakeAnswer => this.#parts.api.create(kind, sent);
    const sent = structuredClone(body);
    return this.#send({ verb: "create", kind, name: body.metadata?.name, body: sent, act }, options, answerOfWrite);
  }

  replace(ref: ResourceRef, body: KubernetesResource, options?: CallOptions): Promise<WriteAnswer> {
    const sent = structuredClone(body);
    const act = (): FakeAnswer => this.#parts.api.replace(ref, sent);
    return this.#send({ verb: "replace", kind: ref, name: ref.name, body: sent, act }, options, answerOfWrite);
  }

  patch(
    ref: ResourceRef,
    merge: object,
    options?: CallOptions & { readonly subresource?: "status" },
  ): Promise<WriteAnswer> {
    const sent = structuredClone(merge);
    const act = (): FakeAnswer => this.#parts.api.patch(ref, sent, options?.subresource);
    return this.#send({ verb: "patch", kind: ref, name: ref.name, body: sent, act }, options, answerOfWrite);
  }

  list(kind: ResourceKind, query: ListQuery, options?: CallOptions): Promise<ResourcePage> {
    const act = (): FakeAnswer => this.#parts.api.list(kind, query);
    return this.#send({ verb: "list", kind, name: undefined, query, act }, options, (answer, call) => {
      const { metadata, items } = resourceOf(answer) ?? troubleOf(answer, call) ?? {};
      const token: unknown = metadata?.["continue"];
      return {
        items: items as readonly KubernetesResource[], // cast: the list of the fake's own answer
        resourceVersion: metadata?.resourceVersion ?? "",
        continue: typeof token === "string" ? token : undefined,
      };
    });
  }

  async *watch(
    kind: ResourceKind,
    query: WatchQuery,
    { signal }: { readonly signal: AbortSignal },
  ): AsyncGenerator<WatchEvent, void, undefined> {
    this.#note({ verb: "watch", kind, name: undefined, query });
    const call = this.#call("watch", kind, nameWatched(query));
    const refused = this.#parts.api.refusesWatch(kind, query);
    if (refused !== undefined) troubleOf(refused, call);
    const fault = this.#faults.take({ verb: "watch", plural: kind.plural });
    if (fault?.kind === "fail") throw fault.error;
    if (fault?.kind === "refuse") troubleOf(fault.answer, call);
    const over = linkSignals(signal, this.#closing.signal);
    try {
      if (fault?.kind === "hang")
        await new Promise((end) => over.signal.addEventListener("abort", end, { once: true }));
      yield* this.#parts.watches.watch(kind, query, over.signal);
    } finally {
      over.unlink();
    }
  }

  /** Ends its watches; later calls throw `ClosedError`. */
  close(): Promise<void> {
    this.#closing.abort(new ClosedError(`${this.description} is closed`, { storage: this.description }));
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Forgets the requests so far. */
  forget(): void {
    this.log.length = 0;
  }

  /** Requests are answered with this status and change nothing; 429 may say when to come back. */
  refuse(status: number, options: KubernetesFaultOptions & { readonly retryAfterSeconds?: number } = {}): void {
    const reasons: Readonly<Record<number, string>> = { 401: "Unauthorized", 403: "Forbidden", 500: "InternalError" };
    const { body } = refusal(status, { reason: reasons[status] ?? "", message: "refused by the test" });
    const throttled = { status, body: "Too many requests, please try again later.\n" };
    const { retryAfterSeconds } = options;
    const answer = status === 429 ? throttled : { status, body };
    const told = { ...answer, ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) };
    this.#faults.plan({ kind: "refuse", answer: told }, options);
  }

  /** Requests throw `error`; with `applied`, a write has happened all the same. */
  fail(error: unknown, options: KubernetesFaultOptions & { readonly applied?: boolean } = {}): void {
    this.#faults.plan({ kind: "fail", error, applied: options.applied ?? false }, options);
  }

  /** The next write is applied, and its answer is lost. */
  loseAnswer(options: KubernetesFaultOptions = {}): void {
    const error = new UnknownOutcomeError("the answer was lost", { storage: this.description });
    this.fail(error, { on: "write", times: 1, ...options, applied: true });
  }

  /** Requests are never answered, and end at their deadline or signal; a watch that hangs is open and tells nothing. */
  hang(options: KubernetesFaultOptions & { readonly applied?: boolean } = {}): void {
    this.#faults.plan({ kind: "hang", applied: options.applied ?? false }, options);
  }

  /** Requests arrive, and answers come back, that much later. No abort recalls a request. */
  delay(ms: { readonly requestMs?: number; readonly answerMs?: number }, options: KubernetesFaultOptions = {}): void {
    this.#faults.plan({ kind: "delay", requestMs: ms.requestMs ?? 0, answerMs: ms.answerMs ?? 0 }, options);
  }

  /** Ends all faults. Requests that hang already go on hanging. */
  heal(): void {
    this.#faults.clear();
  }

  async #send<T>(
    { kind, act, ...request }: Request & { readonly act: () => FakeAnswer },
    options: CallOptions | undefined,
    fold: (answer: FakeAnswer, call: ApiCall) => T,
  ): Promise<T> {
    options?.signal?.throwIfAborted();
    this.#note({ kind, ...request });
    const fault = this.#faults.take({ verb: request.verb, plural: kind.plural });
    const call = this.#call(request.verb, kind, request.name);
    const { clock } = this.#parts;
    const deadline = { clock, timeoutMs: options?.timeoutMs ?? 10_000, closing: this.#closing.signal };
    try {
      const answer = await withDeadline({ ...deadline, signal: options?.signal }, () => this.#answer(fault, act));
      return fold(answer, call);
    } catch (error) {
      throw error instanceof TimeoutError ? overdue(error, call) : error;
    }
  }

  /** `act` is what the server does, in one step. */
  async #answer(fault: KubernetesFault | undefined, act: () => FakeAnswer): Promise<FakeAnswer> {
    if (fault === undefined) return act();
    if (fault.kind === "refuse") return fault.answer;
    if (fault.kind === "delay") {
      if (fault.requestMs > 0) await sleep(this.#parts.clock, fault.requestMs);
      const answer = act();
      if (fault.answerMs > 0) await sleep(this.#parts.clock, fault.answerMs);
      return answer;
    }
    if (fault.applied) act();
    if (fault.kind === "fail") throw fault.error;
    return new Promise<FakeAnswer>(() => {});
  }

  #note({ kind, name, ...call }: Request): void {
    this.#closing.signal.throwIfAborted();
    const atMs = this.#parts.clock.monotonicMs();
    this.log.push({ ...call, plural: kind.plural, ...(name !== undefined && { name }), atMs });
  }

  #call(operation: FakeVerb, kind: ResourceKind, name: string | undefined): ApiCall {
    return { operation, cluster: this.description, kind, name };
  }
}

interface Request {
  readonly verb: FakeVerb;
  readonly kind: ResourceKind;
  readonly name: string | undefined;
  readonly body?: object;
  readonly query?: ListQuery | WatchQuery;
}

function overdue(cause: TimeoutError, call: ApiCall): Error {
  const [message, details] = [describe(call, cause.message), { ...whereOf(call), cause }];
  return isWrite(call) ? new UnknownOutcomeError(message, details) : new StorageUnavailableError(message, details);
}
