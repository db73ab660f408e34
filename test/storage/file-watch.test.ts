// Goal: a watch of file storage tells of every change, by the system's notifications and by polls, and leaves nothing
// behind. Method: notifications are real, delivered by hand, or missing; polls wait on a manual clock.

import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FileStorage, type FileStorageOptions } from "../../src/storage/file.ts";
import { systemFileSystem, type FileListener, type FileSystem } from "../../src/storage/file-system.ts";
import type { Hint, Version } from "../../src/storage/versioned-storage.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { FileSteps, systemError } from "./file-steps.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

let place = "";
let directory = "";
let watches: AbortController;

beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), "tenure-file-"));
  directory = join(place, "root");
  watches = new AbortController();
});
afterEach(async () => {
  watches.abort();
  await rm(place, { recursive: true, force: true });
});

/** Watches that a test rings by hand. Like the system, it refuses directories that are missing. */
class HandRung {
  readonly listeners = new Map<string, FileListener>();
  readonly errors = new Map<string, (error: Error) => void>();
  started = 0;
  closed = 0;
  readonly fs: FileSystem;

  constructor(exists: (path: string) => boolean = () => true) {
    this.fs = {
      ...systemFileSystem,
      watch: (path, options, listener) => {
        if (!exists(path)) throw systemError("ENOENT", "watch");
        expect(options).toEqual({ persistent: false }); // an idle watch keeps no process alive
        this.started += 1;
        this.listeners.set(path, listener);
        const close = (): void => {
          this.closed += 1;
          if (this.listeners.get(path) === listener) this.listeners.delete(path);
        };
        return { close, on: (_event, heard) => this.errors.set(path, heard) };
      },
    };
  }
}

/** The hints of one watch, one by one, as texts. */
class Hints {
  readonly #hints: AsyncIterator<Hint>;

  constructor(storage: FileStorage, key = "k") {
    if (storage.watch === undefined) throw new Error("file storage can watch");
    this.#hints = storage.watch(key, { signal: watches.signal })[Symbol.asyncIterator]();
  }

  async next(): Promise<string> {
    const { done, value } = await this.#hints.next();
    if (done === true) return "the end";
    return value.seen === undefined ? "a bare hint" : new TextDecoder().decode(value.seen.value);
  }
}

function connect(options: Partial<FileStorageOptions> = {}): FileStorage {
  return new FileStorage({ directory, ...options });
}

async function write(value: string, key = "k"): Promise<void> {
  const storage = connect();
  const head = await storage.read(key);
  const outcome = await (head === undefined
    ? storage.create(key, bytes(value))
    : storage.replace(key, bytes(value), head.version));
  expect(outcome.written).toBe(true);
}

async function remove(): Promise<void> {
  const head = await connect().read("k");
  await connect().remove("k", head?.version as Version); // cast: the tests remove what is there
}

/** Lets file system calls that need no timer come to their end. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe("with the notifications of the system", () => {
  test("it carries what was written, within the poll's pause", async () => {
    const hints = new Hints(connect({ pollMs: 60_000 }));
    await write("1");
    expect(await hints.next()).toBe("1");
    for (const value of ["2", "3"]) {
      const next = hints.next();
      await write(value);
      expect(await next).toBe(value);
    }
    const gone = hints.next();
    await remove();
    expect(await gone).toBe("a bare hint");
    const again = hints.next();
    await write("again");
    expect(await again).toBe("again");
  });

  test("it follows a key whose directories are made later, level by level", async () => {
    await write("other", "other");
    const hints = new Hints(connect({ pollMs: 60_000 }), "a/b/c");
    expect(await hints.next()).toBe("a bare hint");
    const next = hints.next();
    await write("1", "a/b/c");
    expect(await next).toBe("1");
    const second = hints.next();
    await write("2", "a/b/c");
    expect(await second).toBe("2");
  });

  test("it hears of no other key, and wakes only once for a write that prunes", async () => {
    const steps = new FileSteps();
    await write("1");
    const hints = new Hints(connect({ pollMs: 60_000, fs: steps.fs, keep: 2 }));
    expect(await hints.next()).toBe("1");
    for (const value of ["2", "3", "4"]) {
      const next = hints.next();
      await write(value);
      expect(await next).toBe(value);
    }
    const looks = (): number => steps.log.filter((line) => line.startsWith("open")).length;
    const before = looks();
    const pending = hints.next();
    await write("x", "k/below");
    await write("x", "other");
    await settle();
    expect(looks()).toBe(before);
    watches.abort();
    expect(await pending).toBe("the end");
  });
});

describe("by polls alone", () => {
  test("it finds changes where the system has no watches left", async () => {
    const clock = new ManualClock();
    const fs: FileSystem = {
      ...systemFileSystem,
      watch: () => {
        throw systemError("ENOSPC", "watch");
      },
    };
    const hints = new Hints(connect({ clock, fs, pollMs: 1000 }));
    expect(await hints.next()).toBe("a bare hint");
    await write("1");
    const next = hints.next();
    await settle();
    expect(clock.nextTimerMs).toBe(1000);
    await clock.advance(1000);
    expect(await next).toBe("1");
  });

  test("it survives that the root is not there yet", async () => {
    const clock = new ManualClock();
    const hints = new Hints(connect({ clock, pollMs: 1000 }));
    expect(await hints.next()).toBe("a bare hint");
    const next = hints.next();
    await settle();
    await write("1");
    await clock.advance(1000);
    expect(await next).toBe("1");
  });

  test("a quiet key gives no hints", async () => {
    const clock = new ManualClock();
    await write("1");
    const hints = new Hints(connect({ clock, pollMs: 1000 }));
    expect(await hints.next()).toBe("1");
    let heard = false;
    const next = hints.next().then(() => (heard = true));
    for (let poll = 0; poll < 3; poll += 1) {
      await settle();
      await clock.advance(1000);
    }
    expect(heard).toBe(false);
    watches.abort();
    await next;
  });

  test("a poll that finds what was not told watches anew", async () => {
    const clock = new ManualClock();
    await write("1");
    const rung = new HandRung();
    const hints = new Hints(connect({ clock, fs: rung.fs, pollMs: 1000 }));
    expect(await hints.next()).toBe("1");
    expect([rung.started, rung.closed]).toEqual([1, 0]);
    await rename(join(directory, "k"), join(directory, "away"));
    const gone = hints.next();
    await settle();
    await clock.advance(1000);
    expect(await gone).toBe("a bare hint");
    expect([rung.started, rung.closed]).toEqual([2, 1]);
  });
});

describe("rung by hand", () => {
  test("hints that pile up are merged into one look at the newest", async () => {
    await write("1");
    const rung = new HandRung();
    const steps = new FileSteps(rung.fs);
    const hints = new Hints(connect({ fs: steps.fs, pollMs: 60_000 }));
    expect(await hints.next()).toBe("1");
    const ring = rung.listeners.get(join(directory, "k", "@"));
    for (const value of ["2", "3", "4"]) await write(value);
    for (let times = 0; times < 20; times += 1) ring?.("rename", null);
    steps.log.splice(0);
    expect(await hints.next()).toBe("4");
    expect(steps.log.filter((line) => line.startsWith("open"))).toHaveLength(1);
  });

  test("a change during a look is looked at again", async () => {
    await write("1");
    const rung = new HandRung();
    const steps = new FileSteps(rung.fs);
    const hints = new Hints(connect({ fs: steps.fs, pollMs: 60_000 }));
    expect(await hints.next()).toBe("1");
    const ring = rung.listeners.get(join(directory, "k", "@"));
    const next = hints.next();
    const held = steps.hold("after", "readdir");
    ring?.("rename", "notes");
    await held.reached; // what is listed is version 1
    await write("2");
    ring?.("rename", "0000000000000002");
    held.release();
    expect(await next).toBe("2");
  });

  test("a watch that fails is replaced at the next poll", async () => {
    const clock = new ManualClock();
    await write("1");
    const rung = new HandRung();
    const hints = new Hints(connect({ clock, fs: rung.fs, pollMs: 1000 }));
    expect(await hints.next()).toBe("1");
    rung.errors.get(join(directory, "k", "@"))?.(systemError("EPERM", "watch"));
    expect([rung.started, rung.closed]).toEqual([1, 1]);
    const next = hints.next();
    await settle();
    await clock.advance(1000);
    await settle();
    expect([rung.started, rung.closed]).toEqual([2, 1]);
    await write("2");
    rung.listeners.get(join(directory, "k", "@"))?.("rename", "0000000000000002");
    expect(await next).toBe("2");
  });

  test("it watches the nearest directory that exists, never above the root", async () => {
    const existing = new Set<string>();
    const rung = new HandRung((path) => existing.has(basename(path)));
    const clock = new ManualClock();
    const hints = new Hints(connect({ clock, fs: rung.fs, pollMs: 1000 }), "a/b");
    existing.add(basename(place));
    expect(await hints.next()).toBe("a bare hint");
    expect([...rung.listeners.keys()]).toEqual([]);
    const next = hints.next();
    for (const name of ["root", "a", "b", "@"]) {
      existing.add(name);
      await settle();
      await clock.advance(1000);
      await settle();
      expect([...rung.listeners.keys()].map((path) => basename(path))).toEqual([name]);
    }
    watches.abort();
    expect(await next).toBe("the end");
    expect([...rung.listeners.keys()]).toEqual([]);
    expect(rung.closed).toBe(rung.started);
  });
});

describe("trouble", () => {
  test("what cannot be read gives one bare hint, and hints go on once it can", async () => {
    const clock = new ManualClock();
    await write("1");
    const hints = new Hints(connect({ clock, pollMs: 1000, fs: new HandRung().fs }));
    expect(await hints.next()).toBe("1");
    await writeFile(join(directory, "k", "@", "0000000000000002"), "damaged");
    const damaged = hints.next();
    await settle();
    await clock.advance(1000);
    expect(await damaged).toBe("a bare hint");
    const repaired = hints.next();
    await settle();
    await clock.advance(1000);
    await settle();
    await rm(join(directory, "k", "@", "0000000000000002"));
    await clock.advance(1000);
    expect(await repaired).toBe("1");
  });

  test("a refused right ends the watch with an error", async () => {
    await write("1");
    const steps = new FileSteps();
    steps.fail("readdir", "EACCES");
    await expect(new Hints(connect({ fs: steps.fs })).next()).rejects.toMatchObject({ code: "ACCESS_DENIED" });
  });

  test("abort ends it without an error, close() with one, and no timer and no watch stay", async () => {
    const clock = new ManualClock();
    await write("1");
    const rung = new HandRung();
    const storage = connect({ clock, fs: rung.fs });
    for (const end of ["abort", "close"]) {
      watches = new AbortController();
      const hints = new Hints(storage);
      expect(await hints.next()).toBe("1");
      const next = hints.next().catch((error: unknown) => error);
      await settle();
      if (end === "abort") watches.abort();
      else await storage.close();
      await (end === "abort"
        ? expect(next).resolves.toBe("the end")
        : expect(next).resolves.toMatchObject({ code: "CLOSED" }));
      expect(clock.timerCount).toBe(0);
      expect(rung.listeners.size).toBe(0);
    }
  });
});
