// Goal: trouble of the file system gets the right error, and nothing foreign is followed, read as a version or waited
// for. Method: single steps fail, hang or are doubled in a stepped file system; links, FIFOs and cut files are put in
// the way.

import { execFileSync } from "node:child_process";
import { chmodSync } from "node:fs";
import {
  appendFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FileStorage, type FileStorageOptions } from "../../src/storage/file.ts";
import { systemFileSystem } from "../../src/storage/file-system.ts";
import type { VersionedStorage, Version } from "../../src/storage/versioned-storage.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { FileSteps } from "./file-steps.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const first = "0000000000000001";
const second = "0000000000000002";

let place = "";
let directory = "";

beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), "tenure-file-"));
  directory = join(place, "root");
});
afterEach(async () => {
  await rm(place, { recursive: true, force: true });
});

function connect(steps?: FileSteps, options: Partial<FileStorageOptions> = {}): FileStorage {
  return new FileStorage({ directory, fs: steps?.fs, ...options });
}

async function create(storage: VersionedStorage, value = "1"): Promise<Version> {
  const outcome = await storage.create("k", bytes(value));
  if (!outcome.written) throw new Error("the key was to be absent");
  return outcome.version;
}

async function keysOf(storage: VersionedStorage): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of storage.list("")) keys.push(key);
  return keys;
}

async function temporaries(): Promise<string[]> {
  return readdir(join(directory, "@tmp"));
}

describe("#69: a write that fails before the link had no effect", () => {
  test.each([
    ["open", "EMFILE", "STORAGE_UNAVAILABLE"],
    ["open", "EACCES", "ACCESS_DENIED"],
    ["open", "EROFS", "STORAGE_UNAVAILABLE"],
    ["readdir", "EACCES", "ACCESS_DENIED"],
    ["readdir", "EIO", "STORAGE_UNAVAILABLE"],
    ["file.writeFile", "ENOSPC", "STORAGE_UNAVAILABLE"],
    ["file.writeFile", "EDQUOT", "STORAGE_UNAVAILABLE"],
    ["file.datasync", "EIO", "STORAGE_UNAVAILABLE"],
    ["file.close", "EIO", "STORAGE_UNAVAILABLE"],
    ["realpath", "EACCES", "ACCESS_DENIED"],
  ])("%s: %s is %s", async (step, code, expected) => {
    const version = await create(connect());
    const steps = new FileSteps();
    steps.fail(step, code);
    const failed = connect(steps).replace("k", bytes("2"), version);
    await expect(failed).rejects.toMatchObject({ code: expected, applied: "no", operation: "replace", key: "k" });
    expect(steps.log.some((line) => line.startsWith("link"))).toBe(false);
    expect((await connect().read("k"))?.version).toBe(version);
    expect(await temporaries()).toEqual([]);
  });

  test.each([
    ["mkdir", "EROFS", "STORAGE_UNAVAILABLE"],
    ["mkdir", "ENOSPC", "STORAGE_UNAVAILABLE"],
    ["mkdir", "EACCES", "ACCESS_DENIED"],
    ["file.sync", "EIO", "STORAGE_UNAVAILABLE"],
  ])("making the directories, %s: %s is %s", async (step, code, expected) => {
    const steps = new FileSteps();
    steps.fail(step, code);
    await expect(create(connect(steps))).rejects.toMatchObject({ code: expected, applied: "no" });
    expect(await connect().read("k")).toBeUndefined();
  });

  test.each([
    ["ENOSPC", "STORAGE_UNAVAILABLE"],
    ["EROFS", "STORAGE_UNAVAILABLE"],
    ["EACCES", "ACCESS_DENIED"],
    ["ENOENT", "STORAGE_UNAVAILABLE"], // its temporary was swept
    ["EPERM", "UNSAFE_STORAGE"], // what FAT says: no hard links
    ["ENOTSUP", "UNSAFE_STORAGE"],
    ["EXDEV", "UNSAFE_STORAGE"],
  ])("as had a link that the system refused, %s is %s", async (code, expected) => {
    const version = await create(connect());
    const steps = new FileSteps();
    steps.fail("link", code);
    const failed = connect(steps).replace("k", bytes("2"), version);
    await expect(failed).rejects.toMatchObject({ code: expected, applied: "no" });
    expect((await connect().read("k"))?.version).toBe(version);
    expect(await temporaries()).toEqual([]);
  });
});

describe("#69: a write that fails at the link or after it is unknown", () => {
  test.each([
    ["link", "EIO"],
    ["link", "ESTALE"],
    ["link", "EUNHEARD"],
    ["file.sync", "EIO"],
  ])("%s: %s", async (step, code) => {
    const version = await create(connect());
    const steps = new FileSteps();
    steps.fail(step, code);
    const failed = connect(steps).replace("k", bytes("2"), version);
    await expect(failed).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown", key: "k" });
    expect(await temporaries()).toEqual([]);
  });

  test("the look afterwards fails", async () => {
    const version = await create(connect());
    const steps = new FileSteps();
    const linking = steps.hold("after", "link");
    const pending = connect(steps).replace("k", bytes("2"), version);
    pending.catch(() => undefined); // looked at below
    await linking.reached;
    steps.fail("readdir", "EMFILE");
    linking.release();
    await expect(pending).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown" });
  });

  test("a file system that knows no fsync of directories is no trouble", async () => {
    const steps = new FileSteps();
    steps.fail("file.sync", "EINVAL");
    await create(connect(steps));
  });

  test("a temporary that cannot be unlinked is left to the sweep", async () => {
    const steps = new FileSteps();
    steps.fail((step) => step.name === "unlink" && step.path.includes("@tmp"), "EIO");
    await create(connect(steps));
    expect(await temporaries()).toHaveLength(1);
  });
});

describe("#69: a listing that lags behind", () => {
  test("lets no write through, though its look finds the version that it expects", async () => {
    const old = await create(connect());
    const outcome = await connect().replace("k", bytes("2"), old);
    const steps = new FileSteps();
    const stop = steps.on("readdir", () => Promise.resolve([first]));
    steps.on("link", (run) => (stop(), run()));
    expect(await connect(steps).replace("k", bytes("3"), old)).toEqual({ written: false });
    expect(outcome).toMatchObject({ written: true, version: (await connect().read("k"))?.version });
  });

  test("leaves a write unknown if it still lags at the check", async () => {
    const old = await create(connect());
    const steps = new FileSteps();
    steps.on("readdir", () => Promise.resolve([first]));
    const written = connect(steps).replace("k", bytes("2"), old);
    await expect(written).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown" });
  });
});

describe("a read that fails", () => {
  test.each([
    ["readdir", "EMFILE", "STORAGE_UNAVAILABLE"],
    ["open", "ENFILE", "STORAGE_UNAVAILABLE"],
    ["open", "EACCES", "ACCESS_DENIED"],
    ["file.read", "EIO", "STORAGE_UNAVAILABLE"],
    ["realpath", "EIO", "STORAGE_UNAVAILABLE"],
  ])("%s: %s is %s", async (step, code, expected) => {
    await create(connect());
    const steps = new FileSteps();
    steps.fail(step, code);
    const error: unknown = await connect(steps)
      .read("k")
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: expected, operation: "read", key: "k", cause: { code } });
    expect(Reflect.get(Object(error), "applied")).toBeUndefined();
  });
});

describe("what happens in which order", () => {
  test("directories are synced before a first version is linked, and the link before it is acknowledged", async () => {
    const steps = new FileSteps();
    await connect(steps).create("a/b", bytes("1"));
    const log = steps.log.map((line) => line.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/, "<id>"));
    const at = (line: string): number => {
      expect(log).toContain(line);
      return log.indexOf(line);
    };
    expect(log.filter((line) => line.startsWith("file.sync"))).toHaveLength(5); // @ above a/b, a, root, place
    for (const name of ["b", "a", "root"]) expect(at(`file.sync ${name}`)).toBeLessThan(at(`link ${first}`));
    expect(at("file.writeFile <id>")).toBeLessThan(at("file.datasync <id>"));
    expect(at("file.datasync <id>")).toBeLessThan(at(`link ${first}`));
    expect(at(`link ${first}`)).toBeLessThan(at("file.sync @"));
    expect(at("file.sync @")).toBeLessThan(at("unlink <id>"));
    expect(at("unlink <id>")).toBeLessThan(log.lastIndexOf("readdir @"));
  });

  test("a refused write touches nothing but what it has to read", async () => {
    const version = await create(connect());
    const steps = new FileSteps();
    const storage = connect(steps);
    expect(await storage.create("k", bytes("2"))).toEqual({ written: false });
    // cast: made up
    expect(await storage.replace("k", bytes("2"), `${version}x` as Version)).toEqual({ written: false });
    expect(await storage.remove("other", version)).toEqual({ written: false });
    const names = new Set(steps.log.map((line) => line.split(" ")[0]));
    expect([...names].sort()).toEqual(["file.close", "file.read", "file.stat", "open", "readdir", "realpath"]);
    expect(await readdir(directory)).toEqual(["@tmp", "k"]);
  });

  test("without fsync nothing is synced", async () => {
    const steps = new FileSteps();
    const storage = connect(steps, { fsync: false });
    await create(storage);
    expect(steps.log.filter((line) => line.includes("sync"))).toEqual([]);
    expect(storage.capabilities.durability).toBe("machine");
    expect(connect().capabilities.durability).toBe("durable");
  });
});

describe("a step that hangs", () => {
  /** A deadline passes while the first matching step hangs; then the step goes on after all. */
  async function hang(step: string, when: "before" | "after"): Promise<{ error: unknown; version: Version }> {
    const version = await create(connect());
    const clock = new ManualClock();
    const steps = new FileSteps();
    const held = steps.hold(when, step);
    const storage = connect(steps, { clock, timeoutMs: 1000 });
    const write = storage.replace("k", bytes("2"), version).catch((error: unknown) => error);
    await held.reached;
    await clock.advance(1000);
    const error = await write;
    held.release();
    await storage.close(); // waits for the rest of the write
    return { error, version };
  }

  test.each(["readdir", "realpath", "open", "file.read", "file.writeFile", "file.datasync", "file.close"])(
    "before the link, at %s: nothing was written, and nothing will be",
    async (step) => {
      const { error, version } = await hang(step, "before");
      expect(error).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no", cause: { name: "TimeoutError" } });
      expect((await connect().read("k"))?.version).toBe(version);
      expect(await temporaries()).toEqual([]);
    },
  );

  test.each([
    ["before", "link"],
    ["after", "link"],
    ["before", "file.sync"],
  ] as const)("%s %s: unknown, applied once, and the next writer goes on", async (when, step) => {
    const { error } = await hang(step, when);
    expect(error).toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown", cause: { name: "TimeoutError" } });
    const stored = await connect().read("k");
    expect(new TextDecoder().decode(stored?.value)).toBe("2");
    expect(await temporaries()).toEqual([]);
    // cast: read
    expect(await connect().replace("k", bytes("3"), stored?.version as Version)).toMatchObject({ written: true });
  });

  test("while pruning: unknown, although it was applied", async () => {
    const clock = new ManualClock();
    const steps = new FileSteps();
    const held = steps.hold("before", `unlink ${first}`);
    const storage = connect(steps, { clock, timeoutMs: 1000, keep: 2 });
    let version = await create(storage);
    const outcome = await storage.replace("k", bytes("2"), version);
    if (outcome.written) version = outcome.version;
    const write = storage.replace("k", bytes("3"), version).catch((error: unknown) => error);
    await held.reached;
    await clock.advance(1000);
    expect(await write).toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown" });
    expect(new TextDecoder().decode((await connect().read("k"))?.value)).toBe("3");
    held.release();
    await storage.close();
    expect(await readdir(join(directory, "k", "@"))).toHaveLength(2);
  });

  test("in a read: unavailable, at the deadline", async () => {
    await create(connect());
    const clock = new ManualClock();
    const steps = new FileSteps();
    const held = steps.hold("before", "open");
    const read = connect(steps, { clock, timeoutMs: 1000 })
      .read("k")
      .catch((error: unknown) => error);
    await held.reached;
    await clock.advance(1000);
    expect(await read).toMatchObject({ code: "STORAGE_UNAVAILABLE", cause: { name: "TimeoutError" } });
    held.release();
  });

  test("for ever does not hold up close() for ever", async () => {
    const clock = new ManualClock();
    const steps = new FileSteps();
    const held = steps.hold("before", "link");
    const storage = connect(steps, { clock, timeoutMs: 1000 });
    const write = create(storage).catch((error: unknown) => error);
    await held.reached;
    const closed = storage.close();
    expect(await write).toMatchObject({ code: "CLOSED", applied: "unknown" });
    await clock.advance(1000);
    await closed;
    held.release();
  });

  test("before the link, and close(): nothing was written", async () => {
    const steps = new FileSteps();
    const held = steps.hold("before", "file.datasync");
    const storage = connect(steps);
    const write = create(storage).catch((error: unknown) => error);
    await held.reached;
    const closed = storage.close();
    held.release();
    await closed;
    expect(await write).toMatchObject({ code: "CLOSED", applied: "no" });
    expect(await connect().read("k")).toBeUndefined();
  });

  test("and the caller's abort: rejects with its reason, and stops before the link", async () => {
    const steps = new FileSteps();
    const held = steps.hold("before", "file.datasync");
    const storage = connect(steps);
    const controller = new AbortController();
    const write = storage.create("k", bytes("1"), { signal: controller.signal }).catch((error: unknown) => error);
    await held.reached;
    const reason = new Error("no longer needed");
    controller.abort(reason);
    expect(await write).toBe(reason);
    held.release();
    await storage.close();
    expect(await connect().read("k")).toBeUndefined();
  });
});

describe("#61: what is not a version of ours is refused, never followed, and left alone", () => {
  const version = (number: string): string => join(directory, "k", "@", number);

  async function expectRefused(): Promise<void> {
    const before = await create(connect()).catch(() => "1-x" as Version); // cast: any version will do
    const storage = connect();
    await expect(storage.read("k")).rejects.toMatchObject({ code: "CORRUPT_DATA" });
    await expect(storage.create("k", bytes("x"))).rejects.toMatchObject({ code: "CORRUPT_DATA", applied: "no" });
    const replaced = storage.replace("k", bytes("x"), before);
    await expect(replaced).rejects.toMatchObject({ code: "CORRUPT_DATA", applied: "no" });
    await expect(storage.remove("k", before)).rejects.toMatchObject({ code: "CORRUPT_DATA", applied: "no" });
    await expect(keysOf(storage)).rejects.toMatchObject({ code: "CORRUPT_DATA" });
  }

  test("a symbolic link in place of a version", async () => {
    await create(connect());
    await rename(version(first), join(place, "elsewhere"));
    await symlink(join(place, "elsewhere"), version(first));
    await expectRefused();
  });

  test("a symbolic link above the versions that are there", async () => {
    await create(connect());
    await symlink(version(first), version(second));
    await expectRefused();
    expect(await readdir(join(directory, "k", "@"))).toEqual([first, second]);
  });

  test("a FIFO, without waiting for somebody to write to it", async () => {
    await create(connect());
    execFileSync("mkfifo", [version(second)]);
    await expectRefused();
  });

  test("a directory", async () => {
    await create(connect());
    await mkdir(version(second));
    await expectRefused();
  });

  test("an empty file, as a power failure without fsync leaves it", async () => {
    await create(connect());
    await writeFile(version(second), "");
    await expectRefused();
    expect(await readFile(version(second), "utf8")).toBe("");
  });

  test.each([
    ["cut", "1"],
    ["a foreign file", '{"holderIdentity":"x"}\n'],
    ["an array", "[1]\n"],
    ["null", "null\n"],
    ["text", "hello\nworld\n"],
    ["a line without an end", "x".repeat(5000)],
    ["another kind", '{"writeId":"a","previous":null,"kind":"link","length":0}\n'],
    ["a path as write id", '{"writeId":"../../x","previous":null,"kind":"value","length":0}\n'],
  ])("%s", async (_what, content) => {
    await create(connect());
    await writeFile(version(second), content);
    await expectRefused();
  });

  test("a version with more bytes than its header says", async () => {
    await create(connect());
    await appendFile(version(first), "x");
    await expectRefused();
  });

  test("a version larger than this connection reads", async () => {
    await create(connect(), "x".repeat(4000));
    await expect(connect(undefined, { maxValueBytes: 10 }).read("k")).rejects.toMatchObject({ code: "CORRUPT_DATA" });
  });

  test("a number that leaves no next one", async () => {
    await create(connect());
    await rename(version(first), version("9999999999999999"));
    await expectRefused();
  });

  test("the key's directory is a symbolic link to another key's", async () => {
    await connect().create("other", bytes("theirs"));
    await symlink(join(directory, "other"), join(directory, "k"));
    const storage = connect();
    await expect(storage.read("k")).rejects.toMatchObject({ code: "CORRUPT_DATA" });
    await expect(storage.create("k", bytes("x"))).rejects.toMatchObject({ code: "CORRUPT_DATA", applied: "no" });
    expect(await keysOf(storage)).toEqual(["other"]);
  });

  test("a directory in a key's way is a symbolic link out of the root", async () => {
    await create(connect());
    await mkdir(join(place, "outside"));
    await symlink(join(place, "outside"), join(directory, "a"));
    const created = connect().create("a/b/c", bytes("x"));
    await expect(created).rejects.toMatchObject({ code: "CORRUPT_DATA", applied: "no" });
    expect(await readdir(join(place, "outside"))).toEqual([]);
  });

  test("a file stands where a directory belongs", async () => {
    await create(connect());
    await writeFile(join(directory, "a"), "foreign");
    await expect(connect().read("a/b")).rejects.toMatchObject({ code: "CORRUPT_DATA" });
    const created = connect().create("a/b", bytes("x"));
    await expect(created).rejects.toMatchObject({ code: "CORRUPT_DATA", applied: "no" });
    expect(await keysOf(connect())).toEqual(["k"]);
  });

  test("the temporaries are a symbolic link", async () => {
    await mkdir(join(place, "outside"));
    await mkdir(directory);
    await symlink(join(place, "outside"), join(directory, "@tmp"));
    await expect(create(connect())).rejects.toMatchObject({ code: "CORRUPT_DATA", applied: "no" });
    expect(await readdir(join(place, "outside"))).toEqual([]);
  });

  test("the root itself may be a symbolic link, and may come to lead elsewhere", async () => {
    await mkdir(join(place, "one"));
    await mkdir(join(place, "two"));
    await symlink(join(place, "one"), directory);
    const storage = connect();
    await create(storage);
    expect(await storage.read("k")).toBeDefined();
    await rm(directory);
    await symlink(join(place, "two"), directory);
    expect(await storage.read("k")).toBeUndefined();
    await create(storage);
    expect(await readdir(join(place, "two"))).toEqual(["@tmp", "k"]);
  });

  test("two hard links of one version are legal", async () => {
    await create(connect());
    const { link } = systemFileSystem;
    await link(version(first), join(place, "backup"));
    expect(await connect().read("k")).toBeDefined();
  });
});

describe("modes", () => {
  const modeOf = async (...path: string[]): Promise<string> =>
    ((await stat(join(directory, ...path))).mode & 0o7777).toString(8);

  test("files are 0600 and directories 0700 by default", async () => {
    await connect(undefined, { current: true }).create("a/k", bytes("1"));
    for (const path of [["."], ["@tmp"], ["a"], ["a", "k"], ["a", "k", "@"]]) expect(await modeOf(...path)).toBe("700");
    expect(await modeOf("a", "k", "@", first)).toBe("600");
    expect(await modeOf("a", "k", "@current")).toBe("600");
  });

  test("a wider mode is given whatever the umask, and a set-group bit stays", async () => {
    await mkdir(directory);
    chmodSync(directory, 0o2770);
    await connect(undefined, { mode: 0o660 }).create("a/k", bytes("1"));
    for (const path of [["@tmp"], ["a"], ["a", "k"], ["a", "k", "@"]]) expect(await modeOf(...path)).toBe("2770");
    expect(await modeOf("a", "k", "@", first)).toBe("660");
  });
});

describe("sweep", () => {
  test("removes temporaries older than a day, and nothing else", async () => {
    const storage = connect();
    await create(storage);
    const old = new Date(Date.now() - 25 * 3600 * 1000);
    for (const name of ["old", "young"]) await writeFile(join(directory, "@tmp", name), "x");
    await mkdir(join(directory, "@tmp", "directory"));
    await symlink(join(directory, "k", "@", first), join(directory, "@tmp", "link"));
    for (const path of ["@tmp/old", "@tmp/directory", `k/@/${first}`]) await utimes(join(directory, path), old, old);
    await storage.sweep();
    expect((await temporaries()).sort()).toEqual(["directory", "link", "young"]);
    expect(await storage.read("k")).toBeDefined();
  });

  test("removes the scratch keys of probes older than an hour, and no other key", async () => {
    const storage = connect();
    const [old, young] = ["0b7e2f4a-9a53-4c3e-8d11-0123456789ab", "0b7e2f4a-9a53-4c3e-8d11-0123456789ac"];
    const keys = [`tenure-probe/${old}/a`, `tenure-probe/${young}/a`, "tenure-probe/mine", `other/${old}`];
    for (const key of keys) await storage.create(key, bytes("1"));
    const longAgo = new Date(Date.now() - 2 * 3600 * 1000);
    for (const path of [`tenure-probe/${old}`, "tenure-probe/mine", `other/${old}`]) {
      await utimes(join(directory, path), longAgo, longAgo);
    }
    await storage.sweep();
    expect((await keysOf(storage)).sort()).toEqual(keys.slice(1).sort());
    expect((await readdir(join(directory, "tenure-probe"))).sort()).toEqual([young, "mine"].sort());
  });

  test("of a place that does not exist does nothing", async () => {
    await connect().sweep();
    await expect(readdir(directory)).rejects.toThrow("ENOENT");
  });
});

describe("health", () => {
  test("is healthy where reading and writing would work, and writes nothing", async () => {
    await create(connect());
    const steps = new FileSteps();
    expect(await connect(steps).health()).toMatchObject({ status: "healthy", reasons: [] });
    expect(steps.log).toEqual(["stat root", "access root", "statfs root"]);
  });

  test("tells of a root that is not there yet", async () => {
    expect(await connect().health()).toMatchObject({
      status: "degraded",
      reasons: [expect.stringContaining("not exist")],
    });
    await expect(readdir(directory)).rejects.toThrow("ENOENT");
  });

  test.each([
    ["access", "EACCES"],
    ["access", "EROFS"],
    ["stat", "EIO"],
  ])("is unhealthy at %s: %s", async (step, code) => {
    await create(connect());
    const steps = new FileSteps();
    steps.fail(step, code);
    const health = await connect(steps).health();
    expect(health).toMatchObject({ status: "unhealthy", reasons: [expect.stringContaining(code)] });
  });

  test("is unhealthy where the root is a file, degraded with little space, unhealthy with none", async () => {
    await writeFile(directory, "");
    expect((await connect().health()).status).toBe("unhealthy");
    await rm(directory);
    await mkdir(directory);
    const steps = new FileSteps();
    let bavail = 1;
    steps.on("statfs", () => Promise.resolve({ bavail, bsize: 4096 }));
    expect(await connect(steps).health()).toMatchObject({ status: "degraded", reasons: ["only 4096 bytes are free"] });
    bavail = 0;
    expect((await connect(steps).health()).status).toBe("unhealthy");
  });

  test("is unhealthy at its deadline", async () => {
    const clock = new ManualClock();
    const steps = new FileSteps();
    const held = steps.hold("before", "stat");
    const health = connect(steps, { clock, timeoutMs: 1000 }).health();
    await held.reached;
    await clock.advance(1000);
    expect(await health).toMatchObject({ status: "unhealthy", latencyMs: 1000 });
    held.release();
  });
});
