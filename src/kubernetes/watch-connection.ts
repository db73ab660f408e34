import type { Clock } from "../system/clock.ts";
import { linkSignals, type LinkedSignal } from "../system/signals.ts";
import type { WatchEvent, WatchQuery } from "./kubernetes-resources.ts";
import type { ListWatch } from "./list-watch.ts";
import { PatientEvents } from "./patient-events.ts";
import { statusError } from "./watch-trouble.ts";

/** What a `WatchConnection` needs. */
export interface WatchConnectionParts<T extends object> {
  readonly source: ListWatch<T>;
  readonly clock: Clock;
  readonly onSkipped: () => void;
}

/** One open watch, from its request until it is closed; whoever holds it closes it. */
export class WatchConnection<T extends object> {
  readonly openedMs: number;
  readonly #over: LinkedSignal;
  readonly #events: PatientEvents<WatchEvent<T>>;

  constructor({ source, clock, onSkipped }: WatchConnectionParts<T>, query: WatchQuery, signal: AbortSignal) {
    this.openedMs = clock.monotonicMs();
    this.#over = linkSignals(signal);
    const events = source.watch(query, { signal: this.#over.signal, onSkipped });
    this.#events = new PatientEvents(events, { clock, signal: this.#over.signal });
  }

  /**
   * The next event; `"silent"` after so long without one, `"closed"` when the server has ended it, or the signal.
   *
   * @throws what broke it; an `ERROR` event as the error that it tells.
   */
  async next(patienceMs: number): Promise<WatchEvent<T> | "silent" | "closed"> {
    const next = await this.#events.next(patienceMs);
    if (next === "silent") return next;
    if (next === "over") return "closed";
    if (next.event.type === "ERROR") throw statusError(next.event.object);
    return next.event;
  }

  /** Its socket is destroyed; nothing is told any more. */
  close(): void {
    this.#over.abort(new Error("the watch is over"));
    this.#over.unlink();
    this.#events.close();
  }
}
