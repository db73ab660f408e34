import assert from "node:assert/strict";
import { StorageUnavailableError } from "../errors.ts";
import type { Version, VersionedStorage, WriteOutcome } from "../storage/versioned-storage.ts";
import {
  assertAbsent,
  assertLost,
  assertStored,
  assertThrown,
  bytes,
  listed,
  text,
  winnersOf,
  written,
} from "./storage-assertions.ts";
import type { StorageSuiteCase } from "./storage-suite-case.ts";

/** R1 to R12 and R25: what each call does, alone and in races. */
export const writeCases: readonly StorageSuiteCase<VersionedStorage>[] = [
  {
    id: "R1",
    name: "a missing key reads as undefined, and that is no error",
    async run({ connect }) {
      assert.equal(await (await connect()).read("missing"), undefined);
    },
  },
  {
    id: "R2",
    name: "what was created is read back with the version that the write returned",
    async run({ connect }) {
      const [storage, other] = [await connect(), await connect()];
      const version = written(await storage.create("a", bytes("one")));
      assert.ok(typeof version === "string" && version !== "");
      for (const reader of [storage, other]) await assertStored(reader, "a", { value: bytes("one"), version });
    },
  },
  {
    id: "R3",
    name: "a second create is refused and changes nothing",
    async run({ connect }) {
      const [storage, other] = [await connect(), await connect()];
      const version = written(await storage.create("a", bytes("one")));
      for (const late of [other, storage]) assertLost(await late.create("a", bytes("two")));
      await assertStored(storage, "a", { value: bytes("one"), version });
    },
  },
  {
    id: "R4",
    name: "a replace with the right version is written, with another version",
    async run({ connect }) {
      const [storage, other] = [await connect(), await connect()];
      const first = written(await storage.create("a", bytes("one")));
      const second = written(await other.replace("a", bytes("two"), first));
      assert.notEqual(second, first);
      await assertStored(storage, "a", { value: bytes("two"), version: second });
    },
  },
  {
    id: "R5",
    name: "a stale writer changes nothing",
    async run({ connect }) {
      const [old, next] = [await connect(), await connect()];
      const first = written(await old.create("a", bytes("one")));
      const second = written(await next.replace("a", bytes("two"), first));
      assertLost(await old.replace("a", bytes("three"), first));
      assertLost(await old.replace("a", bytes("three"), "no version of anybody" as Version)); // cast: out of nowhere
      await assertStored(old, "a", { value: bytes("two"), version: second });
      assert.deepEqual([...(await listed(next, ""))], [["a", second]]);
    },
  },
  {
    id: "R6",
    name: "a replace of a missing key is refused and creates nothing",
    async run({ connect }) {
      const [storage, other] = [await connect(), await connect()];
      const version = written(await storage.create("other", bytes("one")));
      const nowhere = ["absent", "", "0"] as Version[]; // cast: versions out of nowhere
      for (const never of [version, ...nowhere]) assertLost(await storage.replace("a", bytes("two"), never));
      const missing = undefined as unknown as Version; // cast: `stored?.version`, from JavaScript
      const expected = { code: "INVALID_SETTINGS", applied: "no" } as const;
      await assertThrown(() => storage.replace("a", bytes("two"), missing), expected);
      await assertThrown(() => storage.remove("other", missing), expected);
      await assertAbsent(other, "a");
      assert.deepEqual([...(await listed(other, "")).keys()], ["other"]);
    },
  },
  {
    id: "R7",
    name: "a replace with identical bytes gives a new version, and the old one no longer matches",
    async run({ connect }) {
      const [storage, other] = [await connect(), await connect()];
      const first = written(await storage.create("a", bytes("same")));
      const second = written(await storage.replace("a", bytes("same"), first));
      assert.notEqual(second, first);
      assertLost(await other.replace("a", bytes("late"), first));
      await assertStored(other, "a", { value: bytes("same"), version: second });
    },
  },
  {
    id: "R8",
    name: "a remove with the right version removes; with a wrong one, or of a missing key, it is refused",
    async run({ connect }) {
      const [storage, other] = [await connect(), await connect()];
      const first = written(await storage.create("a", bytes("one")));
      const second = written(await storage.replace("a", bytes("two"), first));
      assertLost(await other.remove("a", first));
      await assertStored(other, "a", { value: bytes("two"), version: second });
      const removal = written(await other.remove("a", second));
      assert.ok(![first, second].includes(removal), "the removal has the version of a value");
      await assertAbsent(storage, "a");
      for (const version of [second, removal]) assertLost(await storage.remove("a", version));
    },
  },
  {
    id: "R9",
    name: "no version from before a removal matches after the key was created again",
    async run({ connect }) {
      const [storage, other] = [await connect(), await connect()];
      const before: Version[] = [];
      for (let round = 0; round < 3; round += 1) {
        const version = written(await storage.create("a", bytes("same")));
        assert.ok(!before.includes(version), "a version came back");
        for (const old of before) {
          assertLost(await other.replace("a", bytes("late"), old));
          assertLost(await other.remove("a", old));
        }
        await assertStored(other, "a", { value: bytes("same"), version });
        before.push(version, written(await storage.remove("a", version)));
      }
    },
  },
  {
    id: "R10",
    name: "of 16 racers that create one key exactly one is written",
    async run({ connect }) {
      const connections = [await connect(), await connect()];
      const winners = await winnersOf(racing(connections, (storage, racer) => storage.create("a", bytes(`${racer}`))));
      assert.equal(winners.length, 1);
      await assertStored(await connect(), "a", { value: bytes(`${winners[0]}`) });
    },
  },
  {
    id: "R11",
    scales: true,
    name: "of 16 racers that replace, remove, or half of each, exactly one is written in each of 50 rounds",
    async run({ connect, scaled }) {
      const connections = [await connect(), await connect()];
      for (let round = 0; round < scaled(50); round += 1) {
        for (const kind of ["replace", "remove", "both"] as const)
          await raceRound(connections, kind, `${kind}/${round}`);
      }
    },
  },
  {
    id: "R12",
    scales: true,
    name: "8 clients that each count up 25 times reach 200",
    async run({ connect, scaled }) {
      const times = scaled(25);
      const clients = await Promise.all(Array.from({ length: 8 }, connect));
      written(await (await connect()).create("counter", bytes("0")));
      await Promise.all(clients.map((client) => countUp(client, times)));
      await assertStored(await connect(), "counter", { value: bytes(`${8 * times}`) });
    },
  },
  {
    id: "R25",
    name: "each of two connections sees the other's acknowledged write at its next read",
    async run({ connect }) {
      const [left, right] = [await connect(), await connect()];
      let version = written(await left.create("a", bytes("0")));
      for (let turn = 1; turn <= 10; turn += 1) {
        const [writer, reader] = turn % 2 === 0 ? [left, right] : [right, left];
        version = written(await writer.replace("a", bytes(`${turn}`), version));
        await assertStored(reader, "a", { value: bytes(`${turn}`), version });
      }
      written(await left.remove("a", version));
      await assertAbsent(right, "a");
      written(await right.create("a", bytes("again")));
      await assertStored(left, "a", { value: bytes("again") });
    },
  },
];

function racing(
  connections: readonly VersionedStorage[],
  write: (storage: VersionedStorage, racer: number) => Promise<WriteOutcome>,
): Promise<WriteOutcome>[] {
  const all = [...connections, ...connections, ...connections, ...connections];
  return [...all, ...all].map((storage, racer) => write(storage, racer));
}

async function raceRound(
  connections: readonly VersionedStorage[],
  kind: "replace" | "remove" | "both",
  key: string,
): Promise<void> {
  const [storage] = connections;
  assert.ok(storage);
  const expected = written(await storage.create(key, bytes("start")));
  const removes = (racer: number): boolean => kind === "remove" || (kind === "both" && racer % 4 < 2);
  const winners = await winnersOf(
    racing(connections, (one, racer) =>
      removes(racer) ? one.remove(key, expected) : one.replace(key, bytes(`${racer}`), expected),
    ),
  );
  const [winner] = winners;
  assert.ok(winner !== undefined && winners.length === 1, `${winners.length} racers were written`);
  if (removes(winner)) return assertAbsent(storage, key);
  await assertStored(storage, key, { value: bytes(`${winner}`) });
}

async function countUp(storage: VersionedStorage, times: number): Promise<void> {
  for (let counted = 0; counted < times;) {
    const stored = await storage.read("counter");
    assert.ok(stored);
    const next = bytes(`${Number(text(stored.value)) + 1}`);
    const outcome = await storage.replace("counter", next, stored.version).catch(busyIsLost);
    if (outcome.written) counted += 1;
  }
}

function busyIsLost(error: unknown): WriteOutcome {
  if (error instanceof StorageUnavailableError && error.applied === "no") return { written: false };
  throw error;
}
