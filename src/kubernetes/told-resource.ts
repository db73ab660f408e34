import { headOf } from "../resources/identity.ts";
import { isRepeated } from "./reflected-change.ts";

/** Who is told; see `SingleWatcherOptions`. */
export interface ToldResourceParts<T extends object> {
  readonly onChange: (current: T | undefined, previous: T | undefined) => void | Promise<void>;
  readonly onSyncComplete?: (current: T | undefined) => void | Promise<void>;
  readonly includeStatus?: boolean;
  readonly onError?: (error: unknown, where: "callback") => void;
}

/**
 * Tells the changes of one resource, one call at a time; what changes during a call is told after it, as one change.
 */
export class ToldResource<T extends object> {
  readonly #parts: ToldResourceParts<T>;
  #told: T | undefined;
  #isSyncTold = false;
  #isTelling = false;
  /** Of the latest run: a call that outlives its run must not keep the next one from telling. */
  #signal: AbortSignal | undefined;

  constructor(parts: ToldResourceParts<T>) {
    this.#parts = parts;
  }

  /** Tells what there is to tell, until nothing is left, or the signal falls. */
  tell(current: () => T | undefined, signal: AbortSignal): void {
    this.#signal = signal;
    if (!this.#isTelling) void this.#tellAll(current);
  }

  /** Never rejects. */
  async #tellAll(current: () => T | undefined): Promise<void> {
    this.#isTelling = true;
    for (let call = this.#next(current()); call !== undefined; call = this.#next(current())) {
      try {
        await call();
      } catch (error) {
        this.#tellError(error);
      }
    }
    this.#isTelling = false;
  }

  #tellError(error: unknown): void {
    try {
      this.#parts.onError?.(error, "callback");
    } catch {
      // There is nobody left to tell.
    }
  }

  #next(now: T | undefined): (() => void | Promise<void>) | undefined {
    const { onChange, onSyncComplete, includeStatus = false } = this.#parts;
    if (this.#signal?.aborted === true) return undefined;
    const previous = this.#told;
    if (!this.#isSyncTold) {
      [this.#isSyncTold, this.#told] = [true, now];
      return () => onSyncComplete?.(now);
    }
    const next = nextTold(previous, now, includeStatus);
    this.#told = next === "nothing" ? now : next.resource;
    return next === "nothing" ? undefined : () => onChange(next.resource, previous);
  }
}

/** What is to be told after `told`, on the way to `now`. */
export function nextTold<T extends object>(
  told: T | undefined,
  now: T | undefined,
  includeStatus: boolean,
): { readonly resource: T | undefined } | "nothing" {
  if (told === now) return "nothing";
  if (told === undefined || now === undefined) return { resource: now };
  const [before, head] = [headOf(told), headOf(now)];
  if (before === undefined || head === undefined) return { resource: now };
  if (before.uid !== head.uid) return { resource: undefined }; // one life has ended before the next is told
  if (isRepeated(before, head)) return "nothing";
  const [first, second] = [generationOf(told), generationOf(now)];
  return !includeStatus && first > 0 && first === second ? "nothing" : { resource: now };
}

function generationOf(resource: object): number {
  const generation: unknown = Reflect.get(Object(Reflect.get(resource, "metadata")), "generation");
  return typeof generation === "number" ? generation : 0;
}
