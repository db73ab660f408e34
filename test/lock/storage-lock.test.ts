// Goal: a StorageLock turns any LeaseStorage, also one of four calls written by hand, into a ResourceLock with three
// outcomes. Method: the published lock suite over several storages, and a stubborn storage whose requests are counted,
// for each error path.
import { describe, expect, test } from "vitest";
import {
  AccessDeniedError,
  CorruptDataError,
  InvalidSettingsError,
  StorageUnavailableError,
  UnknownOutcomeError,
} from "../../src/errors.ts";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import type { ResourceLock } from "../../src/lock/resource-lock.ts";
import { StorageLock, type StorageLockOptions } from "../../src/lock/storage-lock.ts";
import type { LeaseData, LeaseObject, LeaseStorage } from "../../src/storage/lease-storage.ts";
import { MemoryData, MemoryStorage } from "../../src/storage/memory.ts";
import type { Version } from "../../src/storage/versioned-storage.ts";
import type { Logger } from "../../src/system/logger.ts";
import { ManualClock, runLockSuite, SeededRandom, type LockSuiteContext } from "../../src/testing/index.ts";
import { DisturbedStorage } from "./disturbed-storage.ts";
import { FourCalls } from "./four-calls.ts";

const key = "leases/default/billing";
const place = { namespace: "default", name: "billing" };

function lease(connectStorage: () => LeaseStorage): LockSuiteContext {
  const clock = new ManualClock();
  const connections = new Map<ResourceLock, DisturbedStorage>();
  const disturb = (lock: ResourceLock, what: "loseAnswer" | "refuse" | "hang"): void => {
    const connection = connections.get(lock);
    if (connection === undefined) throw new Error("no lock of this harness");
    connection.disturb(what);
  };
  return {
    description: "default/billing",
    connect() {
      const storage = new DisturbedStorage(connectStorage());
      const lock = new StorageLock({ ...place, storage, clock, label: "candidate" });
      connections.set(lock, storage);
      return lock;
    },
    faults: {
      loseAnswer: (lock) => disturb(lock, "loseAnswer"),
      refuse: (lock) => disturb(lock, "refuse"),
      hang: (lock) => disturb(lock, "hang"),
      elapse: (ms) => clock.advance(ms),
    },
  };
}

describe("over MemoryStorage", () => {
  runLockSuite(test, {
    open() {
      const data = new MemoryData();
      return lease(() => new MemoryStorage({ data }));
    },
  });
});

describe("over four calls written by hand", () => {
  runLockSuite(test, {
    open() {
      const storage = new FourCalls();
      return lease(() => storage);
    },
    lacks: ["watch"],
  });
});

describe("over four calls written by hand, and a watch", () => {
  runLockSuite(test, {
    open() {
      const storage = watchedCalls();
      return lease(() => storage);
    },
  });
});

function watchedCalls(): LeaseStorage {
  const storage = Object.assign(new FourCalls(), {
    async *watchLease(_key: string, { signal }: { readonly signal: AbortSignal }) {
      const seen = new Set<string | undefined>(["nothing yet"]);
      while (!signal.aborted) {
        const generation = storage.leases.get(key)?.generation;
        if (!seen.has(generation)) yield {};
        seen.add(generation);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    },
  });
  return storage;
}

const held: LeaderElectionRecord = {
  holderIdentity: "me",
  leaseDurationSeconds: 15,
  acquireTime: "2026-03-01T09:12:44.100001Z",
  renewTime: "2026-03-01T09:30:00.000123Z",
  leaderTransitions: 7,
};
const theirs: LeaseData = { holderIdentity: "they", renewTime: "2026-03-01T09:30:00.000000Z", leaseTransitions: 3 };

function counted(options: Partial<StorageLockOptions> = {}) {
  const storage = new FourCalls();
  const connection = new DisturbedStorage(storage);
  const clock = new ManualClock();
  return { storage, connection, clock, lock: new StorageLock({ ...place, clock, storage: connection, ...options }) };
}

const versionOf = (outcome: { written: boolean; version?: Version }): Version =>
  outcome.version ?? expect.unreachable();

test("the identity is the label and a uuid, new for each instance; by default the label is the host's name", () => {
  const storage = new FourCalls();
  const lock = new StorageLock({ ...place, storage, label: "worker", random: new SeededRandom(1) });
  expect(lock.identity).toBe(`worker_${new SeededRandom(1).uuid()}`);
  const [one, two] = [new StorageLock({ ...place, storage }), new StorageLock({ ...place, storage })];
  expect(one.identity).toMatch(/^.+_[0-9a-f-]{36}$/);
  expect(one.identity).not.toBe(two.identity);
});

test("minWriteIntervalMs comes from the storage; there is no watch where the storage has none", () => {
  const bare = new StorageLock({ ...place, storage: new FourCalls() });
  expect([bare.minWriteIntervalMs, bare.watch]).toEqual([undefined, undefined]);
  const capabilities = { ...new MemoryStorage().capabilities, minWriteIntervalMs: 1_000 };
  const slow = Object.assign(new FourCalls(), { capabilities });
  expect(new StorageLock({ ...place, storage: slow }).minWriteIntervalMs).toBe(1_000);
});

test("wrong settings are refused at construction, all of them at once, before anything is sent", () => {
  const options = { storage: {}, namespace: "", name: "a/b", label: "two\nlines" } as unknown; // cast: the wrong types
  let error: unknown;
  try {
    new StorageLock(options as StorageLockOptions); // cast: they are what this is about
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(InvalidSettingsError);
  const { problems } = error as InvalidSettingsError; // cast: asserted above
  expect(problems).toHaveLength(7);
  for (const named of ["readLease", "createLease", "writeLease", "deleteLease", "namespace", "name", "label"]) {
    expect(problems.join("; ")).toContain(named);
  }
});

test("wire W3: a release is stored as an expired lease without a holder, with one transition more, and names who is preferred", async () => {
  const { lock, storage } = counted();
  const version = versionOf(await lock.create(held));
  await lock.update({ ...held, holderIdentity: "", preferredHolder: "next" }, version);
  expect(storage.leases.get(key)?.data).toEqual({
    holderIdentity: "",
    renewTime: "1970-01-01T00:00:00.000000Z",
    leaseTransitions: 8,
    leaseDurationSeconds: 1,
    acquireTime: held.acquireTime,
    preferredHolder: "next",
  });
});

test("wire W4: unknown fields of others survive a takeover, renewals and the release", async () => {
  const data = new MemoryData();
  const storage = new MemoryStorage({ data });
  const lock = new StorageLock({ ...place, storage });
  const fields = `"holderIdentity":"they","renewTime":"2026-03-01T09:30:00.000000Z","leaseTransitions":3`;
  const foreign = `{${fields},"owner":{"team":"a"},"__proto__":{"x":1}}`;
  await storage.create(key, new TextEncoder().encode(foreign));
  const seen = await lock.get();
  let version = seen?.version ?? expect.unreachable();
  for (const record of [held, held, { ...held, holderIdentity: "" }]) {
    version = versionOf(await lock.update(record, version));
    const text = new TextDecoder().decode((await storage.read(key))?.value);
    expect(text).toContain(`"owner":{"team":"a"}`);
    expect(text).toContain(`"__proto__":{"x":1}`);
    expect(text).toContain(`"holderIdentity":"${record.holderIdentity}"`);
  }
});

test("a version that was seen lately is written at once; one that was not is read first, so that unknown fields survive", async () => {
  const { lock, storage, connection } = counted();
  const foreign = storage.put(key, { ...theirs, unknownFields: { owner: "a" } });
  const other = new StorageLock({ ...place, storage });
  const outcome = await lock.update(held, (await other.get())?.version ?? expect.unreachable());
  expect(connection.requests).toEqual(["readLease", "writeLease"]);
  expect(storage.leases.get(key)?.data.unknownFields).toEqual(foreign.data.unknownFields);
  await lock.update(held, versionOf(outcome));
  expect(connection.requests).toEqual(["readLease", "writeLease", "writeLease"]);
});

test("what was read lately decides nothing: an update that names an earlier version is lost, though a newer one was read", async () => {
  const { lock, storage } = counted();
  const first = versionOf(await lock.create(held));
  storage.put(key, theirs);
  await lock.get();
  expect(await lock.update(held, first)).toEqual({ written: false });
  expect(storage.leases.get(key)?.data).toEqual(theirs);
});

test("only the last versions are remembered: an older one costs a read, and never a wrong write", async () => {
  const { lock, storage, connection } = counted();
  const first = versionOf(await lock.create(held));
  for (let change = 0; change < 8; change += 1) {
    storage.put(key, { ...theirs, leaseTransitions: change });
    await lock.get();
  }
  connection.requests.length = 0;
  expect(await lock.update(held, first)).toEqual({ written: false });
  expect(connection.requests).toEqual(["readLease"]);
});

test("if the lease is gone, an update that reads first is a lost race, and sends no write", async () => {
  const { lock, connection } = counted();
  expect(await lock.update(held, "generation 1" as Version)).toEqual({ written: false }); // cast: a version of nothing
  expect(connection.requests).toEqual(["readLease"]);
});

const failingReads: [string, () => Error, string][] = [
  ["a storage that is down", () => new StorageUnavailableError("down", { retryAfterMs: 700 }), "STORAGE_UNAVAILABLE"],
  ["a missing right", () => new AccessDeniedError("no right to read"), "ACCESS_DENIED"],
  ["damaged data", () => new CorruptDataError("damaged"), "CORRUPT_DATA"],
  ["an error of somebody else", () => new Error("socket hang up"), "STORAGE_UNAVAILABLE"],
];
for (const [what, error, code] of failingReads) {
  test(`a read before a write that fails (${what}) proves that nothing was written`, async () => {
    const { lock, storage, connection } = counted();
    const { generation } = storage.put(key, theirs);
    const cause = error();
    connection.readLease = () => Promise.reject(cause);
    const failed = lock.update(held, generation as Version); // cast: never read by this lock
    await expect(failed).rejects.toMatchObject({ code, applied: "no", cause, key, operation: "update" });
    if ("retryAfterMs" in cause) await expect(failed).rejects.toMatchObject({ retryAfterMs: 700 });
    expect(storage.leases.get(key)?.data).toEqual(theirs);
    expect(connection.requests).toEqual([]);
  });
}

test("a damaged lease is not overwritten, even if somebody names its version", async () => {
  const { lock, storage } = counted();
  const damaged = { ...theirs, leaseTransitions: "7" } as unknown as LeaseData; // cast: damaged is what it is
  const { generation } = storage.put(key, damaged);
  const version = generation as Version; // cast: never read by this lock
  await expect(lock.update(held, version)).rejects.toMatchObject({ code: "CORRUPT_DATA", applied: "no" });
  expect(storage.leases.get(key)?.data).toEqual(damaged);
});

test("trouble of the storage passes unchanged, from each call", async () => {
  const { lock, storage, connection } = counted();
  const trouble = new UnknownOutcomeError("lost on the way");
  const fail = (): Promise<LeaseObject> => Promise.reject(trouble);
  const version = versionOf(await lock.create(held));
  Object.assign(connection, { readLease: fail, createLease: fail, writeLease: fail });
  const isTrouble = (error: unknown): void => expect(error).toBe(trouble);
  await lock.get().then(() => expect.unreachable(), isTrouble);
  await lock.create(held).then(() => expect.unreachable(), isTrouble);
  await lock.update(held, version).then(() => expect.unreachable(), isTrouble);
  expect(storage.leases.size).toBe(1);
});

test("errors of another copy of the package are understood by their code", async () => {
  const { lock, connection } = counted();
  const version = versionOf(await lock.create(held));
  const foreign = (code: string) => (): Promise<LeaseObject> =>
    Promise.reject(Object.assign(new Error(code), { code }));
  connection.readLease = foreign("NOT_FOUND");
  connection.createLease = foreign("ALREADY_EXISTS");
  connection.writeLease = foreign("CONDITIONAL_UPDATE_FAILED");
  expect(await lock.get()).toBeUndefined();
  expect(await lock.create(held)).toEqual({ written: false });
  expect(await lock.update(held, version)).toEqual({ written: false });
});

test("a success that tells no generation is unknown; a read that tells none cannot be used", async () => {
  const { lock, storage, connection } = counted();
  // cast: what a careless storage returns
  const without = { data: theirs, generation: undefined } as unknown as LeaseObject;
  connection.createLease = () => Promise.resolve(without);
  await expect(lock.create(held)).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown" });
  storage.put(key, theirs);
  const version = (await lock.get())?.version ?? expect.unreachable();
  connection.writeLease = () => Promise.resolve(without);
  await expect(lock.update(held, version)).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown" });
  for (const careless of [without, undefined, { ...without, generation: 7 }]) {
    connection.readLease = () => Promise.resolve(careless as LeaseObject); // cast: as above
    await expect(lock.get()).rejects.toMatchObject({ code: "CORRUPT_DATA" });
  }
});

test("storage that never answers is left at one and a half times the deadline, though it ignores deadline and signal", async () => {
  const { lock, connection, clock } = counted();
  connection.disturb("hang");
  const reading = lock.get({ timeoutMs: 1_000 });
  reading.catch(() => undefined); // looked at below; until then it may not count as unhandled
  await clock.advance(1_499);
  expect(clock.timerCount).toBe(1);
  await clock.advance(1);
  await expect(reading).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE", cause: { name: "TimeoutError" } });
  connection.disturb("hang");
  const writing = lock.create(held, { timeoutMs: 1_000 });
  writing.catch(() => undefined); // as above
  await clock.advance(1_500);
  await expect(writing).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN", cause: { name: "TimeoutError" } });
  await expect(lock.get({ timeoutMs: Number.NaN })).rejects.toMatchObject({ code: "INVALID_SETTINGS", applied: "no" });
});

test("an abort ends a call at once with the caller's reason, also during the read before a write", async () => {
  const { lock, storage, connection } = counted();
  const { generation } = storage.put(key, theirs);
  const reason = { why: "enough" };
  for (const call of [
    (signal: AbortSignal) => lock.get({ signal }),
    (signal: AbortSignal) => lock.create(held, { signal }),
    (signal: AbortSignal) => lock.update(held, generation as Version, { signal }), // cast: not read by this lock
  ]) {
    connection.disturb("hang");
    const over = new AbortController();
    const pending = call(over.signal).catch((error: unknown) => error);
    over.abort(reason);
    expect(await pending).toBe(reason);
  }
});

test("the read before a write and the write share one deadline; with none left, nothing is sent", async () => {
  const { lock, storage, connection, clock } = counted();
  const { generation } = storage.put(key, theirs);
  connection.readLease = async () => {
    await clock.advance(1_000);
    return storage.readLease(key);
  };
  const late = lock.update(held, generation as Version, { timeoutMs: 1_000 }); // cast: not read by this lock
  await expect(late).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
  expect(storage.leases.get(key)?.generation).toBe(generation);
});

function loggerOf(hear: (level: string) => (message: string, fields?: object) => void): Logger {
  const calls = ["debug", "info", "warn", "error"].map((level) => [level, hear(level)]);
  return Object.fromEntries(calls) as Logger; // cast: these are its four calls
}

function listening(): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const hear = (level: string) => (message: string, fields?: object) => {
    lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  };
  return { lines, logger: loggerOf(hear) };
}

test("wire W6: fields out of range count as absent, and are reported once per version", async () => {
  const { logger, lines } = listening();
  const storage = new MemoryStorage();
  const lock = new StorageLock({ ...place, storage, logger });
  const fields = `"holderIdentity":"they","renewTime":"2026-03-01T09:30:00Z","leaseTransitions":3`;
  const body = `{${fields},"leaseDurationSeconds":0,"strategy":7}`;
  const outcome = await storage.create(key, new TextEncoder().encode(body));
  for (let look = 0; look < 3; look += 1) {
    expect((await lock.get())?.record).toEqual({
      holderIdentity: "they",
      acquireTime: "",
      renewTime: "2026-03-01T09:30:00Z",
      leaderTransitions: 3,
    });
  }
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain("leaseDurationSeconds");
  expect(lines[0]).toContain("strategy");
  await storage.replace(key, new TextEncoder().encode(body), versionOf(outcome));
  await lock.get();
  expect(lines).toHaveLength(2);
});

test("wire W6: the same for what a storage written by hand returns unchecked", async () => {
  const { logger, lines } = listening();
  const { lock, storage } = counted({ logger });
  // cast: unchecked
  storage.put(key, { ...theirs, leaseDurationSeconds: 2 ** 31, acquireTime: 5 as unknown as string });
  expect((await lock.get())?.record).not.toHaveProperty("leaseDurationSeconds");
  await lock.get();
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain("2147483648");
  expect(lines[0]).toContain("acquireTime");
});

test("events go to the logger, with the identity; a logger that throws ends nothing", async () => {
  const { logger, lines } = listening();
  const { lock, storage } = counted({ logger });
  lock.recordEvent("became leader");
  expect(lines).toEqual([`info ${lock.identity} became leader {"lock":"default/billing"}`]);
  const deaf = new StorageLock({
    ...place,
    storage,
    logger: loggerOf(() => () => {
      throw new Error("disk full");
    }),
  });
  expect(() => deaf.recordEvent("became leader")).not.toThrow();
  storage.put(key, { ...theirs, leaseDurationSeconds: 0 });
  await expect(deaf.get()).resolves.toBeDefined();
});

test("hints carry what was seen, checked; what cannot be read makes a bare hint, and the read tells why", async () => {
  const { storage, clock } = counted();
  const seen: LeaseObject = { data: theirs, generation: "g1" };
  // cast: damaged
  const damaged = { data: { ...theirs, holderIdentity: 5 }, generation: "g2" } as unknown as LeaseObject;
  const watched = Object.assign(storage, {
    async *watchLease() {
      yield {};
      yield { seen };
      yield { seen: damaged };
    },
  });
  const lock = new StorageLock({ ...place, storage: watched, clock });
  const hints: unknown[] = [];
  for await (const hint of lock.watch?.({ signal: new AbortController().signal }) ?? []) hints.push(hint);
  expect(hints).toEqual([
    {},
    {
      observed: {
        record: {
          ...held,
          holderIdentity: "they",
          renewTime: theirs.renewTime,
          acquireTime: "",
          leaderTransitions: 3,
          leaseDurationSeconds: undefined,
        },
        version: "g1",
      },
    },
    {},
  ]);
});

const damages: [string, unknown][] = [
  ["no object", "text"],
  ["an array", [theirs]],
  ["null", null],
  ["a holder that is a number", { ...theirs, holderIdentity: 5 }],
  ["a time that is a number", { ...theirs, renewTime: 1_772_356_200 }],
  ["no term", { ...theirs, leaseTransitions: undefined }],
  ["a term that is text", { ...theirs, leaseTransitions: "3" }],
  ["a fraction as term", { ...theirs, leaseTransitions: 1.5 }],
  ["a negative term", { ...theirs, leaseTransitions: -1 }],
  ["a term so near the end that the terms would run out", { ...theirs, leaseTransitions: 2 ** 31 - 10 ** 6 + 1 }],
  ["a term that is no number", { ...theirs, leaseTransitions: Number.NaN }],
];
for (const [what, data] of damages) {
  test(`wire W5: a lease with ${what} is unreadable, whatever storage it comes from, and names its version`, async () => {
    const { lock, storage } = counted();
    storage.leases.set(key, { data: data as LeaseData, generation: "g1" }); // cast: damaged is what it is
    await expect(lock.get()).rejects.toMatchObject({ code: "CORRUPT_DATA", version: "g1", key });
  });
}
