import { ClosedError, InvalidSettingsError, StorageUnavailableError, TenureError } from "../errors.ts";
import type { CallOptions } from "../storage/versioned-storage.ts";
import type { Clock } from "../system/clock.ts";
import type { Random } from "../system/random.ts";
import { retry } from "../system/retry.ts";
import { TimeoutError, withDeadline } from "../system/signals.ts";
import { apiError, describe, isAhead, isExpired, isWrite, whereOf, type ApiCall } from "./api-error.ts";

/** What is known of a request that is under way. */
export interface RequestProgress {
  /** `false` as long as it is certain that no byte of it left; `undefined` where only its failure can tell. */
  sent: boolean | undefined;
}

/** One attempt: what ends it, and who has to know that it was sent. */
export interface RequestAttempt {
  readonly signal: AbortSignal;
  readonly progress: RequestProgress;
}

/** What every call of a client shares. */
export interface CallParts {
  readonly clock: Clock;
  readonly random: Random;
  /** Falls when the client is closed. */
  readonly closing: AbortSignal;
}

const defaultTimeoutMs = { read: 10_000, create: 10_000, replace: 10_000, patch: 10_000, list: 30_000, watch: 10_000 };

/**
 * Makes a call within its deadline, and settles whatever the server does: at the deadline and at trouble with what
 * `apiError` makes of it, at the caller's abort with `signal.reason`, at `close()` with `CLOSED`. A write is attempted
 * once; a read or a list is repeated while it is unavailable and there is time, unless `repeats` forbids it.
 *
 * @throws what an attempt throws, if it is one of ours.
 */
export async function kubernetesCall<T>(
  call: ApiCall,
  parts: CallParts,
  options: (CallOptions & { readonly repeats?: boolean }) | undefined,
  attempt: (attempt: RequestAttempt) => Promise<T>,
): Promise<T> {
  const { clock, closing } = parts;
  const { signal, timeoutMs = defaultTimeoutMs[call.operation] } = options ?? {};
  if (closing.aborted) throw closed(call, false);
  signal?.throwIfAborted();
  checkTimeout(call, timeoutMs);
  const progress: RequestProgress = { sent: false };
  const once = (ended: AbortSignal): Promise<T> => explained(call, { signal: ended, progress }, attempt);
  const run =
    repeats(call) && options?.repeats !== false
      ? (ended: AbortSignal) => again(parts, timeoutMs, ended, () => once(ended))
      : once;
  try {
    return await withDeadline({ clock, timeoutMs, signal, closing }, run);
  } catch (error) {
    if (signal?.aborted && error === signal.reason) throw error;
    if (closing.aborted && error === closing.reason) throw closed(call, progress.sent !== false);
    if (error instanceof TenureError) throw error;
    throw apiError(call, { failure: error, sent: progress.sent });
  }
}

function repeats({ operation }: ApiCall): boolean {
  return operation === "read" || operation === "list";
}

/** What the attempt throws becomes one of ours, unless the attempt was ended: then its reason passes untouched. */
async function explained<T>(
  call: ApiCall,
  attempt: RequestAttempt,
  run: (attempt: RequestAttempt) => Promise<T>,
): Promise<T> {
  try {
    return await run(attempt);
  } catch (error) {
    attempt.signal.throwIfAborted();
    if (error instanceof TenureError) throw error;
    throw apiError(call, { failure: error, sent: attempt.progress.sent });
  }
}

async function again<T>(
  { clock, random }: CallParts,
  deadlineMs: number,
  signal: AbortSignal,
  once: () => Promise<T>,
): Promise<T> {
  const settle = (): Promise<{ value: T } | { final: unknown }> =>
    once().then(
      (value) => ({ value }),
      (error: unknown) => {
        if (isExpired(error) || isAhead(error)) return { final: error }; // the same question gets the same answer
        throw error;
      },
    );
  const settled = await retry(settle, { clock, random, deadlineMs, signal });
  if ("final" in settled) throw settled.final;
  return settled.value;
}

function checkTimeout(call: ApiCall, timeoutMs: number): void {
  const details = { ...whereOf(call), ...(isWrite(call) && ({ applied: "no" } as const)) };
  if (typeof timeoutMs !== "number" || Number.isNaN(timeoutMs) || timeoutMs === Infinity) {
    throw new InvalidSettingsError([`timeoutMs (${String(timeoutMs)}) must be a number of milliseconds`], details);
  }
  if (timeoutMs > 0) return;
  const cause = new TimeoutError("the deadline had passed before anything was sent");
  throw new StorageUnavailableError(describe(call, "its deadline has passed"), { ...details, cause });
}

function closed(call: ApiCall, sent: boolean): ClosedError {
  const details = { ...whereOf(call), ...(isWrite(call) && ({ applied: sent ? "unknown" : "no" } as const)) };
  return new ClosedError(describe(call, "the client is closed"), details);
}
