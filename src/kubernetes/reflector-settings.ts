import { InvalidSettingsError } from "../errors.ts";

/** How a `Reflector` follows; plain data. */
export interface ReflectorSettings {
  /** Resources on one page of a list, 1 to 10 000; default 500. */
  readonly pageSize?: number;
  /**
   * After so long without a byte, not even a bookmark, a watch is taken for dead; at least 1 000 ms, default 120 000: a
   * server sends a bookmark each minute.
   */
  readonly idleTimeoutMs?: number;
  /** How long a server is to keep a watch open, drawn between these two; default 300 and 600. */
  readonly watchSeconds?: { readonly least: number; readonly most: number };
  /** The deadline of one page of a list, in milliseconds; at least 1 000, default 30 000. */
  readonly listTimeoutMs?: number;
  /** The kind that its resources have to be of, `"Lease"`; default: what lists and bookmarks say that they are of. */
  readonly kind?: string;
}

/** The same, checked and whole. */
export interface ResolvedReflectorSettings {
  readonly pageSize: number;
  readonly idleTimeoutMs: number;
  readonly watchSeconds: { readonly least: number; readonly most: number };
  readonly listTimeoutMs: number;
  readonly kind: string | undefined;
}

const longestMs = 2 ** 31 - 1;

/** @throws {InvalidSettingsError} with everything that is wrong. */
export function resolveReflectorSettings(settings: ReflectorSettings = {}): ResolvedReflectorSettings {
  const { pageSize = 500, idleTimeoutMs = 120_000, listTimeoutMs = 30_000, kind } = settings;
  const { watchSeconds = { least: 300, most: 600 } } = settings;
  const problems = [
    ...outside("pageSize", pageSize, [1, 10_000]),
    ...outside("idleTimeoutMs", idleTimeoutMs, [1_000, longestMs]),
    ...outside("listTimeoutMs", listTimeoutMs, [1_000, longestMs]),
    ...outside("watchSeconds.least", watchSeconds.least, [1, 86_400]),
    ...outside("watchSeconds.most", watchSeconds.most, [watchSeconds.least, 86_400]),
    ...(kind === undefined || (typeof kind === "string" && kind !== "") ? [] : ["kind must be a name"]),
  ];
  if (problems.length > 0) throw new InvalidSettingsError(problems, { operation: "watch" });
  return { pageSize, idleTimeoutMs, watchSeconds, listTimeoutMs, kind };
}

function outside(name: string, value: number, [least, most]: readonly [number, number]): readonly string[] {
  if (Number.isInteger(value) && value >= least && value <= most) return [];
  return [`${name} (${String(value)}) must be a whole number from ${least} to ${most}`];
}
