import type { ElectionState } from "./election-state.ts";

/** Hint reads come in bursts of 10, then 2 a second. */
export const hintBurst = 10;
const hintsPerMs = 2 / 1000;

/** When the next read that a hint asked for is allowed. */
export function hintReadAtMs(state: ElectionState, nowMs: number): number {
  const tokens = state.hintTokens + (nowMs - state.hintTokensAtMs) * hintsPerMs;
  return tokens >= 1 ? nowMs : nowMs + (1 - tokens) / hintsPerMs;
}

/** Takes one token for a hint read. */
export function spendHintToken(state: ElectionState, nowMs: number): void {
  const tokens = Math.min(hintBurst, state.hintTokens + (nowMs - state.hintTokensAtMs) * hintsPerMs);
  state.hintTokens = tokens - 1;
  state.hintTokensAtMs = nowMs;
}
