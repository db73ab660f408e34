import assert from "node:assert/strict";
import { inspect } from "node:util";
import { appliedOf } from "../errors.ts";
import { sleep } from "../system/clock.ts";
import { retry } from "../system/retry.ts";
import type { VersionedStorage } from "../storage/versioned-storage.ts";
import {
  assertAbsent,
  assertLost,
  assertStored,
  assertThrown,
  bytes,
  listed,
  thrownBy,
  within,
  written,
} from "./storage-assertions.ts";
import { callsOf, given, never } from "./storage-calls.ts";
import type { StorageFault, StorageFaults } from "./storage-faults.ts";
import type { StorageSuiteCase } from "./storage-suite-case.ts";

/** R16 to R24 and R29: aborts, deadlines, lost answers, refusals, the end. */
export const troubleCases: readonly StorageSuiteCase<VersionedStorage>[] = [
  {
    id: "R16",
    name: "an abort rejects with its reason: before, nothing is sent; during, the write is applied once or not at all",
    async run({ connect, faults }) {
      const other = await connect();
      const storage = faults?.connection ?? (await connect());
      const reason = new Error("enough");
      const sent = faults?.requests;
      const aborted = AbortSignal.abort(reason);
      for (const call of callsOf(storage, "a", { signal: aborted })) assert.equal(await thrownBy(call), reason);
      assert.equal(faults?.requests, sent, "something was sent");
      await assertAbsent(other, "a");
      for (const kind of ["delay", "hangAfter"] as const) {
        const [controller, key] = [new AbortController(), `during/${kind}`];
        faults?.next({ kind, beforeMs: 10, afterMs: 10 });
        const writing = thrownBy(async () => {
          await storage.create(key, bytes("once"), { signal: controller.signal });
          throw reason; // answered before the abort: as good as any end
        });
        controller.abort(reason);
        assert.equal(await writing, reason);
        const stored = await other.read(key);
        if (stored !== undefined) await assertStored(other, key, { value: bytes("once"), version: stored.version });
      }
    },
  },
  {
    id: "R17",
    needs: ["faults"],
    name: "a storage that never answers is given up at the deadline: reads unavailable, writes unknown, no socket left",
    async run({ connect, clock, faults }) {
      const { connection } = given(faults);
      const version = written(await (await connect()).create("a", bytes("one")));
      const timeoutMs = given(faults).patienceMs ?? 20;
      for (const call of callsOf(connection, "a", { timeoutMs, expected: version })) {
        given(faults).next({ kind: "hang" });
        const startedMs = clock.monotonicMs();
        const error = await within(clock, 2000, thrownBy(call));
        const tookMs = clock.monotonicMs() - startedMs;
        assert.ok(tookMs < 1.5 * timeoutMs + schedulingMs, `it settled after ${tookMs} ms`);
        assertGivenUp(error);
      }
      // A socket that was destroyed here is seen at its other end a moment later.
      for (let waitedMs = 0; given(faults).open > 0 && waitedMs < schedulingMs; waitedMs += 5) await sleep(clock, 5);
      assert.equal(given(faults).open, 0, "a call is still under way");
      await assertStored(await connect(), "a", { value: bytes("one"), version });
    },
  },
  {
    id: "R18",
    needs: ["faults"],
    name: "a write whose answer was dropped is unknown, and a read shows that it was applied once",
    async run({ connect, faults }) {
      const { connection } = given(faults);
      const other = await connect();
      await unknown(given(faults), "answerLost", () => connection.create("a", bytes("one")));
      const first = await assertStored(other, "a", { value: bytes("one") });
      await unknown(given(faults), "answerLost", () => connection.replace("a", bytes("two"), first));
      const second = await assertStored(other, "a", { value: bytes("two") });
      assert.notEqual(second, first);
      await unknown(given(faults), "answerLost", () => connection.remove("a", second));
      await assertAbsent(other, "a");
    },
  },
  {
    id: "R19",
    needs: ["faults"],
    name: "a write whose request was dropped is unknown, is sent once, and the same write again is written",
    async run({ connect, faults }) {
      const { connection } = given(faults);
      const other = await connect();
      await unknown(given(faults), "requestLost", () => connection.create("a", bytes("one")));
      await assertAbsent(other, "a");
      const first = written(await connection.create("a", bytes("one")));
      await unknown(given(faults), "requestLost", () => connection.replace("a", bytes("two"), first));
      await assertStored(other, "a", { value: bytes("one"), version: first });
      const second = written(await connection.replace("a", bytes("two"), first));
      await unknown(given(faults), "requestLost", () => connection.remove("a", second));
      await assertStored(other, "a", { value: bytes("two"), version: second });
      written(await connection.remove("a", second));
      given(faults).next({ kind: "requestLost" }, "read");
      await assertThrown(() => connection.read("a"), { code: "STORAGE_UNAVAILABLE" });
    },
  },
  {
    id: "R20",
    needs: ["faults"],
    name: "a write that is delivered twice is applied once, whichever answer arrives",
    async run({ connect, faults }) {
      for (const answer of [1, 2] as const) await deliverTwice(given(faults), await connect(), answer);
    },
  },
  {
    id: "R21",
    needs: ["faults"],
    name: "a throttled call is unavailable without effect and says when to come back; a repeated read waits for that",
    async run({ connect, faults, clock, random }) {
      const { connection } = given(faults);
      const other = await connect();
      const expected = { code: "STORAGE_UNAVAILABLE", applied: "no" } as const;
      given(faults).next({ kind: "throttled", retryAfterMs: 15 });
      const error = await assertThrown(() => connection.create("a", bytes("one")), expected);
      const told = given(faults).tellsRetryAfter ?? true;
      assert.equal(Reflect.get(error, "retryAfterMs"), told ? 15 : undefined);
      await assertAbsent(other, "a");
      const version = written(await connection.create("a", bytes("one")));
      given(faults).next({ kind: "throttled", retryAfterMs: 15 });
      const [startedMs, sent] = [clock.monotonicMs(), given(faults).requests];
      const stored = await retry(() => connection.read("a"), { clock, random, deadlineMs: 10_000 });
      assert.equal(stored?.version, version);
      assert.equal(given(faults).requests, sent + 2);
      if (told) assert.ok(clock.monotonicMs() - startedMs >= 15, "it came back too early");
    },
  },
  {
    id: "R22",
    needs: ["faults"],
    name: "busy is thrown as without effect, refused is a lost race, and neither is sent twice",
    async run({ connect, faults }) {
      const { connection } = given(faults);
      const version = written(await (await connect()).create("a", bytes("one")));
      for (const call of callsOf(connection, "a", { expected: version }).filter((each) => each.writes)) {
        given(faults).next({ kind: "busy" });
        const sent = given(faults).requests;
        await assertThrown(call, { code: "STORAGE_UNAVAILABLE", applied: "no" });
        assert.equal(given(faults).requests, sent + 1);
      }
      const sent = given(faults).requests;
      assertLost(await connection.create("a", bytes("two")));
      assertLost(await connection.replace("a", bytes("two"), never));
      assertLost(await connection.remove("a", never));
      assert.equal(given(faults).requests, sent + 3);
      await assertStored(await connect(), "a", { value: bytes("one"), version });
    },
  },
  {
    id: "R23",
    needs: ["faults"],
    name: "denied access is told after one attempt, with the operation and the right that is missing",
    async run({ faults }) {
      for (const call of callsOf(given(faults).connection, "a")) {
        given(faults).next({ kind: "denied" });
        const sent = given(faults).requests;
        const error = await assertThrown(call, { code: "ACCESS_DENIED", ...(call.writes && { applied: "no" }) });
        assert.equal(Reflect.get(error, "operation"), call.operation);
        assert.match(error.message, new RegExp(call.operation));
        assert.equal(given(faults).requests, sent + 1);
      }
    },
  },
  {
    id: "R24",
    name: "after close every call is CLOSED, close twice is fine, watches end, and the other connection goes on",
    async run({ connect, clock }) {
      const [storage, other] = [await connect(), await connect()];
      written(await storage.create("a", bytes("one")));
      const watching = storage.watch === undefined ? undefined : readUntilEnd(storage, "a");
      await watching?.first;
      await storage.close();
      await storage.close();
      await storage[Symbol.asyncDispose]();
      for (const call of callsOf(storage, "a")) await assertThrown(call, { code: "CLOSED" });
      if (watching !== undefined) await within(clock, 2000, watching.end);
      assert.equal((await storage.health()).status, "unhealthy");
      await assertStored(other, "a", { value: bytes("one") });
      assert.notEqual((await other.health()).status, "unhealthy");
    },
  },
  {
    id: "R29",
    name: "no error, inspection or log shows a secret of the URL, or a value (#63)",
    async run({ connect, faults, secrets, logged }) {
      const value = "value-that-nobody-may-see";
      const [storage, closed] = [await connect(), await connect()];
      const version = written(await storage.create("a", bytes(value)));
      await closed.close();
      const what = { expected: version, value };
      const errors: unknown[] = [];
      const collect = async (call: () => Promise<unknown>): Promise<void> => void errors.push(await call().catch(same));
      for (const call of callsOf(closed, "a", what)) await collect(call);
      for (const key of ["..", "a\0"]) for (const call of callsOf(storage, key, what)) await collect(call);
      const tooLarge = bytes(value.padEnd(storage.capabilities.maxValueBytes + 1));
      await collect(() => storage.create("large", tooLarge));
      for (const kind of ["requestLost", "answerLost", "hang", "throttled", "busy", "denied"] as const) {
        if (faults === undefined) continue;
        for (const call of callsOf(faults.connection, `f/${kind}`, { ...what, timeoutMs: 5 })) {
          faults.next({ kind });
          await collect(call);
        }
      }
      const shown = [storage, closed, faults?.connection, ...errors].map(reveal).join("\n") + logged();
      for (const secret of [value, ...secrets]) assert.ok(!shown.includes(secret), "a secret is shown");
    },
  },
];

/** What an overloaded machine may add to a deadline before a timer fires. */
const schedulingMs = 500;

function assertGivenUp(error: unknown): void {
  assert.ok(error instanceof Error);
  const code: unknown = Reflect.get(error, "code");
  const operation: unknown = Reflect.get(error, "operation");
  const isRead = operation === "read" || operation === "list";
  assert.equal(code, isRead ? "STORAGE_UNAVAILABLE" : "OUTCOME_UNKNOWN", error.message);
  if (!isRead) assert.equal(appliedOf(error), "unknown");
  assert.equal(error.cause instanceof Error && error.cause.name, "TimeoutError");
}

async function unknown(
  faults: StorageFaults<VersionedStorage>,
  kind: StorageFault["kind"],
  write: () => Promise<unknown>,
): Promise<void> {
  const sent = faults.requests;
  faults.next({ kind });
  await assertThrown(write, { code: "OUTCOME_UNKNOWN", applied: "unknown" });
  assert.equal(faults.requests, sent + 1, "it was not sent once");
}

async function deliverTwice(
  faults: StorageFaults<VersionedStorage>,
  other: VersionedStorage,
  answer: 1 | 2,
): Promise<void> {
  const { connection } = faults;
  const key = `answer/${answer}`;
  faults.next({ kind: "doubled", answer });
  const created = await connection.create(key, bytes("one"));
  assert.equal(created.written, answer === 1);
  const first = await assertStored(other, key, { value: bytes("one") });
  if (created.written) assert.equal(created.version, first, "it was applied twice");
  faults.next({ kind: "doubled", answer });
  const replaced = await connection.replace(key, bytes("two"), first);
  assert.equal(replaced.written, answer === 1);
  const second = await assertStored(other, key, { value: bytes("two") });
  if (replaced.written) assert.equal(replaced.version, second, "it was applied twice");
  faults.next({ kind: "doubled", answer });
  assert.equal((await connection.remove(key, second)).written, answer === 1);
  await assertAbsent(other, key);
  assert.equal((await listed(other, "answer/")).size, 0);
}

/** Watches until the watch ends by itself, or says that it was closed. */
function readUntilEnd(storage: VersionedStorage, key: string): { first: Promise<void>; end: Promise<void> } {
  const watch = storage.watch?.(key, { signal: new AbortController().signal });
  const iterator = watch?.[Symbol.asyncIterator]();
  const read = async (): Promise<boolean> => (await iterator?.next())?.done ?? true;
  const first = read().then(() => undefined);
  const end = first.then(async () => {
    while (!(await read().catch(closedIsEnd)));
  });
  return { first, end };
}

function closedIsEnd(error: unknown): boolean {
  assert.equal(Reflect.get(Object(error), "code"), "CLOSED");
  return true;
}

function same(error: unknown): unknown {
  return error;
}

/** All that a log could show of it. */
function reveal(thing: unknown): string {
  const shown = inspect(thing, { depth: 10, showHidden: true });
  if (!(thing instanceof Error)) return shown;
  return [shown, thing.message, thing.stack, JSON.stringify(thing), thing.cause && reveal(thing.cause)].join("\n");
}
