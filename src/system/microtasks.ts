import { setImmediate } from "node:timers";

// Taken once at loading, so that a test runner's fake timers cannot stop the manual clock.
const immediately = setImmediate;

/** Resolves when all promise reactions that are ready now, and those that they make ready, have run. */
export function drainMicrotasks(): Promise<void> {
  return new Promise((resolve) => void immediately(resolve));
}
