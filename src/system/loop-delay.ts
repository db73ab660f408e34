import { monitorEventLoopDelay } from "node:perf_hooks";

/** How long the event loop of this process stood still. */
export interface LoopDelay {
  /**
   * The longest standstill since the last call, in milliseconds. One that is shorter than some 50 ms, or begins within
   * 50 ms after a call, may be missed.
   */
  takeLongestMs(): number;
  close(): void;
}

/** Twenty looks a second. A rarer one would see less, a more frequent one would keep an idle processor awake. */
const resolutionMs = 50;

/** Measures the event loop of this process, from now on; does not keep the process alive. */
export function systemLoopDelay(): LoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  histogram.enable();
  return {
    takeLongestMs() {
      const longestMs = histogram.count === 0 ? 0 : histogram.max / 1e6;
      histogram.reset();
      return Math.max(0, longestMs - resolutionMs); // it counts from look to look
    },
    close: () => void histogram.disable(),
  };
}
