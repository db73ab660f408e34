import assert from "node:assert/strict";
import { errorCode, isAlreadyExists, isConditionalUpdateFailed, isNotFound, TenureError } from "../errors.ts";
import type { LeaseData, LeaseObject, LeaseStorage } from "../storage/lease-storage.ts";
import { goBodies, unreadableBodies } from "./lease-bodies.ts";
import { assertThrown, bytes, text, thrownBy } from "./storage-assertions.ts";
import type { StorageSuiteCase } from "./storage-suite-case.ts";

const key = "leases/default/demo";
const held: LeaseData = { holderIdentity: "a_1", renewTime: "2026-03-01T09:30:00.000123Z", leaseTransitions: 7 };
const renewed: LeaseData = { ...held, renewTime: "2026-03-01T09:30:02.000124Z" };
const full: LeaseData = {
  ...held,
  leaseDurationSeconds: 15,
  acquireTime: "2026-03-01T09:12:44.100001Z",
  strategy: "OldestEmulationVersion",
  preferredHolder: "b_2",
};

/** What every `LeaseStorage` promises, those written by hand included; hand it to `runSuite`. */
export const leaseStorageSuite: readonly StorageSuiteCase<LeaseStorage>[] = [
  {
    id: "LS1",
    name: "to read a missing lease is NOT_FOUND",
    async run({ connect }) {
      const storage = await connect();
      await assertThrown(() => storage.readLease(key), { code: "NOT_FOUND" });
    },
  },
  {
    id: "LS2",
    name: "a created lease has a generation",
    async run({ connect }) {
      const { data, generation } = await (await connect()).createLease(key, held);
      assert.ok(typeof generation === "string" && generation !== "");
      assert.deepEqual(plain(data), held);
    },
  },
  {
    id: "LS3",
    name: "a second create is ALREADY_EXISTS and changes nothing",
    async run({ connect }) {
      const [storage, other] = [await connect(), await connect()];
      const created = await storage.createLease(key, held);
      await assertThrown(() => other.createLease(key, renewed), { code: "ALREADY_EXISTS", applied: "no" });
      assertSame(await other.readLease(key), created);
    },
  },
  {
    id: "LS4",
    name: "a lease is read back with all its fields and the generation of its write",
    async run({ connect }) {
      const [storage, other] = [await connect(), await connect()];
      const { generation } = await storage.createLease(key, full);
      for (const reader of [storage, other]) assertSame(await reader.readLease(key), { data: full, generation });
    },
  },
  {
    id: "LS5",
    name: "a write with the right generation gives a new one",
    async run({ connect }) {
      const [storage, other] = [await connect(), await connect()];
      const created = await storage.createLease(key, held);
      const first = await other.writeLease(key, renewed, created.generation);
      const second = await other.writeLease(key, renewed, first.generation);
      assert.equal(
        new Set([created.generation, first.generation, second.generation]).size,
        3,
        "a generation came back",
      );
      assertSame(await storage.readLease(key), { data: renewed, generation: second.generation });
    },
  },
  {
    id: "LS6",
    name: "a write with a stale generation is CONDITIONAL_UPDATE_FAILED and changes nothing",
    async run({ connect }) {
      const [old, next] = [await connect(), await connect()];
      const { generation } = await old.createLease(key, held);
      const current = await next.writeLease(key, renewed, generation);
      const expected = { code: "CONDITIONAL_UPDATE_FAILED", applied: "no" } as const;
      await assertThrown(() => old.writeLease(key, held, generation), expected);
      await assertThrown(() => old.writeLease(key, held, "no generation of anybody"), expected);
      assertSame(await old.readLease(key), current);
    },
  },
  {
    id: "LS7",
    name: "a write of a missing lease is CONDITIONAL_UPDATE_FAILED and creates nothing",
    async run({ connect }) {
      const storage = await connect();
      const { generation } = await storage.createLease("leases/default/other", held);
      await assertThrown(() => storage.writeLease(key, held, generation), { code: "CONDITIONAL_UPDATE_FAILED" });
      await assertThrown(() => storage.readLease(key), { code: "NOT_FOUND" });
    },
  },
  {
    id: "LS8",
    name: "a delete removes whatever is there",
    async run({ connect }) {
      const [storage, other] = [await connect(), await connect()];
      const { generation } = await storage.createLease(key, held);
      await storage.writeLease(key, renewed, generation);
      await other.deleteLease(key);
      await assertThrown(() => storage.readLease(key), { code: "NOT_FOUND" });
    },
  },
  {
    id: "LS9",
    name: "to delete a missing lease is NOT_FOUND",
    async run({ connect }) {
      const storage = await connect();
      await assertThrown(() => storage.deleteLease(key), { code: "NOT_FOUND" });
    },
  },
  {
    id: "LS10",
    name: "no generation from before a delete matches after the lease was created again",
    async run({ connect }) {
      const [storage, other] = [await connect(), await connect()];
      const old = await storage.createLease(key, held);
      await other.deleteLease(key);
      const again = await other.createLease(key, held);
      assert.notEqual(again.generation, old.generation);
      const expected = { code: "CONDITIONAL_UPDATE_FAILED" } as const;
      await assertThrown(() => storage.writeLease(key, renewed, old.generation), expected);
      assertSame(await storage.readLease(key), again);
    },
  },
  {
    id: "LS11",
    name: "fields that it does not know survive a read and a write (#57)",
    async run({ connect, put }) {
      const storage = await connect();
      const foreign = '{"x":[1,{"y":null}],"__proto__":{"polluted":true},"constructor":"c","toString":1,"empty":""';
      await put(key, bytes(`${foreign},"holderIdentity":"a","renewTime":"2026-03-01T09:30:00Z","leaseTransitions":1}`));
      const { data, generation } = await storage.readLease(key);
      const unknown = data.unknownFields ?? {};
      assert.deepEqual(Object.keys(unknown).sort(), ["__proto__", "constructor", "empty", "toString", "x"]);
      assert.equal(Reflect.get({}, "polluted"), undefined);
      assert.equal(Reflect.get(data, "polluted"), undefined);
      await storage.writeLease(key, { ...data, holderIdentity: "b" }, generation);
      const after = await storage.readLease(key);
      assert.equal(after.data.holderIdentity, "b");
      assert.equal(JSON.stringify(after.data.unknownFields), JSON.stringify(unknown));
    },
  },
  {
    id: "LS12",
    name: "a released lease stays, without holder, and the next write goes on from it",
    async run({ connect }) {
      const [storage, other] = [await connect(), await connect()];
      const { generation } = await storage.createLease(key, full);
      const released = { holderIdentity: "", renewTime: "1970-01-01T00:00:00.000000Z", leaseDurationSeconds: 1 };
      const data: LeaseData = { ...full, ...released, leaseTransitions: full.leaseTransitions + 1 };
      const freed = await storage.writeLease(key, data, generation);
      const seen = await other.readLease(key);
      assertSame(seen, { data, generation: freed.generation });
      const taken = await other.writeLease(key, { ...full, holderIdentity: "b_2" }, seen.generation);
      assert.equal((await storage.readLease(key)).generation, taken.generation);
      await assertThrown(() => storage.writeLease(key, data, freed.generation), { code: "CONDITIONAL_UPDATE_FAILED" });
    },
  },
  {
    id: "LS13",
    name: "an unreadable body is CORRUPT_DATA, shows nothing of itself, and is not overwritten (#56)",
    async run({ connect, put }) {
      const storage = await connect();
      for (const [index, body] of unreadableBodies.entries()) {
        const place = `leases/unreadable/${index}`;
        await put(place, body);
        const error = await assertThrown(() => storage.readLease(place), { code: "CORRUPT_DATA" });
        assert.ok(!error.message.includes("secret"), "the message quotes the body");
        const version: unknown = Reflect.get(error, "version");
        assert.ok(typeof version === "string", "a person needs the version to repair it");
        await assertThrown(() => storage.createLease(place, held), { code: "ALREADY_EXISTS" });
        await assertThrown(() => storage.readLease(place), { code: "CORRUPT_DATA" });
        await storage.writeLease(place, held, version);
        assert.deepEqual(plain((await storage.readLease(place)).data), held);
      }
    },
  },
  {
    id: "LS14",
    name: "its errors are known by their code, also to another copy of the package",
    async run({ connect }) {
      const storage = await connect();
      const { generation } = await storage.createLease(key, held);
      const [found, created, written] = [
        await thrownBy(() => storage.readLease("leases/default/missing")),
        await thrownBy(() => storage.createLease(key, held)),
        await thrownBy(() => storage.writeLease(key, held, `${generation}0`)),
      ];
      for (const error of [found, created, written].flatMap((each) => [each, copyOf(each)])) {
        const code = errorCode(error);
        assert.equal(isNotFound(error), code === "NOT_FOUND");
        assert.equal(isAlreadyExists(error), code === "ALREADY_EXISTS");
        assert.equal(isConditionalUpdateFailed(error), code === "CONDITIONAL_UPDATE_FAILED");
      }
      const codes = [found, created, written].map(errorCode);
      assert.deepEqual(codes, ["NOT_FOUND", "ALREADY_EXISTS", "CONDITIONAL_UPDATE_FAILED"]);
    },
  },
  {
    id: "LS15",
    name: "what the Go types write is read, and what is written has the fields that they read",
    async run({ connect, put }) {
      const storage = await connect();
      for (const [index, { body, expected }] of goBodies.entries()) {
        const place = `leases/go/${index}`;
        await put(place, bytes(body));
        const { data, generation } = await storage.readLease(place);
        assert.deepEqual(plain(data), expected);
        await storage.writeLease(place, { ...full, holderIdentity: "c_3" }, generation);
        const fields = await storedFields(storage, place);
        if (fields !== undefined) {
          const first = Object.keys(Object(fields)).slice(0, 3);
          assert.deepEqual(first, ["holderIdentity", "renewTime", "leaseTransitions"]);
          assert.deepEqual(fields, { ...full, holderIdentity: "c_3" });
        }
      }
    },
  },
];

/** As another copy of the package would throw it: the same code, none of our classes. */
function copyOf(error: unknown): Error {
  const copy = Object.assign(new Error("a copy"), { code: errorCode(error) });
  assert.ok(!(copy instanceof TenureError));
  return copy;
}

function plain(data: LeaseData): Record<string, unknown> {
  return { ...data };
}

function assertSame(actual: LeaseObject, expected: LeaseObject): void {
  assert.deepEqual(plain(actual.data), plain(expected.data));
  assert.equal(actual.generation, expected.generation);
}

/** The stored JSON, where the storage can show it. */
async function storedFields(storage: LeaseStorage, place: string): Promise<unknown> {
  const read: unknown = Reflect.get(storage, "read");
  if (typeof read !== "function") return undefined;
  const stored: unknown = await Reflect.apply(read, storage, [place]);
  const value: unknown = Reflect.get(Object(stored), "value");
  assert.ok(value instanceof Uint8Array);
  return JSON.parse(text(value) ?? "");
}
