import { InvalidSettingsError, StorageUnavailableError } from "../../src/errors.ts";
import type {
  KubernetesResource,
  ListCallOptions,
  ListQuery,
  ResourcePage,
  WatchEvent,
  WatchOptions,
  WatchQuery,
} from "../../src/kubernetes/kubernetes-resources.ts";
import type { ListWatch } from "../../src/kubernetes/list-watch.ts";
import { malformedReason } from "../../src/kubernetes/watch-trouble.ts";
import { sleep, type Clock } from "../../src/system/clock.ts";
import type { Random } from "../../src/system/random.ts";

/** One change, as the history has it. */
interface ModelChange {
  readonly revision: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: KubernetesResource;
}

/** One open watch. */
interface ModelWatch {
  readonly lines: (WatchEvent | Error)[];
  /** Nothing is told before the server is past this. */
  readonly after: number;
  isMute: boolean;
  isOver: boolean;
  wake: () => void;
}

/** How often what goes wrong, of 1. */
export interface ModelTroubles {
  /** A call is refused, cut or hangs. */
  readonly call: number;
  /** A line is told twice, is malformed, of a new type, or of another kind. */
  readonly line: number;
  /** A watch begins with events that were told before. */
  readonly replay: number;
}

const noTroubles: ModelTroubles = { call: 0, line: 0, replay: 0 };

/**
 * The model of an API server: one kind, one counter of revisions, states of the past as far as its history goes; and
 * all that goes wrong with such servers, by chance from a seed.
 */
export class ModelServer implements ListWatch {
  readonly #clock: Clock;
  readonly #random: Random;
  /** Refuses streaming lists. */
  streams = true;
  troubles: ModelTroubles = noTroubles;
  /** What a reader may have seen at each revision, `name:uid:value`; several after the server was set back. */
  readonly states = new Map<string, Set<string>>();
  #objects = new Map<string, KubernetesResource>();
  readonly #past = new Map<number, ReadonlyMap<string, KubernetesResource>>();
  #history: ModelChange[] = [];
  #revision = 100;
  #compacted = 100;
  #count = 0;
  readonly #watches = new Set<ModelWatch>();
  requests = 0;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
    this.#note();
  }

  get revision(): number {
    return this.#revision;
  }

  get openWatches(): number {
    return this.#watches.size;
  }

  /** All objects, as one text. */
  get state(): string {
    return stateOf(this.#objects.values());
  }

  /** One change of a random object: created, modified, deleted, or deleted and created again. */
  write(): void {
    const name = `r${this.#below(6)}`;
    const draw = this.#random.next();
    if (!this.#objects.has(name)) return this.put(name);
    if (draw < 0.55) return this.put(name);
    this.delete(name);
    if (draw > 0.85) this.put(name);
  }

  put(name: string): void {
    const uid = this.#objects.get(name)?.metadata?.uid ?? `u${(this.#count += 1)}`;
    const type = this.#objects.has(name) ? "MODIFIED" : "ADDED";
    this.#revision += 1;
    const metadata = { namespace: "jobs", name, uid, resourceVersion: String(this.#revision) };
    const object = { kind: "Pod", metadata, spec: { value: (this.#count += 1) } };
    this.#objects.set(name, object);
    this.#tell({ revision: this.#revision, type, object });
  }

  delete(name: string): void {
    const object = this.#objects.get(name);
    if (object === undefined) return;
    this.#objects.delete(name);
    this.#revision += 1;
    const metadata = { ...object.metadata, resourceVersion: String(this.#revision) };
    this.#tell({ revision: this.#revision, type: "DELETED", object: { ...object, metadata } });
  }

  /** Something of another kind changes. */
  changeElsewhere(): void {
    this.#revision += 1;
    this.#note();
  }

  bookmark(): void {
    for (const watch of this.#watches) if (this.#revision >= watch.after) line(watch, this.#bookmark());
  }

  /** Forgets history up to some point of it. */
  compact(): void {
    this.#compacted = Math.max(this.#compacted, this.#revision - this.#below(4));
    this.#history = this.#history.filter(({ revision }) => revision > this.#compacted);
  }

  /** Open watches end: in order, or not. */
  cut(): void {
    for (const watch of this.#watches) {
      if (this.#random.next() < 0.5) watch.lines.push(unavailable("reset", 0));
      end(watch);
    }
  }

  /** Open watches stay open, and tell nothing more. */
  mute(): void {
    for (const watch of this.#watches) watch.isMute = true;
  }

  /** Open watches are told that their history is gone. */
  expire(): void {
    for (const watch of this.#watches) {
      line(watch, { type: "ERROR", object: status(410, "Expired") });
      end(watch);
    }
  }

  /** A restart: no connection survives, and the history begins now. */
  restart(): void {
    this.#compacted = this.#revision;
    this.#history = [];
    this.cut();
  }

  /** A restored backup: the state of before, and the count goes on from there. */
  restore(): void {
    const to = Math.max(this.#compacted, this.#revision - 1 - this.#below(8));
    this.#objects = this.#at(to);
    this.#revision = to;
    this.#note();
    this.restart();
  }

  async list(query: ListQuery, options: ListCallOptions = {}): Promise<ResourcePage> {
    this.requests += 1;
    await this.#pass(options.signal ?? new AbortController().signal);
    const [token, from = "0"] = query.continue?.split(":") ?? [];
    if (token !== undefined && Number(token) < this.#compacted) throw answer(410, "Expired");
    if (Number(query.resourceVersion ?? 0) > this.#revision) throw answer(504, "ResourceVersionTooLarge", 1_000);
    const isCached = query.resourceVersion === "0";
    // A cache may lag behind; what comes by NotOlderThan, or without a version, does not.
    const newest = isCached ? Math.max(this.#compacted, this.#revision - this.#below(4)) : this.#revision;
    const at = token === undefined ? newest : Number(token);
    const items = [...this.#at(at).values()].sort(byName);
    const until = isCached ? Infinity : Number(from) + (query.limit ?? Infinity);
    return {
      kind: "PodList",
      items: items.slice(Number(from), until).map(({ kind: _kind, ...item }) => item),
      resourceVersion: String(at),
      continue: until < items.length ? `${at}:${until}` : undefined,
    };
  }

  async *watch(query: WatchQuery, { signal, onSkipped }: WatchOptions): AsyncGenerator<WatchEvent> {
    this.requests += 1;
    await this.#pass(signal);
    if (signal.aborted) return;
    if (query.sendInitialEvents === true && !this.streams) throw refusedStreams();
    const asked = Number(query.resourceVersion ?? 0);
    const watch: ModelWatch = { lines: [], after: asked, isMute: false, isOver: false, wake: () => {} };
    const stop = (): void => end(watch);
    signal.addEventListener("abort", stop, { once: true });
    const cancel = this.#clock.setTimer(this.#clock.monotonicMs() + (query.timeoutSeconds ?? 600) * 1_000, stop);
    this.#begin(watch, query);
    this.#watches.add(watch);
    try {
      yield* this.#lines(watch, { signal, ...(onSkipped && { onSkipped }) });
    } finally {
      cancel();
      signal.removeEventListener("abort", stop);
      this.#watches.delete(watch);
    }
  }

  #begin(watch: ModelWatch, query: WatchQuery): void {
    if (query.sendInitialEvents === true) {
      if (watch.after > this.#revision) return void watch.lines.push(answer(504, "ResourceVersionTooLarge", 1_000));
      for (const object of this.#objects.values()) {
        line(watch, { type: "ADDED", object });
        if (this.#random.next() < 0.1) line(watch, this.#bookmark()); // not the one that ends the state
      }
      // Changes may come between: the state is complete at its bookmark only.
      if (this.#random.next() < 0.3) queueMicrotask(() => this.write());
      queueMicrotask(() => line(watch, this.#bookmark({ "k8s.io/initial-events-end": "true" })));
      return;
    }
    if (watch.after < this.#compacted) return void watch.lines.push(answer(410, "Expired"));
    const back = this.#happens(this.troubles.replay) ? this.#below(6) : 0;
    for (const { revision, type, object } of this.#history) {
      if (revision > watch.after - back) line(watch, { type, object });
    }
  }

  async *#lines(watch: ModelWatch, { signal, onSkipped }: WatchOptions): AsyncGenerator<WatchEvent> {
    while (!signal.aborted) {
      const next = watch.lines.shift();
      if (next instanceof Error) throw next;
      if (next === undefined) {
        if (watch.isOver) return;
        await new Promise<void>((resolve) => (watch.wake = resolve));
        continue;
      }
      yield next;
      if (!this.#happens(this.troubles.line)) continue;
      const what = this.#below(4);
      if (what === 0) yield next; // twice
      if (what === 1) throw Object.assign(unavailable("malformed", 0), { reason: malformedReason });
      if (what === 2) onSkipped?.();
      if (what === 3) yield { type: "ADDED", object: { kind: "Node", metadata: { name: "n", resourceVersion: "1" } } };
    }
  }

  /** Before each answer: it takes a moment, and something may go wrong. */
  async #pass(signal: AbortSignal): Promise<void> {
    await sleep(this.#clock, this.#below(20), signal).catch(() => undefined); // the abort ends the call below
    if (signal.aborted || !this.#happens(this.troubles.call)) return;
    const what = this.#below(6);
    if (what === 0) throw answer(429, "", 1_000);
    if (what === 1) throw answer(500, "InternalError");
    if (what === 2) throw answer(410, "Expired");
    if (what === 3) throw unavailable("refused", 0);
    if (what === 4) throw answer(504, "ResourceVersionTooLarge", 1_000);
    await sleep(this.#clock, 1_000_000, signal).catch(() => undefined); // as above
  }

  #tell(change: ModelChange): void {
    this.#history.push(change);
    this.#note();
    for (const watch of this.#watches) {
      if (change.revision > watch.after) line(watch, { type: change.type, object: change.object });
    }
  }

  #note(): void {
    this.#past.set(this.#revision, new Map(this.#objects));
    const key = String(this.#revision);
    const states = this.states.get(key) ?? new Set();
    this.states.set(key, states.add(this.state));
  }

  /** As it was then; no further back than history goes. */
  #at(revision: number): Map<string, KubernetesResource> {
    return new Map(this.#past.get(revision));
  }

  #bookmark(annotations?: Readonly<Record<string, string>>): WatchEvent {
    const metadata = { resourceVersion: String(this.#revision), ...(annotations && { annotations }) };
    return { type: "BOOKMARK", object: { kind: "Pod", metadata } };
  }

  #below(bound: number): number {
    return Math.floor(this.#random.next() * bound);
  }

  #happens(share: number): boolean {
    return share > 0 && this.#random.next() < share;
  }
}

/** All of a state as one text: `name:uid:value`. */
export function stateOf(objects: Iterable<KubernetesResource>): string {
  const texts = [...objects].map(({ metadata, spec }) => {
    return `${metadata?.name}:${metadata?.uid}:${String(Reflect.get(Object(spec), "value"))}`;
  });
  return texts.sort().join(" ");
}

function line(watch: ModelWatch, event: WatchEvent): void {
  if (watch.isMute || watch.isOver) return;
  watch.lines.push(event);
  watch.wake();
}

function end(watch: ModelWatch): void {
  watch.isOver = true;
  watch.wake();
}

function byName(first: KubernetesResource, second: KubernetesResource): number {
  return (first.metadata?.name ?? "") < (second.metadata?.name ?? "") ? -1 : 1;
}

function status(code: number, reason: string): KubernetesResource {
  return { kind: "Status", code, reason };
}

function answer(code: number, reason: string, retryAfterMs = 0): Error {
  return Object.assign(unavailable(`${code} ${reason}`, retryAfterMs), { status: code, reason });
}

function refusedStreams(): Error {
  return Object.assign(new InvalidSettingsError(["sendInitialEvents"]), { status: 422, reason: "Invalid" });
}

function unavailable(why: string, retryAfterMs: number): StorageUnavailableError {
  return new StorageUnavailableError(why, retryAfterMs > 0 ? { retryAfterMs } : {});
}
