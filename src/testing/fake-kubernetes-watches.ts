import type { KubernetesResource, ResourceKind, WatchEvent, WatchQuery } from "../kubernetes/kubernetes-resources.ts";
import type { Clock } from "../system/clock.ts";
import { refusal, tooLargeVersion, type FakeAnswer } from "./fake-kubernetes-answer.ts";
import { isOf, type FakeChange, type FakeObjects } from "./fake-kubernetes-objects.ts";
import { selection, type Selection } from "./fake-kubernetes-selectors.ts";

/** One open watch: what it has to tell yet, and how it ended. */
interface OpenWatch {
  readonly kind: ResourceKind;
  readonly selected: Selection;
  readonly queue: WatchEvent[];
  /** Nothing is told before the server is past this. */
  after: number;
  muted: boolean;
  ended: { readonly error?: unknown } | undefined;
  wake: () => void;
}

const endOfState = "k8s.io/initial-events-end";
/** How long a server waits for a version that it has not reached. */
const waitForVersionMs = 3_000;

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
      for (const watch of this.#open) if (change.revision > watch.after) tell(watch, eventOf(watch, change));
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
      ...{ kind, selected: selection(query), queue: [], after: 0, muted: false, ended: undefined },
      wake: () => {},
    };
    this.#begin(watch, query);
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
  #begin(watch: OpenWatch, { resourceVersion = "", sendInitialEvents = false, allowWatchBookmarks }: WatchQuery): void {
    const revision = Number(resourceVersion);
    if (sendInitialEvents && revision > this.#objects.revision) return this.#refuseLater(watch);
    if (sendInitialEvents || revision === 0) {
      for (const object of this.#objects.all(watch.kind))
        if (watch.selected(object)) tell(watch, { type: "ADDED", object });
      if (sendInitialEvents && allowWatchBookmarks === true) tell(watch, this.#bookmark({ [endOfState]: "true" }));
      return;
    }
    if (!this.#objects.remembers(revision)) {
      tell(watch, { type: "ERROR", object: bodyOf(tooOld(resourceVersion)) });
      return end(watch);
    }
    for (const change of this.#objects.since(revision)) tell(watch, eventOf(watch, change));
    watch.after = revision;
  }

  /** It waits for the version first. */
  #refuseLater(watch: OpenWatch): void {
    watch.muted = true;
    const refuse = (): void => {
      watch.muted = false;
      tell(watch, { type: "ERROR", object: bodyOf(tooLargeVersion()) });
      end(watch);
    };
    this.#clock.setTimer(this.#clock.monotonicMs() + waitForVersionMs, refuse, { idle: true });
  }

  #bookmark(annotations?: Readonly<Record<string, string>>): WatchEvent {
    const metadata = { resourceVersion: String(this.#objects.revision), ...(annotations && { annotations }) };
    return { type: "BOOKMARK", object: { metadata } };
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
      if (this.#objects.revision >= watch.after) tell(watch, this.#bookmark());
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

function tooOld(resourceVersion: string): FakeAnswer {
  return refusal(410, { reason: "Expired", message: `too old resource version: ${resourceVersion}` });
}

function bodyOf({ body }: FakeAnswer): KubernetesResource {
  return typeof body === "string" ? {} : body;
}
