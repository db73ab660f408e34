import { instanceName } from "../kubernetes/own-names.ts";
import { isLater } from "../kubernetes/micro-time.ts";
import type { Candidate } from "./candidates.ts";

/** The newest signal of one candidate that was seen in the storage, or in a status. */
export interface SpentSignal {
  /** Without the number of its name: all names of a candidate share one row of signals. */
  readonly instance: string;
  readonly renewTime: string;
  readonly receivedMs: number;
}

/** Of so many candidates; the oldest are forgotten. */
const mostSpent = 64;
/** No event comes later than that: a watch does not last as long. */
const latestEventMs = 600_000;

/** What is spent once this pair was seen. */
export function noteSpent(
  spent: readonly SpentSignal[],
  { holder, renewTime }: { readonly holder: string; readonly renewTime: string },
  nowMs: number,
): readonly SpentSignal[] {
  if (holder === "") return spent;
  const instance = instanceName(holder);
  const before = spent.find((other) => other.instance === instance);
  const isRecent = before !== undefined && nowMs - before.receivedMs < latestEventMs;
  if (isRecent && !isLater(renewTime, before.renewTime)) return spent;
  const added = { instance, renewTime, receivedMs: nowMs };
  return [...spent.filter((other) => other !== before), added].slice(-mostSpent);
}

/**
 * Whether the signal was written before: written again, its pair would name two writes. An event can be old, be
 * it of a process that was frozen or of a server whose watch lags. A clock that went back is forgiven in the end.
 */
export function isSpent(spent: readonly SpentSignal[], { identity, renewTime, changedMs }: Candidate): boolean {
  const instance = instanceName(identity);
  const stored = spent.find((other) => other.instance === instance);
  if (stored === undefined || changedMs - stored.receivedMs >= latestEventMs) return false;
  return !isLater(renewTime, stored.renewTime);
}
