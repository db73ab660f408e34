import type { Action } from "../../src/election/action.ts";
import { decide } from "../../src/election/decide.ts";
import type { ElectionState, Readings } from "../../src/election/election-state.ts";
import { resolveSettings, type ResolvedSettings } from "../../src/election/settings.ts";
import { FakeLock } from "../../src/testing/fake-lock.ts";

/** How often a rare thing may happen on one path. */
export interface Rare {
  /** Another hand edits what is not ours: a new version of the same record. */
  readonly edits: number;
  /** The record is deleted (outside of A3; S5 and S3 have their own clauses for it). */
  readonly deletions: number;
  /** A request is delivered twice. */
  readonly doubles: number;
  /** A write is refused, with the proof that it had no effect. */
  readonly refusals: number;
  /** A leader resigns. */
  readonly ends: number;
}

/** The world that two candidates live in. */
export interface Setup {
  readonly name: string;
  /** How far each candidate's clock moves in one tick. */
  readonly stepMs: readonly [number, number];
  /** In a pause the observer's clock stands, as it does in suspend; the leader's runs on. */
  readonly suspends: boolean;
  /** Hints with records, late and out of order, beside the reads. */
  readonly watches: boolean;
  readonly start: "nothing stored" | "a dead holder" | "one leads" | "one is silent" | "a release is late";
  readonly rare: Partial<Rare>;
}

/** What is explored: the real decision with the real settings, or a copy of them with a flaw. */
export interface Rules {
  readonly decide: (state: ElectionState, now: Readings, settings: ResolvedSettings) => Action;
  readonly settings: ResolvedSettings;
  /** Called after an answer was folded: `written`, or `unknown` for an end that nobody knows. */
  readonly folded?: (state: ElectionState, what: "written" | "unknown", now: Readings) => void;
  /** Called after a release was begun. */
  readonly releasing?: (state: ElectionState) => void;
}

/** L, V and P of the exploration: three, two and one tick of 10 s, the ratio of the defaults. */
export const honest: ResolvedSettings = resolveSettings({
  lock: new FakeLock({ identity: "nobody" }),
  leaseDurationMs: 30_000,
  renewDeadlineMs: 20_000,
  retryPeriodMs: 10_000,
  attemptTimeoutMs: 10_000,
  releaseTimeoutMs: 20_000,
}).settings;

/** The rules as they are. */
export const rules: Rules = { decide, settings: honest };

const calm = { stepMs: [10_000, 10_000], suspends: false, watches: false, rare: {} } as const;

/** The leader's clock at 0.8 and the standby's at 1.2 of the true rate: the theorem is then an equation. */
const apart = [10_000, 15_000] as const;

export const setups: readonly Setup[] = [
  { ...calm, name: "from nothing", start: "nothing stored" },
  { ...calm, name: "after a dead holder", start: "a dead holder", rare: { doubles: 1 } },
  { ...calm, name: "one leads", start: "one leads" },
  { ...calm, name: "one leads, clocks as far apart as allowed", start: "one leads", stepMs: apart },
  { ...calm, name: "one is silent, clocks as far apart as allowed", start: "one is silent", stepMs: apart },
  { ...calm, name: "one leads, pauses are suspends", start: "one leads", suspends: true, stepMs: apart },
  { ...calm, name: "one leads and may resign", start: "one leads", stepMs: apart, rare: { ends: 1, refusals: 1 } },
  { ...calm, name: "a release is late", start: "a release is late", stepMs: apart, rare: { ends: 1 } },
  { ...calm, name: "one leads, edits and doubled requests", start: "one leads", rare: { edits: 1, doubles: 1 } },
  { ...calm, name: "one leads, the record is deleted", start: "one leads", stepMs: apart, rare: { deletions: 1 } },
  { ...calm, name: "one leads, hints", start: "one leads", watches: true, stepMs: apart, rare: { ends: 1 } },
];
