import { UsageError } from "./usage-error.ts";

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const longestMs = 2 ** 31 - 1;

/**
 * Reads a duration with its unit: `500ms`, `15s`, `1.5s`, `2m`, `1h`. A bare number is refused, since `15` has meant
 * seconds in one tool and milliseconds in the next.
 *
 * @throws {UsageError} that names `where` the text came from.
 */
export function parseDuration(text: string, where: string): number {
  const parts = /^(\d{1,10}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(text);
  if (parts === null) {
    const hint = /^\d+(\.\d+)?$/.test(text) ? ` Did you mean "${text}s" or "${text}ms"?` : "";
    throw new UsageError(`${where}: "${text}" is no duration; write a number and its unit: 500ms, 15s, 2m, 1h.${hint}`);
  }
  const ms = Math.round(Number(parts[1]) * (unitsMs[parts[2] ?? ""] ?? Number.NaN));
  if (ms > longestMs)
    throw new UsageError(`${where}: ${text} is more than the greatest duration, ${formatDuration(longestMs)}.`);
  return ms;
}

/** Writes a duration for people, with its unit: `412ms`, `2.5s`, `3m 20s`, `2h 5m`, `4d 1h`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`;
  if (ms < 60_000) return `${Number((ms / 1000).toFixed(ms < 10_000 ? 1 : 0))}s`;
  const seconds = Math.floor(ms / 1000);
  const [minutes, hours, days] = [Math.floor(seconds / 60), Math.floor(seconds / 3600), Math.floor(seconds / 86_400)];
  if (hours === 0) return withRest(`${minutes}m`, `${seconds % 60}s`);
  if (days === 0) return withRest(`${hours}h`, `${minutes % 60}m`);
  return withRest(`${days}d`, `${hours % 24}h`);
}

function withRest(large: string, small: string): string {
  return small.startsWith("0") ? large : `${large} ${small}`;
}
