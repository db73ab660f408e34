// Goal: what every driver gets from its class holds, whatever its attempts do: checks, deadlines, outcomes, the end.
// Method: drivers of a few lines that hang, throw or look at what they are given, on a clock that the test moves.
import { describe, expect, test } from "vitest";
import { AccessDeniedError, InvalidSettingsError } from "../../src/errors.ts";
import { storageCall, type StorageCall } from "../../src/storage/storage-call.ts";
import {
  VersionedLeaseStorage,
  type Attempt,
  type DriverParts,
  type ListedKey,
} from "../../src/storage/versioned-lease-storage.ts";
import type { Hint, StorageCapabilities, Stored, Version, WriteOutcome } from "../../src/storage/versioned-storage.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

const capabilities: StorageCapabilities = {
  watch: "none",
  transact: false,
  expiry: false,
  maxValueBytes: 8,
  minWriteIntervalMs: 0,
  durability: "process",
  reach: "process",
};
const version = "v1" as Version; // cast: a driver makes versions
const value = new Uint8Array([1]);

/** Each call does what `act` does; the default answers. */
class TestStorage extends VersionedLeaseStorage {
  readonly attempts: (Attempt & { readonly call: string })[] = [];
  readonly act: (call: string, attempt: Attempt) => Promise<void>;
  pages: readonly (readonly ListedKey[])[] = [];
  closes = 0;

  constructor(act: TestStorage["act"] = async () => {}, parts: Partial<DriverParts> = {}) {
    super({ description: "test", capabilities, clock: new ManualClock(), ...parts });
    this.act = act;
  }

  protected override async readOnce(_key: string, attempt: Attempt): Promise<Stored | undefined> {
    return this.#answer("read", attempt, undefined);
  }
  protected override createOnce(_key: string, _value: Uint8Array, attempt: Attempt): Promise<WriteOutcome> {
    return this.#answer("create", attempt, { written: true, version });
  }
  protected override replaceOnce(_key: string, _change: object, attempt: Attempt): Promise<WriteOutcome> {
    return this.#answer("replace", attempt, { written: false });
  }
  protected override removeOnce(_key: string, _expected: Version, attempt: Attempt): Promise<WriteOutcome> {
    return this.#answer("remove", attempt, { written: false });
  }
  protected override async *listPages(_prefix: string, signal: AbortSignal): AsyncGenerator<readonly ListedKey[]> {
    for (const page of this.pages) {
      await this.#answer("list", { signal, timeoutMs: 0, progress: { applied: "unknown" } }, undefined);
      yield page;
    }
  }
  protected override healthOnce(attempt: Attempt): Promise<readonly string[]> {
    return this.#answer("health", attempt, []);
  }
  protected override async *watchOnce(_key: string, signal: AbortSignal): AsyncGenerator<Hint> {
    yield {};
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  }
  protected override async closeOnce(): Promise<void> {
    this.closes += 1;
  }

  async #answer<T>(call: string, attempt: Attempt, answer: T): Promise<T> {
    this.attempts.push({ ...attempt, call });
    await this.act(call, attempt);
    return answer;
  }
}

const hang = (): Promise<never> => new Promise(() => {});
const writesOf = (storage: TestStorage, options = {}): (() => Promise<unknown>)[] => [
  () => storage.create("a", value, options),
  () => storage.replace("a", value, version, options),
  () => storage.remove("a", version, options),
];
const thrownBy = async (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  );
const all = async (storage: TestStorage, options = {}): Promise<string[]> => {
  const keys: string[] = [];
  for await (const { key } of storage.list("", options)) keys.push(key);
  return keys;
};

describe("a deadline of our own", () => {
  test("leaves a read unavailable and a write unknown, after 10 s, with a TimeoutError as cause", async () => {
    const clock = new ManualClock();
    const storage = new TestStorage(hang, { clock });
    const ends = [() => storage.read("a"), ...writesOf(storage)].map((call) => thrownBy(call()));
    await clock.advance(9_999);
    expect(storage.attempts.map(({ signal }) => signal.aborted)).toEqual([false, false, false, false]);
    await clock.advance(1);
    const [read, ...writes] = await Promise.all(ends);
    const cause = expect.objectContaining({ name: "TimeoutError" });
    expect(read).toMatchObject({ code: "STORAGE_UNAVAILABLE", operation: "read", storage: "test", key: "a", cause });
    expect(read).toHaveProperty("applied", undefined);
    for (const write of writes) expect(write).toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown", cause });
    expect(String(writes[1])).toContain('cannot replace "a" in test: no answer after 10000 ms');
    expect(storage.attempts.map(({ signal }) => signal.aborted)).toEqual([true, true, true, true]);
    expect(clock.timerCount).toBe(0);
  });

  test("is that of the call, else of the connection", async () => {
    const clock = new ManualClock();
    const storage = new TestStorage(hang, { clock, timeoutMs: 500 });
    const ends = [thrownBy(storage.read("a")), thrownBy(storage.read("a", { timeoutMs: 20 }))];
    expect(storage.attempts.map(({ timeoutMs }) => timeoutMs)).toEqual([500, 20]);
    await clock.advance(20);
    expect(await ends[1]).toMatchObject({ message: expect.stringContaining("20 ms") });
    await clock.advance(480);
    expect(await ends[0]).toMatchObject({ message: expect.stringContaining("500 ms") });
  });

  test("is three times that for each page of a list, anew for each", async () => {
    const clock = new ManualClock();
    const pages = [[{ key: "a", version }], [{ key: "b", version }]];
    const storage = new TestStorage(
      async (_call, { signal }) => {
        await new Promise<void>((resolve) => clock.setTimer(clock.monotonicMs() + 29_000, resolve));
        signal.throwIfAborted();
      },
      { clock },
    );
    storage.pages = pages;
    const listing = all(storage);
    await clock.advance(58_000);
    expect(await listing).toEqual(["a", "b"]);
    const slow = new TestStorage(hang, { clock });
    slow.pages = pages;
    const failing = thrownBy(all(slow));
    await clock.advance(30_000);
    expect(await failing).toMatchObject({ code: "STORAGE_UNAVAILABLE", operation: "list" });
    expect(slow.attempts[0]?.signal.aborted).toBe(true);
  });

  test("that has passed before the call sends nothing, and says so", async () => {
    const storage = new TestStorage();
    for (const timeoutMs of [0, -5]) {
      for (const write of writesOf(storage, { timeoutMs })) {
        await expect(write()).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
      }
      await expect(storage.read("a", { timeoutMs })).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    }
    for (const timeoutMs of [NaN, Infinity, "5" as unknown as number]) {
      // cast: from JavaScript
      await expect(storage.read("a", { timeoutMs })).rejects.toBeInstanceOf(InvalidSettingsError);
    }
    expect(storage.attempts).toEqual([]);
  });

  test("proves that nothing happened where the driver says that nothing was sent", async () => {
    const clock = new ManualClock();
    const storage = new TestStorage(
      async (_call, { progress }) => {
        progress.applied = "no";
        await hang();
      },
      { clock },
    );
    const end = thrownBy(storage.create("a", value));
    await clock.advance(10_000);
    expect(await end).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
  });
});

describe("the caller's abort", () => {
  test("rejects with its reason, whatever that is, even if the driver hangs", async () => {
    for (const reason of [new Error("enough"), "text", { any: "thing" }]) {
      const storage = new TestStorage(hang);
      const controller = new AbortController();
      const ends = [() => storage.read("a", controller), ...writesOf(storage, controller)].map((call) =>
        thrownBy(call()),
      );
      controller.abort(reason);
      for (const end of ends) expect(await end).toBe(reason);
      for (const { signal } of storage.attempts) expect(signal.reason).toBe(reason);
    }
  });

  test("with a reason that looks like our deadline is still the caller's", async () => {
    const storage = new TestStorage(hang);
    const controller = new AbortController();
    const end = thrownBy(storage.create("a", value, controller));
    const reason = Object.assign(new Error("late"), { name: "TimeoutError" });
    controller.abort(reason);
    expect(await end).toBe(reason);
  });

  test("ends a list between two pages, and tells the driver", async () => {
    const storage = new TestStorage();
    storage.pages = [[{ key: "a", version }], [{ key: "b", version }]];
    const controller = new AbortController();
    const reason = new Error("enough");
    const seen: string[] = [];
    const listing = async (): Promise<void> => {
      for await (const { key } of storage.list("", controller)) {
        seen.push(key);
        controller.abort(reason);
      }
    };
    await expect(listing()).rejects.toBe(reason);
    expect(seen).toEqual(["a"]);
    expect(storage.attempts[0]?.signal.aborted).toBe(true);
  });

  test("leaves no listener and no timer behind", async () => {
    const clock = new ManualClock();
    const storage = new TestStorage(undefined, { clock });
    const controller = new AbortController();
    let [listeners, added] = [0, 0];
    const { signal } = controller;
    const [add, drop] = [signal.addEventListener, signal.removeEventListener];
    const counted = (by: number, method: typeof add): typeof add =>
      function (this: AbortSignal, ...args: Parameters<typeof add>) {
        listeners += by;
        added += Math.max(by, 0);
        return Reflect.apply(method, this, args);
      };
    Object.assign(signal, { addEventListener: counted(1, add), removeEventListener: counted(-1, drop) });
    for (let call = 0; call < 20; call += 1) await storage.read("a", { signal });
    expect(added).toBeGreaterThan(0);
    expect(listeners).toBe(0);
    expect(clock.timerCount).toBe(0);
  });
});

describe("what an attempt throws", () => {
  test("passes if it is one of ours", async () => {
    const error = new AccessDeniedError("no", { applied: "no" });
    const storage = new TestStorage(() => Promise.reject(error));
    for (const call of [() => storage.read("a"), ...writesOf(storage)]) expect(await thrownBy(call())).toBe(error);
  });

  test("is unavailable for a read, unknown for a write, if the driver did not know it, and is not quoted", async () => {
    const error = Object.assign(new Error("password=hunter2"), { code: "ESTRANGE" });
    const storage = new TestStorage(() => Promise.reject(error));
    const read = await thrownBy(storage.read("a"));
    expect(read).toMatchObject({ code: "STORAGE_UNAVAILABLE", cause: error });
    expect(String(read)).toBe('StorageUnavailableError: cannot read "a" in test: it failed (Error ESTRANGE)');
    for (const write of writesOf(storage)) {
      const thrown = await thrownBy(write());
      expect(thrown).toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown", cause: error });
    }
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- bad drivers do this
    const odd = new TestStorage(() => Promise.reject("a string"));
    expect(String(await thrownBy(odd.read("a")))).toContain("it failed (string)");
  });

  test("synchronously is the same", async () => {
    const storage = new TestStorage(() => {
      throw new TypeError("x is undefined");
    });
    await expect(storage.create("a", value)).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
  });
});

describe("before anything is sent", () => {
  test("values that are too large or no bytes, and expiry that is not offered, are refused", async () => {
    const storage = new TestStorage();
    await expect(storage.create("a", new Uint8Array(9))).rejects.toMatchObject({ code: "VALUE_TOO_LARGE", limit: 8 });
    await expect(storage.create("a", "text" as unknown as Uint8Array)).rejects.toMatchObject({
      code: "INVALID_SETTINGS",
    }); // cast: from JavaScript
    await expect(storage.create("a", value, { expiresInMs: 5 })).rejects.toMatchObject({
      code: "UNSUPPORTED",
      applied: "no",
    });
    await expect(storage.create("../a", new Uint8Array(9))).rejects.toMatchObject({
      code: "INVALID_KEY",
      applied: "no",
    });
    expect(storage.attempts).toEqual([]);
  });

  test("bytes of any view are taken as they are, and the buffer is the caller's again", async () => {
    const taken: Uint8Array[] = [];
    class Keeping extends TestStorage {
      protected override createOnce(key: string, bytes: Uint8Array, attempt: Attempt): Promise<WriteOutcome> {
        taken.push(bytes);
        return super.createOnce(key, bytes, attempt);
      }
    }
    const storage = new Keeping();
    const words = new Uint16Array([0x0201, 0x0403]);
    const view = words as unknown as Uint8Array; // cast: another view than the type asks for
    const creating = [storage.create("a", view), storage.create("a", Buffer.from("ab"))];
    words.fill(0);
    await Promise.all(creating);
    expect(taken).toEqual([new Uint8Array([1, 2, 3, 4]), new Uint8Array([97, 98])]);
  });

  test("a capability that is not there is not offered", () => {
    const storage = new TestStorage();
    expect([storage.watch, storage.watchLease, storage.transact]).toEqual([undefined, undefined, undefined]);
    const able = new TestStorage(undefined, { capabilities: { ...capabilities, watch: "poll", transact: true } });
    expect([typeof able.watch, typeof able.watchLease, typeof able.transact]).toEqual([
      "function",
      "function",
      "function",
    ]);
  });

  test("a driver that promises what it does not do is told apart", async () => {
    class Boasting extends VersionedLeaseStorage {
      constructor() {
        super({ description: "boasting", capabilities: { ...capabilities, watch: "poll", transact: true } });
      }
      protected override readOnce = hang;
      protected override createOnce = hang;
      protected override replaceOnce = hang;
      protected override removeOnce = hang;
      protected override healthOnce = hang;
      protected override async *listPages(): AsyncGenerator<readonly ListedKey[]> {}
    }
    const storage = new Boasting();
    const change = { kind: "create", key: "a", value } as const;
    await expect(storage.transact?.([change])).rejects.toMatchObject({ code: "UNSUPPORTED", applied: "no" });
    const watch = storage.watch?.("a", { signal: new AbortController().signal })[Symbol.asyncIterator]();
    await expect(watch?.next()).rejects.toMatchObject({ code: "UNSUPPORTED" });
  });
});

describe("close", () => {
  test("cuts calls under way: a read is CLOSED, a write too, and may have happened", async () => {
    const storage = new TestStorage(hang);
    const ends = [() => storage.read("a"), ...writesOf(storage)].map((call) => thrownBy(call()));
    await storage.close();
    const [read, ...writes] = await Promise.all(ends);
    expect(read).toMatchObject({ code: "CLOSED" });
    for (const write of writes) expect(write).toMatchObject({ code: "CLOSED", applied: "unknown" });
    for (const write of writesOf(storage))
      await expect(write()).rejects.toMatchObject({ code: "CLOSED", applied: "no" });
    for (const { signal } of storage.attempts) expect(signal.aborted).toBe(true);
  });

  test("is done once, and by disposal too", async () => {
    const storage = new TestStorage();
    await Promise.all([storage.close(), storage.close(), storage[Symbol.asyncDispose]()]);
    expect(storage.closes).toBe(1);
  });

  test("ends a watch with CLOSED, and the caller's abort ends it without an error", async () => {
    const storage = new TestStorage(undefined, { capabilities: { ...capabilities, watch: "poll" } });
    const controller = new AbortController();
    const watches = [new AbortController(), controller].map(({ signal }) =>
      storage.watch?.("a", { signal })[Symbol.asyncIterator](),
    );
    for (const watch of watches) expect(await watch?.next()).toEqual({ done: false, value: {} });
    const ends = watches.map((watch) => watch?.next());
    controller.abort();
    expect(await ends[1]).toEqual({ done: true, value: undefined });
    await storage.close();
    await expect(ends[0]).rejects.toMatchObject({ code: "CLOSED", operation: "watch" });
  });
});

describe("health", () => {
  test("never throws: it is healthy, degraded with reasons, or unhealthy, within its deadline", async () => {
    const clock = new ManualClock();
    expect(await new TestStorage().health()).toEqual({ status: "healthy", reasons: [], latencyMs: 0 });
    class Degraded extends TestStorage {
      protected override healthOnce(): Promise<readonly string[]> {
        return Promise.resolve(["slow"]);
      }
    }
    expect(await new Degraded().health()).toEqual({ status: "degraded", reasons: ["slow"], latencyMs: 0 });
    const hanging = new TestStorage(hang, { clock }).health({ timeoutMs: 300 });
    await clock.advance(300);
    const reasons = ["cannot check in test: no answer after 300 ms"];
    expect(await hanging).toEqual({ status: "unhealthy", reasons, latencyMs: 300 });
    const aborted = await new TestStorage(hang).health({ signal: AbortSignal.abort("now") });
    expect(aborted).toMatchObject({ status: "unhealthy", reasons: ["the call was aborted"] });
  });
});

test("storageCall serves drivers that do not extend the class", async () => {
  const closing = new AbortController().signal;
  const call: StorageCall = {
    operation: "read",
    storage: "own",
    writes: false,
    clock: new ManualClock(),
    timeoutMs: 5,
    closing,
  };
  expect(await storageCall(call, () => Promise.resolve(7))).toBe(7);
  await expect(storageCall(call, () => Promise.reject(new Error("x")))).rejects.toThrow(
    "cannot read in own: it failed (Error)",
  );
});

test("a version that is none, as JavaScript can pass it, is refused before anything is sent", async () => {
  const storage = new TestStorage(undefined, { capabilities: { ...capabilities, transact: true } });
  const none = undefined as unknown as Version; // cast: `stored?.version` of an absent key
  const expected = { code: "INVALID_SETTINGS", applied: "no" };
  await expect(storage.replace("a", value, none)).rejects.toMatchObject(expected);
  await expect(storage.remove("a", none)).rejects.toMatchObject(expected);
  const change = { kind: "check", key: "a", expected: none } as const;
  await expect(storage.transact?.([change])).rejects.toMatchObject(expected);
  expect(storage.attempts).toEqual([]);
});
