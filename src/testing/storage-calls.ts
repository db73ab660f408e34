import assert from "node:assert/strict";
import type { Version, VersionedStorage } from "../storage/versioned-storage.ts";
import { bytes } from "./storage-assertions.ts";
import type { StorageFaults } from "./storage-faults.ts";

/** A version out of nowhere. */
export const never: Version = "no version of anybody" as Version; // cast: that is what it is about

/** One call, ready to be made. */
export type Call = (() => Promise<unknown>) & { readonly operation: string; readonly writes: boolean };

/** What the calls are given. */
export interface CallsOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly expected?: Version;
  readonly value?: string;
}

/** One call of each kind. */
export function callsOf(
  storage: VersionedStorage,
  key: string,
  { expected = never, value = "x", ...options }: CallsOptions = {},
): readonly Call[] {
  const call = (operation: string, run: () => Promise<unknown>): Call =>
    Object.assign(run, { operation, writes: operation !== "read" && operation !== "list" });
  return [
    call("read", () => storage.read(key, options)),
    call("create", () => storage.create(key, bytes(value), options)),
    call("replace", () => storage.replace(key, bytes(value), expected, options)),
    call("remove", () => storage.remove(key, expected, options)),
    call("list", async () => {
      for await (const _entry of storage.list(`${key}/`, options)) assert.fail("a key was listed");
    }),
  ];
}

/** The faults that a case asked for in `needs`. */
export function given<C>(faults: StorageFaults<C> | undefined): StorageFaults<C> {
  assert.ok(faults, "this case needs faults");
  return faults;
}
