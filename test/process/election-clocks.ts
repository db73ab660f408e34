import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { atMs, type Candidate } from "./support/candidate-process.ts";
import { timing, type Candidates } from "./support/candidates.ts";
import { FakeTime, hasFakeTime } from "./support/fake-time.ts";
import { expectWaited, firstStart, scenario } from "./support/scenario.ts";

// Wall clocks that step. Everything that runs is real; the steps are made in the Clock that the elector of the child is
// given and, where libfaketime is installed, by that library in the whole process.

const hourMs = 3_600_000;

/** A process whose wall clock can be stepped, or what that needs. */
interface Stepping {
  readonly env: Readonly<Record<string, string>>;
  /** Steps by so much, from the clock as it is. */
  step(candidate: Candidate, ms: number): void;
}

function injected(): Stepping {
  return { env: {}, step: (candidate, ms) => candidate.command({ do: "stepWall", ms }) };
}

function byFakeTime({ directory }: Candidates): Stepping {
  const time = new FakeTime(directory, "stepped");
  let aheadMs = 0;
  return {
    env: time.env,
    step: (candidate, ms) => {
      aheadMs += ms;
      time.set(aheadMs / 1_000);
      candidate.command({ do: "stepWall", ms: 0 }); // only looks
    },
  };
}

/** The times between the sends of one candidate's renewals. */
function renewalGapsMs(candidate: Candidate): number[] {
  const sent = candidate.all("sending").filter(({ op }) => op !== "release");
  return sent.slice(1).map((told, index) => atMs(told) - atMs(sent[index] ?? told));
}

const ways = { "its injected reading": injected, ...(hasFakeTime && { libfaketime: byFakeTime }) };

for (const [way, makeStepping] of Object.entries(ways)) {
  scenario(
    `#1: the leader's wall clock (${way}) steps +1 h, -1 h: same leader, held again at once`,
    async (candidates) => {
      const stepping = makeStepping(candidates);
      const leader = await candidates.startLeader("a", { env: stepping.env });
      const standby = await candidates.startStandby("b");
      for (const ms of [hourMs, -hourMs]) {
        stepping.step(leader, ms);
        const suspected = await leader.until("suspected", { after: ms > 0 ? 0 : 1 });
        // Nothing can have been missed in a step back. The library's step forwards may be noticed before this look.
        if (ms < 0 || way !== "libfaketime") expect(suspected.heldAtOnce).toBe(ms < 0);
        // One round trip, however long that takes where all scenarios run at once: the renewal that was sent for it,
        // and at most one that was under way.
        const sinceMs = atMs(suspected) - suspected.notHeldForMs;
        const sent = leader.all("sending").filter((told) => atMs(told) >= sinceMs && atMs(told) <= atMs(suspected));
        expect(sent.length).toBeLessThanOrEqual(2);
        expect(suspected.notHeldForMs).toBeLessThan(timing.renewDeadlineMs);
        await pause(1_200);
      }
      expect([leader.count("suspect"), leader.count("stopped"), standby.count("started")]).toEqual([1, 0, 0]);
      expect(Math.max(...renewalGapsMs(leader))).toBeLessThan(timing.renewDeadlineMs);
      // The steps were real: the texts show the one forwards, and stand, a microsecond apart, behind the one back.
      const [before, last] = leader.all("sending").slice(-2).map(wallMs);
      expect(wallStepsOf(leader)).toEqual([hourMs]);
      expect((last ?? 0) - (before ?? 0)).toBeLessThan(2);
    },
  );

  for (const ms of [hourMs, -hourMs]) {
    const step = ms > 0 ? "+1 h" : "-1 h";
    scenario(`#2: a standby's wall clock (${way}) steps ${step}: the takeover comes on time`, async (candidates) => {
      const stepping = makeStepping(candidates);
      const leader = await candidates.startLeader("a");
      const standby = await candidates.startStandby("b", { env: stepping.env });
      stepping.step(standby, ms);
      await leader.until("renewed", { after: leader.count("renewed") });
      leader.signal("SIGKILL");
      await firstStart([standby]);
      const waitedMs = await expectWaited(candidates, standby, leader);
      // The herd window grows with the round trip, up to a second; where all scenarios run at once it may.
      expect(waitedMs).toBeLessThan(timing.leaseDurationMs + 1_500);
      await standby.until("step", { where: ({ outcome }) => outcome === "accepted" });
      expect(Math.abs(writtenAheadMs(leader, standby) - ms)).toBeLessThan(60_000);
    });
  }
}

if (!hasFakeTime) test.skip("not run: #1 and #2 with libfaketime (it is not installed)", () => {});

/** By how much the wall clock of `later` is ahead of that of `sooner`, from the texts that they wrote. */
function writtenAheadMs(sooner: Candidate, later: Candidate): number {
  const [one, other] = [sooner.all("sending").at(-1), later.all("sending")[0]];
  if (one === undefined || other === undefined) throw new Error("one of them wrote nothing");
  return wallMs(other) - wallMs(one) - (atMs(other) - atMs(one));
}

/** The steps of a candidate's wall clock, to the hour, that its renewals show. */
function wallStepsOf(candidate: Candidate): number[] {
  const sent = candidate.all("sending");
  const aheads = sent.map((told) => wallMs(told) - atMs(told));
  const steps = aheads.slice(1).map((ahead, index) => Math.round((ahead - (aheads[index] ?? ahead)) / hourMs) * hourMs);
  return steps.filter((ms) => ms !== 0);
}

function wallMs({ record }: { readonly record: { readonly renewTime: string } }): number {
  return Date.parse(record.renewTime.replace(/\d{3}Z$/, "Z"));
}
