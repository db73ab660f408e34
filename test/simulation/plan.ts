import type { SeededRandom } from "../../src/testing/seeded-random.ts";

/** Every fault that a run may draw. */
export const faultNames = [
  ...(["requestLost", "answerLost", "late", "doubled", "refused", "failsAfter", "partition", "stale"] as const),
  ...(["hintLost", "hintLate", "hintDoubled", "edit", "deletion", "restored", "serverPause", "hostile"] as const),
  ...(["pause", "suspend", "allClocksStand", "wallStep", "drift", "crash", "resign", "stopAndStart"] as const),
] as const;
export type FaultName = (typeof faultNames)[number];

/** Faults beyond the assumptions A1 and A3: under them exclusion is left to the fence, so they are drawn less often. */
export const breaksAssumptions: ReadonlySet<FaultName> = new Set(["deletion", "restored", "hostile", "allClocksStand"]);

/** What one seed decides before its run begins. */
export interface Plan {
  readonly seed: number;
  readonly faults: ReadonlySet<FaultName>;
  /** How often faults strike, 0.2 to 2. */
  readonly intensity: number;
  readonly candidates: number;
  readonly preset: Preset;
  readonly watch: "records" | "bare" | "none";
  readonly minWriteIntervalMs: number;
  readonly roundTripMs: number;
  readonly work: WorkKind;
  readonly onMissing: "create" | "wait";
  /** Half of the allowed difference of rates: each host runs at 1 ± this. */
  readonly drift: number;
}

export type WorkKind = "short" | "long" | "throws" | "ignoresAbort" | "returns";

export interface Preset {
  readonly leaseDurationMs: number;
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
}

const presets: readonly Preset[] = [
  { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 },
  { leaseDurationMs: 137_000, renewDeadlineMs: 107_000, retryPeriodMs: 26_000 },
  { leaseDurationMs: 6_000, renewDeadlineMs: 4_000, retryPeriodMs: 1_000 },
  { leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryPeriodMs: 500 },
];

/** Draws a run: a subset of the faults, each with probability one half, and a set-up. */
export function drawPlan(seed: number, random: SeededRandom, drift?: number): Plan {
  const pick = <T>(choices: readonly T[]): T => {
    const choice = choices[Math.floor(random.next() * choices.length)];
    if (choice === undefined) throw new Error("nothing to pick from");
    return choice;
  };
  const faults = new Set(faultNames.filter((name) => random.next() < (breaksAssumptions.has(name) ? 0.12 : 0.5)));
  const preset = pick(presets);
  return {
    ...{ seed, faults, preset },
    intensity: 0.2 + 1.8 * random.next(),
    candidates: 1 + Math.floor(random.next() * 7),
    watch: pick(["records", "bare", "none"]),
    minWriteIntervalMs: pick([0, 0, 0, Math.min(1_000, preset.retryPeriodMs / 2)]),
    roundTripMs: pick([0.5, 2, 20, 100]),
    work: pick(["short", "short", "long", "throws", "ignoresAbort", "returns"]),
    onMissing: pick(["create", "create", "wait"]),
    drift: drift ?? pick([0, 0.0005, 0.02, 0.05, preset.leaseDurationMs > 100_000 ? 0.08 : 0.09]),
  };
}
