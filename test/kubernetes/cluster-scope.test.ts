// Goal: in scope "cluster" the candidates of a cluster lead one at a time in its name, follow each other, and no two of
// all clusters lead together (K-56, K-57). Method: electors over fake clusters with controllers, on a manual clock.
import { afterEach, describe, expect, it } from "vitest";
import { errorCode, InvalidSettingsError } from "../../src/errors.ts";
import type { KubernetesResource, ResourceRef } from "../../src/kubernetes/kubernetes-resources.ts";
import { LeaseLock } from "../../src/kubernetes/lease-lock.ts";
import { MultiClusterLeaseLock } from "../../src/kubernetes/multi-cluster-lease-lock.ts";
import type { MultiClusterLeaseLockOptions } from "../../src/kubernetes/multi-cluster-lease-options.ts";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import type { LockOutcome } from "../../src/lock/resource-lock.ts";
import type { Version } from "../../src/storage/versioned-storage.ts";
import { microTime } from "../../src/system/micro-time.ts";
import { Clusters, type Candidate, type ControllerKind } from "./clusters.ts";

const [leaseMs, retryMs] = [15_000, 2_000];
const headStartMs = 3 * retryMs;
const place = { namespace: "default", name: "billing" };
const lease: ResourceRef = { group: "coordination.k8s.io", version: "v1", plural: "leases", ...place };

let world: Clusters;
afterEach(async () => {
  await world.close();
  expect(world.mostLeaders).toBeLessThanOrEqual(1);
});

function start(kinds: readonly ControllerKind[], options: ConstructorParameters<typeof Clusters>[1] = {}): void {
  world = new Clusters(kinds, options);
}

/** A candidate that contends in the name of its cluster, "c0" or "c1". */
function replica(label: string, of: number): Candidate {
  const { clock, random } = world;
  return world.candidate(label, of, {
    connect: (client) => {
      const common = { ...place, client, clock, random, events: "off" } as const;
      const within = new LeaseLock({ ...common, label });
      return new MultiClusterLeaseLock({ ...common, scope: "cluster", within, label: `c${of}` });
    },
  });
}

/** A leader and a neighbour of it in the first cluster, and a standby in the second. */
async function three(
  kinds: readonly ControllerKind[],
  options = {},
): Promise<{ leader: Candidate; neighbour: Candidate; standby: Candidate }> {
  start(kinds, options);
  const leader = replica("a0", 0);
  await world.untilLed("a0", 5_000);
  const [neighbour, standby] = [replica("a1", 0), replica("b0", 1)];
  await world.clock.advance(10_000);
  expect(world.leading).toEqual(["a0"]);
  return { leader, neighbour, standby };
}

const ascending = (terms: readonly number[]): boolean => terms.every((term, index) => term > (terms[index - 1] ?? 0));
const terms = (): readonly number[] => world.story.map(({ term }) => term);

/** Waits for the second term of all. */
async function followed(mostMs = leaseMs + retryMs + 2_000): Promise<void> {
  await world.clock.advanceUntil(() => world.story.length > 1, mostMs);
}

/** Who holds the lock of a cluster. */
function holderIn(cluster: number): unknown {
  return Reflect.get(Object(world.cluster(cluster).stored(lease)?.["spec"]), "holderIdentity");
}

describe.each([
  ["our controllers", ["ours", "ours"], {}],
  ["K-36: our controllers under upstream's definition", ["ours", "ours"], { prunes: true }],
] as const)("scope cluster, %s", (_what, kinds, options) => {
  it("K-56: one leads in the name of its cluster, as the record and both statuses tell", async () => {
    const { leader, neighbour, standby } = await three(kinds, options);
    await world.clock.advance(120_000);
    expect([leader.terms, neighbour.terms, standby.terms]).toEqual([[1], [], []]);
    expect(new Set(world.global.writes.map(({ holder }) => holder))).toEqual(new Set(["c0"]));
    for (const each of world.clusters) {
      expect(Object(each.stored(world.ref)?.["status"])).toMatchObject({ globalHolderIdentity: "c0" });
    }
    expect([leader.lock.identity, neighbour.lock.identity, standby.lock.identity]).toEqual(["c0", "c0", "c1"]);
    expect(holderIn(0)).toMatch(/^a0_/);
  });

  it("K-56: a renewal costs one write of the Lease and one signal", async () => {
    const { leader } = await three(kinds, options);
    leader.client.forget();
    await world.clock.advance(60_000);
    const writes = leader.client.calls.filter((call) => !call.startsWith("read"));
    expect(writes.filter((call) => call === "replace leases").length).toBeGreaterThanOrEqual(11);
    expect(writes.length).toBeLessThanOrEqual(2 * 13);
    expect(leader.stops).toEqual([]);
  });

  it("K-56: a neighbour follows a leader that dies, with a greater term, before any other cluster", async () => {
    const { leader, neighbour } = await three(kinds, options);
    leader.crash();
    await followed();
    expect(ascending(terms())).toBe(true);
    if ("prunes" in options) return; // its record has to be freed before its term can be counted: for anybody
    expect(neighbour.terms[0]).toBeGreaterThan(leader.terms[0] ?? Infinity);
    await world.clock.advance(60_000);
    expect([world.leading, neighbour.stops]).toEqual([["a1"], []]);
  });

  it("K-56: a cluster that dies is followed by another one, after the head start of its candidates", async () => {
    const { leader, neighbour } = await three(kinds, options);
    leader.crash();
    neighbour.crash();
    const tookMs = await world.untilLed("b0", 60_000);
    expect(tookMs).toBeLessThanOrEqual(leaseMs + headStartMs + retryMs + 2_000);
    expect(ascending(terms())).toBe(true);
  });

  it("K-56: a release frees the global record first and the Lease last, and somebody follows at once", async () => {
    const { leader } = await three(kinds, options);
    await world.clock.advance(2_000);
    const freed: unknown[] = [];
    world.global.listen(() => {
      if (world.global.record?.holder === "") freed.push(holderIn(0));
    });
    void leader.elector.resign();
    await world.clock.advanceUntil(() => world.leading.some((label) => label !== "a0"), 5_000);
    expect(freed[0]).toMatch(/^a0_/); // still held when the global record was freed
    expect(ascending(terms())).toBe(true);
  });

  it("K-56: terms grow over 20 hand-overs among all", async () => {
    const { leader, neighbour, standby } = await three(kinds, options);
    const all = [leader, neighbour, standby];
    for (let count = 0; count < 20; count += 1) {
      await world.untilLed(undefined, 60_000);
      await world.clock.advance(1_500);
      void all.find(({ label }) => world.leading.includes(label))?.elector.resign();
      await world.clock.advanceUntil(() => world.story.length > count + 1, 60_000);
    }
    expect(terms().length).toBeGreaterThanOrEqual(20);
    expect(ascending(terms())).toBe(true);
    expect(new Set(world.story.map(({ label }) => label)).size).toBeGreaterThan(1);
  });

  it("K-56: who loses the lock of its cluster stops at once, and a neighbour's term goes on", async () => {
    const { leader, neighbour } = await three(kinds, options);
    const renewTime = microTime(world.clock.wallMs() * 1000);
    const spec = { holderIdentity: "thief", renewTime, leaseDurationSeconds: 15, leaseTransitions: 7 };
    const stored = world.cluster(0).stored(lease) ?? expect.unreachable("the leader wrote it");
    await world
      .cluster(0)
      .connect()
      .replace(lease, { ...stored, spec });
    await world.clock.advance(500);
    expect([leader.stops, world.leading]).toEqual([["taken"], []]);
    await world.untilLed(undefined, 60_000);
    expect(ascending(terms())).toBe(true);
    expect(neighbour.errors.map(errorCode)).not.toContain("CORRUPT_DATA");
  });

  it("K-56: an erased MultiClusterLease ends the term, and somebody leads again", async () => {
    const { leader } = await three(kinds, options);
    world.cluster(0).remove(world.ref);
    await world.clock.advance(1_000);
    expect(leader.stops).toEqual(["erased"]);
    await world.untilLed(undefined, 60_000);
    expect(ascending(terms())).toBe(true);
  });

  it("K-56: an erased Lease ends the term, and nobody follows before the term would have ended", async () => {
    const { leader, neighbour } = await three(kinds, options);
    world.cluster(0).remove(lease);
    await world.clock.advance(500);
    expect(leader.stops).toHaveLength(1);
    expect(await world.untilLed(undefined, 60_000)).toBeGreaterThan(leaseMs - 6_000);
    expect([ascending(terms()), neighbour.errors]).toEqual([true, []]);
  });

  it("K-56: without watches all of it goes on", async () => {
    start(kinds, options);
    const all = [replica("a0", 0), replica("a1", 0), replica("b0", 1)];
    for (const { client } of all) client.refuse(403, { on: "watch" });
    await world.untilLed(undefined, 10_000);
    all.find(({ label }) => world.leading.includes(label))?.crash();
    await world.untilLed(undefined, 60_000);
    expect(ascending(terms())).toBe(true);
  });

  it("K-56: a silent controller keeps nobody from the lock of the cluster for ever", async () => {
    start(kinds, options);
    world.controller(0).silent = true;
    const first = replica("a0", 0);
    await world.clock.advance(12_000);
    expect(first.errors.map(errorCode)).toContain("CONTROLLER_SILENT");
    first.crash();
    world.controller(0).silent = false;
    await world.controller(0).look();
    replica("a1", 0);
    await world.untilLed("a1", 2 * leaseMs + 10_000);
    expect(ascending(terms())).toBe(true);
  });
});

describe("scope cluster, a Go controller", () => {
  it("K-57: a neighbour follows with a greater term, under a name of its own", async () => {
    const { leader, neighbour } = await three(["go", "go"]);
    leader.crash();
    await followed(3 * leaseMs + 2 * headStartMs);
    expect(ascending(terms())).toBe(true);
    expect([neighbour.lock.identity, world.bucket.record?.holderIdentity]).toEqual([
      "c0",
      expect.stringMatching(/^c[01](~2)?$/),
    ]);
  });
});

describe("scope cluster, one cluster with a Go controller", () => {
  it("K-57: neighbours follow each other after crashes and resignations, with terms that grow", async () => {
    start(["go"]);
    const all = ["a0", "a1", "a2"].map((label) => replica(label, 0));
    await world.untilLed(undefined, 10_000);
    for (const how of ["crash", "resign", "resign", "crash"] as const) {
      await world.clock.advance(20_000);
      const count = world.story.length;
      const leader = all.find(({ label }) => world.leading.includes(label)) ?? expect.unreachable("nobody leads");
      if (how === "crash") leader.crash();
      else void leader.elector.resign();
      await world.clock.advanceUntil(() => world.story.length > count, 3 * leaseMs);
    }
    expect(ascending(terms())).toBe(true);
    const count = world.story.length;
    await world.clock.advance(120_000);
    expect([world.story.length, world.leading.length]).toEqual([count, 1]);
  });
});

describe("scope cluster, one call", () => {
  const texts = { count: 0 };

  function lockIn(of: number, label: string): MultiClusterLeaseLock {
    const { clock, random } = world;
    const common = { ...place, client: world.cluster(of).connect(), clock, random, events: "off" } as const;
    return new MultiClusterLeaseLock({
      ...common,
      ...{ scope: "cluster", within: new LeaseLock({ ...common, label }), label: `c${of}` },
    });
  }

  function record(lock: MultiClusterLeaseLock, fields: Partial<LeaderElectionRecord> = {}): LeaderElectionRecord {
    texts.count += 1;
    const renewTime = microTime(world.clock.wallMs() * 1000 + texts.count);
    const times = { acquireTime: renewTime, renewTime };
    return { holderIdentity: lock.identity, leaseDurationSeconds: 15, ...times, leaderTransitions: 1, ...fields };
  }

  async function ended<T>(call: Promise<T>): Promise<T> {
    let settled = false;
    const watched = call.finally(() => (settled = true));
    watched.catch(() => {}); // it is awaited below
    await world.clock.advanceUntil(() => settled, 30_000);
    return await watched;
  }

  function written(outcome: LockOutcome): Version {
    return outcome.written ? outcome.version : expect.unreachable("the write lost the race");
  }

  /** A lock that holds, and one of a neighbour. */
  async function held(): Promise<{ mine: MultiClusterLeaseLock; other: MultiClusterLeaseLock; version: Version }> {
    start(["ours", "ours"]);
    const mine = lockIn(0, "a0");
    const version = written(await ended(mine.create(record(mine))));
    return { mine, other: lockIn(0, "a1"), version };
  }

  it("K-56: shows the holder as itself to the holder, as the neighbour to a neighbour, and as the cluster elsewhere", async () => {
    const { mine, other } = await held();
    const there = lockIn(1, "b0");
    expect(await ended(there.create(record(there, { leaderTransitions: 2 })))).toMatchObject({ written: false });
    const holders = await Promise.all([mine, other, there].map(async (lock) => (await lock.get())?.record));
    expect(holders.map((found) => found?.holderIdentity)).toEqual(["c0", expect.stringMatching(/^a0_/), "c0"]);
    expect(holders.map((found) => found?.leaseDurationSeconds)).toEqual([21, 15, 21]);
  });

  it("K-56: a refused signal gives the Lease back, and changes nothing", async () => {
    start(["ours", "ours"]);
    const first = lockIn(1, "b0");
    written(await ended(first.create(record(first))));
    const second = lockIn(0, "a0");
    expect(await ended(second.create(record(second)))).toMatchObject({ written: false });
    expect(holderIn(0)).toBe("");
  });

  it("K-56: a signal without an answer keeps the Lease, and a neighbour waits for it", async () => {
    start(["ours", "ours"]);
    world.controller(0).silent = true;
    const lock = lockIn(0, "a0");
    const error = await ended(lock.create(record(lock))).then(() => undefined, errorCode);
    expect(error).toBe("CONTROLLER_SILENT");
    expect(holderIn(0)).toMatch(/^a0_/);
    expect((await lock.get())?.record.holderIdentity).toBe("");
    expect((await lockIn(0, "a1").get())?.record.holderIdentity).toMatch(/^a0_/);
  });

  it("K-56: a Lease that somebody else has written is a lost race, and nothing is signalled", async () => {
    const { mine, other, version } = await held();
    const count = world.global.writes.length;
    const seen = (await other.get()) ?? expect.unreachable("it is there");
    await world.clock.advance(1_000);
    written(await ended(other.update(record(other, { leaderTransitions: 2 }), seen.version)));
    expect(world.global.writes.length).toBe(count + 1);
    expect(await ended(mine.update(record(mine, { acquireTime: "" }), version))).toEqual({ written: false });
    expect(world.global.writes.length).toBe(count + 1);
  });

  it("K-56: a term that a neighbour has had is not asked for again", async () => {
    const { other } = await held();
    const seen = (await other.get()) ?? expect.unreachable("it is there");
    await world.clock.advance(1_000);
    expect(await ended(other.update(record(other), seen.version))).toMatchObject({ written: true, term: 2 });
    expect(world.global.record?.term).toBe(2);
  });

  it("K-56: nor after somebody has deleted the resource that told it, under either definition", async () => {
    for (const prunes of [false, true]) {
      start(["ours", "ours"], { prunes });
      const mine = lockIn(0, "a0");
      written(await ended(mine.create(record(mine, { leaderTransitions: 4 }))));
      const before = world.global.record?.term ?? Infinity;
      const finalizers = { metadata: { finalizers: [] } };
      world.cluster(0).remove(world.ref);
      await world.cluster(0).connect().patch(world.ref, finalizers);
      await world.clock.advance(40_000);
      const next = lockIn(0, "a1");
      const seen = (await next.get()) ?? expect.unreachable("the Lease is there");
      const outcome = await ended(next.update(record(next), seen.version));
      expect([outcome.written, (world.global.record?.term ?? 0) > before]).toEqual([true, true]);
    }
  });

  it("K-56: a term that the controller has counted meanwhile is a lost race, and the Lease is given back", async () => {
    const { other } = await held();
    const seen = (await other.get()) ?? expect.unreachable("it is there");
    world.global.write({ ...(world.global.record ?? expect.unreachable("it is held")), term: 9 });
    await world.clock.advance(1_000);
    expect(await ended(other.update(record(other), seen.version))).toEqual({ written: false });
    expect([holderIn(0), world.global.record?.term]).toEqual(["", 9]);
  });

  it("K-56: no two candidates of a cluster signal the same text, whatever their clocks say", async () => {
    const { other } = await held();
    const before = world.global.record?.renewTime ?? "";
    const seen = (await other.get()) ?? expect.unreachable("it is there");
    const behind = { acquireTime: "2001-01-01T00:00:00.000000Z", renewTime: "2001-01-01T00:00:00.000000Z" };
    await world.clock.advance(1_000);
    written(await ended(other.update(record(other, { leaderTransitions: 2, ...behind }), seen.version)));
    expect(Number(world.global.record?.renewTime.localeCompare(before))).toBeGreaterThan(0);
    expect((await other.get())?.record.renewTime).toBe("2001-01-01T00:00:00.000000Z");
  });

  it("K-56: a renewal that is refused is lost at once, and keeps the Lease while the work may go on", async () => {
    const { mine, version } = await held();
    const { record: stored = expect.unreachable("it is held") } = world.global;
    world.global.write({ ...stored, holder: "c1", term: 2 });
    await world.clock.advance(1_000);
    expect(await ended(mine.update(record(mine, { acquireTime: "" }), version))).toMatchObject({ written: false });
    expect(holderIn(0)).toMatch(/^a0_/);
    expect((await mine.get())?.record.holderIdentity).toBe("c1");
  });

  it("K-56: a release that an edit of the Lease comes before is sent again", async () => {
    const { mine, version } = await held();
    world.cluster(0).annotate(lease);
    written(await ended(mine.update(record(mine, { holderIdentity: "", leaseDurationSeconds: 1 }), version)));
    expect([holderIn(0), world.global.record?.holder]).toEqual(["", ""]);
  });

  it("K-56: a release that the controller does not answer leaves the Lease held", async () => {
    const { mine, version } = await held();
    world.controller(0).silent = true;
    const call = mine.update(record(mine, { holderIdentity: "", leaseDurationSeconds: 1 }), version);
    expect(await ended(call).then(() => undefined, errorCode)).toBe("CONTROLLER_SILENT");
    expect(holderIn(0)).toMatch(/^a0_/);
  });

  it("K-37: a term that the cluster drops from the signal is not led", async () => {
    const { other } = await held();
    const seen = (await other.get()) ?? expect.unreachable("it is there");
    await world.clock.advance(1_000);
    const { client } = { client: world.cluster(0).connect() };
    const dropping = {
      ...bound(client),
      patch: async (...given: Parameters<typeof client.patch>) => {
        const answer = await client.patch(...given);
        return answer.written ? { ...answer, resource: withoutTerm(answer.resource) } : answer;
      },
    };
    const { clock, random } = world;
    const common = { ...place, client: dropping, clock, random, events: "off" } as const;
    const within = new LeaseLock({ ...common, label: "a2" });
    const lock = new MultiClusterLeaseLock({ ...common, scope: "cluster", within, label: "c0" });
    await lock.get();
    const call = lock.update(record(lock, { leaderTransitions: 2 }), seen.version);
    expect(await ended(call).then(() => undefined, errorCode)).toBe("OUTCOME_UNKNOWN");
    expect((await lock.get())?.record.holderIdentity).toBe("");
  });
});

/** Its six calls, to be replaced one by one. */
function bound(client: MultiClusterLeaseLockOptions["client"]): MultiClusterLeaseLockOptions["client"] {
  return {
    description: client.description,
    read: client.read.bind(client),
    create: client.create.bind(client),
    replace: client.replace.bind(client),
    patch: client.patch.bind(client),
    list: client.list.bind(client),
    watch: client.watch.bind(client),
    close: client.close.bind(client),
    [Symbol.asyncDispose]: client[Symbol.asyncDispose].bind(client),
  };
}

function withoutTerm(resource: KubernetesResource): KubernetesResource {
  const { leaseTransitions: _dropped, ...spec } = Object(resource["spec"]);
  return { ...resource, spec };
}

describe("scope cluster, options", () => {
  it("K-56: within, the calls of a lock, and a label of its own are demanded, all in one message", () => {
    start(["ours"]);
    const client = world.cluster(0).connect();
    const problems = (options: Partial<MultiClusterLeaseLockOptions>): readonly string[] => {
      try {
        return [new MultiClusterLeaseLock({ ...place, client, ...options }).identity];
      } catch (error) {
        return error instanceof InvalidSettingsError ? error.problems : [String(error)];
      }
    };
    const within = new LeaseLock({ ...place, client });
    expect(problems({ scope: "cluster" })).toEqual([
      expect.stringContaining("demands within"),
      expect.stringContaining("demands label"),
    ]);
    expect(problems({ scope: "cluster", within, label: "eu~2" })).toEqual([expect.stringContaining("later term")]);
    const blind = { identity: "x", description: "x", create: within.create.bind(within) };
    expect(problems({ scope: "cluster", within: blind as unknown as LeaseLock, label: "eu" })).toEqual([
      expect.stringContaining("must have the calls get, update, watch"), // cast above: wrong on purpose
    ]);
    expect(problems({ within, label: "eu" })).toEqual([expect.stringContaining('goes with scope "cluster"')]);
    expect(problems({ scope: "cluster", within, label: "eu" })).toEqual(["eu"]);
  });
});
