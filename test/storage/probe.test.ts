// Goal: the probe passes no place that breaks a promise, and blames none that it could not ask.
// Method: memory behind one flaw or one fault at a time, with counted requests and a clock that a test moves.
import { describe, expect, test } from "vitest";
import { AccessDeniedError, StorageUnavailableError } from "../../src/errors.ts";
import { MemoryData, MemoryStorage } from "../../src/storage/memory.ts";
import { probeStorage, type ProbeFinding, type ProbeReport } from "../../src/storage/probe.ts";
import type { Version, WriteOutcome } from "../../src/storage/versioned-storage.ts";
import { BrokenStorage, storageFlaws, type StorageFlaw } from "../../src/testing/broken-storage.ts";
import { FaultyStorage } from "../../src/testing/faulty-storage.ts";
import { sleep } from "../../src/system/clock.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";

const random = new SeededRandom(1);

function failed({ steps }: ProbeReport, verdict: "unsafe" | "unproven"): string[] {
  return steps.filter((step) => step.verdict === verdict).map(({ id }) => id);
}

async function keysOf(data: MemoryData): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of new MemoryStorage({ data }).list("")) keys.push(key);
  return keys;
}

describe("the probe", () => {
  test("finds memory safe in all steps, counts its requests, and leaves nothing behind", async () => {
    const data = new MemoryData();
    const connections: FaultyStorage[] = [];
    const report = await probeStorage(() => {
      const storage = new FaultyStorage(new MemoryStorage({ data }));
      connections.push(storage);
      return storage;
    });
    expect(report.steps.filter(({ verdict }) => verdict !== "safe")).toEqual([]);
    expect(report.steps).toHaveLength(14);
    expect(report.verdict).toBe("safe");
    expect(connections).toHaveLength(2);
    expect(report.requests).toBe(connections.reduce((sum, { requests }) => sum + requests, 0));
    expect(report.elapsedMs).toBeGreaterThanOrEqual(0);
    expect(await keysOf(data)).toEqual([]);
    for (const connection of connections) await expect(connection.read("a")).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("takes few requests where it is to be quick", async () => {
    const data = new MemoryData();
    const report = await probeStorage(() => new MemoryStorage({ data }), { quick: true });
    expect(report.verdict).toBe("safe");
    expect(report.requests).toBeLessThan(300);
  });

  test("spares a place whose writes are slow the thousand of the long listing", async () => {
    const data = new MemoryData();
    const clock = new ManualClock();
    class Slow extends MemoryStorage {
      override async create(...args: Parameters<MemoryStorage["create"]>): Promise<WriteOutcome> {
        await sleep(clock, 60);
        return super.create(...args);
      }
    }
    const probing = probeStorage(() => new Slow({ data, clock }), { clock });
    let ended = false;
    void probing.then(() => (ended = true));
    while (!ended) await clock.advance(1_000);
    const report = await probing;
    expect(report.verdict).toBe("safe");
    expect(report.requests).toBeLessThan(300);
  });

  const found: Readonly<Record<StorageFlaw, readonly string[]>> = {
    "ignores conditions": ["P2", "P3", "P5", "P6", "P8", "P10", "P11"],
    "repeats versions": ["P6", "P10"],
    "creates on replace": ["P7"],
    "loses writes": ["P4", "P5", "P6", "P8"],
    "checks before it writes": ["P11"],
  };
  test.each(storageFlaws)("storage R26: a storage that %s is unsafe, by the steps that ask for it", async (flaw) => {
    const data = new MemoryData();
    const report = await probeStorage(() => new BrokenStorage(new MemoryStorage({ data }), flaw), { quick: true });
    expect(report.verdict).toBe("unsafe");
    expect(failed(report, "unsafe")).toEqual(expect.arrayContaining([...found[flaw]]));
    for (const { verdict, detail } of report.steps) expect(detail === "").toBe(verdict === "safe");
    expect(await keysOf(data)).toEqual([]);
  });

  test("a storage in which all racing removers win is unsafe", async () => {
    const data = new MemoryData();
    class TwoWinners extends MemoryStorage {
      readonly #removed = new Map<string, Version>();
      override async remove(key: string, expected: Version): Promise<WriteOutcome> {
        const outcome = await super.remove(key, expected);
        if (outcome.written) this.#removed.set(key, expected);
        return this.#removed.get(key) === expected ? { written: true, version: expected } : outcome;
      }
    }
    const report = await probeStorage(() => new TwoWinners({ data }), { quick: true });
    expect(failed(report, "unsafe")).toContain("P11");
  });

  test("two places that do not meet are unsafe", async () => {
    const report = await probeStorage(() => new MemoryStorage(), { quick: true });
    expect(failed(report, "unsafe")).toContain("P3");
  });

  test("a right that is missing leaves the step unproven, names it, and the other steps are asked", async () => {
    const data = new MemoryData();
    const report = await probeStorage(
      () =>
        new FaultyStorage(new MemoryStorage({ data }), {
          script: ({ operation }) => (operation === "remove" ? { kind: "denied" } : undefined),
        }),
      { quick: true },
    );
    expect(report.verdict).toBe("unproven");
    expect(failed(report, "unproven")).toEqual(["P8", "P9", "P10", "P11", "P14"]);
    expect(report.steps[8]?.detail).toMatch(/right to remove is missing/);
  });

  test("a place that does not answer is unproven, and is not asked for each step", async () => {
    const clock = new ManualClock();
    const storages: FaultyStorage[] = [];
    const probing = probeStorage(
      () => {
        const storage = new FaultyStorage(new MemoryStorage(), { clock, script: () => ({ kind: "hang" }) });
        storages.push(storage);
        return storage;
      },
      { clock, random, timeoutMs: 1000 },
    );
    await clock.advance(60_000);
    const report = await probing;
    expect(report.verdict).toBe("unproven");
    expect(report.requests).toBe(2); // P1, and the cleaning
    expect(report.elapsedMs).toBe(2000);
    expect(report.steps.slice(1, 13).map(({ detail }) => detail)).toEqual(
      Array.from({ length: 12 }, () => "not asked, since P1 got no answer"),
    );
  });

  test("throttled racers have lost and nobody is blamed, and a throttled removal is tried later", async () => {
    const clock = new ManualClock();
    const data = new MemoryData();
    let writes = 0;
    const connect = (): FaultyStorage =>
      new FaultyStorage(new MemoryStorage({ data, clock }), {
        clock,
        script: ({ operation, key }) => {
          const races = (operation === "replace" || operation === "remove") && /\/(1[2-9]|2\d)$/.test(key ?? "");
          return races && (writes += 1) % 3 === 0 ? { kind: "throttled" } : undefined;
        },
      });
    const probing = probeStorage(connect, { quick: true, clock });
    await clock.advance(10_000);
    const report = await probing;
    expect(report.verdict).toBe("safe");
    expect(writes).toBeGreaterThan(10);
  });

  test("writes of one key are as far apart as the place asks for", async () => {
    const clock = new ManualClock();
    const data = new MemoryData();
    const writtenAtMs = new Map<string, number[]>();
    const connect = (): FaultyStorage => {
      const storage = new MemoryStorage({ data, clock });
      const slow = Object.assign(storage, { capabilities: { ...storage.capabilities, minWriteIntervalMs: 1000 } });
      return new FaultyStorage(slow, {
        clock,
        script: ({ operation, key = "" }) => {
          if (operation === "replace") writtenAtMs.set(key, [...(writtenAtMs.get(key) ?? []), clock.monotonicMs()]);
          return undefined;
        },
      });
    };
    const probing = probeStorage(connect, { clock, random, quick: true });
    await clock.advance(600_000);
    expect((await probing).verdict).toBe("safe");
    const times = [...writtenAtMs.values()];
    const apart = times.filter((each) => each.length > 1 && each.length < 4).flatMap(([a = 0, b = 0]) => [b - a]);
    expect(apart.length).toBeGreaterThan(0);
    for (const ms of apart) expect(ms).toBeGreaterThanOrEqual(1000);
    const races = times.filter((each) => each.length >= 4);
    for (const race of races) expect(new Set(race).size).toBe(1);
  });

  test("P12 asks the driver for settings that break promises", async () => {
    const probeWith = async (findings: readonly ProbeFinding[]): Promise<ProbeReport> => {
      const data = new MemoryData();
      const probeSettings = (): Promise<readonly ProbeFinding[]> => Promise.resolve(findings);
      return probeStorage(() => Object.assign(new MemoryStorage({ data }), { probeSettings }), { quick: true });
    };
    expect((await probeWith([])).verdict).toBe("safe");
    const unproven = { verdict: "unproven", detail: "the right to read the configuration is missing" } as const;
    const unsafe = { verdict: "unsafe", detail: "maxmemory-policy is allkeys-lru" } as const;
    expect((await probeWith([unproven])).verdict).toBe("unproven");
    const report = await probeWith([unproven, unsafe]);
    expect(report.steps[11]).toMatchObject({ id: "P12", verdict: "unsafe", detail: unsafe.detail });
  });

  test("P14 lets the driver discard what removed keys left behind", async () => {
    const data = new MemoryData();
    const discarded: string[] = [];
    const discardScratch = async (prefix: string): Promise<void> => void discarded.push(prefix);
    await probeStorage(() => Object.assign(new MemoryStorage({ data }), { discardScratch }), { quick: true });
    expect(discarded).toEqual([expect.stringMatching(/^tenure-probe\/[0-9a-f-]{36}\/$/)]);
  });

  test("an abort cleans up and rejects with its reason", async () => {
    const data = new MemoryData();
    const controller = new AbortController();
    const reason = new Error("enough");
    const connect = (): FaultyStorage =>
      new FaultyStorage(new MemoryStorage({ data }), {
        script: ({ operation }) => {
          if (operation === "remove") controller.abort(reason);
          return undefined;
        },
      });
    await expect(probeStorage(connect, { quick: true, signal: controller.signal })).rejects.toBe(reason);
    expect(await keysOf(data)).toEqual([]);
  });

  test("what connect throws is thrown, and the first connection is closed", async () => {
    const first = new MemoryStorage();
    const error = new AccessDeniedError("no");
    let calls = 0;
    const connect = (): MemoryStorage => {
      calls += 1;
      if (calls === 2) throw error;
      return first;
    };
    await expect(probeStorage(connect)).rejects.toBe(error);
    await expect(first.read("a")).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("leftovers are reported", async () => {
    const data = new MemoryData();
    class Keeps extends MemoryStorage {
      override remove(): Promise<WriteOutcome> {
        return Promise.reject(new StorageUnavailableError("cannot remove", { applied: "no" }));
      }
    }
    const clock = new ManualClock();
    const probing = probeStorage(() => new Keeps({ data, clock }), { quick: true, clock });
    await clock.advance(10_000);
    const last = (await probing).steps.at(-1);
    expect(last).toMatchObject({ id: "P14", verdict: "unproven" });
    expect(last?.detail).toMatch(/^\d+ keys are left below tenure-probe\/.*: cannot remove$/);
  });
});
