// Goal: a suite leaves nothing out in silence, and gives each case a place of its own. Method: a recording `test` and
// tiny suites.
import { expect, test } from "vitest";
import { MemoryData, MemoryStorage } from "../../src/storage/memory.ts";
import { FaultyStorage } from "../../src/testing/faulty-storage.ts";
import { leaseStorageSuite } from "../../src/testing/lease-storage-suite.ts";
import { runSuite, versionedStorageSuite } from "../../src/testing/versioned-storage-suite.ts";
import type { VersionedStorage } from "../../src/storage/versioned-storage.ts";
import type { StorageSuiteCase } from "../../src/testing/storage-suite-case.ts";

interface Registered {
  readonly name: string;
  readonly run: () => Promise<void>;
  readonly timeoutMs: number;
}

function recorder(): { registered: Registered[]; register: (...args: [string, () => Promise<void>, number]) => void } {
  const registered: Registered[] = [];
  return { registered, register: (name, run, timeoutMs) => void registered.push({ name, run, timeoutMs }) };
}

const harness = {
  place: () => new MemoryData(),
  connect: (data: MemoryData) => new MemoryStorage({ data }),
};
const ids = (suite: readonly { readonly id: string }[]): string[] => suite.map(({ id }) => id);

test("the suites have every case of their lists, once and in order", () => {
  expect(ids(versionedStorageSuite)).toEqual(Array.from({ length: 31 }, (_, index) => `R${index + 1}`));
  expect(ids(leaseStorageSuite)).toEqual(Array.from({ length: 15 }, (_, index) => `LS${index + 1}`));
});

test("cases whose needs are missing are printed, named, and checked to be really missing", async () => {
  const { registered, register } = recorder();
  const printed: string[] = [];
  runSuite(register, versionedStorageSuite, {
    ...harness,
    lacks: ["expiry"],
    print: (line) => void printed.push(line),
  });
  expect(registered).toHaveLength(31);
  expect(printed).toContain("not run: R18 (no faults)");
  expect(printed).toContain("not run: R31 (no expiry)");
  expect(registered.filter(({ name }) => name.startsWith("not run")).map(({ name }) => name)).toEqual(printed);
  expect(registered[0]?.name).toMatch(/^storage R1: /);
  const byName = (name: string): Registered | undefined => registered.find((each) => each.name === name);
  await expect(byName("not run: R18 (no faults)")?.run()).resolves.toBeUndefined();
  // Memory can expire, so the harness must not say that it cannot.
  await expect(byName("not run: R31 (no expiry)")?.run()).rejects.toThrow(/has expiry/);
});

test("what is not run has failed where the harness has to be complete", async () => {
  const { registered, register } = recorder();
  runSuite(register, versionedStorageSuite, { ...harness, complete: true, timeoutMs: 7 });
  const missing = registered.filter(({ name }) => name.startsWith("not run"));
  expect(missing.length).toBeGreaterThan(5);
  for (const { run, timeoutMs } of missing) {
    expect(timeoutMs).toBe(7);
    await expect(run()).rejects.toThrow(/has to be complete/);
  }
});

test("each case has a fresh place; connections are closed and the place is removed, also when it fails", async () => {
  const places: MemoryData[] = [];
  const removed: MemoryData[] = [];
  const connections: VersionedStorage[] = [];
  const failing = new Error("broken promise");
  const one: StorageSuiteCase<VersionedStorage> = {
    id: "X1",
    name: "fails",
    needs: ["faults"],
    async run({ connect, faults, place, put, random, logged, secrets }) {
      const storage = await connect();
      connections.push(storage, await connect());
      if (faults !== undefined) connections.push(faults.connection);
      await put("a", new Uint8Array([1]));
      expect(await storage.read("a")).toBeDefined();
      expect(place).toBe(places.at(-1));
      expect([random.uuid().length, logged(), secrets]).toEqual([36, "", []]);
      throw failing;
    },
  };
  const { registered, register } = recorder();
  runSuite(register, [one, one], {
    ...harness,
    place: () => {
      places.push(new MemoryData());
      return places[places.length - 1] ?? new MemoryData();
    },
    remove: (place) => void removed.push(place),
    faults: (data: MemoryData) => new FaultyStorage(new MemoryStorage({ data })),
  });
  for (const { run } of registered) await expect(run()).rejects.toBe(failing);
  expect(new Set(places).size).toBe(2);
  expect(removed).toEqual(places);
  expect(connections).toHaveLength(6);
  for (const connection of connections) await expect(connection.read("a")).rejects.toMatchObject({ code: "CLOSED" });
});

test("a smaller scale is said in the names of the cases that repeat themselves, and is what they get", async () => {
  const { registered, register } = recorder();
  const asked: number[] = [];
  const cases: StorageSuiteCase<VersionedStorage>[] = [
    { id: "R98", name: "often", scales: true, run: async ({ scaled }) => void asked.push(scaled(200), scaled(3)) },
    { id: "R99", name: "once", run: async () => {} },
  ];
  runSuite(register, cases, { ...harness, scale: 0.1 });
  expect(registered.map(({ name }) => name)).toEqual(["storage R98: often (x 0.1)", "storage R99: once"]);
  for (const { run } of registered) await run();
  expect(asked).toEqual([20, 1]);
  for (const scale of [0, 1.1, Number.NaN])
    expect(() => runSuite(register, cases, { ...harness, scale })).toThrow(/scale/);
});
