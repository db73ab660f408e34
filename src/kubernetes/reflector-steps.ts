import { StorageUnavailableError } from "../errors.ts";
import { sleep, type Clock } from "../system/clock.ts";
import type { Random } from "../system/random.ts";
import {
  afterFailedList,
  afterList,
  afterWatch,
  type FollowState,
  type FollowStep,
  type ListStart,
  type WatchEnd,
} from "./follow-step.ts";
import type { WatchQuery } from "./kubernetes-resources.ts";
import type { ListWatch } from "./list-watch.ts";
import type { ReflectedView } from "./reflected-view.ts";
import type { ReflectorTally } from "./reflector-counts.ts";
import { readPages, readStream, UnfinishedListError, type PagedList } from "./reflector-list.ts";
import type { ResolvedReflectorSettings } from "./reflector-settings.ts";
import { RestartPause } from "./restart-pause.ts";
import { WatchConnection } from "./watch-connection.ts";
import { troubleOf, type WatchTrouble } from "./watch-trouble.ts";

/** What `ReflectorSteps` needs. */
export interface ReflectorStepsParts<T extends object> {
  readonly source: ListWatch<T>;
  readonly view: ReflectedView<T>;
  readonly settings: ResolvedReflectorSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly tally: ReflectorTally;
  /** Hears each trouble. */
  readonly tell: (error: unknown, where: "list" | "watch" | "sink") => void;
}

/** A server that asks for more is asked again all the same. */
const longestToldPauseMs = 300_000;

/** Does what `follow-step` decides: pauses, lists, watches. */
export class ReflectorSteps<T extends object> {
  readonly #parts: ReflectorStepsParts<T>;
  readonly #pause: RestartPause;

  constructor(parts: ReflectorStepsParts<T>) {
    this.#parts = parts;
    this.#pause = new RestartPause(parts);
  }

  /** One step, to its end; resolves with the next one. Throws only when the signal falls. */
  async take({ next, reason, pause, state }: FollowStep, signal: AbortSignal): Promise<FollowStep> {
    const { clock, tally, view } = this.#parts;
    const drawnMs = pause.backOff ? this.#pause.next() : 0;
    const pauseMs = Math.max(drawnMs, Math.min(pause.toldMs, longestToldPauseMs));
    if (pauseMs > 0) await view.calls.wait(() => sleep(clock, pauseMs, signal));
    tally.step(next.do, reason);
    if (next.do === "watch") return await this.#watch(state, signal);
    return await (state.streaming ? this.#stream(next.start, state, signal) : this.#page(next.start, state, signal));
  }

  /** A list by pages. */
  async #page(start: ListStart, state: FollowState, signal: AbortSignal): Promise<FollowStep> {
    const list: PagedList = { start, isPaged: state.paging, pages: 0 };
    const parts = { ...this.#parts, signal };
    try {
      await this.#parts.view.replace((replacement) => readPages(parts, list, replacement), { start, signal });
      return afterList(state);
    } catch (error) {
      signal.throwIfAborted();
      const end = this.#trouble(error, "list");
      return afterFailedList({ end, start, wasStreaming: false, isPaging: list.pages > 0 }, state);
    }
  }

  /** A list that streams, and the watch that it becomes. */
  async #stream(start: ListStart, state: FollowState, signal: AbortSignal): Promise<FollowStep> {
    const { view, tally } = this.#parts;
    const parts = { ...this.#parts, signal };
    const from = start === "notOlder" ? view.revision : undefined;
    const initial = { sendInitialEvents: true, resourceVersionMatch: "NotOlderThan" } as const;
    let connection: WatchConnection<T> | undefined;
    try {
      const stream = this.#open({ ...initial, ...this.#query(from) }, signal);
      connection = stream;
      await view.replace((replacement) => readStream(parts, stream, replacement), { start, signal });
      tally.step("watch", "listed");
      return await this.#follow(stream, afterList(state).state, signal);
    } catch (error) {
      signal.throwIfAborted();
      const end = error instanceof UnfinishedListError ? this.#unfinished(error) : this.#trouble(error, "list");
      return afterFailedList({ end, start, wasStreaming: true, isPaging: false }, state);
    } finally {
      connection?.close();
    }
  }

  /** A watch from where the view is. */
  async #watch(state: FollowState, signal: AbortSignal): Promise<FollowStep> {
    let connection: WatchConnection<T> | undefined;
    try {
      connection = this.#open(this.#query(this.#parts.view.revision), signal);
    } catch (error) {
      const end = this.#trouble(error, "watch");
      return afterWatch({ end, lastedMs: 0, wasHeard: false, hasMoved: false }, state);
    }
    try {
      return await this.#follow(connection, state, signal);
    } finally {
      connection.close();
    }
  }

  /** Reads changes until the connection ends. */
  async #follow(connection: WatchConnection<T>, state: FollowState, signal: AbortSignal): Promise<FollowStep> {
    const heard = { wasHeard: false, hasMoved: false };
    let end: WatchEnd["end"];
    try {
      end = { kind: await this.#read(connection, heard, signal) };
      if (end.kind === "silent") this.#parts.tell(silence(this.#parts.settings), "watch");
    } catch (error) {
      signal.throwIfAborted();
      end = this.#trouble(error, "watch");
    }
    const lastedMs = this.#parts.clock.monotonicMs() - connection.openedMs;
    return afterWatch({ ...heard, end, lastedMs }, state);
  }

  async #read(
    connection: WatchConnection<T>,
    heard: { wasHeard: boolean; hasMoved: boolean },
    signal: AbortSignal,
  ): Promise<"closed" | "silent"> {
    const { view, settings } = this.#parts;
    for (;;) {
      const event = await view.calls.wait(() => connection.next(settings.idleTimeoutMs));
      signal.throwIfAborted();
      if (event === "closed" || event === "silent") return event;
      heard.wasHeard = true;
      if (await view.take(event, signal)) heard.hasMoved = true;
    }
  }

  #open(query: WatchQuery, signal: AbortSignal): WatchConnection<T> {
    const { source, clock, tally } = this.#parts;
    return new WatchConnection({ source, clock, onSkipped: () => tally.skip("type") }, query, signal);
  }

  #query(revision: string | undefined): WatchQuery {
    const { settings, random } = this.#parts;
    const { least, most } = settings.watchSeconds;
    return {
      allowWatchBookmarks: true,
      timeoutSeconds: least + Math.floor(random.next() * (most - least + 1)),
      ...(revision !== undefined && revision !== "" && { resourceVersion: revision }),
    };
  }

  #trouble(error: unknown, where: "list" | "watch"): WatchTrouble {
    const trouble = troubleOf(error);
    const cause = trouble.kind === "sink" && error instanceof Error ? error.cause : error;
    // History that is gone is the ordinary end of a long absence.
    if (trouble.kind !== "expired") this.#parts.tell(cause, trouble.kind === "sink" ? "sink" : where);
    return trouble;
  }

  #unfinished(error: UnfinishedListError): { readonly kind: "unfinished" } {
    this.#parts.tell(error, "list");
    return { kind: "unfinished" };
  }
}

function silence({ idleTimeoutMs }: ResolvedReflectorSettings): StorageUnavailableError {
  const message = `nothing came from a watch for ${idleTimeoutMs} ms, not even a bookmark`;
  return new StorageUnavailableError(message, { operation: "watch" });
}
