import { constants, closeSync, fstatSync, openSync, write } from "node:fs";
import { type Clock, systemClock } from "../system/clock.ts";
import { type Logger, printable } from "../system/logger.ts";
import { maskSecrets } from "./masks.ts";

/** What is logged, from most to least. */
export const logLevels = ["debug", "info", "warn", "error", "silent"] as const;

/** One of `logLevels`. */
export type LogLevel = (typeof logLevels)[number];

/** No more than this many characters wait for the reader; what comes on top is dropped and counted. */
const longestQueue = 64 * 1024;
const retryPauseMs = 20;

/**
 * Writes lines to stderr without ever waiting for its reader: one asynchronous write at a time, a bounded queue, and
 * what does not fit is dropped and counted. `process.stderr` is synchronous, and a paused reader (`less`, Ctrl-S)
 * would stop the renewals. Errors of stderr are swallowed: there is nobody left to tell.
 */
export class Log implements Logger {
  readonly #clock: Clock;
  readonly #descriptor: number;
  readonly #owned: boolean;
  #level: LogLevel = "info";
  #queue: string[] = [];
  #queued = 0;
  #dropped = 0;
  #writing = false;
  #broken = false;
  #idle: (() => void)[] = [];

  constructor(descriptor = 2, clock: Clock = systemClock) {
    this.#clock = clock;
    const reopened = reopenNonBlocking(descriptor);
    this.#descriptor = reopened ?? descriptor;
    this.#owned = reopened !== undefined;
  }

  setLevel(level: LogLevel): void {
    this.#level = level;
  }

  debug(message: string, fields?: Readonly<Record<string, unknown>>): void {
    this.#line("debug", message, fields);
  }

  info(message: string, fields?: Readonly<Record<string, unknown>>): void {
    this.#line("info", message, fields);
  }

  warn(message: string, fields?: Readonly<Record<string, unknown>>): void {
    this.#line("warn", message, fields);
  }

  error(message: string, fields?: Readonly<Record<string, unknown>>): void {
    this.#line("error", message, fields);
  }

  /** Queues text as it is, secrets masked, whatever the level. */
  write(text: string): void {
    if (this.#broken) return;
    const masked = maskSecrets(text);
    if (this.#queued + masked.length > longestQueue) {
      this.#dropped += 1;
      return;
    }
    this.#queue.push(masked);
    this.#queued += masked.length;
    this.#next();
  }

  /** Resolves once everything is written, or after `maxMs`. */
  flush(maxMs: number): Promise<void> {
    if (!this.#writing) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#clock.setTimer(this.#clock.monotonicMs() + maxMs, resolve);
      this.#idle.push(() => {
        cancel();
        resolve();
      });
    });
  }

  close(): void {
    this.#broken = true;
    if (this.#owned) closeSync(this.#descriptor);
  }

  #line(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    if (logLevels.indexOf(level) < logLevels.indexOf(this.#level)) return;
    const told = Object.entries(fields).map(([name, value]) => ` ${name}=${printable(fieldText(value))}`);
    const mark = level === "info" ? "" : `${level}: `;
    this.write(`tenure: ${mark}${printable(message, 2000)}${told.join("")}\n`);
  }

  #next(): void {
    if (this.#writing || this.#broken) return;
    const text = this.#queue.splice(0).join("");
    this.#queued = 0;
    if (text === "") return;
    this.#writing = true;
    this.#send(Buffer.from(text));
  }

  #send(bytes: Buffer): void {
    write(this.#descriptor, bytes, (error, written) => {
      if (error?.code === "EAGAIN") return this.#later(bytes);
      if (error) this.#broken = true;
      else if (written < bytes.length) return this.#send(bytes.subarray(written));
      this.#writing = false;
      if (this.#dropped > 0 && !this.#broken) {
        const dropped = this.#dropped;
        this.#dropped = 0;
        this.write(`tenure: warn: ${dropped} lines dropped, stderr was not read\n`);
      }
      this.#next();
      if (!this.#writing) for (const resolve of this.#idle.splice(0)) resolve();
    });
  }

  #later(bytes: Buffer): void {
    this.#clock.setTimer(this.#clock.monotonicMs() + retryPauseMs, () => this.#send(bytes));
  }
}

/**
 * A description of one's own of the same pipe or terminal, on which a write never blocks. On the shared one a write
 * waits in a thread, and Node waits for its threads before it exits: a paused reader would hold the process. Files
 * (which have a position), sockets and other systems than Linux keep the shared one.
 */
function reopenNonBlocking(descriptor: number): number | undefined {
  try {
    const stat = fstatSync(descriptor);
    if (process.platform !== "linux" || !(stat.isFIFO() || stat.isCharacterDevice())) return undefined;
    return openSync(`/proc/self/fd/${descriptor}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return undefined; // no /proc, no right, no reader: the shared one must do
  }
}

function fieldText(value: unknown): string {
  if (typeof value === "string") return /\s/.test(value) ? JSON.stringify(value) : value;
  if (value instanceof Error) return value.message;
  return JSON.stringify(value) ?? String(value);
}
