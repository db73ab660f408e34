// Goal: what the seeds say of a storage for leases holds of ours, line by line (K-116 to K-124). Method: the four calls
// on storages that need no server, a storage of one's own with one rule broken at a time, and bytes of the Go program.
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, expectTypeOf, test } from "vitest";
import { ConditionalUpdateFailedError, NotFoundError } from "../../src/errors.ts";
import { GCSStorage } from "../../src/storage/gcs.ts";
import {
  encodeLease,
  FileStorage,
  MemoryStorage,
  type CallOptions,
  type LeaseData,
  type LeaseStorage,
} from "../../src/storage/index.ts";
import { leaseStorageSuite } from "../../src/testing/lease-storage-suite.ts";
import { doubleBucket } from "./support/gcs-double.ts";
import { GcsPlace, quickGCS } from "./support/gcs-places.ts";
import { MapStorage, type Flaw } from "./support/map-storage.ts";

const key = "leases/default/billing";
const data: LeaseData = { holderIdentity: "ada", renewTime: "2026-11-21T09:28:33.175864Z", leaseTransitions: 1 };

/** Each storage that needs no server, and its end. */
const storages = {
  memory: async () => ({ storage: new MemoryStorage(), end: async () => {} }),
  file: async () => {
    const directory = await mkdtemp(join(tmpdir(), "tenure-seeds-"));
    const storage = new FileStorage({ directory, fsync: false });
    return { storage, end: () => rm(directory, { recursive: true, force: true }) };
  },
  gcs: async () => {
    const place = await GcsPlace.make();
    return { storage: place.connect(), end: () => place[Symbol.asyncDispose]() };
  },
} as const;
const names = ["memory", "file", "gcs"] as const;

async function on(name: (typeof names)[number], run: (storage: LeaseStorage) => Promise<void>): Promise<void> {
  const { storage, end } = await storages[name]();
  try {
    await run(storage);
  } finally {
    await storage.close();
    await end();
  }
}

describe("K-116: the four calls", () => {
  test("have the arguments of the seeds, and options last", () => {
    expectTypeOf<Parameters<LeaseStorage["readLease"]>>().toEqualTypeOf<[string, (CallOptions | undefined)?]>();
    expectTypeOf<Parameters<LeaseStorage["createLease"]>>().toEqualTypeOf<
      [string, LeaseData, (CallOptions | undefined)?]
    >();
    expectTypeOf<Parameters<LeaseStorage["writeLease"]>>().toEqualTypeOf<
      [string, LeaseData, string, (CallOptions | undefined)?]
    >();
    expectTypeOf<Parameters<LeaseStorage["deleteLease"]>>().toEqualTypeOf<[string, (CallOptions | undefined)?]>();
    expectTypeOf<CallOptions["signal"]>().toEqualTypeOf<AbortSignal | undefined>();
  });

  test.each(names)("end at a signal with its reason, on %s", (name) =>
    on(name, async (storage) => {
      const reason = new Error("enough");
      const options = { signal: AbortSignal.abort(reason) };
      const calls = [
        storage.readLease(key, options),
        storage.createLease(key, data, options),
        storage.writeLease(key, data, "1", options),
        storage.deleteLease(key, options),
      ];
      for (const call of await Promise.allSettled(calls)) expect(call).toEqual({ status: "rejected", reason });
      await expect(storage.readLease(key)).rejects.toBeInstanceOf(NotFoundError);
    }),
  );

  test.each(names)("K-123: give data, and a generation that is an opaque text, on %s", (name) =>
    on(name, async (storage) => {
      const created = await storage.createLease(key, data);
      const written = await storage.writeLease(key, { ...data, holderIdentity: "bob" }, created.generation);
      const read = await storage.readLease(key);
      expect(read).toMatchObject({ data: { holderIdentity: "bob" }, generation: written.generation });
      for (const { generation } of [created, written]) expect(generation).toEqual(expect.any(String));
      await storage.deleteLease(key);
      await expect(storage.readLease(key)).rejects.toBeInstanceOf(NotFoundError);
    }),
  );
});

describe("Google Cloud Storage", () => {
  const bodies = readFileSync(new URL("fixtures/go-leases.jsonl", import.meta.url), "utf8")
    .trimEnd()
    .split("\n");

  test("K-117: new GCSStorage({ client, bucket }) reads what Go stored, and stores what Go reads", async () => {
    await using place = await GcsPlace.make();
    await using storage = new GCSStorage({ client: place.double.client(), bucket: doubleBucket });
    const { body } = JSON.parse(bodies[0] ?? "") as { body: string };
    const generation = place.double.put(key, new TextEncoder().encode(body));
    const { holderIdentity, renewTime, leaseTransitions } = JSON.parse(body);
    expect(await storage.readLease(key)).toMatchObject({
      ...{ data: { holderIdentity, renewTime, leaseTransitions }, generation },
    });
    await storage.writeLease(key, data, generation);
    const stored = place.double.objects.get(key);
    expect(JSON.parse(new TextDecoder().decode(stored?.value))).toEqual(data);
  });

  test("K-123: a generation beyond 2^53 stays what it is", async () => {
    await using place = await GcsPlace.make();
    await using storage = quickGCS(place.double.client());
    place.double.put(key, encodeLease(data));
    const beyond = "900719925474099301"; // 2^53 has 16 digits;
    const stored = place.double.objects.get(key) ?? expect.unreachable("it was put");
    place.double.objects.set(key, { ...stored, generation: beyond });
    expect((await storage.readLease(key)).generation).toBe(beyond);
    const written = await storage.writeLease(key, data, beyond);
    expect(written.generation).not.toBe(beyond);
    await expect(storage.writeLease(key, data, beyond)).rejects.toBeInstanceOf(ConditionalUpdateFailedError);
  });
});

test("K-118: new MemoryStorage() needs nothing, and no generation comes back, not even after a delete", async () => {
  const storage = new MemoryStorage();
  const generations: string[] = [];
  for (let round = 0; round < 20; round += 1) {
    const created = await storage.createLease(key, data);
    generations.push(created.generation, (await storage.writeLease(key, data, created.generation)).generation);
    await storage.deleteLease(key);
  }
  expect(new Set(generations).size).toBe(40);
});

describe("K-119: the suite for storages of one's own", () => {
  /** The cases that fail. */
  async function failing(flaw: Flaw): Promise<readonly string[]> {
    const failed: string[] = [];
    for (const { id, name, run } of leaseStorageSuite) {
      const storage = new MapStorage(flaw);
      const context = {
        connect: async () => storage,
        put: async (at: string, body: Uint8Array) => storage.put(at, body),
      };
      const play = run as (given: object) => Promise<void>; // cast: what these cases use
      await play(context).catch(() => failed.push(`${id}: ${name}`));
    }
    return failed;
  }

  test("passes a storage of four calls, and fails each broken rule by its name", async () => {
    expect(await failing("none")).toEqual([]);
    const expected: Readonly<Record<Exclude<Flaw, "none">, string>> = {
      absent: "LS1: to read a missing lease is NOT_FOUND",
      overwrites: "LS3: a second create is ALREADY_EXISTS and changes nothing",
      blind: "LS6: a write with a stale generation is CONDITIONAL_UPDATE_FAILED and changes nothing",
      upserts: "LS7: a write of a missing lease is CONDITIONAL_UPDATE_FAILED and creates nothing",
      "silent delete": "LS9: to delete a missing lease is NOT_FOUND",
      "counts anew": "LS10: no generation from before a delete matches after the lease was created again",
      forgets: "LS11: fields that it does not know survive a read and a write (#57)",
    };
    for (const [flaw, name] of Object.entries(expected)) {
      expect(await failing(flaw as Flaw), flaw).toContain(name); // cast: a key of the table
    }
  });
});

describe("K-124: 16 writers at once", () => {
  test.each(names)("one of them wins each of 50 rounds, on %s", (name) =>
    on(name, async (storage) => {
      let { generation } = await storage.createLease(key, data);
      for (let round = 1; round <= 50; round += 1) {
        const writers = Array.from({ length: 16 }, (_, writer) => `writer-${writer}`);
        const answers = await Promise.allSettled(
          writers.map((holderIdentity) => storage.writeLease(key, { ...data, holderIdentity }, generation)),
        );
        const won = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
        expect(won, `round ${round}`).toHaveLength(1);
        for (const answer of answers)
          if (answer.status === "rejected") expect(answer.reason).toBeInstanceOf(ConditionalUpdateFailedError);
        const read = await storage.readLease(key);
        expect(read).toMatchObject({ ...won[0] });
        ({ generation } = read);
      }
    }),
  );
});
