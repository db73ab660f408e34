import { setTimeout as pause } from "node:timers/promises";
import { expect } from "vitest";
import { atMs, type Candidate } from "./support/candidate-process.ts";
import { timing } from "./support/candidates.ts";
import { expectWaited, firstStart, scenario } from "./support/scenario.ts";

// Who contends, and by which clock: twins, many at once, and wall clocks that step.

for (const identity of [undefined, "fixed"]) {
  const what = identity === undefined ? "the same label waits" : "the same fixed identity warns, and waits";
  scenario(`#33: a second process with ${what} for the lease`, async (candidates) => {
    const settings = { ...(identity !== undefined && { identity }) };
    const first = await candidates.startLeader("same", settings);
    const second = candidates.start("same", settings);
    if (identity === undefined) await second.until("newLeader");
    else await second.until("alarm", { where: ({ kind }) => kind === "duplicateIdentity" });
    await pause(timing.leaseDurationMs + 200); // the first one renews meanwhile
    expect([second.count("started"), first.count("stopped")]).toEqual([0, 0]);
    first.signal("SIGKILL");
    const { term } = await firstStart([second]);
    expect(term).toBe(2);
    await expectWaited(candidates, second, first);
    await second.until("step", { where: ({ outcome }) => outcome === "accepted" });
  });
}

scenario(
  "16 processes race for one file lease, some are killed: one at a time, in growing terms",
  async (candidates) => {
    const settings = { workMs: 150, stepEveryMs: 20 };
    const racing = Array.from({ length: 16 }, (_, number) => candidates.start(`racer-${number}`, settings));
    await Promise.any(racing.map((racer) => racer.until("started")));
    const terms = (): number => new Set(racing.flatMap((racer) => racer.all("started").map(({ term }) => term))).size;
    for (let killed = 0; killed < 2; killed += 1) {
      await pause(1_500);
      const { winner } = await firstStart(racing.filter(({ running }) => running));
      winner.signal("SIGKILL");
    }
    const before = terms();
    await firstStart(racing.filter(({ running }) => running)); // after the lease of the killed one
    await pause(1_500);
    for (const racer of racing) racer.signal("SIGTERM");
    await Promise.all(racing.map((racer) => racer.exited));
    expect(terms()).toBeGreaterThan(before + 3);
    expect(new Set(candidates.journal.accepted.map(({ actor }) => actor)).size).toBeGreaterThan(3);
  },
);

/** The times between the sends of one candidate's renewals. */
function renewalGapsMs(candidate: Candidate): number[] {
  const sent = candidate.all("sending").filter(({ op }) => op !== "release");
  return sent.slice(1).map((told, index) => atMs(told) - atMs(sent[index] ?? told));
}

const hourMs = 3_600_000;
// The wall clock of one process cannot be stepped from outside, so the steps are made in the Clock that the child's
// elector is given; every other clock, and all that runs, is real.

scenario(
  "#1: the leader's wall clock (its injected reading) steps +1 h, -1 h: same leader, held again at once",
  async (candidates) => {
    const leader = await candidates.startLeader("a");
    const standby = await candidates.startStandby("b");
    for (const ms of [hourMs, -hourMs]) {
      leader.command({ do: "stepWall", ms });
      const suspected = await leader.until("suspected", { after: ms > 0 ? 0 : 1 });
      expect(suspected.heldAtOnce).toBe(ms < 0); // a step back explains nothing that could have been missed
      expect(suspected.notHeldForMs).toBeLessThan(500); // one round trip, on a machine that runs all scenarios at once
      await pause(1_200);
    }
    expect([leader.count("suspect"), leader.count("stopped"), standby.count("started")]).toEqual([1, 0, 0]);
    expect(Math.max(...renewalGapsMs(leader))).toBeLessThan(timing.renewDeadlineMs);
  },
);

for (const ms of [hourMs, -hourMs]) {
  const step = ms > 0 ? "+1 h" : "-1 h";
  scenario(
    `#2: a standby's wall clock (its injected reading) steps ${step}: the takeover comes on time`,
    async (candidates) => {
      const leader = await candidates.startLeader("a");
      const standby = await candidates.startStandby("b");
      standby.command({ do: "stepWall", ms });
      await leader.until("renewed", { after: leader.count("renewed") });
      leader.signal("SIGKILL");
      await firstStart([standby]);
      const waitedMs = await expectWaited(candidates, standby, leader);
      // The herd window grows with the round trip, up to a second: on a machine that runs all scenarios at once it may.
      expect(waitedMs).toBeLessThan(timing.leaseDurationMs + 1_500);
      await standby.until("step", { where: ({ outcome }) => outcome === "accepted" });
    },
  );
}
