/** One call of a history. Versions and values are compared only. */
export interface HistoryCall {
  readonly key: string;
  readonly client: number;
  readonly kind: "read" | "create" | "replace" | "remove";
  /** Unique for each write. */
  readonly value?: string;
  readonly expected?: string;
  /** A place in the order of all beginnings and ends. */
  readonly begunAt: number;
  readonly endedAt: number;
  /**
   * `seen`: what a read found; `written`, `refused`; `unknown`: it may have been applied at any time since it began;
   * calls that provably had no effect are left out.
   */
  readonly end:
    | { readonly kind: "seen"; readonly value: string | undefined; readonly version: string | undefined }
    | { readonly kind: "written"; readonly version: string }
    | { readonly kind: "refused" }
    | { readonly kind: "unknown" };
}

/**
 * Why this history is not linearizable, or `undefined` if it is: for each key there has to be one order of all calls
 * that agrees with real time and in which each call does what its contract says. A write whose end is unknown may take
 * its place at any time after it began, or never. Versions must not repeat, and name one value each.
 */
export function linearizabilityProblem(history: readonly HistoryCall[]): string | undefined {
  const keys = new Map<string, HistoryCall[]>();
  for (const call of history) keys.set(call.key, [...(keys.get(call.key) ?? []), call]);
  for (const [key, calls] of keys) {
    const problem = versionProblem(calls) ?? orderProblem(calls);
    if (problem !== undefined) return `${key}: ${problem}`;
  }
  return undefined;
}

/** A version stands for one write, and a write has one version. */
function versionProblem(calls: readonly HistoryCall[]): string | undefined {
  const valueOf = new Map<string, string>();
  const versionOf = new Map<string, string>();
  for (const { kind, value, end } of calls) {
    const named =
      end.kind === "seen" && end.value !== undefined && end.version !== undefined
        ? { value: end.value, version: end.version }
        : end.kind === "written"
          ? { value: kind === "remove" ? `removal ${end.version}` : (value ?? ""), version: end.version }
          : undefined;
    if (named === undefined) continue;
    const { value: written, version } = named;
    if ((valueOf.get(version) ?? written) !== written) return `version ${version} names two writes`;
    if ((versionOf.get(written) ?? version) !== version) return `the write of ${written} has two versions`;
    valueOf.set(version, written);
    versionOf.set(written, version);
  }
  return undefined;
}

/** What is stored: the value of the last write, or nothing. */
type Content = string | undefined;

/** Looks for an order by depth first search; states that were left without success are not entered twice. */
function orderProblem(calls: readonly HistoryCall[]): string | undefined {
  const versions = versionsOf(calls);
  const dead = new Set<string>();
  const search = (left: readonly HistoryCall[], content: Content): boolean => {
    const sure = left.filter(({ end }) => end.kind !== "unknown");
    if (sure.length === 0) return true; // what is left may never have been applied
    const state = `${left.map(({ begunAt }) => begunAt).join()} ${content ?? ""}`;
    if (dead.has(state)) return false;
    const firstEnd = Math.min(...sure.map(({ endedAt }) => endedAt));
    for (const call of left) {
      if (call.begunAt > firstEnd) continue; // another call had ended before this one began
      const next = apply(call, content, versions);
      if (next === undefined) continue;
      const rest = left.filter((other) => other !== call);
      if (search(rest, next.content)) return true;
    }
    dead.add(state);
    return false;
  };
  return search(calls, undefined) ? undefined : `no order of these ${calls.length} calls explains their answers`;
}

/** Values and the versions that somebody has learned of them. */
function versionsOf(calls: readonly HistoryCall[]): ReadonlyMap<string, string> {
  const versions = new Map<string, string>();
  for (const { kind, value, end } of calls) {
    if (end.kind === "seen" && end.value !== undefined && end.version !== undefined)
      versions.set(end.value, end.version);
    if (end.kind === "written" && kind !== "remove" && value !== undefined) versions.set(value, end.version);
  }
  return versions;
}

/** The content after this call, or `undefined` if it cannot have ended this way here. */
function apply(
  { kind, value, expected, end }: HistoryCall,
  content: Content,
  versions: ReadonlyMap<string, string>,
): { readonly content: Content } | undefined {
  if (end.kind === "seen") return end.value === content ? { content } : undefined;
  const current = content === undefined ? undefined : versions.get(content);
  const holds = kind === "create" ? content === undefined : current !== undefined && current === expected;
  if (end.kind === "refused") return holds ? undefined : { content };
  return holds ? { content: kind === "remove" ? undefined : value } : undefined;
}
