// Goal: file storage keeps every promise of a storage, and its own about URLs, options and places on the disk.
// Method: the published suite over temporary directories, without fsync for speed; then cases that only files have.

import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FileStorage, type FileStorageOptions } from "../../src/storage/file.ts";
import { openStorage } from "../../src/storage/registry.ts";
import type { VersionedStorage } from "../../src/storage/versioned-storage.ts";
import { FaultyStorage } from "../../src/testing/faulty-storage.ts";
import { runSuite, versionedStorageSuite } from "../../src/testing/versioned-storage-suite.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A directory, and the connections that a case does not know and so cannot close. */
interface Place {
  readonly directory: string;
  readonly hidden: FileStorage[];
}

function hidden({ directory, hidden: list }: Place): FileStorage {
  const storage = new FileStorage({ directory, fsync: false });
  list.push(storage);
  return storage;
}

describe("file storage", () => {
  runSuite(test, versionedStorageSuite, {
    lacks: ["transact", "expiry"],
    place: async (): Promise<Place> => ({ directory: await mkdtemp(join(tmpdir(), "tenure-file-")), hidden: [] }),
    connect: ({ directory }) => new FileStorage({ directory, fsync: false }),
    faults: (place) => new FaultyStorage(hidden(place)),
    remove: async (place) => {
      await Promise.all(place.hidden.map((storage) => storage.close()));
      await rm(place.directory, { recursive: true, force: true });
    },
  });
});

describe("a place on the disk", () => {
  let directory = "";
  const storages: VersionedStorage[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "tenure-file-"));
  });
  afterEach(async () => {
    for (const storage of storages.splice(0)) await storage.close();
    await rm(directory, { recursive: true, force: true });
  });

  async function create(key: string, storage: VersionedStorage = new FileStorage({ directory })): Promise<void> {
    expect(await storage.create(key, bytes(key))).toMatchObject({ written: true });
  }

  test("each key has a directory of its own, also on file systems that fold case", async () => {
    for (const key of ["a", "a/b", "A", "Zoë", "con", "@", "a%2fb", ".lock"]) await create(key);
    const files = await readdir(directory, { recursive: true });
    const versions = files.filter((path) => path.endsWith("/@/0000000000000001"));
    expect(versions.map((path) => path.slice(0, -19)).sort()).toEqual([
      "%2elock",
      "%40",
      "%41",
      "%5ao%c3%ab",
      "%63on",
      "a",
      "a%252fb",
      "a/b",
    ]);
    const listed: string[] = [];
    for await (const { key } of new FileStorage({ directory }).list("")) listed.push(key);
    expect(listed.sort()).toEqual([".lock", "@", "A", "Zoë", "a", "a%2fb", "a/b", "con"]);
  });

  test("a list leaves out what is foreign: other names, files, links, temporaries", async () => {
    await create("a/b");
    for (const name of ["A", "%41b%", "con", "..data", "lost+found"]) await mkdir(join(directory, name));
    await mkdir(join(directory, "empty/below"), { recursive: true });
    await mkdir(join(directory, "no-version/@"), { recursive: true });
    await writeFile(join(directory, "notes.txt"), "");
    await writeFile(join(directory, "@tmp", "0000000000000001"), "");
    await symlink(join(directory, "a"), join(directory, "link"));
    const listed: string[] = [];
    for await (const { key } of new FileStorage({ directory }).list("")) listed.push(key);
    expect(listed).toEqual(["a/b"]);
    for await (const { key } of new FileStorage({ directory }).list("missing/")) listed.push(key);
    for await (const { key } of new FileStorage({ directory }).list("notes.txt/")) listed.push(key);
    expect(listed).toEqual(["a/b"]);
  });

  test("a relative directory means the one that it meant when the storage was made", async () => {
    const storage = new FileStorage({ directory: "some/state" });
    expect(storage.description).toBe(pathToFileURL(join(process.cwd(), "some/state")).href);
  });

  test("it tells what it can do", () => {
    expect(new FileStorage({ directory }).capabilities).toEqual({
      watch: "push",
      transact: false,
      expiry: false,
      maxValueBytes: 64 * 2 ** 20,
      minWriteIntervalMs: 0,
      durability: "durable",
      reach: "machine",
    });
  });

  test("the registry opens it by URL, with all its parameters", async () => {
    const parameters = "keep=2&mode=0640&fsync=off&current=on&pollMs=50&probe=never";
    const url = `${pathToFileURL(join(directory, "röt")).href}?${parameters}`;
    const storage = await openStorage(url);
    storages.push(storage);
    await create("k", storage);
    for (let count = 0; count < 3; count += 1) {
      const head = await storage.read("k");
      expect(head).toBeDefined();
      if (head !== undefined) await storage.replace("k", bytes(String(count)), head.version);
    }
    expect(await readdir(join(directory, "röt", "k", "@"))).toEqual(["0000000000000003", "0000000000000004"]);
    expect(await readFile(join(directory, "röt", "k", "@current"), "utf8")).toBe("2");
    expect(storage.capabilities.durability).toBe("machine");
    expect(storage.description).toBe(pathToFileURL(join(directory, "röt")).href);
  });

  test("the registry sweeps it, but needs it neither to exist nor to be clean", async () => {
    await mkdir(join(directory, "@tmp"));
    await mkdir(join(directory, "@tmp", "directory"));
    for (const path of [directory, join(directory, "missing")]) {
      storages.push(await openStorage(`${pathToFileURL(path).href}?probe=never`));
    }
    await expect(readdir(join(directory, "missing"))).rejects.toThrow("ENOENT");
  });

  test.each([
    ["file:", ["file URL"]],
    ["file://host/path", ["file URL"]],
    ["file:///x?keep=1&fsync=maybe&nonsense=1&keep=3", ["keep", "fsync", "nonsense", "twice"]],
    ["file:///x?mode=0o600&pollMs=fast", ["mode", "pollMs"]],
    ["file:///x?mode=0060", ["mode (0o60)"]],
  ])("%s is refused with its problems", async (url, named) => {
    const error: unknown = await openStorage(`${url}`).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "INVALID_SETTINGS" });
    for (const name of named) expect(String(error)).toContain(name);
  });

  test("a client is refused, since there is none", async () => {
    const opened = openStorage("file:///x?probe=never", { client: {} });
    await expect(opened).rejects.toMatchObject({ code: "INVALID_SETTINGS" });
  });

  test("options are checked at once, and every problem is named", () => {
    const wrong = {
      directory: "",
      keep: 1,
      mode: 0o1600,
      fsync: "yes",
      current: 1,
      pollMs: 0,
      maxValueBytes: 2 ** 40,
      timeoutMs: Number.NaN,
    } as unknown as FileStorageOptions; // cast: what a caller without types may pass
    let problems: unknown;
    try {
      new FileStorage(wrong);
    } catch (error) {
      problems = Reflect.get(Object(error), "problems");
    }
    expect(problems).toEqual(Object.keys(wrong).map((name) => expect.stringMatching(new RegExp(`^${name} \\(`))));
    expect(() => new FileStorage({ directory, keep: 501 })).toThrow("keep (501) must be a whole number from 2 to 500");
    expect(() => new FileStorage({ directory, mode: 0o066 })).toThrow("mode (0o66) must");
  });
});
