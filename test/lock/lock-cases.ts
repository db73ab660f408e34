import { test } from "vitest";
import { lockSuite, type LockSuiteContext } from "../../src/testing/index.ts";

/** Runs every case of the published suite; each one asks for a fresh harness. A harness has all that a case may need. */
export function runLockSuite(title: string, harness: () => Required<LockSuiteContext>): void {
  for (const { id, name, run } of lockSuite) {
    const list = /^(LL|RT)/.test(id) ? "client-go" : "lock";
    test(`${title}: ${list} ${id}: ${name}`, () => run(harness()));
  }
}
