// Goal: each fault does what its name says and nothing else, so that suites and simulations can rely on it.
// Method: every kind of fault on each kind of call over memory, on a clock that the test moves.
import { describe, expect, test } from "vitest";
import { MemoryData, MemoryStorage } from "../../src/storage/memory.ts";
import type { Version } from "../../src/storage/versioned-storage.ts";
import { BrokenStorage } from "../../src/testing/broken-storage.ts";
import { FaultyStorage, type FaultyStorageOptions } from "../../src/testing/faulty-storage.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function setUp(options: FaultyStorageOptions = {}): {
  storage: FaultyStorage;
  other: MemoryStorage;
  clock: ManualClock;
} {
  const [data, clock] = [new MemoryData(), new ManualClock()];
  const connect = (): MemoryStorage => new MemoryStorage({ data, clock });
  return { storage: new FaultyStorage(connect(), { clock, ...options }), other: connect(), clock };
}

async function seed(storage: MemoryStorage, key = "a"): Promise<Version> {
  const outcome = await storage.create(key, bytes("1"));
  if (!outcome.written) throw new Error("the key is taken");
  return outcome.version;
}

describe("FaultyStorage", () => {
  test("without faults passes everything on, and counts", async () => {
    const { storage } = setUp();
    const created = await storage.create("a", bytes("1"));
    const version = created.written ? created.version : ("" as Version); // cast: it was written
    await storage.replace("a", bytes("2"), version);
    await storage.read("a");
    for await (const { key } of storage.list("")) expect(key).toBe("a");
    await storage.transact?.([{ kind: "create", key: "b", value: bytes("1") }]);
    expect(await storage.health()).toMatchObject({ status: "healthy" });
    expect(await storage.remove("a", version)).toEqual({ written: false });
    const operations = ["create", "replace", "read", "list", "transact", "health", "remove"];
    expect(storage.calls.map(({ operation }) => operation)).toEqual(operations);
    expect(storage.requests).toBe(7);
    expect(storage.open).toBe(0);
    expect(storage.connection).toBe(storage);
  });

  test("a lost request changes nothing, a lost answer hides what was done", async () => {
    const { storage, other } = setUp();
    storage.next({ kind: "requestLost" });
    await expect(storage.create("a", bytes("1"))).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN", key: "a" });
    expect(await other.read("a")).toBeUndefined();
    storage.next({ kind: "answerLost" });
    await expect(storage.create("a", bytes("1"))).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    expect(await other.read("a")).toBeDefined();
    storage.next({ kind: "answerLost" });
    await expect(storage.read("a")).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE", operation: "read" });
  });

  test("a hang lasts until the deadline, before or after the write is applied", async () => {
    const { storage, other, clock } = setUp();
    for (const [kind, key, isThere] of [
      ["hang", "a", false],
      ["hangAfter", "b", true],
    ] as const) {
      storage.next({ kind });
      const end = storage.create(key, bytes("1"), { timeoutMs: 1000 }).catch((error: unknown) => error);
      await clock.advance(999);
      expect(storage.open).toBe(1);
      await clock.advance(1);
      expect(await end).toMatchObject({ code: "OUTCOME_UNKNOWN", cause: { name: "TimeoutError" } });
      expect(storage.open).toBe(0);
      expect((await other.read(key)) !== undefined).toBe(isThere);
    }
  });

  test("a delay holds back the request, or the answer", async () => {
    const { storage, other, clock } = setUp();
    storage.next({ kind: "delay", beforeMs: 100, afterMs: 50 });
    const writing = storage.create("a", bytes("1"));
    await clock.advance(99);
    expect(await other.read("a")).toBeUndefined();
    await clock.advance(1);
    expect(await other.read("a")).toBeDefined();
    await clock.advance(50);
    expect(await writing).toMatchObject({ written: true });
  });

  test("what is refused has no effect and says why", async () => {
    const { storage, other } = setUp();
    storage.next({ kind: "throttled", retryAfterMs: 5 });
    storage.next({ kind: "busy" });
    storage.next({ kind: "denied" });
    const create = (): Promise<unknown> => storage.create("a", bytes("1"));
    await expect(create()).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no", retryAfterMs: 5 });
    await expect(create()).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
    await expect(create()).rejects.toMatchObject({ code: "ACCESS_DENIED", applied: "no", operation: "create" });
    expect(await other.read("a")).toBeUndefined();
  });

  test("a doubled request is delivered twice, and either answer may arrive", async () => {
    const { storage, other } = setUp();
    const version = await seed(other);
    storage.next({ kind: "doubled" });
    const first = await storage.replace("a", bytes("2"), version);
    expect(first).toEqual({ written: true, version: (await other.read("a"))?.version });
    storage.next({ kind: "doubled", answer: 2 });
    expect(await storage.replace("a", bytes("3"), first.written ? first.version : version)).toEqual({ written: false });
    expect(await other.read("a")).toMatchObject({ value: bytes("3") });
  });

  test("a stale read answers with what this connection knew before", async () => {
    const { storage, other } = setUp();
    const version = await seed(other);
    expect(await storage.read("a")).toMatchObject({ value: bytes("1") });
    const replaced = await storage.replace("a", bytes("2"), version);
    storage.next({ kind: "stale" });
    expect(await storage.read("a")).toMatchObject({ value: bytes("1"), version });
    expect(await storage.read("a")).toMatchObject({ value: bytes("2") });
    if (replaced.written) await storage.remove("a", replaced.version);
    storage.next({ kind: "stale" });
    expect(await storage.read("a")).toMatchObject({ value: bytes("2") });
    storage.next({ kind: "stale" });
    await seed(other, "b");
    expect(await storage.read("b")).toMatchObject({ value: bytes("1") }); // nothing older is known
  });

  test("an unconditional write is applied whatever the condition says", async () => {
    const { storage, other } = setUp();
    await seed(other);
    const wrong = "made up" as Version; // cast: made up
    storage.next({ kind: "unconditional" });
    expect(await storage.create("a", bytes("2"))).toMatchObject({ written: true });
    storage.next({ kind: "unconditional" });
    expect(await storage.replace("a", bytes("3"), wrong)).toMatchObject({ written: true });
    expect(await other.read("a")).toMatchObject({ value: bytes("3") });
    storage.next({ kind: "unconditional" });
    expect(await storage.remove("a", wrong)).toMatchObject({ written: true });
    storage.next({ kind: "unconditional" });
    expect(await storage.remove("a", wrong)).toEqual({ written: false });
    storage.next({ kind: "unconditional" });
    expect(await storage.replace("a", bytes("4"), wrong)).toMatchObject({ written: true });
  });

  test("faults wait for the operation that they name; a script is asked for all other calls", async () => {
    const { storage } = setUp({
      script: ({ operation, key }) => (operation === "read" && key === "b" ? { kind: "busy" } : undefined),
    });
    storage.next({ kind: "denied" }, "remove");
    expect(await storage.create("a", bytes("1"))).toMatchObject({ written: true });
    await expect(storage.read("b")).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    expect(await storage.read("a")).toBeDefined();
    await expect(storage.remove("a", "x" as Version)).rejects.toMatchObject({ code: "ACCESS_DENIED" }); // cast: made up
    expect(storage.calls.map(({ fault }) => fault?.kind)).toEqual([undefined, "busy", undefined, "denied"]);
  });

  test("a watch that was cut establishes itself again, with a hint", async () => {
    const { storage, other } = setUp();
    const controller = new AbortController();
    const hints = storage.watch?.("a", controller)[Symbol.asyncIterator]();
    expect(await hints?.next()).toEqual({ done: false, value: {} });
    const next = hints?.next();
    storage.cutWatches();
    expect(await next).toEqual({ done: false, value: {} });
    await seed(other);
    expect(await hints?.next()).toMatchObject({ value: { seen: { value: bytes("1") } } });
    const last = hints?.next();
    controller.abort();
    expect(await last).toEqual({ done: true, value: undefined });
  });

  test("an unhealthy storage stays unhealthy behind it", async () => {
    const { storage, other } = setUp();
    storage.next({ kind: "requestLost" });
    expect(await storage.health()).toMatchObject({ status: "unhealthy" });
    const closed = new FaultyStorage(other);
    await other.close();
    expect(await closed.health()).toMatchObject({ status: "unhealthy", reasons: [expect.stringContaining("closed")] });
  });
});

describe("BrokenStorage", () => {
  test("shows its flaw in its description, and offers nothing that could hide it", () => {
    const storage = new BrokenStorage(new MemoryStorage(), "repeats versions");
    expect(storage.description).toBe("memory that repeats versions");
    expect([storage.watch, storage.transact]).toEqual([undefined, undefined]);
  });

  test("repeats versions in reads, writes and lists alike", async () => {
    const storage = new BrokenStorage(new MemoryStorage(), "repeats versions");
    const first = await storage.create("a", bytes("same"));
    const version = first.written ? first.version : ("" as Version); // cast: it was written
    expect(await storage.replace("a", bytes("same"), version)).toEqual({ written: true, version });
    expect((await storage.read("a"))?.version).toBe(version);
    for await (const entry of storage.list("")) expect(entry).toEqual({ key: "a", version });
    expect(await storage.remove("a", version)).toMatchObject({ written: true });
  });
});
