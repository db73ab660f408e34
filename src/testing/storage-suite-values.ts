import assert from "node:assert/strict";
import type { VersionedStorage } from "../storage/versioned-storage.ts";
import { assertStored, assertThrown, bytes, listed, written } from "./storage-assertions.ts";
import type { StorageSuiteCase } from "./storage-suite-case.ts";

const oddKeys: readonly string[] = [
  "a",
  "A",
  "a/b",
  "a/b/c",
  "a%2fb",
  "%2e%2e",
  "%2e",
  "@",
  "@current",
  "a/@",
  "refs.lock",
  ".lock",
  ".hidden",
  "a..b",
  "a.",
  "con",
  "CON",
  "con.txt",
  "nul",
  "com1",
  "-x",
  "--help",
  "a b",
  " a",
  "a\\b",
  "a:b",
  "a*b?c",
  "{a}",
  "a'b\"c",
  "$(a)`a`",
  "a+b&c=d#e",
  "ä",
  "Ä",
  "日本語",
  "🜁",
  "__proto__",
  "constructor",
  "a".repeat(253),
  ["a".repeat(200), "b".repeat(199), "c".repeat(199), "d".repeat(199)].join("/"),
  Array.from({ length: 16 }, () => "s").join("/"),
];

const wrongKeys: readonly string[] = [
  "",
  "/",
  "/a",
  "a/",
  "a//b",
  ".",
  "..",
  "../x",
  "a/../b",
  "a/.",
  "a\0b",
  "a\nb",
  "a\u001b[31mb",
  "a\u0085b",
  "\ud800",
  "a\u0308", // not in normal form C
  "a".repeat(254),
  "ä".repeat(43),
  Array.from({ length: 17 }, () => "s").join("/"),
  "x".repeat(2000),
];

/** R13 to R15: bytes, keys and lists. */
export const valueCases: readonly StorageSuiteCase<VersionedStorage>[] = [
  {
    id: "R13",
    name: "empty, binary and large values come back unchanged, buffers are free, and what is too large is refused",
    async run({ connect, faults }) {
      const [storage, other] = [await connect(), await connect()];
      const limit = storage.capabilities.maxValueBytes;
      const binary = Uint8Array.from({ length: 256 }, (_, byte) => byte);
      const large = new Uint8Array(Math.min(2 ** 20, limit)).fill(0xa5).fill(0, 0, 1000);
      for (const [key, value] of [
        ["empty", new Uint8Array()],
        ["binary", binary],
        ["large", large],
      ] as const) {
        await keepsBytes([storage, other], key, value);
      }
      const sent = faults?.requests;
      const tooLarge = new Uint8Array(limit + 1);
      const victim = faults?.connection ?? storage;
      const expected = { code: "VALUE_TOO_LARGE", applied: "no" } as const;
      const error = await assertThrown(() => victim.create("too-large", tooLarge), expected);
      assert.equal(Reflect.get(error, "limit"), limit);
      const version = await assertStored(other, "binary", { value: binary });
      await assertThrown(() => victim.replace("binary", tooLarge, version), expected);
      assert.equal(faults?.requests, sent, "something was sent");
    },
  },
  {
    id: "R14",
    name: "odd keys stay apart and come back; what is no key is refused before anything is sent (#60)",
    async run({ connect, faults }) {
      const [storage, other] = [await connect(), await connect()];
      for (const key of oddKeys) written(await storage.create(key, bytes(`value of ${key}`)));
      for (const key of oddKeys) await assertStored(other, key, { value: bytes(`value of ${key}`) });
      assert.deepEqual([...(await listed(other, "")).keys()].sort(), [...oddKeys].sort());
      const victim = faults?.connection ?? storage;
      const sent = faults?.requests;
      const version = await assertStored(other, "a", { value: bytes("value of a") });
      for (const key of wrongKeys) {
        const calls = [
          () => victim.read(key),
          () => victim.create(key, bytes("x")),
          () => victim.replace(key, bytes("x"), version),
          () => victim.remove(key, version),
        ];
        for (const call of calls) await assertThrown(call, { code: "INVALID_KEY", applied: "no" });
      }
      for (const prefix of ["a", "/", "../", "a//", "."]) {
        await assertThrown(() => listed(victim, prefix), { code: "INVALID_KEY" });
      }
      assert.equal(faults?.requests, sent, "something was sent");
      assert.equal((await listed(other, "")).size, oddKeys.length);
    },
  },
  {
    id: "R15",
    scales: true,
    name: "a list over 1,000 keys shows each once with its version, no foreign key and no removed one",
    async run({ connect, scaled }) {
      const [storage, other] = [await connect(), await connect()];
      const expected = new Map<string, string>();
      const count = Math.max(10, scaled(1000)) + 2;
      const names = Array.from({ length: count }, (_, index) => `a/${index}`);
      for (let start = 0; start < names.length; start += 32) {
        const part = names.slice(start, start + 32);
        const outcomes = await Promise.all(part.map((key) => storage.create(key, bytes(key))));
        for (const [index, outcome] of outcomes.entries()) expected.set(part[index] ?? "", written(outcome));
      }
      for (const key of ["ab/1", "b", "a"]) written(await storage.create(key, bytes(key)));
      const [removed, replaced] = [await other.read("a/7"), await other.read("a/8")];
      assert.ok(removed && replaced);
      written(await other.remove("a/7", removed.version));
      expected.delete("a/7");
      expected.set("a/8", written(await other.replace("a/8", bytes("new"), replaced.version)));
      assert.deepEqual(sorted(await listed(storage, "a/")), sorted(expected));
      assert.deepEqual([...(await listed(storage, "ab/")).keys()], ["ab/1"]);
      assert.equal((await listed(storage, "")).size, count + 2);
      assert.equal((await listed(storage, "nothing/")).size, 0);
      assert.equal((await listed(storage, "a/8/")).size, 0);
    },
  },
];

async function keepsBytes(
  [storage, other]: readonly [VersionedStorage, VersionedStorage],
  key: string,
  value: Uint8Array,
): Promise<void> {
  const buffer = value.slice();
  const creating = storage.create(key, buffer);
  buffer.fill(0x78); // free once the call has returned its promise
  const first = written(await creating);
  await assertStored(other, key, { value, version: first });
  const again = value.slice();
  const replacing = storage.replace(key, again, first);
  again.fill(0x79);
  const version = written(await replacing);
  const read = await other.read(key);
  assert.ok(read);
  read.value.fill(0x7a); // what was handed out is the caller's
  await assertStored(storage, key, { value, version });
}

function sorted(entries: ReadonlyMap<string, string>): [string, string][] {
  return [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
}
