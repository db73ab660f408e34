import assert from "node:assert/strict";
import { lockSuite, type LockNeed, type LockSuiteContext } from "./lock-suite.ts";
import type { RegisterTest } from "./run-suite.ts";

/** How the lock suite reaches a lock. */
export interface LockHarness {
  /** A lease that nobody has written yet, and what its cases need; called for each case. */
  open(): LockSuiteContext | Promise<LockSuiteContext>;
  /** Ends the lease; called after each case. */
  close?(context: LockSuiteContext): void | Promise<void>;
  /** What the lock or the harness cannot do. It has to be said: a case is not left out in silence. */
  readonly lacks?: readonly LockNeed[];
  /** Gets "not run: O7 (no faults)"; such a line is the name of a test, too. */
  print?(line: string): void;
  /** The deadline of one case, as the runner's third argument; default 60 000 ms. */
  readonly timeoutMs?: number;
}

/**
 * Registers each case of `lockSuite` as one test over a lease of its own.
 *
 * ```ts
 * runLockSuite(test, { open: () => ({ description: "default/a", connect: () => newLock() }), lacks: ["faults"] });
 * ```
 */
export function runLockSuite(test: RegisterTest, harness: LockHarness): void {
  for (const { id, name, needs = [], run } of lockSuite) {
    const missing = needs.filter((need) => harness.lacks?.includes(need));
    const list = /^(LL|RT)/.test(id) ? "client-go" : "lock";
    const line = `not run: ${id} (no ${missing.join(", no ")})`;
    if (missing.length > 0) harness.print?.(line);
    const check = missing.length > 0 ? (context: LockSuiteContext) => assertLacking(context, missing) : run;
    test(
      missing.length > 0 ? line : `${list} ${id}: ${name}`,
      async () => {
        const context = await harness.open();
        try {
          await check(context);
        } finally {
          await harness.close?.(context);
        }
      },
      harness.timeoutMs ?? 60_000,
    );
  }
}

/** What is said to be missing has to be missing. */
async function assertLacking({ connect, faults }: LockSuiteContext, missing: readonly LockNeed[]): Promise<void> {
  const lock = await connect();
  if (missing.includes("faults")) assert.equal(faults, undefined, "the harness has faults, so it does not lack them");
  if (missing.includes("watch")) assert.equal(lock.watch, undefined, "the lock can watch, so it does not lack it");
}
