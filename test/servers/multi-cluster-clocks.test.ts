// Goal: wall clocks of controllers and of pods, hours or seconds off, change no leader (K-105). Method: libfaketime
// steps them in real processes, while the monotonic clock stays.
import { expect } from "vitest";
import type { Candidate } from "../process/support/candidate-process.ts";
import { FakeTime, hasFakeTime } from "../process/support/fake-time.ts";
import { foundClusters, type ClusterPair } from "./support/cluster-pair.ts";
import { onTwoClusters } from "./support/clusters-scenario.ts";
import type { FoundServer } from "./support/found-server.ts";
import { patienceMs, writes, works, type TwoClusters } from "./support/two-clusters.ts";

const found: FoundServer<ClusterPair> = hasFakeTime
  ? foundClusters
  : { name: "libfaketime", missing: "Debian's package faketime" };

const hour = 3_600;
/** From the clock as it is. */
const steps = [hour, -hour, 20, -20];

onTwoClusters(found, (scenario) => {
  for (const [who, play] of Object.entries({ "the controllers": ofControllers, "the candidates": ofCandidates })) {
    scenario(`K-105, #71: wall clocks of ${who} step by ±1 h and ±20 s: no change of leader`, play);
  }
});

async function ofControllers(clusters: TwoClusters): Promise<void> {
  const [first, second] = timesOf(clusters);
  const a = await clusters.startController("a", { env: first.env });
  const b = await clusters.startController("b", { env: second.env });
  await Promise.all([writes(a), writes(b)]);
  const leader = await clusters.startLeader("a", "ada");
  const standby = await clusters.startStandby("b", "bob");
  await stepping({ first, second, leader, standby });
  await handsOver(leader, standby);
}

async function ofCandidates(clusters: TwoClusters): Promise<void> {
  const [first, second] = timesOf(clusters);
  await clusters.startControllers();
  const leader = await clusters.startLeader("a", "ada", { env: first.env });
  const standby = await clusters.startStandby("b", "bob", { env: second.env });
  await stepping({ first, second, leader, standby });
  const walls = leader.all("sending").map(({ record }) => Date.parse(record.renewTime.replace(/\d{3}Z$/, "Z")));
  expect(Math.max(...walls) - Date.now()).toBeGreaterThan((hour * 1_000) / 2); // they did step
  await handsOver(leader, standby);
}

function timesOf({ world: { folder } }: TwoClusters): readonly [FakeTime, FakeTime] {
  return [new FakeTime(folder, "first"), new FakeTime(folder, "second")];
}

interface Stepping {
  readonly first: FakeTime;
  readonly second: FakeTime;
  readonly leader: Candidate;
  readonly standby: Candidate;
}

/** Both step, away from each other. */
async function stepping({ first, second, leader, standby }: Stepping): Promise<void> {
  for (const seconds of steps) {
    first.set(seconds);
    second.set(-seconds);
    const withinMs = patienceMs;
    await leader.until("renewed", { after: leader.count("renewed") + 1, withinMs }); // one that was sent after the step
    expect([leader.count("stopped"), standby.count("started")], `${seconds} s`).toEqual([0, 0]);
  }
}

async function handsOver(leader: Candidate, standby: Candidate): Promise<void> {
  leader.signal("SIGTERM");
  await standby.until("started", { withinMs: patienceMs });
  await works(standby);
}
