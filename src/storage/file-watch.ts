import { dirname } from "node:path";
import { errorCode } from "../errors.ts";
import type { Clock } from "../system/clock.ts";
import type { FileSystem, FileWatcher } from "./file-system.ts";
import { isVersionName } from "./file-versions.ts";
import type { Hint, Stored } from "./versioned-storage.ts";

/** What `watchFile` needs. */
export interface FileWatchParts {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly pollMs: number;
  readonly root: string;
  /** `<root>/<encoded key>/@`; it need not exist yet. */
  readonly directory: string;
  read(): Promise<Stored | undefined>;
}

/**
 * A hint once established, then one whenever a look finds another version than the last: at a notification of the
 * system, and every `pollMs`, since network file systems notify nobody. Hints carry what was read. A look that fails
 * gives a bare hint, unless waiting cannot cure it; then it throws.
 */
export async function* watchFile(parts: FileWatchParts, signal: AbortSignal): AsyncGenerator<Hint, void, undefined> {
  const bell = new Bell(parts.clock, signal);
  const push = new Push(parts, bell);
  let last: string | undefined;
  try {
    for (let rung = true; !signal.aborted; rung = await bell.wait(parts.pollMs)) {
      bell.reset(); // before the look: what changes during it rings again
      push.follow();
      const { hint, mark } = await look(parts);
      if (signal.aborted) return;
      if (mark === last) continue;
      last = mark;
      if (!rung) push.renew(); // the poll found what the system did not tell: it watches something that is gone
      yield hint;
    }
  } finally {
    push.close();
  }
}

async function look(parts: FileWatchParts): Promise<{ readonly hint: Hint; readonly mark: string }> {
  try {
    const seen = await parts.read();
    return seen === undefined ? { hint: {}, mark: "absent" } : { hint: { seen }, mark: seen.version };
  } catch (error) {
    const code = errorCode(error) ?? "";
    if (code === "ACCESS_DENIED") throw error;
    return { hint: {}, mark: `unreadable: ${code}` };
  }
}

/** Wakes the one who waits: when rung, when it was rung since the last reset, at the end of a pause, or on abort. */
class Bell {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  #rung = false;
  #wake: () => void = () => {};

  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock;
    this.#signal = signal;
  }

  ring(): void {
    this.#rung = true;
    this.#wake();
  }

  reset(): void {
    this.#rung = false;
  }

  /** Resolves with whether it was rung. */
  async wait(pauseMs: number): Promise<boolean> {
    if (this.#rung || this.#signal.aborted) return this.#rung;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        cancel();
        this.#signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#wake = wake;
      const cancel = this.#clock.setTimer(this.#clock.monotonicMs() + pauseMs, wake, { idle: true });
      this.#signal.addEventListener("abort", wake, { once: true });
    });
    this.#wake = () => {};
    return this.#rung;
  }
}

/** Rings when something happens in the key's directory, or in the nearest one above it that exists. */
class Push {
  readonly #parts: FileWatchParts;
  readonly #bell: Bell;
  #watched: { readonly path: string; readonly watcher: FileWatcher } | undefined;
  /** The highest number that was told; pruning tells of lower ones. */
  #highest = "";

  constructor(parts: FileWatchParts, bell: Bell) {
    this.#parts = parts;
    this.#bell = bell;
  }

  /** Moves to the key's directory, or as near as it exists. Repeats, since one may be made between two of its steps. */
  follow(): void {
    for (;;) {
      const before = this.#watched?.path;
      this.#approach();
      if (this.#watched?.path === before || this.#watched?.path === this.#parts.directory) return;
    }
  }

  renew(): void {
    this.close();
    this.#highest = "";
    this.follow();
    this.#bell.ring(); // what happened before the new watch was told to nobody
  }

  close(): void {
    this.#watched?.watcher.close();
    this.#watched = undefined;
  }

  #approach(): void {
    const { directory, root } = this.#parts;
    for (let path = directory; path !== this.#watched?.path; path = dirname(path)) {
      const watcher = this.#start(path);
      if (watcher !== undefined) {
        this.close();
        this.#watched = { path, watcher };
        return;
      }
      if (path === root || path === dirname(path)) return;
    }
  }

  #start(path: string): FileWatcher | undefined {
    try {
      const watcher = this.#parts.fs.watch(path, { persistent: false }, (_event, name) => this.#heed(name));
      watcher.on("error", () => {
        if (this.#watched?.watcher === watcher) this.close();
      });
      return watcher;
    } catch {
      return undefined; // missing, or the system has no watches left: the polls go on
    }
  }

  #heed(name: string | null): void {
    if (name !== null && isVersionName(name)) {
      if (name <= this.#highest) return;
      this.#highest = name;
    }
    this.#bell.ring();
  }
}
