// Goal: `tenure doctor` tells apart why a MultiClusterLease is held by nobody, by the codes that its candidates fail
// with. Method: looks at a fake cluster with real locks and controllers, or a double of Go's, on a manual clock.
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Finding } from "../../src/cli/findings.ts";
import { judgeSignals } from "../../src/cli/signal-findings.ts";
import { lookAtSignals } from "../../src/cli/signal-look.ts";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import type { Leadership } from "../../src/election/leadership.ts";
import { MultiClusterLeaseLock } from "../../src/kubernetes/multi-cluster-lease-lock.ts";
import { MemoryData, MemoryStorage } from "../../src/storage/memory.ts";
import { FaultyStorage } from "../../src/testing/faulty-storage.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { Cluster, ref } from "../controller/cluster.ts";
import { GoController, type GoBucket } from "../kubernetes/go-controller.ts";

const timing = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 };
/** Until the next renewal must have been seen. */
const healthyMs = 6_000;

let clock: ManualClock;
let data: MemoryData;
let here: Cluster;
let there: Cluster;
let isAway: boolean;
let over: AbortController;

beforeEach(() => {
  clock = new ManualClock();
  data = new MemoryData();
  here = new Cluster(clock);
  there = new Cluster(clock, 2);
  isAway = false;
  over = new AbortController();
});
afterEach(() => over.abort());

function storage(): FaultyStorage {
  const script = () => (isAway ? ({ kind: "busy" } as const) : undefined);
  return new FaultyStorage(new MemoryStorage({ data, clock }), { clock, script });
}

function elect(cluster: Cluster, label: string): LeaderElector {
  const place = { namespace: "default", name: "billing", events: "off" } as const;
  const lock = new MultiClusterLeaseLock({ ...place, client: cluster.api.connect(), clock, label });
  const onStartedLeading = ({ signal }: Leadership): Promise<unknown> => once(signal, "abort");
  const elector = new LeaderElector({ lock, clock, callbacks: { onStartedLeading }, onError: () => {} });
  void elector.run({ signal: over.signal });
  return elector;
}

async function leads(elector: LeaderElector): Promise<void> {
  await clock.advanceUntil(() => elector.isLeader(), 30_000);
}

/** What the doctor says of the lease here, and how long that took; it writes nothing. */
async function doctor(name = ref.name): Promise<Finding & { readonly tookMs: number }> {
  const client = here.api.connect();
  const fromMs = clock.monotonicMs();
  let found: Finding | undefined;
  const call = { signal: over.signal, timeoutMs: 5_000 };
  const looking = lookAtSignals({ client, ref: { ...ref, name }, clock, timing, call }).then((look) => {
    found = look === undefined ? { check: "lease", level: "info", found: "absent" } : judgeSignals(name, look);
  });
  await clock.advanceUntil(() => found !== undefined, 60_000);
  await looking;
  expect(client.log.map(({ verb }) => verb)).not.toHaveLength(0);
  expect(new Set(client.log.map(({ verb }) => verb))).toEqual(new Set(["read"]));
  return { ...(found ?? expect.unreachable("it is awaited")), tookMs: clock.monotonicMs() - fromMs };
}

describe("all is well", () => {
  test("K-51: that somebody holds it is no trouble, here or in another cluster", async () => {
    here.start(storage());
    there.start(storage());
    const ada = elect(here, "ada");
    await leads(ada);
    const held = await doctor();
    expect(held).toMatchObject({
      ...{ check: "lease", level: "ok" },
      found: `"billing" is held by ${ada.identity} in term 1, a candidate of this cluster`,
    });
    expect(held.tookMs).toBeLessThanOrEqual(healthyMs + 500);
    expect(held).not.toHaveProperty("code");
    const bob = elect(there, "bob");
    await clock.advance(5_000);
    await Promise.all([ada.stop(), clock.advance(5_000)]);
    await leads(bob);
    const elsewhere = await doctor();
    expect(elsewhere).toMatchObject({ level: "ok" });
    expect(elsewhere.found).toMatch(
      /is held by bob_\S+ in term 3, not by a signal of this cluster: nobody asks in this/,
    );
    expect(elsewhere).not.toHaveProperty("code");
  });

  test("a candidate that stands by while another cluster leads is told as one that asks, or not at all", async () => {
    here.start(storage());
    there.start(storage());
    const bob = elect(there, "bob");
    await leads(bob);
    here.signal("ada_1", { leaseTransitions: 2 });
    await clock.advance(200);
    expect((await doctor()).found).toMatch(
      /^"billing" is held by bob_\S+ in term 1, not by a signal of this cluster: /,
    );
  });

  test("a free one says so, and that nobody asks for it", async () => {
    here.start(storage());
    here.write({});
    await clock.advance(5_000);
    const fresh = await doctor();
    expect(fresh).toMatchObject({ level: "info", found: expect.stringMatching(/is free \(.*\): nobody asks/) });
    const ada = elect(here, "ada");
    await leads(ada);
    await Promise.all([ada.stop(), clock.advance(5_000)]);
    const released = await doctor();
    expect(released).toMatchObject({
      level: "info",
      found: '"billing" is free (the lock is free): nobody asks in this cluster',
    });
    expect(released.tookMs).toBeLessThan(1_000);
  });

  test("a dead holder is told as one whose lease has run out, once it has", async () => {
    here.start(storage());
    const text = here.signal("ada_1");
    await here.confirmed("ada_1", text);
    await clock.advance(20_000);
    expect((await doctor()).found).toBe(
      '"billing" is free (the lease of ada_1 has run out): nobody asks in this cluster',
    );
  });

  test("there may be none", async () => {
    expect((await doctor("another")).found).toBe("absent");
  });
});

describe("K-51: what keeps it from being held", () => {
  test("CONTROLLER_SILENT: nobody answers a signal for as long as its candidate waits", async () => {
    here.signal("ada_1");
    const finding = await doctor();
    expect(finding).toMatchObject({ level: "failure", code: "CONTROLLER_SILENT" });
    expect(finding.found).toBe('"billing": no controller answers the signal of ada_1');
    expect(finding.repair).toContain("deployment/tenure-controller");
    expect(finding.tookMs).toBeGreaterThanOrEqual(timing.renewDeadlineMs);
  });

  test("CONTROLLER_SILENT: the controller has died beside a leader, whose next renewal shows it", async () => {
    const controller = here.start(storage());
    await leads(elect(here, "ada"));
    controller.kill();
    expect(await doctor()).toMatchObject({ level: "failure", code: "CONTROLLER_SILENT" });
  });

  test("CONTROLLER_SILENT is a warning where nobody asks: a Go controller is silent then", async () => {
    here.write({});
    expect(await doctor()).toMatchObject({ level: "warning", code: "CONTROLLER_SILENT" });
  });

  test.each(["somebody asks", "nobody asks"])(
    "GLOBAL_STORAGE_UNHEALTHY, with what the controller says, while %s",
    async (who) => {
      here.start(storage());
      here.write({});
      await clock.advance(5_000);
      isAway = true;
      if (who === "somebody asks") elect(here, "ada");
      await clock.advance(15_000);
      const finding = await doctor();
      expect(finding).toMatchObject({ level: "failure", code: "GLOBAL_STORAGE_UNHEALTHY" });
      expect(finding.found).toMatch(/^"billing": the controller says: cannot (create|read) in memory: /);
      expect(finding.repair).toContain("mend the storage");
      isAway = false;
      await clock.advance(10_000);
      expect((await doctor()).level).not.toBe("failure");
    },
  );

  test("LOCAL_CONTENTION: two candidates write over each other, and both are named", async () => {
    here.start(storage());
    const rivals = ["ada_1", "bob_2"];
    let sent = 0;
    const sendOn = (): void => {
      here.signal(rivals[(sent += 1) % 2] ?? "");
      clock.setTimer(clock.monotonicMs() + 1_100, sendOn);
    };
    sendOn();
    await clock.advance(3_000);
    const finding = await doctor();
    expect(finding).toMatchObject({ level: "warning", code: "LOCAL_CONTENTION" });
    expect(finding.found).toMatch(/(ada_1 and bob_2|bob_2 and ada_1) write over each other's signals in this cluster/);
  });

  test("OUTCOME_UNKNOWN: the controller has seen the signal, and says neither yes nor no", async () => {
    here.signal("ada_1");
    const observedGeneration = here.stored?.metadata?.["generation"];
    here.api.put(ref, { ...here.stored, status: { observedGeneration, globalHolderIdentity: "" } });
    const finding = await doctor();
    expect(finding).toMatchObject({ level: "failure", code: "OUTCOME_UNKNOWN" });
    expect(finding.found).toContain("the signal of ada_1");
  });

  test.each([{ leaseDurationSeconds: 0 }, { leaseTransitions: 2_000_000 }])(
    "INVALID_SETTINGS: the controller refuses what the candidate asks for, %j",
    async (asked) => {
      here.start(storage());
      here.signal("ada_1", asked);
      await clock.advance(3_000);
      const finding = await doctor();
      expect(finding).toMatchObject({ level: "failure", code: "INVALID_SETTINGS" });
      expect(finding.found).toContain(`the controller refuses the signal in "billing": `);
    },
  );

  test("CORRUPT_DATA: nobody can read the status; and an object that is being deleted says so", async () => {
    here.signal("ada_1");
    here.api.put(ref, { ...here.stored, status: { globalHolderIdentity: 5 } });
    expect(await doctor()).toMatchObject({ level: "failure", code: "CORRUPT_DATA" });
    here.api.put(ref, { ...here.stored, metadata: { ...here.stored?.metadata, finalizers: ["x/y"] }, status: {} });
    here.delete();
    expect(await doctor()).toMatchObject({ level: "warning", found: '"billing" is being deleted' });
  });
});

describe("behind Go controllers", () => {
  let bucket: GoBucket;
  beforeEach(() => {
    bucket = { record: undefined, trouble: undefined };
    for (const cluster of [here, there]) {
      new GoController({ client: cluster.api.connect(), ref, clock, bucket, signal: over.signal });
    }
  });

  test("a leader is seen, from its own cluster and from the other one, where its controller calls itself sick", async () => {
    const ada = elect(here, "ada");
    await leads(ada);
    expect(await doctor()).toMatchObject({
      level: "ok",
      found: expect.stringContaining("a candidate of this cluster"),
    });
    there.signal("bob_2");
    await clock.advance(2_000);
    [here, there] = [there, here];
    const standby = await doctor();
    expect(standby.found).toMatch(/is held by ada_/);
    expect(standby.level).toBe("ok");
  });

  test("K-51: GLOBAL_STORAGE_UNHEALTHY in its words", async () => {
    bucket.trouble = "503 Backend Error";
    elect(here, "ada");
    await clock.advance(5_000);
    const finding = await doctor();
    expect(finding).toMatchObject({ level: "failure", code: "GLOBAL_STORAGE_UNHEALTHY" });
    expect(finding.found).toContain("503 Backend Error");
  });
});
