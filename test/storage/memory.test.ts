// Goal: memory is the reference that every suite rests on. Method: the published suite, with all faults, over one
// shared MemoryData.
import { describe, expect, test } from "vitest";
import { MemoryData, MemoryStorage } from "../../src/storage/memory.ts";
import { leaseStorageSuite } from "../../src/testing/lease-storage-suite.ts";
import { FaultyStorage } from "../../src/testing/faulty-storage.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { runSuite, versionedStorageSuite } from "../../src/testing/versioned-storage-suite.ts";

describe("memory storage", () => {
  runSuite(test, versionedStorageSuite, {
    complete: true,
    place: () => new MemoryData(),
    connect: (data) => new MemoryStorage({ data }),
    faults: (data) => new FaultyStorage(new MemoryStorage({ data })),
  });
});

describe("memory storage, its leases", () => {
  runSuite(test, leaseStorageSuite, {
    complete: true,
    place: () => new MemoryData(),
    connect: (data) => new MemoryStorage({ data }),
  });
});

describe("memory storage, by itself", () => {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

  test("two connections share data only if they are given the same", async () => {
    const data = new MemoryData();
    const [one, two, alone] = [new MemoryStorage({ data }), new MemoryStorage({ data }), new MemoryStorage()];
    await one.create("a", bytes("1"));
    expect(await two.read("a")).toMatchObject({ value: bytes("1") });
    expect(await alone.read("a")).toBeUndefined();
  });

  test("K-118: versions never restart, over all keys, removals and connections", async () => {
    const data = new MemoryData();
    const versions: string[] = [];
    for (let round = 0; round < 50; round += 1) {
      const storage = new MemoryStorage({ data });
      const created = await storage.create(`k${round % 3}`, bytes("same"));
      if (!created.written) throw new Error("it was removed in the round before");
      const replaced = await storage.replace(`k${round % 3}`, bytes("same"), created.version);
      if (!replaced.written) throw new Error("nobody else writes");
      const removed = await storage.remove(`k${round % 3}`, replaced.version);
      versions.push(...[created, replaced, removed].map((outcome) => (outcome.written ? outcome.version : "lost")));
      await storage.close();
    }
    expect(versions).not.toContain("lost");
    expect(new Set(versions).size).toBe(150);
  });

  test("a watch attaches what is there, and nothing where nothing is", async () => {
    const data = new MemoryData();
    const [storage, other] = [new MemoryStorage({ data }), new MemoryStorage({ data })];
    const hints = storage.watch?.("a", { signal: new AbortController().signal })[Symbol.asyncIterator]();
    expect(await hints?.next()).toEqual({ done: false, value: {} });
    const created = await other.create("a", bytes("1"));
    const version = created.written ? created.version : undefined;
    const hint = await hints?.next();
    expect(hint).toEqual({ done: false, value: { seen: { value: bytes("1"), version } } });
    hint?.value?.seen?.value.fill(0); // a copy
    expect(await storage.read("a")).toMatchObject({ value: bytes("1") });
    if (version !== undefined) await other.remove("a", version);
    expect(await hints?.next()).toEqual({ done: false, value: {} });
    await hints?.return?.();
  });

  test("a watch that has ended holds nothing: ten thousand of them, one write", async () => {
    const storage = new MemoryStorage();
    for (let round = 0; round < 10_000; round += 1) {
      const controller = new AbortController();
      const hints = storage.watch?.("a", controller)[Symbol.asyncIterator]();
      await hints?.next();
      controller.abort();
      expect((await hints?.next())?.done).toBe(true);
    }
    expect(await storage.create("a", bytes("1"))).toMatchObject({ written: true });
  });

  test("expiry follows the clock of the connection, to the millisecond", async () => {
    const clock = new ManualClock();
    const storage = new MemoryStorage({ clock });
    await storage.create("a", bytes("1"), { expiresInMs: 1000 });
    await clock.advance(999);
    expect(await storage.read("a")).toBeDefined();
    await clock.advance(1);
    expect(await storage.read("a")).toBeUndefined();
    await storage.create("kept", bytes("1"));
    await clock.advance(10 ** 9);
    expect(await storage.read("kept")).toBeDefined();
  });
});
