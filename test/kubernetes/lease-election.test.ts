// Goal: candidates on one Lease hand over as they must, alone and among candidates that run client-go, and send no more
// than they must. Method: electors over a fake cluster with a manual clock; every request is counted, every term noted.
import { beforeEach, describe, expect, it } from "vitest";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import type { LeaderElectorOptions } from "../../src/election/settings.ts";
import { LeaseLock } from "../../src/kubernetes/lease-lock.ts";
import { MultiLock } from "../../src/lock/multi-lock.ts";
import type { ResourceLock } from "../../src/lock/resource-lock.ts";
import { FakeKubernetes, ManualClock, SeededRandom, type FakeKubernetesClient } from "../../src/testing/index.ts";
import { ClientGo } from "./client-go.ts";

const place = { namespace: "default", name: "billing" };
const ref = { group: "coordination.k8s.io", version: "v1", plural: "leases", ...place };
const minuteMs = 60_000;

let clock: ManualClock;
let cluster: FakeKubernetes;
let random: SeededRandom;
/** Who leads, from the start of its work to the end of its term; and whether two ever did at once. */
let leading: string[];
let mostLeaders: number;

beforeEach(() => {
  clock = new ManualClock();
  cluster = new FakeKubernetes({ clock });
  random = new SeededRandom(6);
  leading = [];
  mostLeaders = 0;
});

function starts(name: string): void {
  leading.push(name);
  mostLeaders = Math.max(mostLeaders, leading.length);
}

function stops(name: string): void {
  leading = leading.filter((other) => other !== name);
}

interface Candidate {
  readonly client: FakeKubernetesClient;
  readonly elector: LeaderElector;
  /** All of it stands, as after SIGKILL: no request of it arrives any more. */
  crash(): void;
}

type Connect = (client: FakeKubernetesClient, label: string) => ResourceLock;

const onLease: Connect = (client, label) => new LeaseLock({ ...place, client, clock, random, label, events: "off" });

type CandidateOptions = Partial<LeaderElectorOptions> & { connect?: Connect; client?: FakeKubernetesClient };

function candidate(
  label: string,
  { connect = onLease, client = cluster.connect(), ...settings }: CandidateOptions = {},
): Candidate {
  const elector = new LeaderElector({
    ...{ lock: connect(client, label), clock, random },
    ...settings,
    callbacks: {
      async onStartedLeading({ signal }) {
        starts(label);
        const stop = (): void => stops(label);
        signal.addEventListener("abort", stop, { once: true });
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
      },
    },
  });
  void elector.run();
  return {
    ...{ client, elector },
    crash() {
      client.hang();
      client.hang({ on: "watch" });
    },
  };
}

/** A leader and a standby whose watch is live. */
async function pair(): Promise<{ leader: Candidate; standby: Candidate }> {
  const leader = candidate("a");
  await clock.advance();
  const standby = candidate("b");
  await clock.advance(5_000);
  expect(leading).toEqual(["a"]);
  standby.client.forget();
  leader.client.forget();
  return { leader, standby };
}

function perVerb({ client }: Candidate): Readonly<Record<string, number>> {
  const counts = new Map<string, number>();
  for (const call of client.calls) counts.set(call, (counts.get(call) ?? 0) + 1);
  return Object.fromEntries(counts);
}

describe("K-31: requests a minute", () => {
  it("of a leader: 12 PUT; of a standby with a watch: none", async () => {
    const { leader, standby } = await pair();
    await clock.advance(4 * minuteMs);
    expect(perVerb(leader)).toEqual({ "replace leases": 48 });
    expect(perVerb(standby)).toEqual({});
  });

  it("of a standby whose watches all end by the time that they ask for: some reads an hour", async () => {
    const { standby } = await pair();
    await clock.advance(60 * minuteMs);
    const { "watch leases": opened = 0, "read leases": reads = 0, ...others } = perVerb(standby);
    expect(others).toEqual({});
    expect(opened).toBeGreaterThanOrEqual(5);
    expect(opened).toBeLessThanOrEqual(12);
    expect(reads).toBeLessThanOrEqual(2 * opened);
  });

  it("of a standby without the right to watch: 60/(1.6 P) reads", async () => {
    const { leader } = await pair();
    const client = cluster.connect();
    client.refuse(403, { on: "watch" });
    const blind = candidate("c", { client });
    await clock.advance(minuteMs);
    blind.client.forget();
    await clock.advance(8 * minuteMs);
    const { "read leases": reads = 0, ...others } = perVerb(blind);
    expect(others).toEqual({});
    expect(reads / 8).toBeLessThanOrEqual((60 / (1.6 * 2)) * 1.05);
    expect(leader.elector.isLeader()).toBe(true);
  });
});

describe("a hand-over", () => {
  it("takes no time, and the standby sends nothing but the write that takes over", async () => {
    const { leader, standby } = await pair();
    const startMs = clock.monotonicMs();
    void leader.elector.stop();
    await clock.advanceUntil(() => leading.includes("b"));
    expect(clock.monotonicMs() - startMs).toBeLessThanOrEqual(20);
    expect(standby.client.calls).toEqual(["replace leases"]);
    expect(leader.client.calls.at(-1)).toBe("replace leases");
    expect(mostLeaders).toBe(1);
  });

  it("after a crash takes the rest of the lease, and the former leader has stopped before", async () => {
    const { leader, standby } = await pair();
    await clock.advanceUntil(() => leader.client.calls.length === 1);
    leader.crash();
    const tookMs = await clock.advanceUntil(() => leading.includes("b"));
    expect(tookMs).toBeGreaterThanOrEqual(15_000);
    expect(tookMs).toBeLessThanOrEqual(15_050);
    expect(leader.elector.isLeader()).toBe(false);
    expect(standby.elector.isLeader()).toBe(true);
    expect(mostLeaders).toBe(1);
  });

  it("K-25: is not postponed by an annotation that is edited 100 times a second (#59)", async () => {
    const { leader } = await pair();
    await clock.advanceUntil(() => leader.client.calls.length === 1);
    leader.crash();
    const startMs = clock.monotonicMs();
    while (!leading.includes("b") && clock.monotonicMs() < startMs + 20_000) {
      cluster.annotate(ref, { edit: String(clock.monotonicMs()) });
      await clock.advance(10);
    }
    expect(clock.monotonicMs() - startMs).toBeLessThanOrEqual(15_200);
  });

  it("K-25: is not caused by such edits either: a leader renews among them, over a network of 4 ms", async () => {
    const { leader } = await pair();
    leader.client.delay({ requestMs: 2, answerMs: 2 });
    for (let edits = 0; edits < 6_000; edits += 1) {
      cluster.annotate(ref, { edit: String(edits) });
      await clock.advance(10);
    }
    expect(leader.elector.isLeader()).toBe(true);
    expect(leading).toEqual(["a"]);
    expect(leader.client.calls.length).toBeLessThan(6 * 12); // an edit between costs two reads and a write
  });

  it("K-26: comes without any watch, too, and a leader stays while the watches break", async () => {
    const { leader, standby } = await pair();
    for (const each of [leader, standby]) each.client.refuse(500, { on: "watch" });
    cluster.endWatches(new Error("reset"));
    await clock.advance(minuteMs);
    expect(leading).toEqual(["a"]);
    void leader.elector.stop();
    expect(await clock.advanceUntil(() => leading.includes("b"))).toBeLessThanOrEqual(4_500);
    expect(mostLeaders).toBe(1);
  });

  it("a Lease that is deleted under its leader makes no second one", async () => {
    const { leader } = await pair();
    cluster.remove(ref);
    await clock.advanceUntil(() => leading.length === 1 && cluster.stored(ref) !== undefined);
    await clock.advance(minuteMs);
    expect(mostLeaders).toBe(1);
    expect(leading).toHaveLength(1);
    expect(leader.elector.isLeader()).toBe(leading[0] === "a");
  });
});

it("K-16: no two writes carry the same time, also when the wall clock steps back", async () => {
  const { leader } = await pair();
  for (const stepMs of [-3_600_000, 0, 7_200_000, -1]) {
    clock.stepWall(stepMs);
    await clock.advance(minuteMs);
  }
  const times = leader.client.log.map(({ body }) => String(Reflect.get(Reflect.get(body ?? {}, "spec"), "renewTime")));
  expect(times.length).toBeGreaterThanOrEqual(48);
  expect(times).toEqual([...new Set(times)].sort());
});

describe("K-29: among candidates that run client-go", () => {
  const mixed = { holderGraceMs: 7_000 };

  function clientGo(identity: string): ClientGo {
    return new ClientGo({ ref, client: cluster.connect(), clock, identity, onStart: starts, onStop: stops });
  }

  it("ours stands by, and takes over after theirs has crashed", async () => {
    const theirs = clientGo("go");
    await clock.advance();
    const ours = candidate("ours", mixed);
    await clock.advance(2 * minuteMs);
    expect(leading).toEqual(["go"]);
    theirs.crash();
    stops("go");
    const tookMs = await clock.advanceUntil(() => leading.includes("ours"));
    expect(tookMs).toBeGreaterThan(15_000 + 7_000 - 2_000);
    expect(tookMs).toBeLessThanOrEqual(15_000 + 7_000 + 50);
    expect(ours.elector.isLeader()).toBe(true);
  });

  it("ours takes over at once when theirs releases, and theirs when ours does", async () => {
    const theirs = clientGo("go");
    await clock.advance();
    const ours = candidate("ours", mixed);
    await clock.advance(minuteMs);
    theirs.release();
    expect(await clock.advanceUntil(() => leading.includes("ours"))).toBeLessThanOrEqual(50);
    const back = clientGo("go again");
    await clock.advance(minuteMs);
    expect(leading).toEqual(["ours"]);
    void ours.elector.stop();
    expect(await clock.advanceUntil(() => leading.includes("go again"))).toBeLessThanOrEqual(2 * 2_200);
    expect(mostLeaders).toBe(1);
    back.crash();
  });

  it.each([
    { holderGraceMs: 0, warnings: 1 },
    { holderGraceMs: 7_000, warnings: 0 },
  ])("ours with a grace of $holderGraceMs ms warns of theirs: $warnings times", async ({ holderGraceMs, warnings }) => {
    const warned: unknown[] = [];
    const warn = (_message: string, fields?: object): void => void warned.push(Reflect.get(fields ?? {}, "message"));
    candidate("ours", { holderGraceMs, logger: { debug() {}, info() {}, warn, error() {} } });
    await clock.advance();
    expect(warned).toEqual([]); // of itself it does not warn
    const note = (manager: string): object => ({
      manager,
      operation: "Update",
      fieldsV1: { "f:spec": { "f:renewTime": {} } },
    });
    for (const second of [41, 43, 45]) {
      const renewTime = `2026-11-21T09:32:${second}.921366Z`;
      const spec = {
        holderIdentity: "go",
        leaseDurationSeconds: 15,
        acquireTime: renewTime,
        renewTime,
        leaseTransitions: 9,
      };
      cluster.put(ref, { kind: "Lease", metadata: { managedFields: [note("kube-scheduler")] }, spec });
      await clock.advance(2_000);
    }
    expect(warned).toHaveLength(warnings);
    for (const each of warned) expect(each).toMatch(/^go .*holderGraceMs/);
  });

  it("ours that hears nothing any more stops before theirs may act", async () => {
    const ours = candidate("ours", mixed);
    await clock.advance();
    const theirs = clientGo("go");
    await clock.advance(minuteMs);
    ours.crash();
    await clock.advanceUntil(() => leading.includes("go"));
    expect(mostLeaders).toBe(1);
    theirs.crash();
  });
});

describe("K-32: a MultiLock over two Leases", () => {
  it("moves a running fleet in three roll-outs, with no instant of two leaders", async () => {
    const lockOn = (client: FakeKubernetesClient, label: string, name: string): LeaseLock =>
      new LeaseLock({ namespace: "default", name, client, clock, random, label, events: "off" });
    const rollOuts: Connect[] = [
      (client, label) => lockOn(client, label, "old"),
      (client, label) => new MultiLock(lockOn(client, label, "old"), lockOn(client, label, "new"), { clock }),
      (client, label) => lockOn(client, label, "new"),
    ];
    let fleet: Candidate[] = [];
    for (const [phase, connect] of rollOuts.entries()) {
      const next: Candidate[] = [];
      for (const name of ["a", "b", "c"]) {
        next.push(candidate(`${name}${phase}`, { connect }));
        await clock.advance(20_000);
        const former = fleet.shift();
        if (former !== undefined) void former.elector.stop();
        await clock.advance(minuteMs);
        expect(leading).toHaveLength(1);
      }
      fleet = next;
    }
    expect(mostLeaders).toBe(1);
    expect(leading[0]).toMatch(/2$/);
    const holderOf = (name: string): unknown =>
      Reflect.get(cluster.stored({ ...ref, name })?.["spec"] ?? {}, "holderIdentity");
    expect(holderOf("old")).toBe("");
    expect(holderOf("new")).toContain(leading[0]);
  });
});
