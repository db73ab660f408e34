import { microTime } from "../system/micro-time.ts";
import type { ElectionClocks } from "./election-clocks.ts";

/** The `renewTime` of each write: strictly growing, so that a (holder, renewTime) pair names one write. */
export class RenewTimes {
  readonly #clocks: ElectionClocks;
  #lastUs = 0;

  constructor(clocks: ElectionClocks) {
    this.#clocks = clocks;
  }

  /** The wall clock, or a microsecond after the last one where that stands or has stepped back. */
  next(): string {
    this.#lastUs = Math.max(Math.floor(this.#clocks.wallMs() * 1000), this.#lastUs + 1);
    return microTime(this.#lastUs);
  }
}
