import { errorCode, TenureError } from "../errors.ts";
import type { Clock } from "../system/clock.ts";
import { printable, type Logger } from "../system/logger.ts";
import { microTime } from "../system/micro-time.ts";
import type { Random } from "../system/random.ts";
import { TimeoutError, withDeadline } from "../system/signals.ts";
import { coreEvent, eventsEvent, type EventTold, type LeaseSubject } from "./event-bodies.ts";
import type { KubernetesClient, ResourceKind, WriteAnswer } from "./kubernetes-resources.ts";

/** Which API takes the events: `events.k8s.io/v1`, or the older one of the core group. */
export type EventsApi = "events.k8s.io" | "core";

/** What `LeaseEvents` needs. */
export interface LeaseEventsParts {
  readonly client: KubernetesClient;
  readonly api: EventsApi;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Who tells. */
  readonly instance: string;
}

/** An event that was told lately, to be counted up. */
interface Series {
  /** What it was created as, and where; absent until then. */
  stored?: { readonly name: string; readonly api: EventsApi };
  /** How often it happened, told or not. */
  count: number;
  lastMs: number;
}

const deadlineMs = 5_000;
const seriesMs = 600_000;
const burst = 10;
const refillMs = 60_000;
const mostNoteBytes = 1_000;
const mostSeries = 64;

/**
 * Tells events about a Lease, one after the other and in the background: 10 at once, then one a minute. Nothing waits
 * for them, and what cannot be told is dropped. An equal event within ten minutes raises the count of the first.
 *
 * Where `events.k8s.io` is not allowed, it goes on in the core group; where that is not either, it falls silent with
 * one warning.
 */
export class LeaseEvents {
  readonly #parts: LeaseEventsParts;
  readonly #series = new Map<string, Series>();
  #api: EventsApi | "off";
  #tokens = burst;
  #refilledMs: number;
  #last: Promise<void> = Promise.resolve();
  #refused: unknown;

  constructor(parts: LeaseEventsParts) {
    this.#parts = parts;
    this.#api = parts.api;
    this.#refilledMs = parts.clock.monotonicMs();
  }

  /** Never throws. `reason`: one word for what happened; default: `LeaderElection`. */
  tell(subject: LeaseSubject, text: string, reason?: string): void {
    const note = shortened(printable(text, mostNoteBytes), mostNoteBytes);
    const wallUs = this.#parts.clock.wallMs() * 1000;
    if (this.#api === "off") return;
    // Counted even where it is not told: the next one that is told tells all.
    const series = this.#counted(JSON.stringify([subject.namespace, subject.name, subject.uid, reason, note]));
    if (!this.#mayTell()) return;
    const told = { subject, reason, note, instance: shortened(this.#parts.instance, 128), at: microTime(wallUs) };
    this.#last = this.#last.then(() => this.#send(series, told));
  }

  #counted(key: string): Series {
    const nowMs = this.#parts.clock.monotonicMs();
    const known = this.#series.get(key);
    const series = known !== undefined && nowMs - known.lastMs <= seriesMs ? known : { count: 0, lastMs: nowMs };
    series.count += 1;
    series.lastMs = nowMs;
    this.#series.delete(key);
    this.#series.set(key, series);
    for (const oldest of this.#series.keys()) {
      if (this.#series.size <= mostSeries) break;
      this.#series.delete(oldest);
    }
    return series;
  }

  #mayTell(): boolean {
    const nowMs = this.#parts.clock.monotonicMs();
    const refills = Math.floor((nowMs - this.#refilledMs) / refillMs);
    this.#refilledMs += refills * refillMs;
    this.#tokens = Math.min(this.#tokens + refills, burst);
    if (this.#tokens === 0) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Never rejects. */
  async #send(series: Series, told: EventTold): Promise<void> {
    const api = this.#api;
    if (api === "off") return;
    try {
      await this.#put(series, told, api);
    } catch (error) {
      const code = errorCode(error);
      // Injected clients may know no core group.
      if (code !== "ACCESS_DENIED" && code !== "UNSUPPORTED") return this.#log("debug", "an event was not told", error);
      this.#refused ??= error; // of the API that was asked for: its rule is the one to add
      this.#api = api === "core" ? "off" : "core";
      if (this.#api === "core") return this.#send(series, told);
      this.#log("warn", "events are not allowed, so none is told from now on", this.#refused);
    }
  }

  async #put(series: Series, told: EventTold, api: EventsApi): Promise<void> {
    const { client, random } = this.#parts;
    const kind = kindOf(api, told.subject.namespace);
    const { stored } = series;
    if (stored?.api === api) {
      const merge = seriesPatch(api, series.count, told.at);
      const patched = await this.#inTime((options) => client.patch({ ...kind, name: stored.name }, merge, options));
      if (patched.written) return;
    }
    // Not there yet, or not any more.
    const name = `${told.subject.name.slice(0, 200)}.${random.uuid().replaceAll("-", "")}`;
    const body = api === "core" ? coreEvent(name, told) : eventsEvent(name, told);
    const created = await this.#inTime((options) => client.create(kind, body, options));
    if (created.written) series.stored = { name, api };
  }

  #inTime(call: (options: { timeoutMs: number; signal: AbortSignal }) => Promise<WriteAnswer>): Promise<WriteAnswer> {
    const { clock } = this.#parts;
    return withDeadline({ clock, timeoutMs: deadlineMs }, (signal) => call({ timeoutMs: deadlineMs, signal }));
  }

  #log(level: "debug" | "warn", message: string, error: unknown): void {
    // What ours say holds no secret, and of a refusal it names the rule to add.
    const said = error instanceof TenureError ? error.message : (errorCode(error) ?? "an error without a code");
    const why = error instanceof TimeoutError ? "TIMEOUT" : said;
    try {
      this.#parts.logger[level](message, { server: this.#parts.client.description, why });
    } catch {
      // Log lines are for people; a logger that fails must not stop the next event.
    }
  }
}

function kindOf(api: EventsApi, namespace: string): ResourceKind {
  return { group: api === "core" ? "" : api, version: "v1", plural: "events", namespace };
}

function seriesPatch(api: EventsApi, count: number, at: string): object {
  if (api === "core") return { count, lastTimestamp: `${at.slice(0, 19)}Z` };
  return { series: { count, lastObservedTime: at } };
}

/** At most so many bytes in UTF-8, cut between two characters. */
function shortened(text: string, mostBytes: number): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= mostBytes) return text;
  return new TextDecoder().decode(bytes.subarray(0, mostBytes), { stream: true });
}
