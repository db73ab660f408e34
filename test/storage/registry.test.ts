// Goal: a URL opens the storage that it names, every mistake in it is told at once, and no user info appears anywhere.
// Method: good and bad URLs, and registered drivers that are honest, broken or slow to answer.
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { InvalidSettingsError } from "../../src/errors.ts";
import { silentLogger } from "../../src/system/logger.ts";
import { MemoryData, MemoryStorage } from "../../src/storage/memory.ts";
import { openStorage, registerStorage } from "../../src/storage/registry.ts";
import type { DriverOpenOptions, StorageDriver } from "../../src/storage/storage-driver.ts";
import { StorageUrl } from "../../src/storage/storage-url.ts";
import type { Version, VersionedStorage } from "../../src/storage/versioned-storage.ts";
import { BrokenStorage } from "../../src/testing/broken-storage.ts";
import { FaultyStorage } from "../../src/testing/faulty-storage.ts";

async function problemsOf(url: string): Promise<readonly string[]> {
  try {
    const storage = await openStorage(url);
    await storage.close();
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidSettingsError);
    if (error instanceof InvalidSettingsError) return error.problems;
  }
  return [];
}

describe("openStorage", () => {
  test("memory: is private, and shared by passing the same client", async () => {
    const client = new MemoryData();
    const [one, two] = [await openStorage("memory:", { client }), await openStorage("memory:", { client })];
    const alone = await openStorage("memory:");
    expect(await one.create("a", new Uint8Array([1]))).toMatchObject({ written: true });
    expect((await two.read("a"))?.value).toEqual(new Uint8Array([1]));
    expect(await alone.read("a")).toBeUndefined();
  });

  test("what it opens keeps leases too", async () => {
    const storage = await openStorage("memory:");
    const data = { holderIdentity: "a", renewTime: "2026-03-01T09:30:00Z", leaseTransitions: 1 };
    const { generation } = await storage.createLease("leases/default/demo", data);
    expect(await storage.readLease("leases/default/demo")).toEqual({ data, generation });
  });

  test("common parameters reach the driver", async () => {
    const storage = await openStorage("memory:?maxValueBytes=4&timeoutMs=50&probe=never");
    expect(storage.capabilities.maxValueBytes).toBe(4);
    await expect(storage.create("a", new Uint8Array(5))).rejects.toMatchObject({ code: "VALUE_TOO_LARGE", limit: 4 });
  });

  test("probe=always asks also a place that is trusted", async () => {
    const client = new MemoryData();
    expect(await openStorage("memory:?probe=always")).toBeInstanceOf(MemoryStorage);
    await openStorage("memory:", { client, probe: "always" });
    const listed: string[] = [];
    for await (const { key } of new MemoryStorage({ data: client }).list("")) listed.push(key);
    expect(listed).toEqual([]);
  });

  test("all problems of the parameters are one error, with the names that are allowed", async () => {
    expect(await problemsOf("memory:?kepe=1&timeoutMs=0&timeoutMs=9&maxValueBytes=1.5&probe=maybe&a.b=1")).toEqual([
      "kepe is no parameter of memory:",
      "timeoutMs is given twice",
      "something unreadable is no parameter of memory:",
      'maxValueBytes ("1.5") must be an integer of at least 1',
      'probe ("maybe") must be one of auto, always, never',
      "allowed are: maxValueBytes, pollMs, probe, timeoutMs",
    ]);
    expect(await problemsOf("memory:?timeoutMs=-1")).toContainEqual(
      expect.stringMatching(/^timeoutMs \("-1"\) must be/),
    );
    expect(await problemsOf("memory:?timeoutMs")).toContainEqual(expect.stringMatching(/^timeoutMs \(""\) must be/));
    expect(await problemsOf("memory://host/path")).toEqual(["memory: has neither a host nor a path"]);
  });

  test("an unknown scheme lists the known", async () => {
    const [problem] = await problemsOf("mongodb://host/db");
    expect(problem).toMatch(/^the scheme of the storage URL is unknown; known are file:, .*memory:/);
  });

  test.each(["", "memory", "./state", "/srv", ":x", "1a:x", "me mory:"])("%j is no storage URL", async (url) => {
    expect(await problemsOf(url)).toEqual([expect.stringContaining('"scheme:path"')]);
  });

  test("a client of the wrong kind is refused", async () => {
    await expect(openStorage("memory:", { client: new Map() })).rejects.toThrow("client must be a MemoryData");
  });
});

describe("a storage URL", () => {
  test("is taken apart", () => {
    const file = new StorageUrl("FILE:///srv/a%20b@c?keep=20");
    expect(file).toMatchObject({ scheme: "file", host: "", path: "/srv/a b@c" });
    expect(new StorageUrl("file:./state")).toMatchObject({ host: "", path: "./state" });
    const redis = new StorageUrl("redis://me:p%40ss%2f@example.test:6379/0");
    expect(redis).toMatchObject({ scheme: "redis", host: "example.test:6379", path: "/0" });
    expect(redis.credentials()).toEqual({ user: "me", password: "p@ss/" });
    expect(new StorageUrl("pg://[::1]:5432/db")).toMatchObject({ host: "[::1]:5432" });
    expect(new StorageUrl("gs://bucket/a%40b").credentials()).toBeUndefined();
  });

  test("parameters are typed as the driver declares them", () => {
    const table = {
      keep: { type: "integer", default: 11, least: 2 },
      mode: { type: "mode", default: 0o600 },
      fsync: { type: "flag", default: true },
      layout: { type: "choice", default: "refs", of: ["refs", "tree"] },
      author: { type: "text", default: undefined },
    } as const;
    const defaults = { keep: 11, mode: 0o600, fsync: true, layout: "refs", author: undefined, probe: "auto" };
    expect(new StorageUrl("x:").parameters(table)).toMatchObject(defaults);
    const given = new StorageUrl("x:y?keep=2&mode=0640&fsync=off&layout=tree&author=A%20B&pollMs=10").parameters(table);
    const values: { keep: number; mode: number; fsync: boolean; layout: "refs" | "tree"; author: string | undefined } =
      given;
    expect(values).toMatchObject({ keep: 2, mode: 0o640, fsync: false, layout: "tree", author: "A B", pollMs: 10 });
    const wrong = new StorageUrl("x:y?keep=1&mode=rw&fsync=yes&layout=trees&author=");
    expect(() => wrong.parameters(table)).toThrow(
      expect.objectContaining({
        problems: [
          'keep ("1") must be an integer of at least 2',
          'mode ("rw") must be octal digits, like 0600',
          'fsync ("yes") must be on or off',
          'layout ("trees") must be one of refs, tree',
          "author is empty",
          "allowed are: author, fsync, keep, layout, maxValueBytes, mode, pollMs, probe, timeoutMs",
        ],
      }),
    );
  });

  const secret = "hunter2";
  test.each([
    `unknown://me:${secret}@host/db`,
    `unknown:me:${secret}@host`,
    `me:${secret}@host/db`,
    `${secret}`,
    `redis://me:${secret}/x@host/db`,
    `redis://me:${secret}?x@host/db`,
    `redis://me:${secret}#x@host/db`,
    `redis://me:12/${secret}@host/db`,
    `memory://me:${secret}@host/path`,
    `memory://me:${secret}@host?x=y`,
    `memory://me:%zz${secret}@host`,
    `memory:?x@${secret}=1`,
    `memory:?password=${secret}`,
    `memory:?%zz${secret}`,
  ])("no error shows user info: %s (#63)", async (url) => {
    const error: unknown = await openStorage(url).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InvalidSettingsError);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(secret);
  });

  test.each(["u:p/w@h/0", "u:12/w@h", "team/u:p@h/0", "u:p?w@h", "u:p#w@h", "h/0#part", "u:p:w/x", "h:port"])(
    "redis://%s is ambiguous, and is refused without being shown (#63)",
    (rest) => {
      const parse = (): unknown => new StorageUrl(`redis://${rest}`);
      expect(parse).toThrow("the redis: URL is ambiguous");
      expect(parse).not.toThrow(rest);
    },
  );

  test("user info is hidden from inspection and JSON (#63)", () => {
    const url = new StorageUrl(`redis://me:${secret}@host/0?x=1`);
    expect(inspect(url, { depth: 10, showHidden: true }) + JSON.stringify(url)).not.toMatch(/hunter2|"me"|'me'/);
  });
});

describe("a registered driver", () => {
  const driverOf = (connect: (options: DriverOpenOptions) => VersionedStorage, isTrusted?: boolean): StorageDriver => ({
    open: (_url, options) => Promise.resolve(connect(options)),
    ...(isTrusted !== undefined && { isTrusted: () => isTrusted }),
  });
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (message: string) => void warnings.push(message) };

  test("is opened by its scheme, and replaces one that was there", async () => {
    const data = new MemoryData();
    registerStorage("test-sound", async () => driverOf(() => new FaultyStorage(new MemoryStorage({ data })), true));
    expect(await openStorage("test-sound:")).toBeInstanceOf(FaultyStorage);
    registerStorage("test-sound", async () => driverOf(() => new MemoryStorage({ data })));
    expect(await openStorage("test-sound:")).toBeInstanceOf(MemoryStorage);
    expect(() => registerStorage("Not A Scheme", () => Promise.reject(new Error("never")))).toThrow(
      InvalidSettingsError,
    );
    expect(await problemsOf("test-unknown:")).toEqual([expect.stringContaining("test-sound:")]);
  });

  test("cannot let unknown parameters pass", async () => {
    registerStorage("test-careless", async () => driverOf(() => new MemoryStorage(), true));
    expect((await problemsOf("test-careless:?x=1"))[0]).toBe("x is no parameter of test-careless:");
  });

  test("that ignores conditions is refused, with the report", async () => {
    const data = new MemoryData();
    const connections: BrokenStorage[] = [];
    const connect = (): BrokenStorage => {
      const connection = new BrokenStorage(new MemoryStorage({ data }), "ignores conditions");
      connections.push(connection);
      return connection;
    };
    registerStorage("test-broken", async () => driverOf(connect));
    const opening = openStorage("test-broken:");
    await expect(opening).rejects.toMatchObject({
      code: "UNSAFE_STORAGE",
      message: expect.stringContaining("P5 a replace with an old version was written"),
      report: { verdict: "unsafe" },
    });
    for (const connection of connections) await expect(connection.read("a")).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("may trust one place and not another of the same URL, by the connection that it opened", async () => {
    const data = new MemoryData();
    const driver: StorageDriver = {
      open: async (_url, { client }) =>
        client === "broken"
          ? new BrokenStorage(new MemoryStorage({ data }), "ignores conditions")
          : new MemoryStorage({}),
      isTrusted: (_url, storage) => storage instanceof MemoryStorage,
    };
    registerStorage("test-either", async () => driver);
    expect(await openStorage("test-either:")).toBeInstanceOf(MemoryStorage);
    await expect(openStorage("test-either:", { client: "broken" })).rejects.toMatchObject({ code: "UNSAFE_STORAGE" });
  });

  test("that is unsafe goes on only with allowUnsafe, warned, and degraded for good", async () => {
    const data = new MemoryData();
    registerStorage("test-broken", async () =>
      driverOf(() => new BrokenStorage(new MemoryStorage({ data }), "creates on replace")),
    );
    warnings.length = 0;
    const storage = await openStorage("test-broken:", { allowUnsafe: true, logger });
    expect(warnings).toEqual([expect.stringMatching(/is unsafe: P7/)]);
    expect(await storage.health()).toMatchObject({
      status: "degraded",
      reasons: [expect.stringMatching(/is unsafe: P7/)],
    });
    expect(await storage.create("a", new Uint8Array([1]))).toMatchObject({ written: true });
    const data1 = { holderIdentity: "a", renewTime: "2026-03-01T09:30:00Z", leaseTransitions: 1 };
    const { generation } = await storage.createLease("leases/a/b", data1);
    await expect(storage.writeLease("leases/a/b", data1, `${generation}x`)).rejects.toMatchObject({
      code: "CONDITIONAL_UPDATE_FAILED",
    });
    await storage.close();
    await expect(storage.read("a")).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("that cannot be asked is opened with a warning that names the missing right", async () => {
    const data = new MemoryData();
    const script = ({ operation }: { operation: string }) =>
      operation === "remove" ? ({ kind: "denied" } as const) : undefined;
    registerStorage("test-denied", async () =>
      driverOf(() => new FaultyStorage(new MemoryStorage({ data }), { script })),
    );
    warnings.length = 0;
    await openStorage("test-denied:", { logger });
    expect(warnings).toEqual([expect.stringMatching(/unproven: .*the right to remove is missing/)]);
  });

  test("is not asked with probe=never, in the URL or in code; code has the last word", async () => {
    const data = new MemoryData();
    registerStorage("test-broken", async () =>
      driverOf(() => new BrokenStorage(new MemoryStorage({ data }), "loses writes")),
    );
    await openStorage("test-broken:?probe=never");
    await openStorage("test-broken:?probe=always", { probe: "never" });
    await expect(openStorage("test-broken:?probe=never", { probe: "auto" })).rejects.toMatchObject({
      code: "UNSAFE_STORAGE",
    });
  });

  test("that is only a VersionedStorage gets the lease calls", async () => {
    const inner = new MemoryStorage();
    const bare: VersionedStorage = {
      description: "bare",
      capabilities: inner.capabilities,
      read: (key, options) => inner.read(key, options),
      create: (key, value, options) => inner.create(key, value, options),
      replace: (key, value, expected, options) => inner.replace(key, value, expected, options),
      remove: (key, expected: Version, options) => inner.remove(key, expected, options),
      list: (prefix, options) => inner.list(prefix, options),
      health: (options) => inner.health(options),
      close: () => inner.close(),
      [Symbol.asyncDispose]: () => inner.close(),
    };
    registerStorage("test-bare", async () => driverOf(() => bare, true));
    const storage = await openStorage("test-bare:");
    expect(storage.watch).toBeUndefined();
    await expect(storage.readLease("leases/a/b")).rejects.toMatchObject({ code: "NOT_FOUND", storage: "bare" });
    await expect(storage.deleteLease("leases/a/b")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});
