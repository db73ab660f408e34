// Goal: whatever several connections to one directory do in whatever order, each call answers as one document store
// with compare-and-swap would. Method: random sequences of calls, with current, older and foreign versions, beside a
// model.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { FileStorage } from "../../src/storage/file.ts";
import type { Stored, Version, WriteOutcome } from "../../src/storage/versioned-storage.ts";

const keys = ["leases/default/a", "leases/default/A", "leases/default"];
const connections = 3;

const call = fc.record({
  by: fc.nat(connections - 1),
  key: fc.constantFrom(...keys),
  what: fc.constantFrom("read", "create", "create", "replace", "replace", "remove", "list"),
  value: fc.uint8Array({ maxLength: 40 }),
  /** Which version is named: the newest of the key, one of the older ones, or one of another key. */
  version: fc.constantFrom("newest", "newest", "newest", "older", "foreign"),
});
type Call = typeof call extends fc.Arbitrary<infer T> ? T : never;

/** What a document store is: the value and version of each key, and every version that there ever was. */
class Model {
  readonly stored = new Map<string, Stored>();
  readonly versions = new Map<string, Version[]>();

  /** What a write to this key names. */
  named({ key, version }: Call): Version {
    const own = this.versions.get(key) ?? [];
    const others = keys.filter((other) => other !== key).flatMap((other) => this.versions.get(other) ?? []);
    const never = "0" as Version; // cast: a version that no storage gives
    if (version === "newest") return own.at(-1) ?? never;
    return (version === "older" ? own.at(-2) : others.find((other) => !own.includes(other))) ?? never;
  }

  /** Whether a write has to be applied. */
  takes(one: Call): boolean {
    const stored = this.stored.get(one.key);
    return one.what === "create" ? stored === undefined : stored?.version === this.named(one);
  }

  apply({ key, what, value }: Call, version: Version): void {
    const known = this.versions.get(key) ?? [];
    expect(known, "a version is never given twice").not.toContain(version);
    this.versions.set(key, [...known, version]);
    if (what === "remove") this.stored.delete(key);
    else this.stored.set(key, { value, version });
  }
}

async function play(one: Call, storage: FileStorage, model: Model): Promise<void> {
  const { key, what } = one;
  if (what === "read") {
    expect(await storage.read(key)).toEqual(model.stored.get(key));
  } else if (what === "list") {
    const listed = new Map<string, Version>();
    for await (const found of storage.list("")) {
      expect(listed.has(found.key), "each key once").toBe(false);
      listed.set(found.key, found.version);
    }
    expect(listed).toEqual(new Map([...model.stored].map(([name, { version }]) => [name, version])));
  } else {
    const expectsWrite = model.takes(one);
    const outcome = await write(one, storage, model.named(one));
    expect(outcome.written).toBe(expectsWrite);
    if (outcome.written) model.apply(one, outcome.version);
  }
}

function write({ key, what, value }: Call, storage: FileStorage, named: Version): Promise<WriteOutcome> {
  if (what === "create") return storage.create(key, value);
  return what === "replace" ? storage.replace(key, value, named) : storage.remove(key, named);
}

test("several connections answer as one store, one call after the other", async () => {
  const applied = { yes: 0 };
  const property = fc.asyncProperty(fc.array(call, { minLength: 15, maxLength: 30 }), async (calls) => {
    const directory = await mkdtemp(join(tmpdir(), "tenure-file-"));
    const open = (): FileStorage => new FileStorage({ directory, fsync: false, keep: 2 });
    const storages = Array.from({ length: connections }, open);
    const model = new Model();
    try {
      for (const one of calls) await play(one, storages[one.by] ?? open(), model);
      // And a new process finds the same.
      const late = open();
      for (const key of keys) expect(await late.read(key)).toEqual(model.stored.get(key));
      applied.yes += [...model.versions.values()].flat().length;
      await late.close();
    } finally {
      for (const storage of storages) await storage.close();
      await rm(directory, { recursive: true, force: true });
    }
  });
  await fc.assert(property, { seed: 7, numRuns: 25 });
  expect(applied.yes).toBeGreaterThan(100);
}, 30_000);

test("of writes at once, exactly one that names the version in force is applied", async () => {
  const values = fc.array(fc.uint8Array({ maxLength: 10 }), { minLength: 2, maxLength: 5 });
  const property = fc.asyncProperty(fc.array(values, { minLength: 1, maxLength: 4 }), async (rounds) => {
    const directory = await mkdtemp(join(tmpdir(), "tenure-file-"));
    const storages = Array.from({ length: 5 }, () => new FileStorage({ directory, fsync: false }));
    try {
      for (const round of rounds) {
        const before = await storages[0]?.read("k");
        const outcomes = await Promise.all(
          round.map((value, index) => {
            const storage = storages[index] ?? new FileStorage({ directory });
            return before === undefined ? storage.create("k", value) : storage.replace("k", value, before.version);
          }),
        );
        const winner = outcomes.findIndex(({ written }) => written);
        expect(outcomes.filter(({ written }) => written)).toHaveLength(1);
        expect((await storages[4]?.read("k"))?.value).toEqual(round[winner]);
      }
    } finally {
      for (const storage of storages) await storage.close();
      await rm(directory, { recursive: true, force: true });
    }
  });
  await fc.assert(property, { seed: 7, numRuns: 15 });
}, 30_000);
