import { errorCode } from "../errors.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { systemRandom, type Random } from "../system/random.ts";
import { ProbeRun, WrongAnswer, type Connections } from "./probe-run.ts";
import { probeSteps } from "./probe-steps.ts";
import type { CallOptions, VersionedStorage } from "./versioned-storage.ts";

/** `unsafe`: it gave a wrong answer, nobody may lead on it. `unproven`: something kept the probe from asking. */
export type ProbeVerdict = "safe" | "unsafe" | "unproven";

/** What one step found. */
export interface ProbeStep {
  /** `P1` to `P14`. */
  readonly id: string;
  /** What has to hold. */
  readonly name: string;
  readonly verdict: ProbeVerdict;
  /** What was found instead, or what kept the step from asking; `""` where it is safe. */
  readonly detail: string;
}

/** What a probe found. */
export interface ProbeReport {
  readonly verdict: ProbeVerdict;
  readonly steps: readonly ProbeStep[];
  /** How many calls the storage got. */
  readonly requests: number;
  readonly elapsedMs: number;
}

/** How a probe is run. */
export interface ProbeOptions {
  readonly clock?: Clock;
  readonly random?: Random;
  /** Ends the probe, which then cleans up and rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
  /** The deadline of each call, in milliseconds; default that of the storage. */
  readonly timeoutMs?: number;
  /**
   * Lists a dozen keys instead of more than a page, for a probe at every start; default false. A place whose writes
   * take longer than 50 ms is spared the thousand writes of the long listing in any case.
   */
  readonly quick?: boolean;
}

/** What a driver may add; the probe looks for these methods on the connection. */
export interface ProbeHooks {
  /**
   * Settings of the technology that break promises: eviction, persistence, commit mode, retention, … `[]` if all is
   * well.
   */
  probeSettings?(options?: CallOptions): Promise<readonly ProbeFinding[]>;
  /** Removes what removed keys below `prefix` left behind, which no listing shows. Their names are never used again. */
  discardScratch?(prefix: string, options?: CallOptions): Promise<void>;
}

/** A setting that breaks a promise, or that could not be asked for. */
export interface ProbeFinding {
  readonly verdict: "unsafe" | "unproven";
  readonly detail: string;
}

/**
 * Asks a place whether it enforces conditions, over two connections of its own, on fresh keys below
 * `tenure-probe/<uuid>/`, which it removes again. Never rejects for what the place does, only for what `connect` throws
 * and for an abort.
 */
export async function probeStorage(
  connect: () => VersionedStorage | Promise<VersionedStorage>,
  options: ProbeOptions = {},
): Promise<ProbeReport> {
  const { clock = systemClock, random = systemRandom, quick = false, signal, timeoutMs } = options;
  const startedMs = clock.monotonicMs();
  const connections = await connectTwice(connect);
  const call: CallOptions = { ...(signal && { signal }), ...(timeoutMs !== undefined && { timeoutMs }) };
  const run = new ProbeRun(connections, { clock, prefix: `tenure-probe/${random.uuid()}/`, quick, call });
  try {
    const steps: ProbeStep[] = [];
    let trouble: string | undefined;
    for (const { id, name, ask } of probeSteps) {
      // What does not answer is not asked again for each step; only the cleaning is always tried.
      const skip = trouble !== undefined && id !== "P14";
      const found: Found = skip ? { verdict: "unproven", detail: `not asked, since ${trouble}` } : await find(ask, run);
      if (found.silent === true) trouble ??= `${id} got no answer`;
      steps.push({ id, name, verdict: found.verdict, detail: found.detail });
    }
    signal?.throwIfAborted();
    return { verdict: worst(steps), steps, requests: run.requests, elapsedMs: clock.monotonicMs() - startedMs };
  } finally {
    await Promise.allSettled(connections.map((connection) => connection.close()));
  }
}

async function connectTwice(connect: () => VersionedStorage | Promise<VersionedStorage>): Promise<Connections> {
  const first = await connect();
  try {
    return [first, await connect()];
  } catch (error) {
    await first.close();
    throw error;
  }
}

type Found = { readonly verdict: ProbeVerdict; readonly detail: string; readonly silent?: boolean };

async function find(ask: (run: ProbeRun) => Promise<void>, run: ProbeRun): Promise<Found> {
  try {
    await ask(run);
    return { verdict: "safe", detail: "" };
  } catch (error) {
    if (error instanceof WrongAnswer) return { verdict: error.verdict, detail: error.message };
    const code = errorCode(error);
    const refused = code === "ACCESS_DENIED" || code === "UNSUPPORTED" || code === "VALUE_TOO_LARGE";
    return { verdict: "unproven", detail: error instanceof Error ? error.message : "aborted", silent: !refused };
  }
}

function worst(steps: readonly ProbeStep[]): ProbeVerdict {
  const has = (verdict: ProbeVerdict): boolean => steps.some((step) => step.verdict === verdict);
  return has("unsafe") ? "unsafe" : has("unproven") ? "unproven" : "safe";
}
