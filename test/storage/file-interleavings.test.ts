// Goal: no interleaving of slow writers, pruning and readers lets a write that lost be read, or a write be reported
// wrongly. Method: a stepped file system stops one connection between two of its steps while others write on, with
// `keep=2`.

import { mkdtemp, readdir, readFile, rm, writeFile, cp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FileStorage } from "../../src/storage/file.ts";
import type { Version, WriteOutcome } from "../../src/storage/versioned-storage.ts";
import { FileSteps, Gate, systemError } from "./file-steps.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined): string | undefined => value && new TextDecoder().decode(value);

let directory = "";

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "tenure-file-"));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

function connect(fs?: FileSteps): FileStorage {
  return new FileStorage({ directory, keep: 2, fs: fs?.fs });
}

function file(number: number): string {
  return join(directory, "k", "@", String(number).padStart(16, "0"));
}

function versionOf(outcome: WriteOutcome): Version {
  if (!outcome.written) throw new Error("this write was to be applied");
  return outcome.version;
}

/** Writes `count` versions on top of what is there. */
async function writeOn(storage: FileStorage, count: number): Promise<Version> {
  let version: Version | undefined;
  for (let left = count; left > 0; left -= 1) {
    const head = await storage.read("k");
    if (head === undefined) throw new Error("there is nothing to write on");
    version = versionOf(await storage.replace("k", bytes(`after ${text(head.value)}`), head.version));
  }
  if (version === undefined) throw new Error("at least one version must be written");
  return version;
}

/** A writer that looked at version 1 and is about to link version 2. */
async function slowWriter(): Promise<{ outcome: Promise<WriteOutcome>; link(): Promise<void>; finish(): void }> {
  const steps = new FileSteps();
  const [ready, linking, linked, finishing] = [new Gate(), new Gate(), new Gate(), new Gate()] as const;
  steps.on("link", async (run) => {
    ready.open();
    await linking.passed;
    await run().finally(() => linked.open());
    await finishing.passed;
  });
  const storage = connect(steps);
  const head = await storage.read("k");
  if (head === undefined) throw new Error("version 1 is missing");
  const outcome = storage.replace("k", bytes("slow"), head.version);
  outcome.catch(() => undefined); // looked at by each test
  await ready.passed;
  const link = async (): Promise<void> => {
    linking.open();
    await linked.passed;
  };
  return { outcome, link, finish: () => finishing.open() };
}

describe("a reader", () => {
  test("does not return a write that lost, though its number was pruned and filled between list and open", async () => {
    const other = connect();
    versionOf(await other.create("k", bytes("1")));
    const slow = await slowWriter();
    await writeOn(other, 1);
    const steps = new FileSteps();
    const opening = steps.hold("before", "open 0000000000000002");
    const reading = connect(steps).read("k");
    await opening.reached; // it has listed, and 2 was the highest
    const version = await writeOn(other, 2); // 3 and 4 stay, 2 is free
    await slow.link();
    expect(await readFile(file(2), "utf8")).toContain("slow"); // what the reader is about to open
    opening.release();
    const stored = await reading;
    expect(stored?.version).toBe(version);
    expect(text(stored?.value)).toBe("after after after 1");
    slow.finish();
    expect(await slow.outcome).toEqual({ written: false });
  });

  test("looks anew where the number was pruned between list and open", async () => {
    const other = connect();
    versionOf(await other.create("k", bytes("1")));
    const steps = new FileSteps();
    const opening = steps.hold("before", "open 0000000000000001");
    const reading = connect(steps).read("k");
    await opening.reached;
    const version = await writeOn(other, 3);
    opening.release();
    expect((await reading)?.version).toBe(version);
  });
});

describe("a writer that fills a number which pruning has freed", () => {
  test("lost, by its successor, and leaves nothing behind", async () => {
    const other = connect();
    versionOf(await other.create("k", bytes("1")));
    const slow = await slowWriter();
    const version = await writeOn(other, 3); // 3 and 4 stay
    await slow.link();
    expect(await readdir(join(directory, "k", "@"))).toContain("0000000000000002");
    slow.finish();
    expect(await slow.outcome).toEqual({ written: false });
    expect(await readdir(join(directory, "k", "@"))).toEqual(["0000000000000003", "0000000000000004"]);
    expect((await other.read("k"))?.version).toBe(version);
  });

  test("lost, by its own file, where the successor was pruned too", async () => {
    const other = connect();
    versionOf(await other.create("k", bytes("1")));
    const slow = await slowWriter();
    const version = await writeOn(other, 5); // 5 and 6 stay
    await slow.link();
    slow.finish();
    expect(await slow.outcome).toEqual({ written: false });
    expect(await readdir(join(directory, "k", "@"))).toEqual(["0000000000000005", "0000000000000006"]);
    expect((await other.read("k"))?.version).toBe(version);
  });

  test("lost at once where the number is still there", async () => {
    const other = connect();
    versionOf(await other.create("k", bytes("1")));
    const slow = await slowWriter();
    const version = await writeOn(other, 1);
    await slow.link();
    slow.finish();
    expect(await slow.outcome).toEqual({ written: false });
    expect((await other.read("k"))?.version).toBe(version);
  });
});

describe("a writer whose version was applied, and then pruned before its check", () => {
  /** A writer that has linked version 2 and has not looked yet. */
  async function linkedWriter(): Promise<{ outcome: Promise<WriteOutcome>; check(): void }> {
    const steps = new FileSteps();
    const linked = steps.hold("after", "link 0000000000000002");
    const writer = connect(steps);
    const head = await writer.read("k");
    if (head === undefined) throw new Error("version 1 is missing");
    const outcome = writer.replace("k", bytes("mine"), head.version);
    outcome.catch(() => undefined); // looked at by each test
    await linked.reached;
    expect(text((await connect().read("k"))?.value)).toBe("mine");
    return { outcome, check: () => linked.release() };
  }

  test("learns from its successor that it was written", async () => {
    const other = connect();
    versionOf(await other.create("k", bytes("1")));
    const { outcome, check } = await linkedWriter();
    await writeOn(other, 2); // 3 and 4 stay
    await expect(readFile(file(2))).rejects.toThrow("ENOENT");
    check();
    expect((await outcome).written).toBe(true);
  });

  test("cannot know it where the successor is gone as well", async () => {
    const other = connect();
    versionOf(await other.create("k", bytes("1")));
    const { outcome, check } = await linkedWriter();
    await writeOn(other, 4); // 5 and 6 stay
    check();
    await expect(outcome).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown" });
  });

  test("is not told that it lost, though another's file stands under its number", async () => {
    const other = connect();
    versionOf(await other.create("k", bytes("1")));
    const slow = await slowWriter();
    const { outcome, check } = await linkedWriter();
    await writeOn(other, 4); // 5 and 6 stay
    await slow.link();
    expect(await readFile(file(2), "utf8")).toContain("slow");
    check();
    await expect(outcome).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown" });
    slow.finish();
    expect(await slow.outcome).toEqual({ written: false });
  });

  test("is told that it was written, though another's file stands under its number, by its successor", async () => {
    const other = connect();
    versionOf(await other.create("k", bytes("1")));
    const slow = await slowWriter();
    const { outcome, check } = await linkedWriter();
    await writeOn(other, 2); // 3 and 4 stay
    await slow.link();
    expect(await readFile(file(2), "utf8")).toContain("slow");
    check();
    expect((await outcome).written).toBe(true);
    slow.finish();
    expect(await slow.outcome).toEqual({ written: false });
  });
});

describe("a link that is refused", () => {
  test("counts as written if one's own file is there: a network file system sent the link twice", async () => {
    const steps = new FileSteps();
    steps.on("link", async (run) => {
      await run();
      return run();
    });
    const storage = connect(steps);
    const version = versionOf(await storage.create("k", bytes("1")));
    expect((await storage.read("k"))?.version).toBe(version);
    const next = versionOf(await storage.replace("k", bytes("2"), version));
    expect(text((await connect().read("k"))?.value)).toBe("2");
    expect(next).not.toBe(version);
  });

  test("counts as written, and is synced first, if it was made and its answer lost", async () => {
    const steps = new FileSteps();
    steps.on("link", async (run) => {
      await run();
      throw systemError("EIO", "link");
    });
    versionOf(await connect(steps).create("k", bytes("1")));
    const link = steps.log.indexOf("link 0000000000000001");
    expect(steps.log.slice(link)).toContain("file.sync @");
  });

  test("is unknown if nothing is there: a network file system may send it again", async () => {
    const steps = new FileSteps();
    steps.fail("link", "EIO");
    await expect(connect(steps).create("k", bytes("1"))).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    expect(await connect().read("k")).toBeUndefined();
  });
});

describe("numbers", () => {
  test("a restored backup cannot be replaced by a version of its own future", async () => {
    const storage = connect();
    versionOf(await storage.create("k", bytes("1")));
    await cp(join(directory, "k"), join(directory, "backup"), { recursive: true });
    const future = await writeOn(storage, 1);
    await rm(join(directory, "k"), { recursive: true });
    await cp(join(directory, "backup"), join(directory, "k"), { recursive: true });
    expect(await storage.replace("k", bytes("x"), future)).toEqual({ written: false });
    const restored = await storage.read("k");
    expect(text(restored?.value)).toBe("1");
    const again = await writeOn(storage, 1); // takes the number of the future
    expect(again.split("-")[0]).toBe(future.split("-")[0]);
    expect(again).not.toBe(future);
    expect(await storage.replace("k", bytes("x"), future)).toEqual({ written: false });
  });

  test("the last tombstone stays, and the next creation goes on from it", async () => {
    const storage = connect();
    let version = versionOf(await storage.create("k", bytes("1")));
    for (let round = 0; round < 4; round += 1) {
      const removal = versionOf(await storage.remove("k", version));
      expect(await storage.read("k")).toBeUndefined();
      expect(await storage.replace("k", bytes("x"), removal)).toEqual({ written: false });
      expect(await storage.remove("k", removal)).toEqual({ written: false });
      version = versionOf(await storage.create("k", bytes("again")));
    }
    expect(await readdir(join(directory, "k", "@"))).toEqual(["0000000000000008", "0000000000000009"]);
  });

  test("the newest `keep` versions stay, whole, as backups", async () => {
    const storage = new FileStorage({ directory, keep: 5 });
    versionOf(await storage.create("k", bytes("1")));
    await writeOn(storage, 9);
    const names = await readdir(join(directory, "k", "@"));
    expect(names).toEqual([6, 7, 8, 9, 10].map((number) => String(number).padStart(16, "0")));
    expect(await readFile(file(8), "utf8")).toMatch(/^\{"writeId":.*"kind":"value","length":43\}\n(after ){7}1$/);
  });

  test("a pruner that cannot unlink stops, so that no later number goes before an earlier one", async () => {
    const storage = connect();
    versionOf(await storage.create("k", bytes("1")));
    const steps = new FileSteps();
    const stuck = steps.fail("unlink 0000000000000001", "EPERM");
    const hindered = connect(steps);
    await writeOn(hindered, 4);
    expect(await readdir(join(directory, "k", "@"))).toHaveLength(5);
    expect(await hindered.health()).toMatchObject({
      status: "degraded",
      reasons: [expect.stringContaining("tidying up fails")],
    });
    stuck();
    await writeOn(hindered, 1);
    expect(await readdir(join(directory, "k", "@"))).toEqual(["0000000000000005", "0000000000000006"]);
    expect((await hindered.health()).status).toBe("healthy");
  });

  test("files that are not ours are neither read nor pruned", async () => {
    const storage = connect();
    versionOf(await storage.create("k", bytes("1")));
    for (const name of ["99999999999999999", "000000000000000a", ".0000000000000009.swp", "notes"]) {
      await writeFile(join(directory, "k", "@", name), "foreign");
    }
    await writeOn(storage, 3);
    expect(text((await storage.read("k"))?.value)).toBe("after after after 1");
    expect(await readdir(join(directory, "k", "@"))).toHaveLength(2 + 4);
  });
});

describe("`@current`", () => {
  const current = (): Promise<string> => readFile(join(directory, "k", "@current"), "utf8");

  test("shows the newest value, and goes with the key", async () => {
    const storage = new FileStorage({ directory, current: true });
    let version = versionOf(await storage.create("k", bytes("1")));
    expect(await current()).toBe("1");
    version = versionOf(await storage.replace("k", bytes("2"), version));
    expect(await current()).toBe("2");
    await storage.remove("k", version);
    await expect(current()).rejects.toThrow("ENOENT");
    expect(await readdir(join(directory, "@tmp"))).toEqual([]);
  });

  test("ends at the newest value, though a slow writer renames an older one over it", async () => {
    const steps = new FileSteps();
    const renaming = steps.hold("before", "rename");
    const slow = new FileStorage({ directory, current: true, fs: steps.fs });
    const fast = new FileStorage({ directory, current: true });
    const creating = slow.create("k", bytes("old"));
    await renaming.reached;
    const head = await fast.read("k");
    await fast.replace("k", bytes("new"), head?.version as Version); // cast: it was created above
    expect(await current()).toBe("new");
    renaming.release();
    expect((await creating).written).toBe(true);
    expect(await current()).toBe("new");
  });

  test("that cannot be written takes nothing back from the write", async () => {
    const steps = new FileSteps();
    steps.fail("rename", "ENOSPC");
    const storage = new FileStorage({ directory, current: true, fs: steps.fs });
    expect((await storage.create("k", bytes("1"))).written).toBe(true);
    expect((await storage.health()).status).toBe("degraded");
  });
});
