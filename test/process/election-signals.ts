import { setTimeout as pause } from "node:timers/promises";
import { expect } from "vitest";
import { atMs, type Candidate } from "./support/candidate-process.ts";
import type { Candidates } from "./support/candidates.ts";
import { firstStart, l2Ms, scenario, seldomMs } from "./support/scenario.ts";

// A process is asked to end. It handles SIGTERM as the documents show: it aborts the signal of `run`, and waits.

/** Asserts that it ended by itself, and left the lease free behind one release. */
async function expectReleasedOnce(candidates: Candidates, leader: Candidate): Promise<void> {
  expect(await leader.exited).toEqual({ code: 0, signal: null });
  expect(leader.all("applied").filter(({ op }) => op === "release")).toHaveLength(1);
  expect(leader.reports.at(-1)?.did).toBe("settled");
  expect((await candidates.lease()).at(-1)?.holderIdentity).toBe("");
}

scenario(
  "#29: SIGTERM: signal, work ends after 1 s, release, and the successor is pushed within L2",
  async (candidates) => {
    const leader = await candidates.startLeader("a", { drainMs: 1_000 });
    const standby = await candidates.startStandby("b", { pollMs: seldomMs });
    leader.signal("SIGTERM");
    const [{ term }] = await Promise.all([firstStart([standby]), leader.exited]);
    expect(term).toBeGreaterThan(1);
    const release = leader.all("sending").find(({ op }) => op === "release") ?? { atNs: "0" };
    const released = leader.all("applied").find(({ op }) => op === "release") ?? { atNs: "0" };
    const [[signalled], [workEnded], [stopped]] = [
      leader.all("signalled"),
      leader.all("workEnded"),
      leader.all("stopped"),
    ];
    const [settled] = leader.all("settled");
    const order = [signalled, workEnded, stopped, release, released, settled].map((told) =>
      atMs(told ?? { atNs: "0" }),
    );
    expect(order).toEqual(order.toSorted((one, other) => one - other));
    expect(order[0]).toBeGreaterThan(0);
    expect(stopped?.reason).toBe("stopped");
    expect(atMs(workEnded ?? { atNs: "0" }) - atMs(signalled ?? { atNs: "0" })).toBeGreaterThan(990);
    const [elected] = standby.all("elected");
    expect(atMs(elected ?? { atNs: "0" }) - atMs(released)).toBeLessThan(l2Ms);
    expect(await leader.exited).toEqual({ code: 0, signal: null });
    await standby.until("step", { where: ({ outcome }) => outcome === "accepted" });
  },
);

scenario(
  "#30: SIGTERM while acquiring: the late win is released, no start, no stop; a standby just ends",
  async (candidates) => {
    const leader = await candidates.startLeader("a");
    const winner = await candidates.startStandby("b");
    winner.command({ do: "slowWrite", op: "acquire", way: "request", ms: 400 });
    leader.signal("SIGTERM");
    await winner.until("sending", { where: ({ op }) => op === "acquire" });
    winner.signal("SIGTERM");
    await expectReleasedOnce(candidates, winner);
    expect(winner.count("applied")).toBe(2);
    expect([winner.count("started"), winner.count("onStoppedLeading"), winner.count("elected")]).toEqual([0, 0, 0]);

    const other = await candidates.startLeader("c");
    const standby = await candidates.startStandby("d");
    standby.signal("SIGTERM");
    expect(await standby.exited).toEqual({ code: 0, signal: null });
    expect(standby.count("sending")).toBe(0);
    expect(other.running).toBe(true);
  },
);

scenario("#30: SIGTERM while a renewal is under way: one stop, one release", async (candidates) => {
  const leader = await candidates.startLeader("a");
  leader.command({ do: "slowWrite", op: "renew", way: "answer", ms: 400 });
  await leader.until("applied", { where: ({ op }) => op === "renew" });
  leader.signal("SIGTERM");
  await expectReleasedOnce(candidates, leader);
  expect(leader.all("onStoppedLeading")).toMatchObject([{ term: 1, reason: "stopped" }]);
});

scenario("#30: SIGTERM twice: one stop, one release", async (candidates) => {
  const leader = await candidates.startLeader("a", { drainMs: 1_000 });
  leader.signal("SIGTERM");
  await leader.until("signalled");
  await pause(200);
  leader.signal("SIGTERM");
  await leader.until("stopping", { after: 1 });
  await expectReleasedOnce(candidates, leader);
  expect(leader.all("onStoppedLeading")).toMatchObject([{ term: 1, reason: "stopped" }]);
});
