import {
  appliedOf,
  errorCode,
  isAlreadyExists,
  isConditionalUpdateFailed,
  isNotFound,
  UnknownOutcomeError,
} from "../errors.ts";
import type { CallOptions } from "../storage/versioned-storage.ts";
import type { LeaseObject } from "../storage/lease-storage.ts";
import { withDeadline } from "../system/signals.ts";
import type { ControllerParts, Guard } from "./controller-parts.ts";
import { troubleText } from "./global-view.ts";
import type { GlobalWrite } from "./plan.ts";

/** What came of a call to the storage. */
export type StorageNews =
  | { readonly kind: "record"; readonly lease: LeaseObject }
  | { readonly kind: "absent" }
  | { readonly kind: "unreadable"; readonly problem: string }
  | { readonly kind: "written"; readonly write: GlobalWrite; readonly lease: LeaseObject }
  /** Somebody else wrote in between. */
  | { readonly kind: "lost" }
  /** This replica does not lead any more; nothing was sent. */
  | { readonly kind: "refused" }
  /** The storage asks to be left alone for so long; nothing was changed. */
  | { readonly kind: "throttled"; readonly retryAfterMs: number }
  /** `unknown`: a write was sent, and may have been applied. */
  | { readonly kind: "failed"; readonly error: unknown; readonly unknown: boolean };

/** What a lane needs. */
export type LaneParts = Pick<ControllerParts, "storage" | "clock" | "callTimeoutMs" | "slots" | "metrics">;

/**
 * The calls to the storage for one lease: at most one write and one look under way. They are numbered, and what a look
 * brings that was sent before a write's answer is dropped: it may show what was there before.
 */
export class StorageLane {
  readonly #key: string;
  readonly #parts: LaneParts;
  readonly #hear: (news: StorageNews) => void;
  #calls = 0;
  /** Looks up to this number are too old to be believed. */
  #floor = 0;
  #writing = false;
  #looking = false;
  #lookAgain = false;

  constructor(key: string, parts: LaneParts, hear: (news: StorageNews) => void) {
    this.#key = key;
    this.#parts = parts;
    this.#hear = hear;
  }

  get isWriting(): boolean {
    return this.#writing;
  }

  get isLooking(): boolean {
    return this.#looking;
  }

  /** Reads the record; asked again meanwhile, once more after that. */
  look(): void {
    if (this.#looking) this.#lookAgain = true;
    else void this.#look();
  }

  /** Writes, while this replica leads. */
  write(write: GlobalWrite, guard: Guard): void {
    if (!this.#writing) void this.#write(write, guard);
  }

  async #look(): Promise<void> {
    this.#looking = true;
    let call = 0;
    const news = await this.#parts.slots.looks.run(() => {
      call = ++this.#calls;
      this.#lookAgain = false; // who asked while this one waited is served by it
      return this.#read();
    });
    const isLate = call <= this.#floor;
    const again = this.#lookAgain && news.kind !== "failed"; // after a failure its pause comes first
    this.#looking = false;
    this.#parts.metrics.globalReads.add({ outcome: isLate ? "dropped" : readOutcome(news) });
    if (!isLate) this.#hear(news);
    if (again) this.look();
  }

  async #read(): Promise<StorageNews> {
    const { storage } = this.#parts;
    try {
      return { kind: "record", lease: await this.#inTime((options) => storage.readLease(this.#key, options)) };
    } catch (error) {
      if (isNotFound(error)) return { kind: "absent" };
      if (errorCode(error) === "CORRUPT_DATA") return { kind: "unreadable", problem: troubleText(error) };
      return failureNews(error, false);
    }
  }

  async #write(write: GlobalWrite, guard: Guard): Promise<void> {
    this.#writing = true;
    const news = await this.#parts.slots.writes.run(() => this.#send(write, guard));
    this.#floor = this.#calls;
    this.#writing = false;
    this.#parts.metrics.globalWrites.add({ outcome: writeOutcome(news) });
    this.#hear(news);
  }

  async #send(write: GlobalWrite, guard: Guard): Promise<StorageNews> {
    const { storage } = this.#parts;
    const { data, expected } = write;
    try {
      const lease = await guard(() =>
        this.#inTime((options) =>
          expected === undefined
            ? storage.createLease(this.#key, data, options)
            : storage.writeLease(this.#key, data, expected, options),
        ),
      );
      const generation: unknown = lease?.generation;
      // A success that names no version is unknown: there is nothing to renew.
      if (typeof generation !== "string" || generation === "") throw noGeneration();
      return { kind: "written", write, lease: { data, generation } };
    } catch (error) {
      if (isConditionalUpdateFailed(error) || isAlreadyExists(error)) return { kind: "lost" };
      if (errorCode(error) === "LEADERSHIP_LOST" && Reflect.get(Object(error), "phase") === "refused")
        return { kind: "refused" };
      return failureNews(error, appliedOf(error) === "unknown");
    }
  }

  /** Storages keep the deadline themselves, and know more when it passes; this one is for those that do not. */
  #inTime<T>(call: (options: CallOptions) => Promise<T>): Promise<T> {
    const { clock, callTimeoutMs } = this.#parts;
    const deadline = { clock, timeoutMs: 1.5 * callTimeoutMs };
    return withDeadline(deadline, (signal) => call({ timeoutMs: callTimeoutMs, signal }));
  }
}

function noGeneration(): UnknownOutcomeError {
  return new UnknownOutcomeError("the storage's answer to a write holds no generation");
}

function failureNews(error: unknown, unknown: boolean): StorageNews {
  const asked: unknown = Reflect.get(Object(error), "retryAfterMs");
  if (!unknown && typeof asked === "number" && asked > 0) return { kind: "throttled", retryAfterMs: asked };
  return { kind: "failed", error, unknown };
}

function readOutcome({ kind }: StorageNews): string {
  return kind === "record" || kind === "absent" || kind === "unreadable" ? kind : "failed";
}

function writeOutcome(news: StorageNews): string {
  if (news.kind === "failed") return news.unknown ? "unknown" : "failed";
  return news.kind;
}
