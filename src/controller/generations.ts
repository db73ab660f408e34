import type { Candidate } from "./candidates.ts";
import type { LeaseMemory } from "./lease-view.ts";

/** When a generation of the spec was first seen, itself or by a later one. */
export interface GenerationReceipt {
  readonly generation: number;
  readonly receivedMs: number;
}

/** So many are remembered; a signal that is older than they are is of no use to anybody. */
const mostGenerations = 64;
/** A look is good for as long as a plan and its write need. */
const lookLastsMs = 1_000;

/** What is known once this generation was seen: answers overtake events, so it may be a late one. */
export function noteGeneration(
  generations: readonly GenerationReceipt[],
  { generation, nowMs }: { readonly generation: number; readonly nowMs: number },
): readonly GenerationReceipt[] {
  if (generations.some((seen) => seen.generation === generation)) return generations;
  const later = generations.filter((seen) => seen.generation > generation);
  const added = { generation, receivedMs: later[0]?.receivedMs ?? nowMs };
  return [...generations.slice(0, generations.length - later.length), added, ...later].slice(-mostGenerations);
}

/** The latest moment at which this generation can have been made. */
export function youngestMs(generations: readonly GenerationReceipt[], generation: number): number | undefined {
  return generations.find((later) => later.generation >= generation)?.receivedMs;
}

/**
 * Whether the resource was read since the candidate's signal came, so that an event which lags cannot pass for news.
 * One that asks for a term needs no look: the term tells an old signal.
 */
export function isConfirmed({ looked }: LeaseMemory, { term, changedMs }: Candidate, nowMs: number): boolean {
  if (term !== undefined) return true;
  return looked !== undefined && looked.sentMs >= changedMs && nowMs - looked.receivedMs <= lookLastsMs;
}

/**
 * Whether nothing is missing between the candidate's signal and the newest state of the resource: what is still to
 * come may be its release. Before the resource was read nobody knows of anything that is missing.
 */
export function isSettled({ generations }: LeaseMemory, { term, generation }: Candidate): boolean {
  if (term !== undefined) return true;
  const later = generations.filter((seen) => seen.generation > generation);
  const newest = later.at(-1)?.generation ?? generation;
  return newest - generation === later.length;
}
