// Goal: a MultiClusterLeaseLock signals by one write, believes only what proves its signal, and tells apart why nothing
// came. Method: each rule on a fake cluster with a scripted controller and a manual clock; requests are counted.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  ControllerSilentError,
  errorCode,
  appliedOf,
  GlobalStorageUnhealthyError,
  InvalidSettingsError,
  LocalContentionError,
} from "../../src/errors.ts";
import type { KubernetesResource } from "../../src/kubernetes/kubernetes-resources.ts";
import { finalizerOf, defaultGroup } from "../../src/kubernetes/multi-cluster-lease.ts";
import { MultiClusterLeaseLock } from "../../src/kubernetes/multi-cluster-lease-lock.ts";
import type { MultiClusterLeaseLockOptions } from "../../src/kubernetes/multi-cluster-lease-options.ts";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import type { LockOutcome } from "../../src/lock/resource-lock.ts";
import type { Version } from "../../src/storage/versioned-storage.ts";
import { microTime } from "../../src/system/micro-time.ts";
import { FakeKubernetes, ManualClock, SeededRandom, type FakeKubernetesClient } from "../../src/testing/index.ts";
import { GlobalLease, leaseRef, ScriptedController } from "./scripted-controller.ts";

const ref = leaseRef();
const place = { namespace: "default", name: "billing" };

let clock: ManualClock;
let cluster: FakeKubernetes;
let client: FakeKubernetesClient;
let global: GlobalLease;
let controller: ScriptedController;
let over: AbortController;
let random: SeededRandom;

function start(options: ConstructorParameters<typeof FakeKubernetes>[0] = {}): void {
  clock = new ManualClock();
  cluster = new FakeKubernetes({ clock, ...options });
  client = cluster.connect();
  global = new GlobalLease(clock);
  over = new AbortController();
  random = new SeededRandom(7);
  controller = new ScriptedController({ client: cluster.connect(), ref, clock, global, signal: over.signal });
}

beforeEach(() => start());
afterEach(() => over.abort());

function lockOf(options: Partial<MultiClusterLeaseLockOptions> = {}): MultiClusterLeaseLock {
  return new MultiClusterLeaseLock({ ...place, client, clock, random, label: "a", events: "off", ...options });
}

/** As an elector writes it: each call has a text of its own. */
function record(lock: MultiClusterLeaseLock, fields: Partial<LeaderElectionRecord> = {}): LeaderElectionRecord {
  texts += 1;
  const renewTime = microTime(clock.wallMs() * 1000 + texts);
  const times = { acquireTime: renewTime, renewTime };
  return { holderIdentity: lock.identity, leaseDurationSeconds: 15, ...times, leaderTransitions: 1, ...fields };
}
let texts = 0;

const time = "2026-11-21T09:28:33.142778Z";
const released = { holderIdentity: "", leaseDurationSeconds: 1 };

function written(outcome: LockOutcome): Version {
  if (!outcome.written) throw new Error("the write lost the race");
  return outcome.version;
}

/** Lets time pass until a call has ended. */
async function ended<T>(call: Promise<T>, mostMs = 20_000): Promise<T> {
  let settled = false;
  const watched = call.finally(() => (settled = true));
  watched.catch(() => {}); // it is awaited below
  await clock.advanceUntil(() => settled, mostMs);
  return await watched;
}

/** The error of a call that is under way. */
async function errorOf(call: Promise<unknown>): Promise<unknown> {
  const outcome = await call.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ("error" in outcome) return outcome.error;
  throw new Error(`no error, but ${JSON.stringify(outcome.value)}`);
}
const failed = (call: Promise<unknown>): Promise<unknown> => ended(errorOf(call));

const specOf = (): Readonly<Record<string, unknown>> => Object(cluster.stored(ref)?.["spec"]);

/** Writes fields of the status, or of the spec, as another program does. */
function put(part: "spec" | "status", fields: object): void {
  const stored = cluster.stored(ref) ?? {};
  cluster.put(ref, { ...stored, [part]: { ...Object(stored[part]), ...fields } });
}

describe("a signal", () => {
  it("K-53: is one POST, later one merge patch of the spec, with what a Go controller knows and little more", async () => {
    const lock = lockOf({ renewDeadlineMs: 10_900, retryPeriodMs: 1_500 });
    const first = record(lock);
    const version = written(await lock.create(first));
    const second = record(lock);
    written(await lock.update(second, version));
    const [post, patch] = client.log.filter(({ verb }) => verb === "create" || verb === "patch");
    const spec = {
      ...{ holderIdentity: lock.identity, renewTime: first.renewTime, leaseDurationSeconds: 15 },
      ...{ renewDeadlineSeconds: 10, retryPeriodSeconds: 2, leaseTransitions: 1 },
    };
    const [apiVersion, kind] = [`${defaultGroup}/v1alpha1`, "MultiClusterLease"];
    expect(post?.body).toEqual({ apiVersion, kind, metadata: place, spec });
    const condition = { uid: expect.any(String), resourceVersion: expect.any(String) };
    expect(patch?.body).toEqual({ metadata: condition, spec: { ...spec, renewTime: second.renewTime } });
    expect(client.calls.filter((call) => call === "patch multiclusterleases")).toHaveLength(1);
  });

  it("K-53: V is rounded down and P up, never to 0; without them they follow from the lease", async () => {
    const lock = lockOf({ renewDeadlineMs: 400, retryPeriodMs: 200 });
    const late = lock.create(record(lock, { leaseDurationSeconds: 1 }), { timeoutMs: 300 });
    await clock.advance();
    expect(specOf()).toMatchObject({ renewDeadlineSeconds: 1, retryPeriodSeconds: 1, leaseDurationSeconds: 1 });
    await late;
    start();
    const other = lockOf();
    await other.create(record(other));
    expect(specOf()).toMatchObject({ renewDeadlineSeconds: 10, retryPeriodSeconds: 2 });
  });

  it("K-16: no two carry the same text, and the caller finds its own by the text that it gave", async () => {
    const lock = lockOf();
    const same = record(lock);
    const first = written(await lock.create(same));
    written(await lock.update(same, first));
    expect(specOf()["renewTime"]).not.toBe(same.renewTime);
    expect((await lock.get())?.record).toMatchObject({ holderIdentity: lock.identity, renewTime: same.renewTime });
    const back = { ...same, renewTime: "2001-01-01T00:00:00.000000Z" };
    written(await lock.update(back, (await lock.get())?.version ?? first));
    expect(String(specOf()["renewTime"]) > same.renewTime).toBe(true);
    expect((await lock.get())?.record.renewTime).toBe(back.renewTime);
  });

  it("K-54: a renewal costs one request, with a watch open", async () => {
    const lock = lockOf();
    const watching = lock.watch({ signal: over.signal });
    void (async () => {
      for await (const _hint of watching);
    })();
    let version = written(await lock.create(record(lock)));
    client.forget();
    for (let count = 0; count < 10; count += 1) {
      await clock.advance(5_000);
      version = written(await ended(lock.update(record(lock), version)));
    }
    expect(client.calls).toEqual(Array(10).fill("patch multiclusterleases"));
  });

  it("K-44: without a watch it polls each 250 ms, and each second once the watch has shown the signal", async () => {
    const lock = lockOf();
    controller.silent = true;
    client.refuse(403, { on: "watch" });
    const blind = failed(lock.create(record(lock), { timeoutMs: 5_000 }));
    expect(errorCode(await blind)).toBe("CONTROLLER_SILENT");
    expect(client.calls.filter((call) => call === "read multiclusterleases")).toHaveLength(18); // until 4 750 ms
    client.heal();
    const other = lockOf({ client: cluster.connect() });
    const version = (await other.get())?.version ?? ("" as Version); // cast: it is there
    const sighted = cluster.connect();
    const watching = lockOf({ client: sighted });
    await failed(watching.update(record(watching), version, { timeoutMs: 5_000 }));
    expect(sighted.calls.filter((call) => call === "read multiclusterleases")).toHaveLength(5); // one knows the version
  });

  it("K-44: events that overtake the answer of the write are judged once it is there, without a poll", async () => {
    const lock = lockOf();
    client.delay({ answerMs: 300 }, { on: "write", times: 1 });
    written(await ended(lock.create(record(lock))));
    expect(clock.monotonicMs()).toBe(300);
    expect(client.calls).not.toContain("read multiclusterleases");
  });

  it("K-46: reads name no resourceVersion, so that no cache answers them", async () => {
    const lock = lockOf();
    await lock.create(record(lock));
    await lock.get();
    for (const call of client.log.filter(({ verb }) => verb === "read")) expect(call).not.toHaveProperty("query");
  });

  it("K-35: what the server refuses is a setting, and changes nothing", async () => {
    client.refuse(422, { on: "write" });
    const lock = lockOf();
    const error = await failed(lock.create(record(lock)));
    expect([errorCode(error), appliedOf(error)]).toEqual(["INVALID_SETTINGS", "no"]);
  });
});

describe("K-47: the condition", () => {
  it("is the spec: status writes and labels in between lose it no race, another signal does", async () => {
    const lock = lockOf();
    let version = written(await lock.create(record(lock)));
    void (async () => {
      for await (const _hint of lock.watch({ signal: over.signal }));
    })();
    await clock.advance(1_000);
    for (let count = 0; count < 3; count += 1) {
      put("status", { globalLeaseDurationSeconds: 20 + count });
      await clock.advance();
      version = written(await ended(lock.update(record(lock), version)));
    }
    put("spec", { holderIdentity: "b_2", renewTime: "2026-11-21T09:28:43.210086Z" });
    await clock.advance();
    client.forget();
    expect(await ended(lock.update(record(lock), version))).toEqual({ written: false });
    expect(client.calls).not.toContain("patch multiclusterleases"); // it is known to be lost
  });

  it("409: a lost race, and nothing is repeated", async () => {
    const lock = lockOf();
    const version = written(await lock.create(record(lock)));
    client.refuse(403, { on: "watch" });
    put("spec", { holderIdentity: "b_2" });
    client.forget();
    expect(await ended(lock.update(record(lock), version))).toEqual({ written: false });
    expect(client.calls.filter((call) => call.startsWith("patch"))).toHaveLength(1);
  });

  it("after a lost verdict the next signal waits inside its call, until one second after the last", async () => {
    const [lock, other] = [lockOf(), lockOf({ client: cluster.connect() })];
    written(await lock.create(record(lock)));
    const version = (await other.get())?.version ?? ("" as Version); // cast: it is there
    expect(await ended(other.update(record(other, { leaderTransitions: 2 }), version))).toEqual({
      ...{ written: false, heldBy: lock.identity },
    });
    const sentMs = clock.monotonicMs();
    const again = (await other.get())?.version ?? version;
    await ended(other.update(record(other, { leaderTransitions: 2 }), again));
    expect(clock.monotonicMs() - sentMs).toBe(1_000);
    const soon = await failed(other.update(record(other), again, { timeoutMs: 500 }));
    expect(appliedOf(soon)).toBe("no");
  });

  it("a version that another lock was given is read once, and one of another object is lost", async () => {
    const [lock, other] = [lockOf(), lockOf({ client: cluster.connect() })];
    const version = written(await lock.create(record(lock)));
    controller.yields = true;
    written(await ended(other.update(record(other, { leaderTransitions: 2 }), version)));
    const strange = "another-uid/1" as Version; // cast: of an object that is no more
    expect(await ended(lock.update(record(lock, { leaderTransitions: 3 }), strange))).toEqual({ written: false });
  });
});

describe("K-51: why nothing came", () => {
  it("no controller: CONTROLLER_SILENT, unknown, before the caller gives up", async () => {
    controller.silent = true;
    const lock = lockOf();
    const error = await failed(lock.create(record(lock), { timeoutMs: 5_000 }));
    expect(error).toBeInstanceOf(ControllerSilentError);
    expect(error).toMatchObject({ code: "CONTROLLER_SILENT", applied: "unknown", key: "default/billing" });
    expect(clock.monotonicMs()).toBe(4_750);
  });

  it("K-42: no call waits beyond the validity of its signal, however long the caller would", async () => {
    controller.silent = true;
    const lock = lockOf();
    await failed(lock.create(record(lock), { timeoutMs: 60_000 }));
    expect(clock.monotonicMs()).toBe(9_750);
  });

  it("its storage out of reach: GLOBAL_STORAGE_UNHEALTHY, with what the controller says", async () => {
    controller.trouble = "503 after 3100 ms\u001b[31m";
    const lock = lockOf();
    const error = await failed(lock.create(record(lock)));
    expect(error).toBeInstanceOf(GlobalStorageUnhealthyError);
    expect(String(error)).toContain("the controller says: 503 after 3100 ms\\u001b[31m");
  });

  it("another candidate of this cluster wrote over the signal: LOCAL_CONTENTION names it", async () => {
    const lock = lockOf();
    controller.delayMs = 500;
    const call = errorOf(lock.create(record(lock)));
    await clock.advance(100);
    put("spec", { holderIdentity: "b_2", renewTime: "2026-11-21T09:28:43.210086Z" });
    put("status", { observedGeneration: 2, globalHolderIdentity: "", globalLeaseTransitions: 0 });
    controller.silent = true;
    const error = await ended(call);
    expect(error).toBeInstanceOf(LocalContentionError);
    expect(String(error)).toContain("b_2 wrote over the signal");
  });

  it("held by another is a value, and names it", async () => {
    global.write({ holder: "b_2", renewTime: time, acquireTime: time, seconds: 60, term: 4 });
    const lock = lockOf();
    const outcome = await ended(lock.create(record(lock, { leaderTransitions: 5 })));
    expect(outcome).toEqual({ written: false, heldBy: "b_2" });
  });

  it("K-43: a definitive loss ends the wait with the first status that shows it", async () => {
    controller.delayMs = 40;
    global.write({ holder: "b_2", renewTime: time, acquireTime: time, seconds: 60, term: 4 });
    const lock = lockOf();
    await ended(lock.create(record(lock, { leaderTransitions: 5 })));
    expect(clock.monotonicMs()).toBeLessThanOrEqual(100);
  });

  it("an abort rejects with its reason, and a signal that has fallen sends nothing", async () => {
    controller.silent = true;
    const lock = lockOf();
    const [stop, reason] = [new AbortController(), new Error("enough")];
    const call = errorOf(lock.create(record(lock), { signal: stop.signal }));
    await clock.advance(100);
    stop.abort(reason);
    expect(await ended(call)).toBe(reason);
    client.forget();
    expect(await failed(lock.create(record(lock), { signal: stop.signal }))).toBe(reason);
    expect(client.calls).toEqual([]);
  });
});

describe("K-49: what is read", () => {
  it("holder, signal, duration, term and the begin of the term come from the status", async () => {
    const lock = lockOf();
    const first = record(lock);
    const version = written(await lock.create(first));
    written(await lock.update(record(lock), version));
    const stored = cluster.stored(ref);
    expect((await lock.get())?.record).toEqual({
      ...{ holderIdentity: lock.identity, leaseDurationSeconds: 15, leaderTransitions: 1 },
      ...{ acquireTime: first.renewTime, renewTime: Object(stored?.["status"]).globalRenewTime },
    });
    put("status", { globalLeaseDurationSeconds: undefined, globalAcquireTime: undefined });
    expect((await lock.get())?.record).toMatchObject({ leaseDurationSeconds: 15, acquireTime: "" });
  });

  it("the term is the one that the controller counted, also where it was asked for another", async () => {
    global.write({ holder: "", renewTime: time, acquireTime: time, seconds: 1, term: 41 });
    start({ prunedFields: { multiclusterleases: ["spec.leaseTransitions"] } });
    global.write({ holder: "", renewTime: time, acquireTime: time, seconds: 1, term: 41 });
    const lock = lockOf();
    const outcome = await ended(lock.create(record(lock, { leaderTransitions: 50 })));
    expect(outcome).toMatchObject({ written: true, term: 42 });
    expect((await lock.get())?.record.leaderTransitions).toBe(42);
  });

  it("K-50: an expired and a released lease are free, and an object that is being deleted is absent", async () => {
    const lock = lockOf();
    const version = written(await lock.create(record(lock)));
    await clock.advance(15_000);
    await controller.look();
    expect((await lock.get())?.record).toMatchObject({ holderIdentity: "", leaderTransitions: 1 });
    written(await ended(lock.update(record(lock), version)));
    expect((await lock.get())?.record.holderIdentity).toBe(lock.identity);
    cluster.remove(ref);
    expect(cluster.stored(ref)?.metadata).toMatchObject({ finalizers: [finalizerOf(defaultGroup)], generation: 3 });
    expect(await lock.get()).toBeUndefined();
  });

  it("K-90: a status that cannot be read is nobody's, and is not written over", async () => {
    const lock = lockOf();
    const version = written(await lock.create(record(lock)));
    controller.silent = true;
    put("status", { globalLeaseTransitions: -4 });
    expect(errorCode(await failed(lock.get()))).toBe("CORRUPT_DATA");
    expect(errorCode(await failed(lock.update(record(lock), version)))).toBe("OUTCOME_UNKNOWN");
  });
});

describe("K-45: hints", () => {
  it("carry the record, and tell each change of the status and of the spec once", async () => {
    const lock = lockOf();
    const told: (string | undefined)[] = [];
    void (async () => {
      for await (const { observed } of lock.watch({ signal: over.signal })) {
        told.push(observed && `${observed.record.holderIdentity} ${observed.version.split("/")[1]}`);
      }
    })();
    await clock.advance(1_000);
    expect(told).toEqual([undefined]); // absent
    const version = written(await ended(lock.create(record(lock))));
    await clock.advance();
    expect(told.slice(1).filter((hint) => hint !== undefined)).toEqual([`${lock.identity} 1`]);
    told.length = 0;
    controller.silent = true;
    put("status", { globalHolderIdentity: "b_2", globalLeaseTransitions: 2 });
    await clock.advance();
    cluster.annotate(ref);
    await clock.advance();
    expect(told).toEqual(["b_2 1"]);
    expect(version).toMatch(/\/1$/);
  });

  it("K-44: one watch serves the hints and every call", async () => {
    const lock = lockOf();
    const opened = (): number => client.calls.filter((call) => call === "watch multiclusterleases").length;
    void (async () => {
      for await (const _hint of lock.watch({ signal: over.signal }));
    })();
    let version = written(await lock.create(record(lock)));
    for (let count = 0; count < 5; count += 1) version = written(await ended(lock.update(record(lock), version)));
    expect([opened(), cluster.watchCount]).toEqual([1, 2]); // the other one is the controller's
    const alone = cluster.connect();
    const other = lockOf({ client: alone });
    await ended(other.update(record(other), version));
    expect([alone.calls.filter((call) => call.startsWith("watch")).length, cluster.watchCount]).toEqual([1, 2]);
  });
});

describe("K-58: a release", () => {
  it("takes the signal back, keeps the holder, and waits until the lease is free", async () => {
    const lock = lockOf();
    const version = written(await lock.create(record(lock)));
    controller.delayMs = 300;
    client.forget();
    const outcome = await ended(lock.update(record(lock, released), version));
    expect(outcome.written).toBe(true);
    expect(clock.monotonicMs()).toBeGreaterThanOrEqual(300);
    const [patch] = client.log.filter(({ verb }) => verb === "patch");
    const metadata = { uid: expect.any(String), resourceVersion: expect.any(String) };
    expect(patch?.body).toEqual({
      ...{ metadata, spec: { holderIdentity: lock.identity, renewTime: null, leaseTransitions: 1 } },
    });
    expect(specOf()).not.toHaveProperty("renewTime");
    expect(global.record).toMatchObject({ holder: "", term: 2 });
    expect((await lock.get())?.record).toMatchObject({ holderIdentity: "", leaderTransitions: 2 });
  });

  it("that another candidate's signal came before is a lost race, and leaves that alone", async () => {
    const lock = lockOf();
    const version = written(await lock.create(record(lock)));
    put("spec", { holderIdentity: "b_2", renewTime: "2026-11-21T09:28:43.210086Z" });
    expect(await ended(lock.update(record(lock, released), version))).toEqual({ written: false });
    expect(specOf()).toMatchObject({ holderIdentity: "b_2", renewTime: "2026-11-21T09:28:43.210086Z" });
  });

  it("says whom it prefers, to the candidates of this cluster; the next signal clears that", async () => {
    const [lock, other] = [lockOf(), lockOf({ client: cluster.connect() })];
    const version = written(await lock.create(record(lock)));
    const freed = await ended(lock.update(record(lock, { ...released, preferredHolder: other.identity }), version));
    expect((await other.get())?.record.preferredHolder).toBe(other.identity);
    await ended(other.update(record(other, { leaderTransitions: 3 }), written(freed)));
    expect((await lock.get())?.record).not.toHaveProperty("preferredHolder");
  });

  it.each([
    ["a silent controller", () => void (controller.silent = true), "CONTROLLER_SILENT"],
    ["a storage out of reach", () => void (controller.trouble = "down"), "GLOBAL_STORAGE_UNHEALTHY"],
  ])("behind %s is unknown, with its own code", async (_what, hurt, code) => {
    const lock = lockOf();
    const version = written(await lock.create(record(lock)));
    hurt();
    expect(errorCode(await failed(lock.update(record(lock, released), version)))).toBe(code);
  });
});

describe("K-50: an object that is being deleted", () => {
  async function dying(): Promise<{ lock: MultiClusterLeaseLock; version: Version }> {
    const lock = lockOf();
    const version = written(await lock.create(record(lock)));
    cluster.remove(ref);
    expect(await lock.get()).toBeUndefined();
    client.forget();
    return { lock, version };
  }

  it("gets no signal any more", async () => {
    const { lock, version } = await dying();
    expect(await ended(lock.update(record(lock), version))).toEqual({ written: false });
    expect(client.calls.filter((call) => call.startsWith("patch"))).toEqual([]);
  });

  it("is released by the create that follows the end of the work, which says that it changed nothing", async () => {
    const { lock } = await dying();
    expect(cluster.stored(ref)).toBeDefined();
    const error = await failed(lock.create(record(lock, { leaderTransitions: 2 })));
    expect([errorCode(error), appliedOf(error)]).toEqual(["STORAGE_UNAVAILABLE", "no"]);
    await clock.advance();
    expect(global.record?.holder).toBe("");
    expect(cluster.stored(ref)).toBeUndefined(); // the controller took its finalizer away
    const next = await ended(lock.create(record(lock, { leaderTransitions: 3 })));
    expect(next.written).toBe(true);
    expect(global.record).toMatchObject({ holder: lock.identity, term: 3 });
  });

  it("takes a release by update, too", async () => {
    const { lock, version } = await dying();
    const outcome = await ended(lock.update(record(lock, released), version).catch((error: unknown) => error));
    expect(outcome).toEqual({ written: false }); // gone before a status could tell
    expect([global.record?.holder, cluster.stored(ref)]).toEqual(["", undefined]);
  });

  it("makes a stranger's create fail with applied no, where a lost race would be repeated at once", async () => {
    await dying();
    const other = lockOf({ client: cluster.connect() });
    expect(await other.get()).toBeUndefined();
    expect(appliedOf(await failed(other.create(record(other))))).toBe("no");
  });
});

describe("K-55: where the server drops the term that is asked for", () => {
  it("an older name that holds the lease is released first, and the ask is refused until that is done", async () => {
    start({ prunedFields: { multiclusterleases: ["spec.leaseTransitions", "status.globalAcquireTime"] } });
    const lock = lockOf();
    const version = written(await lock.create(record(lock)));
    const error = await failed(lock.update(record(lock, { leaderTransitions: 2 }), version));
    expect([errorCode(error), appliedOf(error)]).toEqual(["STORAGE_UNAVAILABLE", "no"]);
    expect(specOf()).toMatchObject({ holderIdentity: lock.identity });
    expect(specOf()).not.toHaveProperty("renewTime");
    await clock.advance();
    expect(global.record).toMatchObject({ holder: "", term: 2 });
    const seen = await lock.get();
    const next = await ended(lock.update(record(lock, { leaderTransitions: 3 }), seen?.version ?? version));
    expect(next.written).toBe(true);
    expect([specOf()["holderIdentity"], global.record?.term]).toEqual([`${lock.identity}~2`, 3]);
    expect((await lock.get())?.record).toMatchObject({ holderIdentity: lock.identity, leaderTransitions: 3 });
  });

  it("where it does not, a second term keeps the name", async () => {
    const lock = lockOf();
    const version = written(await lock.create(record(lock)));
    written(await ended(lock.update(record(lock, { leaderTransitions: 2 }), version)));
    expect([specOf()["holderIdentity"], global.record?.term]).toEqual([lock.identity, 2]);
  });
});

describe("options", () => {
  it("K-56: scope cluster demands within, and says so", () => {
    const refused = (options: Partial<MultiClusterLeaseLockOptions>): readonly string[] => {
      try {
        lockOf(options);
      } catch (error) {
        return error instanceof InvalidSettingsError ? error.problems : [];
      }
      return [];
    };
    expect(refused({ scope: "cluster" })).toEqual([expect.stringContaining("demands within")]);
    const within = lockOf();
    expect(refused({ scope: "cluster", within })).toEqual([]);
    expect(refused({ within })).toEqual([expect.stringContaining('goes with scope "cluster"')]);
    expect(refused({ scope: "process" })).toEqual([]);
  });

  it("are all checked, and all problems are told at once", () => {
    const wrong = { namespace: "A", name: "", group: "local", renewDeadlineMs: 0, retryPeriodMs: Number.NaN };
    let problems: readonly string[] = [];
    try {
      lockOf({ ...wrong, scope: "world" as "process" }); // cast: wrong on purpose
    } catch (error) {
      problems = error instanceof InvalidSettingsError ? error.problems : [];
    }
    expect(problems.map((problem) => problem.split(" ")[0])).toEqual([
      ...["namespace", "name", "scope", "group", "renewDeadlineMs", "retryPeriodMs"],
    ]);
  });

  it("K-39: another group is another resource", async () => {
    const lock = lockOf({ group: "leases.example.com" });
    await failed(lock.create(record(lock), { timeoutMs: 100 }));
    const stored: KubernetesResource | undefined = cluster.stored({ ...ref, group: "leases.example.com" });
    expect(stored).toMatchObject({ apiVersion: "leases.example.com/v1alpha1", kind: "MultiClusterLease" });
  });

  it("K-59: describes itself as the original does, and tells events about the object", async () => {
    const lock = lockOf({ events: "events.k8s.io" });
    expect(lock.description).toBe("multiclusterlease/default/billing");
    await lock.create(record(lock));
    lock.recordEvent("became leader");
    await clock.advance();
    const event = client.log.find(({ plural }) => plural === "events")?.body;
    expect(event).toMatchObject({
      note: `${lock.identity} became leader`,
      regarding: {
        ...{ kind: "MultiClusterLease", apiVersion: `${defaultGroup}/v1alpha1`, ...place },
        uid: cluster.stored(ref)?.metadata?.uid,
      },
    });
  });
});
