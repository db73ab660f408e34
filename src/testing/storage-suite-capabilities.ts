import assert from "node:assert/strict";
import { sleep } from "../system/clock.ts";
import type { Hint, Version, VersionedStorage } from "../storage/versioned-storage.ts";
import {
  assertAbsent,
  assertLost,
  assertStored,
  assertThrown,
  bytes,
  listed,
  text,
  winnersOf,
  within,
  written,
} from "./storage-assertions.ts";
import type { StorageSuiteCase, StorageSuiteContext } from "./storage-suite-case.ts";

/** R28, R30 and R31: what only some storages can do. */
export const capabilityCases: readonly StorageSuiteCase<VersionedStorage>[] = [
  {
    id: "R28",
    needs: ["watch"],
    name: "a watch hints at once, after each change and after a cut, and ends with its signal",
    async run(context) {
      const { connect, faults } = context;
      const other = await connect();
      const watcher = watch(faults?.connection ?? (await connect()), context);
      await watcher.hint(); // at once, though nobody has written
      const first = written(await other.create("a", bytes("one")));
      await watcher.hint("one");
      const second = written(await other.replace("a", bytes("two"), first));
      await watcher.hint("two");
      written(await other.create("a/b", bytes("another key")));
      written(await other.remove("a", second));
      await watcher.hint();
      if (faults !== undefined) {
        faults.cutWatches();
        await watcher.hint();
        written(await other.create("a", bytes("three")));
        await watcher.hint("three");
      }
      await watcher.end();
      const never = watch(await connect(), context, AbortSignal.abort(new Error("before it began")));
      await never.end();
    },
  },
  {
    id: "R30",
    scales: true,
    needs: ["transact"],
    name: "a transact writes all or nothing: under races, with a check, and when its answer is lost",
    async run(context) {
      const { connect } = context;
      const storage = await connect();
      const transact = transactOf(storage);
      const version = written(await transact([create("a", "0"), create("b", "0")]));
      for (const key of ["a", "b"]) await assertStored(storage, key, { value: bytes("0"), version });
      assertLost(await transact([create("c", "1"), create("a", "1")]));
      assertLost(await transact([create("c", "1"), { kind: "check", key: "a", expected: "absent" }]));
      assertLost(await transact([create("c", "1"), { kind: "check", key: "c2", expected: version }]));
      assertLost(await transact([{ kind: "remove", key: "a", expected: version }, create("b", "1")]));
      await assertAbsent(storage, "c");
      await assertStored(storage, "a", { value: bytes("0"), version });
      const checked = [create("c", "1"), { kind: "check", key: "a", expected: version }] as const;
      const later = written(await transact(checked));
      await assertStored(storage, "a", { value: bytes("0"), version });
      written(
        await transact([
          { kind: "remove", key: "c", expected: later },
          { kind: "check", key: "d", expected: "absent" },
        ]),
      );
      await assertAbsent(storage, "c");
      await raceTransacts(context, version);
      await loseTransact(context);
      for (const changes of [[], [create("x", "1"), create("x", "2")], manyChanges(101)]) {
        await assertThrown(() => transact(changes), { code: "INVALID_SETTINGS", applied: "no" });
      }
      assert.equal((await listed(storage, "many/")).size, 0);
    },
  },
  {
    id: "R31",
    needs: ["expiry"],
    name: "what expired is gone from read and list alike, and its version matches no more",
    async run({ connect, clock }) {
      const [storage, other] = [await connect(), await connect()];
      const version = written(await storage.create("short", bytes("one"), { expiresInMs: 10 }));
      written(await storage.create("kept", bytes("one")));
      await sleep(clock, 20);
      await assertAbsent(other, "short");
      assert.deepEqual([...(await listed(other, "")).keys()], ["kept"]);
      assertLost(await other.replace("short", bytes("two"), version));
      const again = written(await other.create("short", bytes("one")));
      assert.notEqual(again, version);
      const brief = written(await other.replace("short", bytes("two"), again, { expiresInMs: 10 }));
      await sleep(clock, 20);
      assertLost(await storage.remove("short", brief));
      await assertAbsent(storage, "short");
    },
  },
];

interface Watcher {
  /** A hint arrives; if the hints carry values, one with this value. */
  hint(value?: string): Promise<void>;
  /** It ends without an error. */
  end(): Promise<void>;
}

function watch(
  storage: VersionedStorage,
  { clock }: StorageSuiteContext<VersionedStorage>,
  aborted?: AbortSignal,
): Watcher {
  assert.ok(storage.watch, "capabilities.watch promises a watch");
  const controller = new AbortController();
  const iterator = storage.watch("a", { signal: aborted ?? controller.signal })[Symbol.asyncIterator]();
  let pending: Promise<IteratorResult<Hint>> | undefined;
  const next = (): Promise<IteratorResult<Hint>> => (pending ??= iterator.next().finally(() => (pending = undefined)));
  const hint = async (value?: string): Promise<void> => {
    for (;;) {
      const { done, value: got } = await within(clock, 40_000, next());
      assert.ok(done !== true, "the watch ended");
      // A bare hint tells nothing; one that carries something tells what was there, but may be of an earlier change.
      if (got.seen === undefined || value === undefined || text(got.seen.value) === value) return;
    }
  };
  const end = async (): Promise<void> => {
    const ended = (async () => {
      while ((await next()).done !== true);
    })();
    controller.abort(new Error("enough"));
    await within(clock, 2000, ended);
  };
  return { hint, end };
}

type Changes = Parameters<NonNullable<VersionedStorage["transact"]>>[0];

function transactOf(storage: VersionedStorage): (changes: Changes) => ReturnType<typeof storage.create> {
  const { transact } = storage;
  assert.ok(transact, "capabilities.transact promises a transact");
  return (changes) => transact.call(storage, changes);
}

function create(
  key: string,
  value: string,
): { readonly kind: "create"; readonly key: string; readonly value: Uint8Array } {
  return { kind: "create", key, value: bytes(value) };
}

function manyChanges(count: number): Changes {
  return Array.from({ length: count }, (_, index) => create(`many/${index}`, "1"));
}

async function raceTransacts(
  { connect, scaled }: StorageSuiteContext<VersionedStorage>,
  first: Version,
): Promise<void> {
  const connections = await Promise.all([connect(), connect(), connect(), connect()]);
  let expected = first;
  for (let round = 0; round < scaled(20); round += 1) {
    const writes = [...connections, ...connections].map((storage, racer) => {
      const replace = (key: string) => ({ kind: "replace", key, value: bytes(`${round}.${racer}`), expected }) as const;
      return transactOf(storage)(racer % 2 === 0 ? [replace("a"), replace("b")] : [replace("b"), replace("a")]);
    });
    const [winner, ...more] = await winnersOf(writes);
    assert.ok(winner !== undefined && more.length === 0, "not exactly one was written");
    const [storage] = connections;
    assert.ok(storage);
    expected = await assertStored(storage, "a", { value: bytes(`${round}.${winner}`) });
    await assertStored(storage, "b", { value: bytes(`${round}.${winner}`), version: expected });
  }
}

async function loseTransact({ connect, faults }: StorageSuiteContext<VersionedStorage>): Promise<void> {
  if (faults === undefined) return;
  const other = await connect();
  for (const kind of ["requestLost", "answerLost"] as const) {
    faults.next({ kind }, "transact");
    const changes = [create(`${kind}/1`, "1"), create(`${kind}/2`, "1")];
    await assertThrown(() => transactOf(faults.connection)(changes), { code: "OUTCOME_UNKNOWN", applied: "unknown" });
    const size = (await listed(other, `${kind}/`)).size;
    assert.equal(size, kind === "requestLost" ? 0 : 2, "a part was applied");
  }
}
