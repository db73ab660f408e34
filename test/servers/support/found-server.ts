import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe } from "vitest";

/** A server that can be had here, or what is missing and how to get it. */
export type FoundServer<T> =
  { readonly name: string; readonly start: () => Promise<T> } | { readonly name: string; readonly missing: string };

/**
 * A suite on a real server. Where the server is missing, that is printed and the suite is skipped; in CI it fails.
 */
export function describeOn<T>(found: FoundServer<T>, body: (start: () => Promise<T>) => void): void {
  const message = "missing" in found ? `${found.name}: missing is ${found.missing}` : undefined;
  if (message !== undefined) console.warn(message);
  const start = "start" in found ? found.start : () => Promise.reject(new Error(message));
  const fails = process.env["CI"] !== undefined; // there nothing may be missing
  describe.skipIf(message !== undefined && !fails)(found.name, () => body(start));
}

/** Where a program is: in one of `folders`, or on the path. */
export function findProgram(name: string, folders: readonly string[] = []): string | undefined {
  const path = (process.env["PATH"] ?? "").split(delimiter);
  return [...folders, ...path].map((folder) => join(folder, name)).find((file) => existsSync(file));
}

/** Whether a program runs at all, with these arguments. */
export function runs(program: string, args: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: "ignore" }).status === 0;
}
