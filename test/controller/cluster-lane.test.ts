// Goal: requests about one resource never pile up, and repeat themselves after a pause only (K-73, K-79). Method: a
// lane over a client that answers as each test says, on a clock that the test turns.
import { beforeEach, expect, test } from "vitest";
import { ClusterLane, type ClusterNews } from "../../src/controller/cluster-lane.ts";
import { ControllerMetrics } from "../../src/controller/controller-metrics.ts";
import { WorkSlots } from "../../src/controller/work-slots.ts";
import { multiClusterLeaseKind } from "../../src/kubernetes/multi-cluster-lease.ts";
import { drainMicrotasks } from "../../src/system/microtasks.ts";
import { FakeKubernetes } from "../../src/testing/fake-kubernetes.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";

const ref = { ...multiClusterLeaseKind({ namespace: "default" }), name: "billing" };
const { signal } = new AbortController();

let clock: ManualClock;
let cluster: FakeKubernetes;
let heard: ClusterNews[];
let lane: ClusterLane;

beforeEach(() => {
  clock = new ManualClock();
  heard = [];
  const random = new SeededRandom(1);
  cluster = new FakeKubernetes({ clock, random });
  const slots = { writes: new WorkSlots(32), looks: new WorkSlots(32), requests: new WorkSlots(32) };
  const client = cluster.connect();
  const parts = { client, clock, random, callTimeoutMs: 5_000, slots, metrics: new ControllerMetrics() };
  lane = new ClusterLane(ref, parts, (news) => void heard.push(news));
});

const kinds = (): readonly string[] => heard.map(({ kind }) => kind);

test("K-64: a look brings the resource, and when it was asked for", async () => {
  cluster.put(ref, { spec: { holderIdentity: "ada" } });
  await clock.advance(500);
  const sentMs = clock.monotonicMs();
  lane.look(signal);
  lane.look(signal); // one is under way
  await drainMicrotasks();
  expect(heard).toMatchObject([{ kind: "read", sentMs, resource: { spec: { holderIdentity: "ada" } } }]);
  lane.look(signal);
  await drainMicrotasks();
  expect(kinds()).toEqual(["read", "read"]);
});

test("K-79: a resource that is gone, and whose event is late, is looked at after growing pauses", async () => {
  const atMs: number[] = [];
  for (let looks = 0; looks < 8; looks += 1) {
    lane.look(signal);
    await clock.advanceUntil(() => heard.length > looks, 10_000);
    atMs.push(clock.monotonicMs());
  }
  expect(heard.every((news) => news.kind === "read" && news.resource === undefined)).toBe(true);
  const pauses = atMs.slice(1).map((ms, index) => ms - (atMs[index] ?? 0));
  expect(pauses[0]).toBeGreaterThanOrEqual(50);
  expect(pauses.at(-1)).toBeGreaterThanOrEqual(2_500);
});
