import { ClosedError, StorageUnavailableError, UnknownOutcomeError } from "../../../src/errors.ts";
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
} from "../../../src/kubernetes/kubernetes-resources.ts";
import { HintQueue } from "../../../src/storage/hint-queue.ts";
import type { CallOptions } from "../../../src/storage/versioned-storage.ts";
import { linkSignals, TimeoutError, withDeadline } from "../../../src/system/signals.ts";
import type { FakeKubernetes } from "../../../src/testing/fake-kubernetes.ts";
import type { FakeKubernetesClient } from "../../../src/testing/fake-kubernetes-client.ts";
import type { Draws } from "../chance.ts";
import type { SimHost } from "../sim-host.ts";
import type { Network } from "../sim-network.ts";
import { SimWire } from "../sim-wire.ts";
import type { World } from "../world.ts";

/** Whose connection it is, and through what it runs. */
export interface ClusterClientParts {
  readonly world: World;
  readonly host: SimHost;
  readonly network: Network;
  readonly cluster: FakeKubernetes;
  readonly name: string;
  /** How long a broken watch goes unnoticed. */
  readonly draws: Draws;
  /** A write of a resource leaves the host. */
  readonly sent?: (body: object) => void;
  /** Whether the write of a status that is about to be sent is to fail. */
  readonly losesStatus: () => boolean;
}

const longestSilenceMs = 10_000;

/** The connection of one process to its cluster, over a simulated wire. */
export class ClusterClient implements KubernetesClient {
  readonly description: string;
  readonly #parts: ClusterClientParts;
  readonly #wire: SimWire;
  readonly #server: FakeKubernetesClient;
  readonly #closing = new AbortController();

  constructor(parts: ClusterClientParts) {
    this.#parts = parts;
    this.description = parts.name;
    this.#wire = new SimWire({ ...parts, name: () => parts.name });
    this.#server = parts.cluster.connect();
  }

  read(ref: ResourceRef, options?: CallOptions): Promise<KubernetesResource | undefined> {
    return this.#call("read", options, () => this.#server.read(ref));
  }

  create(kind: ResourceKind, body: KubernetesResource, options?: CallOptions): Promise<WriteAnswer> {
    const sent = structuredClone(body);
    if (kind.plural === "multiclusterleases") this.#parts.sent?.(sent);
    return this.#call("write", options, () => this.#server.create(kind, sent));
  }

  replace(ref: ResourceRef, body: KubernetesResource, options?: CallOptions): Promise<WriteAnswer> {
    const sent = structuredClone(body);
    return this.#call("write", options, () => this.#server.replace(ref, sent));
  }

  patch(
    ref: ResourceRef,
    merge: object,
    options?: CallOptions & { readonly subresource?: "status" },
  ): Promise<WriteAnswer> {
    const sent = structuredClone(merge);
    const { subresource } = options ?? {};
    if (subresource === undefined) this.#parts.sent?.(sent);
    else if (this.#parts.losesStatus()) return Promise.reject(new UnknownOutcomeError("500"));
    return this.#call("write", options, () => this.#server.patch(ref, sent, subresource && { subresource }));
  }

  list(kind: ResourceKind, query: ListQuery, options?: CallOptions): Promise<ResourcePage> {
    return this.#call("read", options, () => this.#server.list(kind, query));
  }

  /** Events arrive in their order, each after the one before; what is lost on the way breaks the connection. */
  async *watch(
    kind: ResourceKind,
    query: WatchQuery,
    { signal }: { readonly signal: AbortSignal },
  ): AsyncGenerator<WatchEvent, void, undefined> {
    await this.#call("read", { timeoutMs: longestSilenceMs, signal }, () => Promise.resolve());
    const over = linkSignals(signal, this.#closing.signal);
    const arrived: (WatchEvent | Error | undefined)[] = [];
    const bell = new HintQueue();
    void this.#pump(this.#server.watch(kind, query, { signal: over.signal }), over.signal, (news) => {
      arrived.push(news);
      bell.push({});
    });
    try {
      for await (const _rung of bell.hints(over.signal)) {
        for (const news of arrived.splice(0)) {
          if (news === undefined) return;
          if (news instanceof Error) throw news;
          yield news;
        }
      }
      if (!signal.aborted) throw new ClosedError("closed");
    } finally {
      over.abort(new Error("nobody watches any more"));
      over.unlink();
    }
  }

  close(): Promise<void> {
    this.#closing.abort(new ClosedError("closed"));
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #pump(
    events: AsyncIterable<WatchEvent>,
    signal: AbortSignal,
    hear: (news: WatchEvent | Error | undefined) => void,
  ): Promise<void> {
    const { world, host, network, name, draws } = this.#parts;
    let lastMs = 0;
    const arrive = (afterMs: number, news: WatchEvent | Error | undefined): void => {
      lastMs = Math.max(lastMs, world.nowMs + afterMs);
      world.at(lastMs, () => host.deliver(() => hear(news)));
    };
    for await (const event of events) {
      if (signal.aborted) return;
      const passage = network.hint(name);
      if (passage === undefined) return arrive(draws.between(0, longestSilenceMs), broken());
      arrive(passage.delayMs, event);
    }
    if (!signal.aborted) arrive(0, undefined);
  }

  async #call<T>(kind: "read" | "write", options: CallOptions | undefined, act: () => Promise<T>): Promise<T> {
    const { host } = this.#parts;
    const deadline = { clock: host, timeoutMs: options?.timeoutMs ?? 10_000, signal: options?.signal };
    const apply = (): Promise<T> => {
      const acted = act();
      acted.catch(() => {}); // its answer may be lost; if not, it is told there
      return acted;
    };
    try {
      return await withDeadline({ ...deadline, closing: this.#closing.signal }, () => this.#wire.send(kind, apply));
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error;
      throw kind === "write" ? new UnknownOutcomeError("no answer", { cause: error }) : unavailable(error);
    }
  }
}

function broken(): StorageUnavailableError {
  return new StorageUnavailableError("the connection is broken");
}

function unavailable(cause: unknown): StorageUnavailableError {
  return new StorageUnavailableError("no answer", { cause });
}
