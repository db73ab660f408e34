/** The numbers of an elector, in milliseconds (`driftRatio` has no unit). */
export interface Durations {
  readonly leaseDurationMs: number;
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
  readonly renewIntervalMs: number;
  readonly attemptTimeoutMs: number;
  readonly driftRatio: number;
  readonly stepMarginMs: number;
  readonly holderGraceMs: number;
  readonly herdJitterMs: number;
  readonly drainTimeoutMs: number;
  readonly releaseTimeoutMs: number;
  readonly maxHonouredLeaseMs: number;
  readonly workBackoffMs: { readonly minMs: number; readonly maxMs: number };
}

/** How much trouble the settings survive; derived from them, and logged once. */
export interface Tolerances {
  /** Clock rates may be off by this share, either way: 0.2 at the defaults. */
  readonly clockRate: number;
  /** leaseDurationMs / renewDeadlineMs: the real ratio of clock rates that is tolerated, without a step margin. */
  readonly clockRatio: number;
  /** The step margin that these settings leave at a `driftRatio` of 1.2. */
  readonly stepMarginLeftMs: number;
  /** The longest outage of the storage that no term is lost by. */
  readonly outageMs: number;
  readonly writesPerMinute: number;
}

type GivenDurations = { readonly [Name in keyof Durations]?: Durations[Name] };

const greatestMs = 2 ** 31 - 1;

/** Completes the numbers with the defaults of client-go (15, 10 and 2 s) and what follows from them. */
export function resolveDurations(given: GivenDurations): Durations {
  // What follows from a number that is none follows from its default, so that only what was given is blamed.
  const leaseDurationMs = usable(given.leaseDurationMs, 15_000);
  const renewDeadlineMs = usable(given.renewDeadlineMs, 10_000);
  const retryPeriodMs = usable(given.retryPeriodMs, 2_000);
  return {
    leaseDurationMs: given.leaseDurationMs ?? leaseDurationMs,
    renewDeadlineMs: given.renewDeadlineMs ?? renewDeadlineMs,
    retryPeriodMs: given.retryPeriodMs ?? retryPeriodMs,
    renewIntervalMs: given.renewIntervalMs ?? Math.min(leaseDurationMs / 3, renewDeadlineMs / 2),
    attemptTimeoutMs: given.attemptTimeoutMs ?? Math.min(renewDeadlineMs, Math.max(1_000, renewDeadlineMs / 2)),
    driftRatio: given.driftRatio ?? 1.2,
    stepMarginMs: given.stepMarginMs ?? 0,
    holderGraceMs: given.holderGraceMs ?? 0,
    herdJitterMs: given.herdJitterMs ?? Math.min(50, retryPeriodMs),
    drainTimeoutMs: given.drainTimeoutMs ?? renewDeadlineMs,
    releaseTimeoutMs: given.releaseTimeoutMs ?? renewDeadlineMs / 2,
    maxHonouredLeaseMs: given.maxHonouredLeaseMs ?? Math.max(3_600_000, leaseDurationMs),
    workBackoffMs: given.workBackoffMs ?? { minMs: 1_000, maxMs: 60_000 },
  };
}

function usable(value: unknown, otherwise: number): number {
  return typeof value === "number" && value > 0 && value <= greatestMs ? value : otherwise;
}

const mayBeZero: ReadonlySet<string> = new Set(["stepMarginMs", "holderGraceMs", "herdJitterMs"]);

/** Every problem of the numbers; empty when the theorem of `docs/guarantees.md` holds for them. */
export function durationProblems(durations: Durations, minWriteIntervalMs: number): string[] {
  const { workBackoffMs, driftRatio, ...named } = durations;
  const problems = Object.entries(named).flatMap(([name, value]) => rangeProblem(name, value));
  if (!(Number.isFinite(driftRatio) && driftRatio >= 1.2)) {
    problems.push(`driftRatio (${shown(driftRatio)}) must be a number of at least 1.2`);
  }
  problems.push(...backoffProblems(workBackoffMs));
  return [...problems, ...relationProblems(numbersOf(durations), minWriteIntervalMs)];
}

function rangeProblem(name: string, value: unknown): string[] {
  const least = mayBeZero.has(name) ? "0 or more" : "more than 0";
  const fine = typeof value === "number" && Number.isFinite(value) && (mayBeZero.has(name) ? value >= 0 : value > 0);
  if (!fine) return [`${name} (${shown(value)}) must be a finite number of milliseconds, ${least}`];
  return value > greatestMs ? [`${name} (${value}) must be at most ${greatestMs}`] : [];
}

function backoffProblems(backoff: unknown): string[] {
  if (typeof backoff !== "object" || backoff === null) return ["workBackoffMs must be { minMs, maxMs }"];
  const minMs: unknown = Reflect.get(backoff, "minMs");
  const maxMs: unknown = Reflect.get(backoff, "maxMs");
  const problems = [...rangeProblem("workBackoffMs.minMs", minMs), ...rangeProblem("workBackoffMs.maxMs", maxMs)];
  if (problems.length === 0 && Number(minMs) > Number(maxMs)) {
    problems.push(`workBackoffMs.minMs (${shown(minMs)}) must be at most maxMs (${shown(maxMs)})`);
  }
  return problems;
}

/** What is no number compares as NaN; it has been told by itself. */
function numbersOf(durations: Durations): Durations {
  const entries = Object.entries(durations).map(([name, value]: [string, unknown]) => {
    return [name, typeof value === "number" || name === "workBackoffMs" ? value : NaN] as const;
  });
  return { ...durations, ...Object.fromEntries(entries) };
}

/** Any value in a few characters: options come from callers without types, too. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 80));
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") return String(value);
  return value === undefined || value === null ? String(value) : `a value of type ${typeof value}`;
}

function relationProblems(d: Durations, minWriteIntervalMs: number): string[] {
  const problems: string[] = [];
  // Asked the other way round on purpose: a comparison with what is no number is false, and that is told by itself.
  const refuse = (violated: boolean, text: string): void => {
    if (violated) problems.push(text);
  };
  // V/(1-e) + margin <= L/(1+e), with driftRatio = (1+e)/(1-e): the theorem that exclusion rests on.
  const leastLeaseMs = d.driftRatio * d.renewDeadlineMs + (1 + rateOf(d.driftRatio)) * d.stepMarginMs;
  const lease = `leaseDurationMs (${d.leaseDurationMs}) must be at least ${Math.ceil(leastLeaseMs)}`;
  refuse(d.leaseDurationMs < leastLeaseMs, `${lease}: driftRatio x renewDeadlineMs, plus the step margin`);
  const deadline = `renewDeadlineMs (${d.renewDeadlineMs}) must exceed`;
  refuse(d.renewDeadlineMs <= 1.2 * d.retryPeriodMs, `${deadline} 1.2 x retryPeriodMs (${d.retryPeriodMs})`);
  const least = `must be at least the lock's minWriteIntervalMs (${minWriteIntervalMs})`;
  refuse(d.retryPeriodMs < minWriteIntervalMs, `retryPeriodMs (${d.retryPeriodMs}) ${least}`);
  refuse(d.renewIntervalMs < minWriteIntervalMs, `renewIntervalMs (${d.renewIntervalMs}) ${least}`);
  const half = `must be at most half of renewDeadlineMs (${d.renewDeadlineMs})`;
  refuse(d.renewIntervalMs > d.renewDeadlineMs / 2, `renewIntervalMs (${d.renewIntervalMs}) ${half}`);
  const whole = `must be at most renewDeadlineMs (${d.renewDeadlineMs})`;
  refuse(d.attemptTimeoutMs > d.renewDeadlineMs, `attemptTimeoutMs (${d.attemptTimeoutMs}) ${whole}`);
  const herd = `must be at most retryPeriodMs (${d.retryPeriodMs})`;
  refuse(d.herdJitterMs > d.retryPeriodMs, `herdJitterMs (${d.herdJitterMs}) ${herd}`);
  const honoured = `must be at least leaseDurationMs (${d.leaseDurationMs})`;
  refuse(d.maxHonouredLeaseMs < d.leaseDurationMs, `maxHonouredLeaseMs (${d.maxHonouredLeaseMs}) ${honoured}`);
  return problems;
}

/** The rate error e of a ratio (1+e)/(1-e). */
function rateOf(ratio: number): number {
  return (ratio - 1) / (ratio + 1);
}

/** What the settings survive, from the theorem: V/(1-e) + margin <= L/(1+e). */
export function tolerancesOf(d: Durations): Tolerances {
  const { leaseDurationMs: lease, renewDeadlineMs: validity, stepMarginMs: margin } = d;
  const sum = validity + lease;
  // The theorem solved for e: margin*e^2 - (V+L)*e + (L-V-margin) = 0; linear without a margin.
  const root = Math.sqrt(sum * sum - 4 * margin * (lease - validity - margin));
  return {
    clockRate: margin === 0 ? (lease - validity) / sum : (sum - root) / (2 * margin),
    clockRatio: lease / validity,
    stepMarginLeftMs: Math.max(0, (lease - 1.2 * validity) / (1 + rateOf(1.2))),
    outageMs: validity - d.renewIntervalMs,
    writesPerMinute: 60_000 / d.renewIntervalMs,
  };
}
