import { LeaderElector, StorageLock } from "../src/index.ts";
import { MemoryStorage } from "../src/storage/memory.ts";
import type { Benchmark, Fact, Prepared } from "./benchmark.ts";
import { median } from "./rounds.ts";

const callsPerSample = 2_000;
const awaitsPerSample = 200;

/** The checks of a term, against one reading of a clock, which is the least that such a check can cost. */
export const benchmark: Benchmark = {
  row: "B11",
  bars: [
    { of: "isHeld()", to: "performance.now()", atMost: 3.5 },
    { of: "remainingMs()", to: "performance.now()", atMost: 3.5 },
  ],
  guards: [
    { of: "isHeld()", atMostNs: 150 },
    { of: "remainingMs()", atMostNs: 150 },
    { of: "guard()", minus: "one promise", atMostNs: 2_000 },
  ],
  notRun: [],
  prepare,
};

async function prepare({ quick }: { readonly quick: boolean }): Promise<Prepared> {
  const storage = new MemoryStorage();
  const elector = new LeaderElector({ lock: new StorageLock({ storage, namespace: "bench", name: "held" }) });
  const leadership = await elector.acquire();
  let [held, remainingMs, steps] = [0, 0, 0]; // every result is used, or it would not be computed
  const step = async (): Promise<void> => {
    steps += 1;
  };
  return {
    samplesPerRound: quick ? 20 : 200,
    sides: {
      "performance.now()": {
        sample: () => {
          const beginNs = process.hrtime.bigint();
          for (let call = 0; call < callsPerSample; call += 1) remainingMs = performance.now();
          return nsEach(beginNs, callsPerSample);
        },
      },
      "isHeld()": {
        sample: () => {
          const beginNs = process.hrtime.bigint();
          for (let call = 0; call < callsPerSample; call += 1) held += leadership.isHeld() ? 1 : 0;
          return nsEach(beginNs, callsPerSample);
        },
      },
      "remainingMs()": {
        sample: () => {
          const beginNs = process.hrtime.bigint();
          for (let call = 0; call < callsPerSample; call += 1) remainingMs = leadership.remainingMs();
          return nsEach(beginNs, callsPerSample);
        },
      },
      "one promise": { sample: () => nsOfAwaits(step) },
      "guard()": { sample: () => nsOfAwaits(() => leadership.guard(step)) },
    },
    check: async () => {
      if (held === 0 || held % callsPerSample !== 0)
        throw new Error(`isHeld() was false in between: ${held} times true`);
      if (steps === 0 || steps % awaitsPerSample !== 0) throw new Error(`a guarded step did not run: ${steps} did`);
      if (!(remainingMs > 0)) throw new Error(`remainingMs() told ${remainingMs}`);
      await leadership[Symbol.asyncDispose]();
      if (leadership.isHeld()) throw new Error("held after its end");
    },
    facts: () => [allocated("isHeld()", () => leadership.isHeld())],
    close: () => storage.close(),
  };
}

async function nsOfAwaits(run: () => Promise<unknown>): Promise<number> {
  const beginNs = process.hrtime.bigint();
  for (let call = 0; call < awaitsPerSample; call += 1) await run();
  return nsEach(beginNs, awaitsPerSample);
}

function nsEach(beginNs: bigint, calls: number): number {
  return Number(process.hrtime.bigint() - beginNs) / calls;
}

/**
 * Bytes of each call beyond those of reading the two clocks, for `Date.now()` makes a number object in V8 13.6. From
 * the growth of the heap over some thousand calls, which seldom meets a collection.
 */
function allocated(name: string, call: () => boolean): Fact {
  const own = bytesEach(call) - bytesEach(() => Date.now() < performance.now());
  return { name: `${name} allocates, clocks apart`, value: Math.round(own), unit: "bytes a call", atMost: 0 };
}

function bytesEach(call: () => boolean): number {
  const calls = 10_000;
  const growths = Array.from({ length: 99 }, () => {
    const before = process.memoryUsage().heapUsed;
    for (let done = 0; done < calls; done += 1) call();
    return (process.memoryUsage().heapUsed - before) / calls;
  });
  return median(growths);
}
