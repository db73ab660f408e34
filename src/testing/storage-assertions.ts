import assert from "node:assert/strict";
import { appliedOf, errorCode, type Applied, type TenureErrorCode } from "../errors.ts";
import { sleep, type Clock } from "../system/clock.ts";
import type { Stored, Version, VersionedStorage, WriteOutcome } from "../storage/versioned-storage.ts";

/** Text as bytes. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Bytes as text. */
export function text(value: Uint8Array | undefined): string | undefined {
  return value && new TextDecoder().decode(value);
}

/** The version of a write that has to have been written. */
export function written(outcome: WriteOutcome): Version {
  assert.ok(outcome.written, "the write was refused");
  return outcome.version;
}

/** The write lost the race. */
export function assertLost(outcome: WriteOutcome): void {
  assert.deepEqual(outcome, { written: false });
}

/** Exactly this is stored. */
export async function assertStored(
  storage: VersionedStorage,
  key: string,
  expected: { readonly value: Uint8Array; readonly version?: Version },
): Promise<Version> {
  const stored: Stored | undefined = await storage.read(key);
  assert.ok(stored, `"${key}" is absent`);
  assert.ok(Buffer.from(expected.value).equals(stored.value), `"${key}" has another value`);
  if (expected.version !== undefined) assert.equal(stored.version, expected.version, `"${key}" has another version`);
  return stored.version;
}

/** The key is absent. */
export async function assertAbsent(storage: VersionedStorage, key: string): Promise<void> {
  assert.equal(await storage.read(key), undefined, `"${key}" is there`);
}

/** The call rejects with this code, and says this of its effect. */
export async function assertThrown(
  call: () => Promise<unknown>,
  expected: { readonly code: TenureErrorCode; readonly applied?: Applied },
): Promise<Error> {
  const error = await thrownBy(call);
  assert.ok(error instanceof Error, "it threw no Error");
  assert.equal(errorCode(error), expected.code, `it threw ${error.name}: ${error.message}`);
  if (expected.applied !== undefined) assert.equal(appliedOf(error), expected.applied);
  return error;
}

/** What the call rejects with. */
export async function thrownBy(call: () => Promise<unknown>): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  assert.fail("the call did not throw");
}

/** The keys below the prefix with their versions, each once. */
export async function listed(storage: VersionedStorage, prefix: string): Promise<Map<string, Version>> {
  const found = new Map<string, Version>();
  for await (const { key, version } of storage.list(prefix)) {
    assert.ok(!found.has(key), `"${key}" is listed twice`);
    found.set(key, version);
  }
  return found;
}

/** The end of a race: who has written, while the others lost or were told that nothing happened. */
export async function winnersOf(writes: readonly Promise<WriteOutcome>[]): Promise<number[]> {
  const ends = await Promise.allSettled(writes);
  return ends.flatMap((end, index) => {
    if (end.status === "fulfilled") return end.value.written ? [index] : [];
    assert.equal(appliedOf(end.reason), "no", `a racer threw ${String(end.reason)}`);
    return [];
  });
}

/** Resolves with what `promise` does; rejects if that takes longer. */
export async function within<T>(clock: Clock, ms: number, promise: Promise<T>): Promise<T> {
  const over = new AbortController();
  const late = sleep(clock, ms, over.signal).then(() => assert.fail(`nothing happened for ${ms} ms`));
  try {
    return await Promise.race([promise, late]);
  } finally {
    over.abort();
    await late.catch(() => undefined); // told above, or not needed any more
  }
}
