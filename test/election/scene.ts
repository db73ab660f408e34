import { expect, it } from "vitest";
import { FakeLock, ManualClock } from "../../src/testing/index.ts";
import { ElectorStage, type Candidate, type CandidateOptions } from "../../src/testing/elector-stage.ts";

/** Setup D of the fault scenarios: client-go's numbers. */
export const defaults = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 };

/** One scenario: a lease in memory, its candidates, and time that stands. */
export interface Scene {
  readonly clock: ManualClock;
  readonly stage: ElectorStage;
  /** What everybody competes for, in the hand of the test. */
  readonly place: FakeLock;
  /** A candidate with the numbers of setup D, which campaigns; `prepare` comes before its first call. */
  run(options?: CandidateOptions, prepare?: (candidate: Candidate) => void): Promise<Candidate>;
  /** Moves time in steps, and checks after each that at most one candidate leads. */
  pass(ms: number, stepMs?: number): Promise<void>;
}

export type Watch = "none" | "bare" | "records";

function sceneOf(watch: Watch): Scene {
  const clock = new ManualClock();
  const place = new FakeLock({ clock, watch, identity: "nobody" });
  let candidates = 0;
  const stage = new ElectorStage({
    clock,
    connect: () => place.forCandidate(`baz_${(candidates += 1)}`),
    put: (record) => (record === undefined ? place.erase() : place.put(record)),
  });
  const all: Candidate[] = [];
  return {
    ...{ clock, place, stage },
    async run(options = {}, prepare = () => {}) {
      const settings = { ...defaults, ...options.settings };
      const candidate = await stage.candidate({ watched: "through", ...options, settings });
      all.push(candidate);
      prepare(candidate);
      candidate.run();
      await clock.advance();
      return candidate;
    },
    async pass(ms, stepMs = 250) {
      for (let passed = 0; passed < ms; passed += stepMs) {
        await clock.advance(Math.min(stepMs, ms - passed));
        const leaders = all.filter(({ terms }) => terms.at(-1)?.isHeld() === true);
        expect(leaders.length, `leaders at ${clock.monotonicMs()} ms`).toBeLessThanOrEqual(1);
      }
    },
  };
}

/**
 * Registers one scenario. It ends with the checks that all share: everybody settles in time after a stop, was never a
 * busy loop, leaves no timer behind, and asks the lock nothing more.
 */
export function scenario(title: string, play: (scene: Scene) => Promise<void>, watch: Watch = "none"): void {
  it(title, async () => {
    const scene = sceneOf(watch);
    await play(scene);
    await scene.stage.finish();
    const calls = scene.stage.calls;
    await scene.clock.advance(120_000);
    expect(scene.stage.calls).toBe(calls);
    expect(scene.clock.timerCount).toBe(0);
  });
}

/** What the story tells from `line` on. */
export function since(story: readonly string[], line: string): readonly string[] {
  const index = story.indexOf(line);
  return index < 0 ? [] : story.slice(index);
}

/** The starts and stops of a story. */
export function startsAndStops({ story }: Candidate): string[] {
  return story.filter((line) => /^(start|stop)/.test(line));
}

/** The calls of a candidate as `operation@time`, from `fromMs` on. */
export function callsSince({ lock }: Candidate, fromMs: number): string[] {
  return lock.log.filter(({ atMs }) => atMs >= fromMs).map(({ operation, atMs }) => `${operation}@${atMs}`);
}
