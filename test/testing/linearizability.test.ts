// Goal: the checker of histories accepts what a sound storage can do and finds what a broken one did.
// Method: hand-written histories, one for each way to break the contract, and random ones over broken storages.
import { describe, expect, test } from "vitest";
import { MemoryData, MemoryStorage } from "../../src/storage/memory.ts";
import { BrokenStorage, type StorageFlaw } from "../../src/testing/broken-storage.ts";
import { linearizabilityProblem, type HistoryCall } from "../../src/testing/linearizability.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { randomFault, randomHistory } from "../../src/testing/storage-suite-histories.ts";

type Step = Omit<HistoryCall, "key" | "client">;

const problemOf = (...steps: readonly Step[]): string | undefined =>
  linearizabilityProblem(steps.map((step, client) => ({ key: "k", client, ...step })));

const write = (
  value: string,
  [begunAt, endedAt]: readonly [number, number],
  end: Step["end"],
  expected?: string,
): Step => ({
  kind: expected === undefined ? "create" : "replace",
  value,
  ...(expected !== undefined && { expected }),
  begunAt,
  endedAt,
  end,
});
const remove = (expected: string, [begunAt, endedAt]: readonly [number, number], end: Step["end"]): Step => ({
  kind: "remove",
  expected,
  begunAt,
  endedAt,
  end,
});
const read = ([begunAt, endedAt]: readonly [number, number], value?: string, version?: string): Step => ({
  kind: "read",
  begunAt,
  endedAt,
  end: { kind: "seen", value, version },
});
const written = (version: string): Step["end"] => ({ kind: "written", version });
const refused: Step["end"] = { kind: "refused" };
const unknown: Step["end"] = { kind: "unknown" };

describe("a history is accepted", () => {
  test.each<[string, readonly Step[]]>([
    ["when it is empty", []],
    [
      "when each call follows from the one before",
      [
        write("a", [1, 2], written("1")),
        read([3, 4], "a", "1"),
        write("b", [5, 6], written("2"), "1"),
        remove("2", [7, 8], written("3")),
        read([9, 10]),
        write("c", [11, 12], written("4")),
      ],
    ],
    [
      "when overlapping calls took effect in another order than they began",
      [write("a", [1, 10], written("1")), read([2, 3]), read([4, 5], "a", "1"), write("b", [6, 7], refused)],
    ],
    ["when an unknown write was applied", [write("a", [1, 2], unknown), read([3, 4], "a", "1")]],
    [
      "when an unknown write was not applied",
      [write("a", [1, 2], unknown), read([3, 4]), write("b", [5, 6], written("1"))],
    ],
    [
      "when an unknown write was applied long after it was given up",
      [write("a", [1, 2], unknown), read([3, 4]), write("b", [5, 6], refused), read([7, 8], "a", "1")],
    ],
    [
      "when an unknown removal explains a new creation",
      [write("a", [1, 2], written("1")), remove("1", [3, 4], unknown), write("b", [5, 6], written("2"))],
    ],
  ])("%s", (_when, steps) => {
    expect(problemOf(...steps)).toBeUndefined();
  });
});

describe("a history is rejected", () => {
  test.each<[string, readonly Step[]]>([
    ["when a read misses an acknowledged write", [write("a", [1, 2], written("1")), read([3, 4])]],
    [
      "when a read is older than an earlier read",
      [
        write("a", [1, 2], written("1")),
        write("b", [3, 8], written("2"), "1"),
        read([4, 5], "b", "2"),
        read([6, 7], "a", "1"),
      ],
    ],
    [
      "when two replaces of one version were written",
      [write("a", [1, 2], written("1")), write("b", [3, 6], written("2"), "1"), write("c", [4, 5], written("3"), "1")],
    ],
    ["when two creates were written", [write("a", [1, 4], written("1")), write("b", [2, 3], written("2"))]],
    [
      "when a refused write was applied",
      [write("a", [1, 2], written("1")), write("b", [3, 4], refused, "1"), read([5, 6], "b", "2")],
    ],
    ["when a write is refused though nothing was in its way", [write("a", [1, 2], refused)]],
    [
      "when an acknowledged write is lost",
      [write("a", [1, 2], written("1")), write("b", [3, 4], written("2"), "1"), read([5, 6], "a", "1")],
    ],
    ["when a replace created", [write("a", [1, 2], written("2"), "1")]],
    ["when a value comes from nowhere", [read([1, 2], "a", "1")]],
    ["when an unknown write was applied before it began", [read([1, 2], "a", "1"), write("a", [3, 4], unknown)]],
    [
      "when an unknown write was applied twice",
      [write("a", [1, 2], unknown), remove("1", [3, 4], written("2")), read([5, 6], "a", "1")],
    ],
    [
      "when a version names two writes",
      [write("a", [1, 2], written("1")), remove("1", [3, 4], written("2")), write("b", [5, 6], written("1"))],
    ],
    ["when a write has two versions", [write("a", [1, 2], written("1")), read([3, 4], "a", "2")]],
    [
      "when both of a remove and a replace were written",
      [write("a", [1, 2], written("1")), remove("1", [3, 6], written("2")), write("b", [4, 5], written("3"), "1")],
    ],
  ])("%s", (_when, steps) => {
    expect(problemOf(...steps)).toMatch(/^k: /);
  });

  test("for the key that is wrong, while others are right", () => {
    const right = { ...write("a", [1, 2], written("1")), key: "right", client: 0 };
    const wrong = { ...read([3, 4], "b", "9"), key: "wrong", client: 0 };
    expect(linearizabilityProblem([right, wrong])).toMatch(/^wrong: /);
  });
});

describe("random histories (storage R27)", () => {
  const problemsOver = async (connect: (data: MemoryData) => MemoryStorage | BrokenStorage): Promise<number> => {
    let problems = 0;
    for (let seed = 1; seed <= 60; seed += 1) {
      const data = new MemoryData();
      const history = await randomHistory(
        [1, 2, 3, 4].map(() => connect(data)),
        seed,
      );
      if (linearizabilityProblem(history) !== undefined) problems += 1;
    }
    return problems;
  };

  test("of sound memory pass", async () => {
    expect(await problemsOver((data) => new MemoryStorage({ data }))).toBe(0);
  });

  test.each<StorageFlaw>(["ignores conditions", "loses writes", "checks before it writes"])(
    "of a storage that %s are caught",
    async (flaw) => {
      expect(await problemsOver((data) => new BrokenStorage(new MemoryStorage({ data }), flaw))).toBeGreaterThan(5);
    },
  );

  test("of a storage with stale reads are caught", async () => {
    class Lagging extends MemoryStorage {
      #reads = 0;
      readonly #old = new Map<string, Awaited<ReturnType<MemoryStorage["read"]>>>();
      override async read(key: string): ReturnType<MemoryStorage["read"]> {
        this.#reads += 1;
        if (this.#reads % 3 === 0 && this.#old.has(key)) return this.#old.get(key);
        const stored = await super.read(key);
        this.#old.set(key, stored);
        return stored;
      }
    }
    expect(await problemsOver((data) => new Lagging({ data }))).toBeGreaterThan(5);
  });

  test("overlap, meet faults, and write much", async () => {
    const data = new MemoryData();
    const history = await randomHistory(
      [1, 2, 3, 4].map(() => new MemoryStorage({ data })),
      7,
    );
    const overlaps = history.filter((one) =>
      history.some((two) => two !== one && two.begunAt < one.endedAt && one.begunAt < two.endedAt),
    );
    expect(overlaps.length).toBeGreaterThan(history.length / 3);
    const ends = new Set(history.map(({ end }) => end.kind));
    expect(ends.size).toBe(4);
  });
});

test("a create is never doubled: removed between its two deliveries, it would be two writes of one value", () => {
  const random = new SeededRandom(1);
  const kinds = (operation: "create" | "replace"): readonly (string | undefined)[] =>
    Array.from({ length: 1_000 }, () => randomFault(random, operation)?.kind);
  expect(kinds("create")).not.toContain("doubled");
  expect(kinds("create")).toContain("answerLost");
  expect(kinds("replace")).toContain("doubled");
});
