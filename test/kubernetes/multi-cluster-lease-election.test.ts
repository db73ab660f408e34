// Goal: candidates in two clusters hand over as they must, behind our controller and behind one of Go, and never lead
// together. Method: electors over fake clusters with scripted controllers and one storage, on a manual clock.
import { afterEach, describe, expect, it } from "vitest";
import { errorCode } from "../../src/errors.ts";
import type { KubernetesClient } from "../../src/kubernetes/kubernetes-resources.ts";
import { LeaseLock } from "../../src/kubernetes/lease-lock.ts";
import { MultiClusterLeaseLock } from "../../src/kubernetes/multi-cluster-lease-lock.ts";
import { MultiLock } from "../../src/lock/multi-lock.ts";
import { Clusters, type Candidate, type ControllerKind } from "./clusters.ts";

const [leaseMs, validityMs, retryMs] = [15_000, 10_000, 2_000];

let world: Clusters;
afterEach(async () => {
  await world.close();
  expect(world.mostLeaders).toBeLessThanOrEqual(1);
});

function start(kinds: readonly ControllerKind[], options: ConstructorParameters<typeof Clusters>[1] = {}): void {
  world = new Clusters(kinds, options);
}

/** A leader in the first cluster, and a standby in the second. */
async function pair(
  kinds: readonly ControllerKind[],
  options = {},
): Promise<{ leader: Candidate; standby: Candidate }> {
  start(kinds, options);
  const leader = world.candidate("a", 0);
  await world.untilLed("a", 5_000);
  const standby = world.candidate("b", 1);
  await world.clock.advance(10_000);
  expect(world.leading).toEqual(["a"]);
  return { leader, standby };
}

const ascending = (terms: readonly number[]): boolean => terms.every((term, index) => term > (terms[index - 1] ?? 0));

describe.each([
  ["our controllers", ["ours", "ours"], {}],
  ["K-36: our controllers under upstream's definition", ["ours", "ours"], { prunes: true }],
] as const)("%s", (_what, kinds, options) => {
  it("one leads for five minutes, by 12 signals a minute, and the standby sends nothing", async () => {
    const { leader, standby } = await pair(kinds, options);
    leader.client.forget();
    standby.client.forget();
    await world.clock.advance(300_000);
    expect(leader.client.calls.every((call) => call === "patch multiclusterleases")).toBe(true);
    expect(leader.client.calls.length).toBeGreaterThanOrEqual(59);
    expect(leader.client.calls.length).toBeLessThanOrEqual(61);
    expect(standby.client.calls).toEqual([]);
    expect([leader.terms, leader.stops, leader.errors]).toEqual([[1], [], []]);
  });

  it("K-58: a release hands over within half a second and three round trips", async () => {
    const { leader } = await pair(kinds, options);
    await world.clock.advance(2_000); // no storage takes a write so soon after the last one
    world.controller(0).delayMs = 100;
    world.controller(1).delayMs = 100;
    void leader.elector.resign();
    expect(await world.untilLed("b", leaseMs)).toBeLessThanOrEqual(500 + 3 * 100);
    expect(ascending(world.story.map(({ term }) => term))).toBe(true);
  });

  it("a leader that dies is followed within L + P + 2 s", async () => {
    const { leader } = await pair(kinds, options);
    leader.crash();
    expect(await world.untilLed("b", 60_000)).toBeLessThanOrEqual(leaseMs + retryMs + 2_000);
    expect(ascending(world.story.map(({ term }) => term))).toBe(true);
  });

  it("K-43: a record that is replaced ends the term at once, by the watch", async () => {
    const { leader } = await pair(kinds, options);
    const { record } = world.global;
    const renewTime = "2026-11-21T09:28:33.142778Z";
    world.global.write({
      holder: "c_3",
      renewTime,
      acquireTime: renewTime,
      seconds: 15,
      term: (record?.term ?? 0) + 1,
    });
    await world.clock.advance(500);
    expect([leader.elector.isLeader(), leader.stops]).toEqual([false, ["taken"]]);
  });

  it("K-45: without a watch the same takes P", async () => {
    start(kinds, options);
    const leader = world.candidate("a", 0);
    leader.client.refuse(403, { on: "watch" });
    await world.untilLed("a", 5_000);
    const renewTime = "2026-11-21T09:28:33.142778Z";
    world.global.write({ holder: "c_3", renewTime, acquireTime: renewTime, seconds: 15, term: 9 });
    // Its next renewal is the first to hear of it: a leader without a watch does not look in between.
    await world.clock.advance(validityMs / 2 + 500);
    expect([leader.elector.isLeader(), leader.stops]).toEqual([false, ["taken"]]);
  });

  it("K-55: terms grow over twenty terms of one instance", async () => {
    start(kinds, options);
    const candidate = world.candidate("a", 0);
    for (let count = 0; count < 20; count += 1) {
      await world.untilLed("a", 60_000);
      void candidate.elector.resign();
      await world.clock.advanceUntil(() => world.leading.length === 0, 10_000);
    }
    expect(candidate.terms).toHaveLength(20);
    expect(ascending(candidate.terms)).toBe(true);
    expect(new Set(world.global.writes.map(({ holder }) => holder.split("~")[0])).size).toBe(2); // me, and nobody
  });

  it("K-55: a term that expired is followed by another one of the same instance, with a greater number", async () => {
    start(kinds, options);
    const candidate = world.candidate("a", 0);
    await world.untilLed("a", 5_000);
    for (let count = 0; count < 3; count += 1) {
      candidate.client.hang({ on: "write" });
      await world.clock.advanceUntil(() => world.leading.length === 0, 30_000);
      candidate.client.heal();
      await world.untilLed("a", 60_000);
    }
    expect(candidate.terms).toHaveLength(4);
    expect(ascending(candidate.terms)).toBe(true);
  });

  it("K-50, #76: an object deleted under its leader ends the term, is released, and one of both leads again", async () => {
    const { leader } = await pair(kinds, options);
    const [cluster] = world.clusters;
    leader.client.forget();
    cluster?.remove(world.ref);
    await world.clock.advance(1_000);
    expect(leader.stops).toEqual(["erased"]);
    expect(await world.untilLed(undefined, 60_000)).toBeLessThanOrEqual(retryMs + 2_000);
    expect(ascending(world.story.map(({ term }) => term))).toBe(true);
    const writes = leader.client.calls.filter((call) => !call.startsWith("read") && !call.startsWith("watch"));
    expect(writes.length).toBeLessThanOrEqual(4);
  });

  it("#74: a controller that stands between storage and status costs no term while it comes back in time", async () => {
    const { leader } = await pair(kinds, options);
    world.controller(0).silent = true;
    await world.clock.advance(validityMs - 5_500);
    world.controller(0).silent = false;
    await world.controller(0).look();
    await world.clock.advance(20_000);
    expect(leader.terms).toEqual([1]);
  });

  it("#77: with the storage away for an hour everybody steps down, is told why, and one leads again afterwards", async () => {
    const { leader, standby } = await pair(kinds, options);
    for (const controller of world.controllers) controller.trouble = "503";
    for (const controller of world.controllers) await controller.look();
    await world.clock.advance(3_600_000);
    expect(world.leading).toEqual([]);
    expect(leader.stops).toEqual(["expired"]);
    const codes = new Set([...leader.errors, ...standby.errors].map(errorCode));
    expect(codes).toContain("GLOBAL_STORAGE_UNHEALTHY");
    for (const controller of world.controllers) controller.trouble = undefined;
    for (const controller of world.controllers) await controller.look();
    expect(await world.untilLed(undefined, 60_000)).toBeLessThanOrEqual(10_000);
    expect(ascending(world.story.map(({ term }) => term))).toBe(true);
  });
});

describe("K-42: validity counts from the signal", () => {
  it.each([
    ["0.4 V", 0.4 * validityMs, true],
    ["1.1 V", 1.1 * validityMs, false],
  ])("#13: controllers that are late by %s", async (_what, delayMs, leads) => {
    start(["ours"]);
    world.controller(0).delayMs = delayMs;
    const candidate = world.candidate("a", 0);
    await world.clock.advance(120_000);
    expect(candidate.terms.length > 0).toBe(leads);
    if (leads) expect([candidate.terms, candidate.stops]).toEqual([[1], []]);
  });

  it("a verdict that comes after it is a term that never begins, and the lease is released", async () => {
    start(["ours"]);
    world.controller(0).delayMs = validityMs + 500;
    const candidate = world.candidate("a", 0, { settings: { attemptTimeoutMs: validityMs } });
    await world.clock.advance(60_000);
    expect(candidate.terms).toEqual([]);
  });
});

describe("local candidates of one object", () => {
  it("#73: three of them overwrite each other's signals, and never lead together", async () => {
    start(["ours", "ours"]);
    const candidates = ["a", "b", "c"].map((label) => world.candidate(label, 0));
    world.candidate("d", 1);
    await world.clock.advance(60_000);
    expect(world.leading).toHaveLength(1);
    for (let count = 0; count < 6; count += 1) {
      const leader = candidates.find(({ label }) => world.leading.includes(label));
      void leader?.elector.resign();
      await world.clock.advance(30_000);
      expect(world.leading).toHaveLength(1);
    }
    expect(ascending(world.story.map(({ term }) => term))).toBe(true);
  });
});

describe("K-32: a MultiLock over a Lease and a MultiClusterLease", () => {
  it("moves a running fleet from one to the other in three roll-outs, with no instant of two leaders", async () => {
    start(["ours"]);
    const { clock, random } = world;
    const place = { namespace: "default", name: "billing", clock, random, events: "off" } as const;
    const onLease = (client: KubernetesClient, label: string) => new LeaseLock({ ...place, client, label });
    const across = (client: KubernetesClient, label: string) => new MultiClusterLeaseLock({ ...place, client, label });
    const rollOuts = [
      onLease,
      (client: KubernetesClient, label: string) =>
        new MultiLock(onLease(client, label), across(client, label), { clock }),
      across,
    ];
    let fleet: Candidate[] = [];
    for (const [phase, connect] of rollOuts.entries()) {
      const next: Candidate[] = [];
      for (const name of ["a", "b", "c"]) {
        next.push(world.candidate(`${name}${phase}`, 0, { connect }));
        await clock.advance(20_000);
        void fleet.shift()?.elector.stop();
        await clock.advance(60_000);
        expect(world.leading).toHaveLength(1);
      }
      fleet = next;
    }
    expect(world.leading[0]).toMatch(/2$/);
    expect(world.global.record?.holder).toContain(world.leading[0]);
  });
});

describe("Go controllers", () => {
  it("K-52: one leads for five minutes, and no signal that was not written is taken for one", async () => {
    const { leader, standby } = await pair(["go", "go"]);
    await world.clock.advance(300_000);
    expect([leader.terms, leader.stops, standby.terms]).toEqual([[1], [], []]);
  });

  it("a leader that dies is followed within 3 L + P + 2 s", async () => {
    const { leader } = await pair(["go", "go"]);
    leader.crash();
    expect(await world.untilLed("b", 120_000)).toBeLessThanOrEqual(3 * leaseMs + retryMs + 2_000);
    expect(ascending(world.story.map(({ term }) => term))).toBe(true);
  });

  it("K-58: a release hands over within L + P + 2 s, though the controller never frees", async () => {
    const { leader } = await pair(["go", "go"]);
    void leader.elector.resign();
    expect(await world.untilLed("b", 120_000)).toBeLessThanOrEqual(leaseMs + retryMs + 2_000);
    expect(leader.terms).toHaveLength(1);
  });

  it("K-43: a record that is replaced ends the term within 2.2 s", async () => {
    const { leader } = await pair(["go", "go"]);
    world.bucket.record = { holderIdentity: "c_3", renewMs: world.clock.wallMs(), leaseTransitions: 9 };
    await world.clock.advance(2_200);
    expect([leader.elector.isLeader(), leader.stops]).toEqual([false, ["taken"]]);
  });

  it("K-55: terms grow over twenty terms of one instance, each under a name of its own", async () => {
    start(["go"]);
    const candidate = world.candidate("a", 0);
    for (let count = 0; count < 20; count += 1) {
      await world.untilLed("a", 180_000);
      void candidate.elector.resign();
      await world.clock.advanceUntil(() => world.leading.length === 0, 30_000);
    }
    expect(candidate.terms).toHaveLength(20);
    expect(ascending(candidate.terms)).toBe(true);
    expect(world.bucket.record?.holderIdentity).toBe(`${candidate.lock.identity}~20`);
  });

  it("K-52: a storage that is away ends the term by its own clock, and is named", async () => {
    const { leader } = await pair(["go", "go"]);
    world.bucket.trouble = "503";
    await world.clock.advance(60_000);
    expect([leader.stops, world.leading]).toEqual([["expired"], []]);
    expect(new Set(leader.errors.map(errorCode))).toContain("GLOBAL_STORAGE_UNHEALTHY");
    world.bucket.trouble = undefined;
    await world.untilLed(undefined, 120_000);
    expect(ascending(world.story.map(({ term }) => term))).toBe(true);
  });

  it("#73: three local candidates never lead together", async () => {
    start(["go", "go"]);
    for (const label of ["a", "b", "c"]) world.candidate(label, 0);
    world.candidate("d", 1);
    await world.clock.advance(180_000);
    expect(world.leading.length).toBeLessThanOrEqual(1);
    expect(world.story.length).toBeGreaterThan(0);
  });
});
