import { setTimeout as pause } from "node:timers/promises";
import { expect } from "vitest";
import { atMs } from "./support/candidate-process.ts";
import { timing } from "./support/candidates.ts";
import { expectWaited, firstStart, l1Ms, l2Ms, scenario, seldomMs } from "./support/scenario.ts";

// A leader's process ends without a chance to say so.

scenario("#28: SIGKILL of the leader: one standby takes over within L1, with a larger term", async (candidates) => {
  const leader = await candidates.startLeader("a");
  const standbys = await Promise.all([candidates.startStandby("b"), candidates.startStandby("c")]);
  await pause(Math.random() * timing.renewDeadlineMs); // anywhere between two renewals
  const killedMs = performance.now();
  leader.signal("SIGKILL");
  const { winner, term } = await firstStart(standbys);
  expect(performance.now() - killedMs).toBeLessThan(l1Ms);
  expect(term).toBeGreaterThan(1);
  await expectWaited(candidates, winner, leader);
  await winner.until("step", { where: ({ outcome }) => outcome === "accepted" });
});

for (const identity of [undefined, "fixed"]) {
  const same = identity === undefined ? "the same label" : "the same fixed identity";
  scenario(`#34: a restart with ${same} after a crash waits for the lease, and gets a new term`, async (candidates) => {
    const settings = { ...(identity !== undefined && { identity }) };
    const first = await candidates.startLeader("same", settings);
    first.signal("SIGKILL");
    await first.exited;
    const second = await candidates.startLeader("same", settings);
    const [started] = second.all("started");
    expect(started?.term).toBeGreaterThan(1);
    await expectWaited(candidates, second, first);
    await second.until("step", { where: ({ outcome }) => outcome === "accepted" });
  });
}

for (const at of ["before", "during", "after"] as const) {
  scenario(`#37: SIGKILL ${at} the release: nobody overlaps, the term grows`, async (candidates) => {
    const leader = await candidates.startLeader("a");
    const standby = await candidates.startStandby("b", { pollMs: seldomMs });
    if (at !== "during") leader.command({ do: "dieInRelease", at });
    leader.signal("SIGTERM");
    if (at === "during")
      void leader.until("sending", { where: ({ op }) => op === "release" }).then(() => leader.signal("SIGKILL"));
    const [{ term }, { signal }] = await Promise.all([firstStart([standby]), leader.exited]);
    expect(signal).toBe("SIGKILL");
    expect(term).toBeGreaterThan(1);
    if (at === "before") await expectWaited(candidates, standby, leader);
    const released = leader.all("sending").find(({ op }) => op === "release");
    const [elected] = standby.all("elected");
    const handoverMs = atMs(elected ?? { atNs: "0" }) - atMs(released ?? { atNs: "0" });
    if (at === "after") expect(handoverMs).toBeLessThan(l2Ms);
    await standby.until("step", { where: ({ outcome }) => outcome === "accepted" });
  });
}

scenario(
  "#38: a leader that has nothing else to do lives on; one that exits keeps its lease until expiry",
  async (candidates) => {
    // `acquire`, and then not a single handle of its own: what keeps the process alive is the term.
    const leader = await candidates.startLeader("a", { face: "acquire" });
    const standby = await candidates.startStandby("b");
    await pause(timing.leaseDurationMs + 500);
    expect(leader.running).toBe(true);
    expect(standby.count("started")).toBe(0);
    leader.command({ do: "exit" });
    expect(await leader.exited).toEqual({ code: 0, signal: null });
    await firstStart([standby]);
    expect(leader.all("sending").filter(({ op }) => op === "release")).toEqual([]);
    await expectWaited(candidates, standby, leader);
    await standby.until("step", { where: ({ outcome }) => outcome === "accepted" });
  },
);

scenario(
  "#35: an uncaught exception kills the process: nothing is released, the lease runs out",
  async (candidates) => {
    const leader = await candidates.startLeader("a");
    const standby = await candidates.startStandby("b");
    leader.command({ do: "throwUncaught" });
    expect(await leader.exited).toEqual({ code: 1, signal: null });
    await firstStart([standby]);
    expect(leader.all("sending").filter(({ op }) => op === "release")).toEqual([]);
    await expectWaited(candidates, standby, leader);
    await standby.until("step", { where: ({ outcome }) => outcome === "accepted" });
  },
);

scenario("#35: work that throws ends its term; the release waits for its last step", async (candidates) => {
  const leader = await candidates.startLeader("a");
  const standby = await candidates.startStandby("b", { pollMs: seldomMs });
  const stepMs = 800;
  leader.command({ do: "throwInWork", stepMs });
  const [{ term }, draining] = await Promise.all([firstStart([standby]), leader.until("draining")]);
  expect(draining.reason).toBe("workFailed");
  const lastStep = leader.all("step").findLast(({ outcome }) => outcome === "accepted");
  const release = leader.all("sending").find(({ op }) => op === "release");
  const [stepEndMs, releaseMs] = [atMs(lastStep ?? { atNs: "0" }), atMs(release ?? { atNs: "0" })];
  expect(stepEndMs - atMs(draining)).toBeGreaterThan(stepMs - 50);
  expect(releaseMs).toBeGreaterThan(stepEndMs - 1);
  expect(atMs(await standby.until("elected")) - releaseMs).toBeLessThan(l2Ms);
  expect(term).toBeGreaterThan(1);
  await standby.until("step", { where: ({ outcome }) => outcome === "accepted" });
});
