import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { atMs } from "./support/candidate-process.ts";
import { Candidates, timing } from "./support/candidates.ts";
import { overlaps } from "./support/history.ts";
import { firstStart, repeats, scenario } from "./support/scenario.ts";

// A leader's process stands still, and goes on when somebody else leads.

scenario(
  "#26: SIGSTOP past the lease, SIGCONT: the first look says not held, no step is accepted",
  async (candidates) => {
    const leader = await candidates.startLeader("a");
    const standby = await candidates.startStandby("b");
    leader.signal("SIGSTOP");
    await firstStart([standby]);
    await pause(5_000);
    const accepted = candidates.journal.of(leader).length;
    leader.signal("SIGCONT");
    const gap = await leader.until("gap", { where: ({ ms }) => ms > timing.leaseDurationMs });
    // If it stood within the look itself, what the look says is from before.
    expect(gap.ambiguous || (!gap.held && gap.aborted), JSON.stringify(gap)).toBe(true);
    expect((await leader.until("stopped")).term).toBe(1);
    await leader.until("newLeader", { where: ({ term }) => term > 1 });
    expect(candidates.journal.of(leader).length).toBe(accepted);
    // A busy machine may cost the standby its term by itself; the one who came back must not.
    expect(standby.all("stopped").filter(({ reason }) => reason !== "expired")).toEqual([]);
  },
);

for (const fenced of [true, false]) {
  const title = fenced
    ? "#27: SIGSTOP between check and write: the fence rejects the write"
    : "#27: SIGSTOP between check and write: without a fence the write overlaps, and the checker finds it";
  test.concurrent(title, { repeats }, async () => {
    await using candidates = await Candidates.open({ fenced });
    const leader = await candidates.startLeader("a");
    const standby = await candidates.startStandby("b");
    leader.command({ do: "stopBetweenCheckAndWrite" });
    const stopping = await leader.until("stopping");
    const { term } = await firstStart([standby]);
    await standby.until("step", { after: 3 });
    leader.signal("SIGCONT");
    const step = await leader.until("step", { where: (told) => atMs(told) > atMs(stopping) });
    expect((await leader.until("stopped")).term).toBe(1);
    await standby.until("step", { after: standby.count("step") });
    if (fenced) {
      expect(step).toMatchObject({ term: 1, outcome: "rejected" });
      expect(candidates.journal.rejected).toMatchObject([{ actor: leader.actor, term: 1 }]);
      expect(await candidates.problems()).toEqual([]);
    } else {
      expect(step).toMatchObject({ term: 1, outcome: "outlasted" });
      expect(overlaps(candidates.journal.accepted)).not.toEqual([]);
    }
    expect(term).toBeGreaterThan(1);
  });
}

for (const by of ["loop", "snapshots"] as const) {
  const [number, what] = by === "loop" ? ["#31", "a blocked event loop"] : ["#32", "heap snapshots"];
  scenario(
    `${number}: after ${what} for V + 3 s the next microtask's step is refused, inside the check`,
    async (candidates) => {
      const leader = await candidates.startLeader("a");
      const standby = await candidates.startStandby("b");
      const ms = timing.renewDeadlineMs + 3_000;
      leader.command({ do: "block", ms, by });
      const blocked = await leader.until("blocked");
      expect(blocked).toMatchObject({ term: 1, abortedBefore: false, abortedInside: true, stepRan: false });
      expect(blocked.refusal).toBe("refused");
      expect(blocked.loopDelaySeconds).toBeGreaterThan(ms / 1_000 - 1);
      const blockedMs = atMs(blocked) - ms;
      const late = candidates.journal.of(leader).filter(({ endNs }) => Number(endNs) / 1e6 > blockedMs + 100);
      expect(late).toEqual([]);
      expect((await leader.until("stopped")).reason).toBe("expired");
      await standby.until("step", { where: ({ outcome }) => outcome === "accepted" });
    },
  );
}
