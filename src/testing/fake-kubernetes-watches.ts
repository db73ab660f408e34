import type { KubernetesResource, ResourceKind, WatchEvent, WatchQuery } from "../kubernetes/kubernetes-resources.ts";
import type { Clock } from "../system/clock.ts";
import { refusal } from "./fake-kubernetes-answer.ts";
import { isOf, type FakeChange, type FakeObjects } from "./fake-kubernetes-objects.ts";
import { selection, type Selection } from "./fake-kubernetes-selectors.ts";

/** One open watch: what it has to tell yet, and how it ended. */
interface OpenWatch {
  readonly kind: ResourceKind;
  readonly selected: Selection;
  readonly queue: WatchEvent[];
  muted: boolean;
  ended: { readonly error?: unknown } | undefined;
  wake: () => void;
}

/** The open watches of a `FakeKubernetes`. */
export class FakeKubernetesWatches {
  readonly #objects: FakeObjects;
  readonly #clock: Clock;
  readonly #bookmarkEveryMs: number;
  readonly #open = new Set<OpenWatch>();

  constructor({ objects, clock, bookmarkEveryMs }: { objects: FakeObjects; clock: Clock; bookmarkEveryMs: number }) {
    this.#objects = objects;
    this.#clock = clock;
    this.#bookmarkEveryMs = bookmarkEveryMs;
    objects.listen((change) => {
      for (const watch of this.#open) tell(watch, eventOf(watch, change));
    });
  }

  get count(): number {
    return this.#open.size;
  }

  /** Ends all: as a server does that shuts down, or with an error of the connection. */
  endAll(error?: unknown): void {
    for (const watch of this.#open) end(watch, error);
  }

  /** All that are open now tell nothing more, and stay open. */
  muteAll(): void {
    for (const watch of this.#open) watch.muted = true;
  }

  /** An event out of turn, `ERROR` for example; after that one, the server closes. */
  tellAll(event: WatchEvent): void {
    for (const watch of this.#open) {
      tell(watch, event);
      if (event.type === "ERROR") end(watch);
    }
  }

  async *watch(
    kind: ResourceKind,
    query: WatchQuery,
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent, void, undefined> {
    const watch: OpenWatch = {
      ...{ kind, selected: selection(query), queue: [], muted: false, ended: undefined },
      wake: () => {},
    };
    this.#begin(watch, query.resourceVersion);
    const stop = (): void => end(watch);
    signal.addEventListener("abort", stop, { once: true });
    const cancels = this.#timers(watch, query);
    this.#open.add(watch);
    try {
      while (!signal.aborted) {
        const event = watch.queue.shift();
        if (event !== undefined) yield event;
        else if (watch.ended !== undefined) break;
        else await new Promise<void>((resolve) => (watch.wake = resolve));
      }
      if (!signal.aborted && watch.ended && "error" in watch.ended) throw watch.ended.error;
    } finally {
      this.#open.delete(watch);
      signal.removeEventListener("abort", stop);
      for (const cancel of cancels) cancel();
    }
  }

  /** The state, or what was missed since; a version ahead of the server is no error, only silent. */
  #begin(watch: OpenWatch, resourceVersion: string | undefined): void {
    if (resourceVersion === undefined || resourceVersion === "" || resourceVersion === "0") {
      for (const object of this.#objects.all(watch.kind))
        if (watch.selected(object)) tell(watch, { type: "ADDED", object });
      return;
    }
    const revision = Number(resourceVersion);
    if (!this.#objects.remembers(revision)) {
      tell(watch, { type: "ERROR", object: tooOld(resourceVersion) });
      return end(watch);
    }
    for (const change of this.#objects.since(revision)) tell(watch, eventOf(watch, change));
    if (revision > this.#objects.revision) watch.muted = true;
  }

  #timers(watch: OpenWatch, query: WatchQuery): readonly (() => void)[] {
    const cancels: (() => void)[] = [];
    const nowMs = this.#clock.monotonicMs();
    if (query.timeoutSeconds !== undefined) {
      cancels.push(this.#clock.setTimer(nowMs + query.timeoutSeconds * 1000, () => end(watch), { idle: true }));
    }
    if (query.allowWatchBookmarks !== true) return cancels;
    let cancel = (): void => {};
    const next = (): void => {
      cancel = this.#clock.setTimer(this.#clock.monotonicMs() + this.#bookmarkEveryMs, bookmark, { idle: true });
    };
    const bookmark = (): void => {
      tell(watch, { type: "BOOKMARK", object: { metadata: { resourceVersion: String(this.#objects.revision) } } });
      next();
    };
    next();
    return [...cancels, () => cancel()];
  }
}

function tell(watch: OpenWatch, event: WatchEvent | undefined): void {
  if (event === undefined || watch.muted || watch.ended !== undefined) return;
  watch.queue.push(structuredClone(event));
  watch.wake();
}

function end(watch: OpenWatch, error?: unknown): void {
  watch.ended ??= error === undefined ? {} : { error };
  watch.wake();
}

/** What the watch is told of a change; a resource that its selectors no longer match is gone for it. */
function eventOf({ kind, selected }: OpenWatch, change: FakeChange): WatchEvent | undefined {
  if (!isOf(kind, change.kind)) return undefined;
  const { object, previous, type } = change;
  const was = previous !== undefined && selected(previous);
  const is = type !== "DELETED" && selected(object);
  if (is) return { type: was ? "MODIFIED" : "ADDED", object };
  return was ? { type: "DELETED", object } : undefined;
}

function tooOld(resourceVersion: string): KubernetesResource {
  const { body } = refusal(410, { reason: "Expired", message: `too old resource version: ${resourceVersion}` });
  return typeof body === "string" ? {} : body;
}
