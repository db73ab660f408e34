import type { Hint } from "./versioned-storage.ts";

/**
 * Carries hints from a push to one reader. Holds the newest hint only: hints may be merged, and memory stays bounded.
 */
export class HintQueue {
  #pending: Hint | undefined;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  /** The newest hint wins; push a bare one where the key is gone. */
  push(hint: Hint): void {
    this.#pending = hint;
    this.#wake?.();
  }

  /** Ends the hints with an error; only for what waiting cannot cure. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake?.();
  }

  /** The hints, until `signal` falls; then it ends without an error. */
  async *hints(signal: AbortSignal): AsyncGenerator<Hint, void, undefined> {
    const wake = (): void => this.#wake?.();
    signal.addEventListener("abort", wake);
    try {
      while (!signal.aborted) {
        const hint = this.#pending;
        this.#pending = undefined;
        if (hint !== undefined) yield hint;
        else if (this.#failure !== undefined) throw this.#failure.error;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      signal.removeEventListener("abort", wake);
    }
  }
}
