import type { ResourceHead } from "../resources/identity.ts";
import { isReached, RevisionWaiters } from "../resources/revision-waiters.ts";
import { compareRevisions } from "../resources/revision.ts";
import type { Clock } from "../system/clock.ts";
import type { ListStart } from "./follow-step.ts";
import { KindCheck } from "./kind-check.ts";
import type { WatchEvent } from "./kubernetes-resources.ts";
import { changesOf, newerOf } from "./reflected-change.ts";
import type { ReflectorTally } from "./reflector-counts.ts";
import type { ReflectorSink, Replacement } from "./reflector-sink.ts";
import { SinkCalls } from "./sink-calls.ts";
import { SinkError } from "./watch-trouble.ts";

/** What a `ReflectedView` needs. */
export interface ReflectedViewParts<T> {
  readonly sink: ReflectorSink<T>;
  readonly clock: Clock;
  readonly tally: ReflectorTally;
  readonly kind: string | undefined;
  readonly tell: (error: unknown, where: "sink") => void;
}

/** What a new state is asked for, and until when. */
export interface ReplaceOptions {
  readonly start: ListStart;
  readonly signal: AbortSignal;
}

interface CompleteList {
  readonly number: number;
  readonly revision: string;
  readonly start: ListStart;
}

/** What was told to the sink, and how far: the one place that calls it. */
export class ReflectedView<T extends object> {
  readonly calls: SinkCalls;
  readonly check: KindCheck;
  readonly #parts: ReflectedViewParts<T>;
  readonly #waiters = new RevisionWaiters();
  #revision: string | undefined;
  #lastEventMs: number | undefined;
  #isSynced = false;

  constructor(parts: ReflectedViewParts<T>) {
    this.#parts = parts;
    const onLag = (lagMs: number): void => parts.tell(new Error(`the sink is ${Math.round(lagMs)} ms behind`), "sink");
    this.calls = new SinkCalls({ clock: parts.clock, onLag });
    this.check = new KindCheck(parts.kind, parts.tally);
  }

  get revision(): string | undefined {
    return this.#revision;
  }

  get isSynced(): boolean {
    return this.#isSynced;
  }

  get lastEventMs(): number | undefined {
    return this.#lastEventMs;
  }

  async waitFor(revision: string, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#isSynced && this.#revision !== undefined && isReached(revision, this.#revision)) return;
    await this.#waiters.wait(revision, signal);
  }

  /** Nothing more will be told for now. */
  fail(error: unknown): void {
    this.#waiters.fail(error);
  }

  /**
   * Builds a new state with what `read` tells, and swaps it in; or leaves the old one whole.
   *
   * @throws what `read` throws; {@link SinkError} for what the sink does.
   */
  async replace(read: (next: Replacement<T>) => Promise<string>, { start, signal }: ReplaceOptions): Promise<void> {
    const number = this.#waiters.begin();
    const next = this.#replacement();
    let revision: string;
    try {
      revision = await read(next);
    } catch (error) {
      this.#discard(next);
      throw error;
    }
    await this.#swap(next, { number, revision, start }, signal);
  }

  /** One event after the list; whether it told anything new. */
  async take({ type, object }: WatchEvent<T>, signal: AbortSignal): Promise<boolean> {
    this.#heard();
    if (type === "BOOKMARK") return this.#bookmark(object, signal);
    const head = this.check.headOf(object);
    if (head === undefined) return false;
    return await this.#apply({ isDeletion: type === "DELETED", head, resource: object }, signal);
  }

  #replacement(): Replacement<T> {
    try {
      return this.#parts.sink.replacement();
    } catch (error) {
      throw new SinkError(error);
    }
  }

  #discard(next: Replacement<T>): void {
    try {
      next.discard();
    } catch (error) {
      this.#parts.tell(error, "sink"); // the old state stands all the same
    }
  }

  async #swap(next: Replacement<T>, list: CompleteList, signal: AbortSignal): Promise<void> {
    const { number, revision, start } = list;
    const order = this.#revision === undefined ? undefined : compareRevisions(revision, this.#revision);
    const restored = order !== undefined && order < 0;
    // Such a list is asked for where the server did not know what was seen; it may have got further in the meantime.
    const comparesAnew = restored || start === "consistent";
    await this.calls.make(() => next.swap({ revision, restored, comparesAnew, signal }), signal);
    if (restored) this.#parts.tally.restore();
    this.#revision = revision;
    this.#isSynced = true;
    this.#heard();
    this.#waiters.listed(number, revision);
  }

  async #apply(
    event: { readonly isDeletion: boolean; readonly head: ResourceHead; readonly resource: T },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { sink, tally } = this.#parts;
    let isOld = false;
    await this.calls.make(async () => {
      const known = sink.known(event.head);
      const changes = changesOf({ ...event, revision: this.#revision }, known);
      isOld = changes === undefined;
      for (const change of changes ?? []) {
        signal.throwIfAborted();
        await sink.apply(change);
      }
    }, signal);
    if (isOld) tally.skip("old");
    else this.#reach(event.head.version);
    return !isOld;
  }

  async #bookmark(object: T, signal: AbortSignal): Promise<boolean> {
    this.check.learn(Reflect.get(object, "kind"));
    const version: unknown = Reflect.get(Object(Reflect.get(object, "metadata")), "resourceVersion");
    const before = this.#revision;
    const next = newerOf(before, typeof version === "string" && version !== "" ? version : undefined);
    if (next === undefined || next === before) return false;
    await this.calls.make(() => this.#parts.sink.bookmark?.(next), signal);
    this.#reach(next);
    return true;
  }

  #reach(version: string | undefined): void {
    this.#revision = newerOf(this.#revision, version);
    if (this.#revision !== undefined) this.#waiters.reach(this.#revision);
  }

  #heard(): void {
    this.#lastEventMs = this.#parts.clock.monotonicMs();
  }
}
