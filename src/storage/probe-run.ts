import { errorCode } from "../errors.ts";
import { sleep, type Clock } from "../system/clock.ts";
import type { ProbeHooks } from "./probe.ts";
import type { CallOptions, Stored, Version, VersionedStorage, WriteOutcome } from "./versioned-storage.ts";

/** Two connections of one place. */
export type Connections = readonly [VersionedStorage, VersionedStorage];

/** What a step throws if the place answered wrongly. */
export class WrongAnswer extends Error {
  readonly verdict: "unsafe" | "unproven";

  constructor(message: string, verdict: "unsafe" | "unproven" = "unsafe") {
    super(message);
    this.verdict = verdict;
  }
}

/** Throws unless `holds`. */
export function demand(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new WrongAnswer(otherwise);
}

/** What a run of the probe works with. */
export interface ProbeRunParts {
  readonly clock: Clock;
  /** Where its scratch keys are. */
  readonly prefix: string;
  readonly quick: boolean;
  readonly call: CallOptions;
}

/** A place whose writes take longer is asked for a short listing only. */
const slowWriteMs = 50;

/** The calls of one probe: counted, paced as the place asks for, on fresh keys. */
export class ProbeRun {
  readonly prefix: string;
  readonly quick: boolean;
  readonly maxValueBytes: number;
  requests = 0;
  readonly #connections: Connections;
  readonly #parts: ProbeRunParts;
  readonly #writtenAtMs = new Map<string, number>();
  readonly #racing = new Set<string>();
  #freshKeys = 0;

  constructor(connections: Connections, parts: ProbeRunParts) {
    this.prefix = parts.prefix;
    this.quick = parts.quick;
    this.maxValueBytes = connections[0].capabilities.maxValueBytes;
    this.#connections = connections;
    this.#parts = parts;
  }

  /** A key that nobody has used. */
  fresh(): string {
    this.#freshKeys += 1;
    return `${this.prefix}${this.#freshKeys}`;
  }

  /** A fresh key with a value, and its version. */
  async seeded(value: Uint8Array = bytes("first")): Promise<{ readonly key: string; readonly version: Version }> {
    const key = this.fresh();
    const outcome = await this.create(key, value);
    demand(outcome.written, "a create on a fresh key was refused");
    return { key, version: outcome.version };
  }

  /** Whether a thousand writes would be a burden to whoever waits, and to the place. */
  async isSlow(): Promise<boolean> {
    const { clock } = this.#parts;
    const sentMs = clock.monotonicMs();
    await this.seeded();
    return clock.monotonicMs() - sentMs > slowWriteMs;
  }

  read(key: string, by: 0 | 1 = 0): Promise<Stored | undefined> {
    this.requests += 1;
    return this.#connections[by].read(key, this.#parts.call);
  }

  create(key: string, value: Uint8Array, by: 0 | 1 = 0): Promise<WriteOutcome> {
    return this.#write(key, () => this.#connections[by].create(key, value, this.#parts.call));
  }

  replace(
    key: string,
    { value, expected }: { value: Uint8Array; expected: Version },
    by: 0 | 1 = 0,
  ): Promise<WriteOutcome> {
    return this.#write(key, () => this.#connections[by].replace(key, value, expected, this.#parts.call));
  }

  remove(key: string, expected: Version, by: 0 | 1 = 0): Promise<WriteOutcome> {
    return this.#write(key, () => this.#connections[by].remove(key, expected, this.#parts.call));
  }

  /** The keys below the scratch prefix, as often as they are listed. */
  async listed(call: CallOptions = this.#parts.call): Promise<{ readonly key: string; readonly version: Version }[]> {
    this.requests += 1;
    const all: { readonly key: string; readonly version: Version }[] = [];
    for await (const entry of this.#connections[1].list(this.prefix, call)) all.push(entry);
    return all;
  }

  /** What the settings of the technology say, where the driver can ask. */
  async askSettings(): Promise<void> {
    const hooks: ProbeHooks = this.#connections[0] as ProbeHooks; // cast: the methods are optional, looked for by name
    if (hooks.probeSettings === undefined) return;
    this.requests += 1;
    const findings = await hooks.probeSettings(this.#parts.call);
    const unsafe = findings.filter(({ verdict }) => verdict === "unsafe");
    const worst = unsafe.length > 0 ? unsafe : findings;
    if (worst[0] !== undefined) throw new WrongAnswer(worst.map(({ detail }) => detail).join("; "), worst[0].verdict);
  }

  /** Removes what the probe has written; also after an abort, so without the caller's signal. */
  async clean(): Promise<void> {
    const { timeoutMs } = this.#parts.call;
    const call: CallOptions = timeoutMs === undefined ? {} : { timeoutMs };
    let left = await this.listed(call);
    let trouble = "";
    for (let round = 0; round < 3 && left.length > 0; round += 1) {
      if (round > 0) await sleep(this.#parts.clock, cleanPauseMs);
      await inBatches(left, async ({ key, version }) => {
        await this.#pace(key);
        this.requests += 1;
        await this.#connections[0]
          .remove(key, version, call)
          .catch((error: unknown) => (trouble = `: ${textOf(error)}`));
      });
      left = await this.listed(call);
    }
    const hooks: ProbeHooks = this.#connections[0] as ProbeHooks; // cast: as above
    if (left.length === 0) return hooks.discardScratch?.(this.prefix, call);
    throw new WrongAnswer(`${left.length} keys are left below ${this.prefix}${trouble}`, "unproven");
  }

  /**
   * Runs racing writes of one key at once; `winners` are those that were written, `doubt` whether any end is not
   * known.
   */
  async race(key: string, writes: readonly (() => Promise<WriteOutcome>)[]): Promise<Race> {
    await this.#pace(key);
    this.#racing.add(key);
    const settled = await Promise.allSettled(writes.map((write) => write()));
    this.#racing.delete(key);
    this.#writtenAtMs.set(key, this.#parts.clock.monotonicMs());
    let doubt = false;
    const winners: number[] = [];
    for (const [index, end] of settled.entries()) {
      if (end.status === "fulfilled" && end.value.written) winners.push(index);
      if (end.status === "rejected" && isFatal(end.reason)) throw end.reason;
      if (end.status === "rejected") doubt = true;
    }
    return { winners, doubt };
  }

  async #write(key: string, send: () => Promise<WriteOutcome>): Promise<WriteOutcome> {
    this.requests += 1;
    if (!this.#racing.has(key)) await this.#pace(key);
    return send();
  }

  /** Waits until the place takes another write of this key. Racers waited together, before the race. */
  async #pace(key: string): Promise<void> {
    const { clock, call } = this.#parts;
    const lastMs = this.#writtenAtMs.get(key);
    const intervalMs = this.#connections[0].capabilities.minWriteIntervalMs;
    const waitMs = lastMs === undefined ? 0 : lastMs + intervalMs - clock.monotonicMs();
    if (waitMs > 0) await sleep(clock, waitMs, call.signal?.aborted === true ? undefined : call.signal);
    this.#writtenAtMs.set(key, clock.monotonicMs());
  }
}

/** Before what was throttled is removed again. */
const cleanPauseMs = 200;

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : "aborted";
}

/** How a race ended. */
export interface Race {
  readonly winners: readonly number[];
  readonly doubt: boolean;
}

/** Told busy, throttled or unknown: that is a loser. Anything else ends the step. */
function isFatal(error: unknown): boolean {
  const code = errorCode(error);
  return code !== "STORAGE_UNAVAILABLE" && code !== "OUTCOME_UNKNOWN";
}

/** A few at a time: places limit how many requests they take at once. */
export async function inBatches<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  for (let start = 0; start < items.length; start += 16) {
    await Promise.all(items.slice(start, start + 16).map(run));
  }
}

/** Text as bytes. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Whether two values are equal byte by byte. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
