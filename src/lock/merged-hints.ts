import { linkSignals } from "../system/signals.ts";
import type { LockHint } from "./resource-lock.ts";

type Watch = (options: { readonly signal: AbortSignal }) => AsyncIterable<LockHint>;

/**
 * The hints of several watches as one, without what they carry. When one of them ends, all do: half a watch would look
 * live and miss changes. An error of one ends it with that error.
 */
export async function* mergedHints(
  watches: readonly Watch[],
  signal: AbortSignal,
): AsyncGenerator<LockHint, void, undefined> {
  const over = linkSignals(signal);
  const merged: Merged = { pending: false, wake: () => {} };
  const wake = (): void => merged.wake();
  over.signal.addEventListener("abort", wake);
  for (const watch of watches) void follow(watch, over.signal, merged);
  try {
    while (!over.signal.aborted) {
      if (merged.pending) {
        merged.pending = false;
        yield {};
      } else if (merged.ended !== undefined) break;
      else await new Promise<void>((resolve) => (merged.wake = resolve));
    }
    if (!signal.aborted && merged.ended && "error" in merged.ended) throw merged.ended.error;
  } finally {
    over.abort(new Error("the watch is over"));
    over.unlink();
    over.signal.removeEventListener("abort", wake);
  }
}

interface Merged {
  pending: boolean;
  ended?: { readonly error?: unknown };
  wake: () => void;
}

/** Never rejects: the error travels in `merged`. */
async function follow(watch: Watch, signal: AbortSignal, merged: Merged): Promise<void> {
  try {
    for await (const _hint of watch({ signal })) {
      merged.pending = true;
      merged.wake();
    }
    merged.ended ??= {};
  } catch (error) {
    merged.ended ??= { error };
  }
  merged.wake();
}
