import { errorCode, StorageUnavailableError } from "../errors.ts";
import type { LockHint, ObservedRecord } from "../lock/resource-lock.ts";
import { sleep, type Clock } from "../system/clock.ts";
import { printable } from "../system/logger.ts";
import type { Random } from "../system/random.ts";
import { linkSignals } from "../system/signals.ts";
import { isExpired } from "./api-error.ts";
import type {
  KubernetesClient,
  KubernetesResource,
  ResourceRef,
  WatchEvent,
  WatchQuery,
} from "./kubernetes-resources.ts";
import { PatientEvents } from "./patient-events.ts";

/** What a `LeaseWatch` needs. */
export interface LeaseWatchParts {
  readonly client: KubernetesClient;
  readonly ref: ResourceRef;
  readonly clock: Clock;
  readonly random: Random;
  /** Reads a Lease; throws if it cannot be read. */
  readonly observe: (lease: KubernetesResource) => ObservedRecord;
  /** Hears that it was deleted; the event may be an old one that is told again. */
  readonly gone?: (lease: KubernetesResource) => void;
  /** Whether a new version of an equal record is told as well; default false. */
  readonly tellsVersions?: boolean;
}

/** A server sends a bookmark each minute. */
const longestSilenceMs = 120_000;
/** A Lease that exists is told well within; after it the watch is taken to be open, on nothing or on nothing new. */
const firstEventMs = 1_000;
/** A right is not granted more often than this. */
const deniedPauseMs = 600_000;

/** What is seen, and the text that tells it from what was told before. */
interface Sight {
  readonly text: string;
  readonly hint: LockHint;
}

/** Nothing there, or nothing new: the read that a bare hint asks for makes the watch live. */
const opened: Sight = { text: "", hint: {} };

/** The watch of one Lease, for one lock; it remembers where a next one goes on, and nothing that a hint depends on. */
export class LeaseWatch {
  readonly #parts: LeaseWatchParts;
  /**
   * Where to go on: a bookmark, or a change that was told. Never the Lease's own version: that of a quiet Lease is out
   * of a server's history when it restarts, each time anew.
   */
  #resumeAt: string | undefined;
  #denied = false;

  constructor(parts: LeaseWatchParts) {
    this.#parts = parts;
  }

  /**
   * Hints with what they saw, until `signal` falls, the server ends the watch, its history is gone, or nothing comes
   * for two minutes. Throws what the caller should hear of; that watching is not allowed, or not possible, once.
   */
  async *hints(signal: AbortSignal): AsyncGenerator<LockHint, void, undefined> {
    if (this.#denied && !(await this.#paused(signal))) return;
    const over = linkSignals(signal);
    // What goes wrong may lie in where it went on: only an orderly end of a watch that told something keeps that.
    const resumeAt = this.#resumeAt;
    this.#resumeAt = undefined;
    try {
      yield* this.#session(resumeAt, over.signal);
    } catch (error) {
      this.#resumeAt = undefined;
      if (signal.aborted || isExpired(error)) return;
      const told = this.#denied;
      this.#denied = isDenied(error);
      if (!told || !this.#denied) throw error;
    } finally {
      over.abort(new Error("the watch is over"));
      over.unlink();
    }
  }

  async *#session(resumeAt: string | undefined, signal: AbortSignal): AsyncGenerator<LockHint, void, undefined> {
    const { client, ref, clock } = this.#parts;
    const events = new PatientEvents(client.watch(ref, this.#query(resumeAt), { signal }), { clock, signal });
    let told: string | undefined;
    try {
      for (;;) {
        const next = await events.next(told === undefined ? firstEventMs : longestSilenceMs);
        if (next === "over") return;
        if (next === "silent" && told !== undefined) throw this.#silent();
        const sight = next === "silent" ? opened : this.#sightOf(next.event);
        if (sight === "over") return;
        this.#denied = false;
        if (sight === undefined || sight.text === told) continue;
        told = sight.text;
        yield sight.hint;
      }
    } finally {
      events.close();
    }
  }

  #query(resumeAt: string | undefined): WatchQuery {
    return {
      fieldSelector: `metadata.name=${this.#parts.ref.name}`,
      allowWatchBookmarks: true,
      timeoutSeconds: 300 + Math.floor(this.#parts.random.next() * 301),
      ...(resumeAt !== undefined && { resourceVersion: resumeAt }),
    };
  }

  /** What an event says: something, nothing, or that history is gone. */
  #sightOf({ type, object }: WatchEvent): Sight | "over" | undefined {
    if (type === "ERROR") {
      this.#resumeAt = undefined;
      if (object["code"] === 410) return "over";
      throw this.#failed(object);
    }
    const { name, resourceVersion, uid = "" } = object.metadata ?? {};
    if (type !== "BOOKMARK" && name !== this.#parts.ref.name) return undefined; // a client that knows no selectors
    // The first ADDED is the state, however old; a live one is followed by something newer soon enough.
    if (type !== "ADDED" && resourceVersion !== undefined) this.#resumeAt = resourceVersion;
    if (type === "BOOKMARK") return undefined;
    if (type === "DELETED") {
      this.#parts.gone?.(object);
      return { text: `gone ${uid}`, hint: {} };
    }
    const observed = this.#observed(object);
    const told = this.#parts.tellsVersions ? observed : observed?.record;
    const text = told === undefined ? `unreadable ${String(resourceVersion)}` : JSON.stringify(told);
    return { text: `${uid} ${text}`, hint: observed === undefined ? {} : { observed } };
  }

  #observed(lease: KubernetesResource): ObservedRecord | undefined {
    try {
      return this.#parts.observe(lease);
    } catch {
      return undefined; // the read that a bare hint asks for tells what is wrong with it
    }
  }

  /** Whether the pause after a refusal has passed; the end of the watch ends it, too. */
  async #paused(signal: AbortSignal): Promise<boolean> {
    try {
      await sleep(this.#parts.clock, deniedPauseMs, signal);
      return true;
    } catch {
      return false; // the caller's abort: it ends without an error
    }
  }

  #silent(): StorageUnavailableError {
    return this.#trouble(`nothing came for ${longestSilenceMs} ms, not even a bookmark`);
  }

  #failed(status: KubernetesResource): StorageUnavailableError {
    const { code, reason } = status;
    return this.#trouble(`${String(Number(code))} ${typeof reason === "string" ? printable(reason, 60) : ""}`);
  }

  #trouble(why: string): StorageUnavailableError {
    const { client, ref } = this.#parts;
    const message = `cannot watch lease "${ref.namespace}/${ref.name}" in ${client.description}: ${why}`;
    const key = `${ref.namespace}/${ref.name}`;
    return new StorageUnavailableError(message, { operation: "watch", storage: client.description, key });
  }
}

/** Whether asking again soon is of no use: no right, or a client that cannot watch. */
function isDenied(error: unknown): boolean {
  const code = errorCode(error);
  return code === "ACCESS_DENIED" || code === "UNSUPPORTED";
}
