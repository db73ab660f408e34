import type { Chance } from "./chance.ts";

/** Every fault that a run may draw. */
export const faultNames = [
  ...(["requestLost", "answerLost", "late", "doubled", "reordered", "refused", "failsAfter", "partition"] as const),
  ...(["hung", "stale", "hintLost", "hintLate", "hintDoubled", "edit", "deletion", "restored", "hostile"] as const),
  ...(["serverPause", "pause", "suspend", "allClocksStand", "wallStep", "drift", "crash"] as const),
  ...(["resign", "stopAndStart", "blockedLoop", "lingers"] as const),
  // How they strike: at whoever leads; in company; a whole server at once.
  ...(["aimed", "company", "overload", "repeated", "hintFlood", "peeks", "sendPause"] as const),
] as const;
export type FaultName = (typeof faultNames)[number];

/**
 * Faults beyond the assumptions A1 and A3: around them exclusion is left to the fence. They are drawn less often than
 * the others, so that most runs demand everything all the time.
 */
const breaksAssumptions: ReadonlySet<FaultName> = new Set(["deletion", "restored", "allClocksStand"]);

/** How the work of a term behaves. */
export type WorkKind = "short" | "long" | "throws" | "ignoresAbort" | "returns";

/** The three numbers that a user chooses. */
export interface Preset {
  readonly leaseDurationMs: number;
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
}

/** What one seed decides before its run begins. */
export interface Plan {
  readonly seed: number;
  readonly faults: ReadonlySet<FaultName>;
  /** How often faults strike, 0.2 to 2. */
  readonly intensity: number;
  readonly candidates: number;
  readonly preset: Preset;
  readonly watch: "records" | "bare" | "none";
  /** `content`: made from the bytes, so a touch changes nothing; the others change with every write, a touch too. */
  readonly versions: "counter" | "opaque" | "content";
  readonly minWriteIntervalMs: number;
  /** How long the server takes for a write before it applies it. */
  readonly slowWriteMs: number;
  readonly roundTripMs: number;
  readonly work: WorkKind;
  readonly whenWorkReturns: "keep" | "resign";
  readonly onMissing: "create" | "wait";
  readonly termFloor: boolean;
  /** Two locks on two servers, held both. */
  readonly multiLock: boolean;
  /** Half of the allowed difference of rates: each host runs at 1 ± this. */
  readonly drift: number;
}

/** What a caller may fix instead of leaving it to the seed. */
export interface PlanOptions {
  readonly drift?: number;
  /** Exactly these faults, instead of the drawn ones. */
  readonly faults?: readonly FaultName[];
  /** These are left out. */
  readonly without?: ReadonlySet<FaultName>;
}

const presets: readonly [Preset, ...Preset[]] = [
  { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 },
  { leaseDurationMs: 137_000, renewDeadlineMs: 107_000, retryPeriodMs: 26_000 },
  { leaseDurationMs: 6_000, renewDeadlineMs: 4_000, retryPeriodMs: 1_000 },
  { leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryPeriodMs: 500 },
];

/** Draws a run: a subset of the faults, each with probability one half, and a set-up. */
export function drawPlan(seed: number, chance: Chance, { drift, faults, without }: PlanOptions = {}): Plan {
  const drawn = faultNames.filter((name) =>
    chance.of(`plan ${name}`).happens(breaksAssumptions.has(name) ? 0.25 : 0.5),
  );
  const pick = <T>(name: string, choices: readonly [T, ...T[]]): T => chance.of(`plan ${name}`).pick(choices);
  const preset = pick("preset", presets);
  const { retryPeriodMs } = preset;
  return {
    ...{ seed, preset, faults: new Set((faults ?? drawn).filter((name) => without?.has(name) !== true)) },
    intensity: chance.of("plan intensity").between(0.2, 2),
    candidates: 1 + Math.floor(chance.of("plan candidates").next() * 7),
    watch: pick("watch", ["records", "bare", "none"]),
    versions: pick("versions", ["counter", "opaque", "content"]),
    minWriteIntervalMs: pick("minWriteInterval", [0, 0, 0, Math.min(1_000, retryPeriodMs / 2)]),
    slowWriteMs: pick("slowWrite", [0, 0, 0, Math.min(300, retryPeriodMs / 4)]),
    roundTripMs: pick("roundTrip", [0.5, 2, 20, 100]),
    work: pick("work", ["short", "short", "long", "throws", "ignoresAbort", "returns"]),
    whenWorkReturns: pick("whenWorkReturns", ["keep", "resign"]),
    onMissing: pick("onMissing", ["create", "create", "wait"]),
    termFloor: pick("termFloor", [false, true]),
    multiLock: pick("multiLock", [false, false, false, true]),
    // Near the proved bound: 0.2 at 15/10/2, 0.12 at 137/107/26.
    drift: drift ?? pick("drift", [0, 0.0005, 0.02, 0.05, preset.leaseDurationMs > 100_000 ? 0.12 : 0.19]),
  };
}

/** Whether the work of this run leaves the election alone: it neither fails, nor goes on after its term. */
export function isSteady({ work, whenWorkReturns }: Plan): boolean {
  return work === "short" || work === "long" || (work === "returns" && whenWorkReturns === "keep");
}
