// Goal: the typed lease calls say what happened and never more, over any VersionedStorage, on their own or wrapped.
// Method: memory behind single faults, bodies that somebody else wrote, and a clock that the test moves.
import { describe, expect, test } from "vitest";
import { leaseStorage } from "../../src/storage/wrapped-lease-storage.ts";
import type { LeaseData } from "../../src/storage/lease-storage.ts";
import { MemoryData, MemoryStorage } from "../../src/storage/memory.ts";
import type { Version, VersionedStorage } from "../../src/storage/versioned-storage.ts";
import { FaultyStorage } from "../../src/testing/faulty-storage.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { leaseStorageSuite } from "../../src/testing/lease-storage-suite.ts";
import { runSuite } from "../../src/testing/versioned-storage-suite.ts";

const key = "leases/default/demo";
const held: LeaseData = { holderIdentity: "a_1", renewTime: "2026-03-01T09:30:00.000123Z", leaseTransitions: 7 };
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Only the calls of the port, as a foreign driver has them. */
function foreign(inner: MemoryStorage): VersionedStorage {
  const { watch } = inner;
  return {
    description: "foreign",
    capabilities: inner.capabilities,
    read: (...args) => inner.read(...args),
    create: (...args) => inner.create(...args),
    replace: (...args) => inner.replace(...args),
    remove: (...args) => inner.remove(...args),
    list: (...args) => inner.list(...args),
    health: (...args) => inner.health(...args),
    close: () => inner.close(),
    [Symbol.asyncDispose]: () => inner.close(),
    ...(watch && { watch }),
  };
}

describe("leaseStorage() over a foreign storage", () => {
  runSuite(test, leaseStorageSuite, {
    complete: true,
    place: () => new MemoryData(),
    connect: (data) => leaseStorage(foreign(new MemoryStorage({ data }))),
    put: async (data, place, body) => void (await new MemoryStorage({ data }).create(place, body)),
  });

  test("passes everything else on, and returns what has the calls already", async () => {
    const inner = new MemoryStorage();
    expect(leaseStorage(inner)).toBe(inner);
    const wrapped = leaseStorage(foreign(inner));
    expect(wrapped.description).toBe("foreign");
    expect(wrapped.capabilities).toBe(inner.capabilities);
    expect(wrapped.transact).toBeUndefined();
    const created = await wrapped.create("a", bytes("1"));
    const version = created.written ? created.version : ("" as Version); // cast: it was written
    expect(await wrapped.read("a")).toEqual({ value: bytes("1"), version });
    const listed: string[] = [];
    for await (const entry of wrapped.list("")) listed.push(entry.key);
    expect(listed).toEqual(["a"]);
    expect(await wrapped.replace("a", bytes("2"), "x" as Version)).toEqual({ written: false }); // cast: made up
    expect(await wrapped.remove("a", version)).toMatchObject({ written: true });
    expect(await wrapped.health()).toMatchObject({ status: "healthy" });
    await wrapped[Symbol.asyncDispose]();
    await expect(inner.read("a")).rejects.toMatchObject({ code: "CLOSED" });
  });
});

describe("the typed lease calls", () => {
  test("tell of optional fields that count as absent, once for each read (#55)", async () => {
    const storage = new MemoryStorage();
    await storage.create(key, bytes(`{${JSON.stringify(held).slice(1, -1)},"leaseDurationSeconds":0}`));
    const lease = await storage.readLease(key);
    expect(lease.problems).toEqual([expect.stringContaining("leaseDurationSeconds (0)")]);
    expect(lease.data).toEqual(held);
    const { generation } = await storage.writeLease(key, lease.data, lease.generation);
    expect(await storage.readLease(key)).toEqual({ data: held, generation });
  });

  test("keep what a write threw: unknown stays unknown, and the next read tells", async () => {
    const storage = new FaultyStorage(new MemoryStorage());
    storage.next({ kind: "answerLost" });
    await expect(storage.createLease(key, held)).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown" });
    const { generation } = await storage.readLease(key);
    storage.next({ kind: "throttled", retryAfterMs: 700 });
    await expect(storage.writeLease(key, held, generation)).rejects.toMatchObject({
      code: "STORAGE_UNAVAILABLE",
      applied: "no",
      retryAfterMs: 700,
    });
    storage.next({ kind: "requestLost" }, "remove");
    await expect(storage.deleteLease(key)).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    expect((await storage.readLease(key)).generation).toBe(generation);
    expect(storage.calls.filter(({ operation }) => operation === "remove")).toHaveLength(1);
  });

  test("send nothing where the lease cannot be written", async () => {
    const storage = new FaultyStorage(new MemoryStorage());
    await expect(storage.createLease(key, { ...held, leaseTransitions: -1 })).rejects.toMatchObject({
      code: "INVALID_SETTINGS",
      applied: "no",
      operation: "createLease",
      key,
    });
    const huge = { ...held, holderIdentity: "x".repeat(70_000) };
    await expect(storage.writeLease(key, huge, "1")).rejects.toMatchObject({ code: "VALUE_TOO_LARGE", limit: 65_536 });
    expect(storage.requests).toBe(0);
  });

  test("a delete that loses its race reads again, pauses, and removes what is there then", async () => {
    const [clock, data] = [new ManualClock(), new MemoryData()];
    const other = new MemoryStorage({ data, clock });
    const { generation } = await other.createLease(key, held);
    let races = 0;
    const storage = new FaultyStorage(new MemoryStorage({ data, clock }), {
      clock,
      script: ({ operation }) => {
        if (operation === "remove" && (races += 1) === 1) void other.writeLease(key, held, generation);
        return undefined;
      },
    });
    const deleting = storage.deleteLease(key);
    await clock.advance(100);
    await deleting;
    expect(storage.calls.map(({ operation }) => operation)).toEqual(["read", "remove", "read", "remove"]);
    await expect(other.readLease(key)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  test("a delete that always loses ends at its deadline, without a busy loop", async () => {
    const clock = new ManualClock();
    const inner = new MemoryStorage({ clock });
    await inner.createLease(key, held);
    class Contended extends FaultyStorage {
      override remove(): Promise<{ written: false }> {
        return Promise.resolve({ written: false });
      }
    }
    const storage = new Contended(inner, { clock });
    const end = storage.deleteLease(key, { timeoutMs: 1000 }).catch((error: unknown) => error);
    await clock.advance(2000);
    expect(await end).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no", operation: "deleteLease" });
    expect(storage.requests).toBeLessThanOrEqual(51);
    expect(clock.monotonicMs()).toBe(2000);
  });

  test("a delete ends at its signal, also in its pause", async () => {
    const [clock, controller] = [new ManualClock(), new AbortController()];
    class Contended extends MemoryStorage {
      override remove(): Promise<{ written: false }> {
        return Promise.resolve({ written: false });
      }
    }
    const storage = new Contended({ clock });
    await storage.createLease(key, held);
    const end = storage.deleteLease(key, controller).catch((error: unknown) => error);
    await clock.advance(10);
    const reason = new Error("enough");
    controller.abort(reason);
    expect(await end).toBe(reason);
  });

  test("a watch carries leases; what is none travels as a bare hint", async () => {
    const data = new MemoryData();
    const [storage, other] = [new MemoryStorage({ data }), new MemoryStorage({ data })];
    const controller = new AbortController();
    const watch = storage.watchLease?.(key, controller)[Symbol.asyncIterator]();
    expect(await watch?.next()).toEqual({ done: false, value: {} });
    const { generation } = await other.createLease(key, held);
    expect(await watch?.next()).toEqual({ done: false, value: { seen: { data: held, generation } } });
    await other.replace(key, bytes("no lease"), generation as Version); // cast: a generation is a version
    expect(await watch?.next()).toEqual({ done: false, value: {} });
    const pending = watch?.next();
    controller.abort();
    expect(await pending).toEqual({ done: true, value: undefined });
  });
});
