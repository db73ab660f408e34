import { ClosedError, StorageUnavailableError, TenureError } from "../errors.ts";
import { linkSignals } from "../system/signals.ts";
import { apiError, describe, whereOf, type ApiCall } from "./api-error.ts";
import { statusCodeOf } from "./custom-objects-answers.ts";
import { asWatchEvent } from "./kubernetes-resource-shape.ts";
import { kubernetesCall, type CallParts } from "./kubernetes-call.ts";
import { thrown } from "./kubernetes-answers.ts";
import type { WatchEvent, WatchOptions } from "./kubernetes-resources.ts";
import { malformedReason } from "./watch-trouble.ts";

/** What is used of client-node's `Watch`. */
export interface WatchLike {
  watch(
    path: string,
    query: WatchQueryOptions,
    onEvent: (type: string, object: unknown) => void,
    onEnd: (error: unknown) => void,
  ): Promise<unknown>;
}

/** What is asked of it, beside `watch=true`. */
export type WatchQueryOptions = Record<string, string | number | boolean | undefined>;

/** What `watchByCallback` needs. */
export interface CallbackWatchParts extends CallParts {
  readonly watch: WatchLike;
  readonly path: string;
  readonly query: WatchQueryOptions;
}

/** A callback cannot be made to wait: a reader that is so far behind loses its watch. */
const mostWaiting = 10_000;

/** The events of one connection of an injected watch, until it ends it or `signal` falls; then it is aborted. */
export async function* watchByCallback(
  call: ApiCall,
  parts: CallbackWatchParts,
  { signal, onSkipped }: WatchOptions,
): AsyncGenerator<WatchEvent, void, undefined> {
  if (signal.aborted) return;
  const over = linkSignals(signal, parts.closing);
  const inbox = new Inbox(call, onSkipped);
  const wake = (): void => inbox.end(undefined);
  over.signal.addEventListener("abort", wake, { once: true });
  try {
    await kubernetesCall(call, parts, { signal }, () => open(parts, inbox, over.signal));
    for await (const event of inbox.events()) {
      if (over.signal.aborted) break;
      yield event;
    }
    parts.closing.throwIfAborted();
  } catch (error) {
    if (signal.aborted) return;
    if (parts.closing.aborted) throw new ClosedError(describe(call, "the client is closed"), whereOf(call));
    throw explained(call, error);
  } finally {
    over.abort(new Error("the watch is over"));
    over.unlink();
  }
}

async function open({ watch, path, query }: CallbackWatchParts, inbox: Inbox, over: AbortSignal): Promise<void> {
  const tell = (type: string, object: unknown): void => inbox.push({ type, object });
  const ends: unknown = await watch.watch(path, query, tell, (error) => inbox.end(error));
  const abort = (): void => {
    const stop: unknown = Reflect.get(Object(ends), "abort"); // an AbortController
    if (typeof stop === "function") Reflect.apply(stop, ends, []);
  };
  if (over.aborted) abort();
  else over.addEventListener("abort", abort, { once: true });
}

function explained(call: ApiCall, error: unknown): Error {
  if (error instanceof TenureError) return error;
  const status = statusCodeOf(error);
  if (status === undefined) return apiError(call, { failure: error, sent: undefined });
  return thrown(call, apiError(call, { status }));
}

/** Events between a callback and a reader. */
class Inbox {
  readonly #call: ApiCall;
  readonly #onSkipped: WatchOptions["onSkipped"];
  #waiting: WatchEvent[] = [];
  #ended: { readonly error: Error | undefined } | undefined;
  #wake: (() => void) | undefined;

  constructor(call: ApiCall, onSkipped: WatchOptions["onSkipped"]) {
    this.#call = call;
    this.#onSkipped = onSkipped;
  }

  push(told: { readonly type: string; readonly object: unknown }): void {
    if (this.#ended !== undefined) return;
    const event = asWatchEvent(told);
    if (event === "unknown") return this.#onSkipped?.();
    if (event === undefined) return this.end(this.#lost("it told something that is no event"));
    if (this.#waiting.length >= mostWaiting) return this.end(this.#lost("its reader is too slow"));
    this.#waiting.push(event);
    this.#wake?.();
  }

  end(error: unknown): void {
    this.#ended ??= { error: error === undefined || error === null ? undefined : explained(this.#call, error) };
    this.#wake?.();
  }

  async *events(): AsyncGenerator<WatchEvent, void, undefined> {
    for (;;) {
      const batch = this.#waiting;
      this.#waiting = [];
      yield* batch;
      if (this.#waiting.length > 0) continue;
      if (this.#ended?.error !== undefined) throw this.#ended.error;
      if (this.#ended !== undefined) return;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** What was told is lost, and may have been a change. */
  #lost(why: string): StorageUnavailableError {
    const error = new StorageUnavailableError(describe(this.#call, why), whereOf(this.#call));
    return Object.assign(error, { reason: malformedReason });
  }
}
