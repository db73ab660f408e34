import { inspect } from "node:util";
import { resolve } from "node:path";
import { decide } from "../../src/election/decide.ts";
import { initialState, type ElectionState } from "../../src/election/election-state.ts";
import { Observation } from "../../src/election/observation.ts";
import { resolveSettings } from "../../src/election/settings.ts";
import { placeFlags, resultFlags, sharedFlags } from "../../src/cli/command.ts";
import { Flags } from "../../src/cli/flags.ts";
import { logLevels } from "../../src/cli/log.ts";
import { readRunSettings, runFlags } from "../../src/cli/run-settings.ts";
import { UsageError } from "../../src/cli/usage-error.ts";
import { CorruptDataError, InvalidKeyError, InvalidSettingsError, ValueTooLargeError } from "../../src/errors.ts";
import type { ObservedRecord } from "../../src/lock/resource-lock.ts";
import { checkRecord, leaseDataToRecord, maxReadableTerm } from "../../src/lock/record-codec.ts";
import { fileUrlOptions } from "../../src/storage/file-settings.ts";
import { FileStorage } from "../../src/storage/file.ts";
import { assertKey, assertPrefix, decodeKey, encodeKey, leaseKey } from "../../src/storage/keys.ts";
import { decodeLease, encodeLease, maxLeaseBytes } from "../../src/storage/lease-codec.ts";
import { openStorage } from "../../src/storage/registry.ts";
import { StorageUrl } from "../../src/storage/storage-url.ts";
import type { Version } from "../../src/storage/versioned-storage.ts";
import { FakeLock } from "../../src/testing/fake-lock.ts";
import { secret, type Corpus } from "./corpus.ts";

/** Feeds one generated input to its subject; throws what it finds. Returns whether the input was accepted. */
export type Check = (corpus: Corpus, number: number) => boolean | Promise<boolean>;

const flagTable = { ...runFlags, ...placeFlags, ...resultFlags, ...sharedFlags };
const flagNames = Object.keys(flagTable);
const { settings } = resolveSettings({ lock: new FakeLock({ identity: "me" }) });

/** One candidate that receives them all: what it remembers must not grow with what it has seen. */
const state: ElectionState = initialState("me", 0);
const observation = new Observation(state, { settings, random: { next: () => 0, uuid: () => "" } });
let nowMs = 0;

/** The checks by the kind of input. */
export const checks: Readonly<Record<string, Check>> = {
  body: checkBody,
  record: (corpus) => checkForeign(corpus.rarely(20) ? corpus.value() : corpus.record(), "1"),
  key: checkKey,
  url: checkUrl,
  flags: checkFlags,
};

function demand(fact: boolean, text: string): void {
  if (!fact) throw new Error(text);
}

/** Runs what may be refused, but only with one of these errors, in few printable characters, without the secret. */
function refusedWith(kinds: readonly (new (...args: never[]) => Error)[], run: () => void): boolean {
  try {
    run();
    return true;
  } catch (error) {
    if (!kinds.some((kind) => error instanceof kind)) throw error;
    const { message } = error as Error; // cast: an instance of one of the kinds
    demand(!message.includes(secret), `tells the secret: ${JSON.stringify(message)}`);
    if (error instanceof UsageError) return false; // shown to who has typed it
    demand(message.length < 2_000, `a message of ${message.length} characters`);
    demand(!/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(message), `an unprintable message: ${JSON.stringify(message)}`);
    return false;
  }
}

function checkBody(corpus: Corpus, number: number): boolean {
  const body = corpus.body();
  return refusedWith([CorruptDataError], () => {
    const { data, problems } = decodeLease(body, { storage: "test", key: "k", version: "1" });
    demand(Object.getPrototypeOf(data) === null, "a lease with a prototype");
    demand(typeof data.holderIdentity === "string", "a holder that is no text");
    demand(Number.isInteger(data.leaseTransitions) && data.leaseTransitions >= 0, "a term that is none");
    for (const problem of problems) demand(problem.length < 300, "a problem that is too long");
    // What was read can be written back, and says the same.
    const again = encodedAgain(data);
    if (again !== undefined) demand(again.holderIdentity === data.holderIdentity, "another holder after writing");
    checkForeign(leaseDataToRecord(data, { storage: "test" }).record, String(number));
  });
}

function encodedAgain(data: ReturnType<typeof decodeLease>["data"]): typeof data | undefined {
  let written: typeof data | undefined;
  refusedWith([InvalidSettingsError, ValueTooLargeError], () => {
    const body = encodeLease({ ...data, renewTime: "2026-01-01T00:00:00.000000Z" });
    demand(body.length <= maxLeaseBytes, "a lease that is too large");
    written = decodeLease(body).data;
  });
  return written;
}

/** A candidate that follows receives the record: at once, and as long as the wait goes, it leaves it alone. */
function checkForeign(raw: unknown, version: string): boolean {
  let readable = false;
  refusedWith([CorruptDataError], () => {
    const { record } = checkRecord(raw, { storage: "test" });
    readable = true;
    demand(record.leaderTransitions <= maxReadableTerm, "a term at the end of int32");
    const { leaseDurationSeconds: seconds } = record;
    demand(seconds === undefined || (Number.isInteger(seconds) && seconds >= 1), "a duration that is none");
  });
  nowMs += 50_000;
  state.seq += 1;
  const named = version as Version; // cast: tests name versions freely
  const observed = { record: raw, version: named } as ObservedRecord; // cast: hostile
  observation.record(observed, { now: { observerMs: nowMs, leaderMs: nowMs }, readSeq: state.seq });
  demand(state.seen.kind === (readable ? "record" : "unreadable"), `taken for ${state.seen.kind}`);
  demand(state.firstReceipts.size <= 32 && state.alarmed.size <= 7, "memory that grows");
  for (const effect of state.effects.splice(0)) {
    if (effect.kind === "alarm") demand(effect.message.length < 2_000, "an alarm that is too long");
  }
  const { seen } = state;
  const free = seen.kind === "record" && seen.record.holderIdentity === "";
  const first = seen.kind === "record" ? seen.firstReceiptMs : nowMs;
  const waits = seen.kind === "record" && (seen.storedMs ?? 0) <= settings.maxHonouredLeaseMs;
  const waitMs = waits ? Math.max(seen.storedMs ?? 0, settings.leaseDurationMs) : Infinity;
  for (const aheadMs of [0, 1, 10_000, 14_999, 60_000, 3_600_000, 1e12]) {
    const observerMs = nowMs + aheadMs;
    if (free || observerMs - first >= waitMs) break;
    const action = decide(state, { observerMs, leaderMs: observerMs }, settings);
    demand(action.do === "wait" || action.do === "read", `${action.do} after ${aheadMs} ms`);
  }
  return readable;
}

function checkKey(corpus: Corpus): boolean {
  const key = corpus.key();
  decodeKey(key);
  refusedWith([InvalidKeyError], () => assertPrefix(key));
  refusedWith([InvalidKeyError], () => void leaseKey(key, "a"));
  return refusedWith([InvalidKeyError], () => {
    assertKey(key);
    const encoded = encodeKey(key);
    demand(decodeKey(encoded) === key, "another key after decoding");
    demand(encoded.length <= 800 && /^[a-z0-9\-_.%/]+$/.test(encoded), "an encoded form with odd bytes");
    demand(resolve("/srv", encoded, "@") === `/srv/${encoded}/@`, "a path that leaves its place");
  });
}

async function checkUrl(corpus: Corpus): Promise<boolean> {
  const text = corpus.url();
  let scheme = "";
  const accepted = refusedWith([InvalidSettingsError], () => {
    const url = new StorageUrl(text);
    ({ scheme } = url);
    url.credentials();
    demand(!JSON.stringify(url).includes(secret), "shows the secret");
    url.probe();
    if (scheme !== "file") return;
    const storage = new FileStorage(fileUrlOptions(url));
    demand(!storage.description.includes(secret) || url.path.includes(secret), "describes the secret");
  });
  // A driver of ours names a place, and asks nothing of it yet; every other scheme has to be refused.
  if (!accepted || scheme === "file" || scheme === "memory") return accepted;
  try {
    await using storage = await openStorage(text, { probe: "never" });
    const shown = storage.description + inspect(storage, { depth: 6 });
    demand(!shown.includes(secret), "describes the secret");
    return true;
  } catch (error) {
    refusedWith([InvalidSettingsError], () => {
      throw error;
    });
    return accepted;
  }
}

function checkFlags(corpus: Corpus): boolean {
  const args = corpus.args(flagNames);
  const environment = corpus.environment();
  return refusedWith([UsageError], () => {
    const flags = new Flags(args, flagTable, environment);
    flags.oneOf("log", logLevels);
    for (const name of flagNames) flags.text(name);
    for (const name of [...flagNames, "__proto__", "constructor"]) flags.on(name);
    const { leaseDurationMs, graceMs, killAfterMs } = readRunSettings(flags);
    for (const ms of [leaseDurationMs, graceMs, killAfterMs]) {
      demand(Number.isFinite(ms) && ms >= 0 && ms < 2 ** 31, `a duration of ${ms} ms`);
    }
  });
}
