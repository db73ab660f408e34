// Goal: a LeaseLock writes exactly what it means to, over exactly what it read, and keeps what others put there.
// Method: the published lock suite over a fake cluster, then each rule as requests whose bodies are compared.
import { beforeEach, describe, expect, it, test } from "vitest";
import { InvalidSettingsError, StorageUnavailableError, UnknownOutcomeError } from "../../src/errors.ts";
import type { KubernetesResource } from "../../src/kubernetes/kubernetes-resources.ts";
import { LeaseLock, type LeaseLockOptions } from "../../src/kubernetes/lease-lock.ts";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import type { LockOutcome } from "../../src/lock/resource-lock.ts";
import type { Version } from "../../src/storage/versioned-storage.ts";
import {
  FakeKubernetes,
  ManualClock,
  runLockSuite,
  type FakeKubernetesClient,
  type LockSuiteContext,
} from "../../src/testing/index.ts";
import { SuiteLocks } from "./suite-locks.ts";

const place = { namespace: "default", name: "billing" };
const ref = { group: "coordination.k8s.io", version: "v1", plural: "leases", ...place };
const time = "2026-11-21T09:32:44.921366Z";
const later = "2026-11-21T09:32:49.921367Z";

function leaseOfSuite(): LockSuiteContext {
  const clock = new ManualClock();
  const locks = new SuiteLocks(new FakeKubernetes({ clock }), (ms) => clock.advance(ms));
  return {
    description: "default/billing",
    connect: () => locks.connect((client) => new LeaseLock({ ...place, client, clock, label: "candidate" })),
    faults: locks.faults,
  };
}

describe("the lock suite", () => runLockSuite(test, { open: leaseOfSuite }));

let clock: ManualClock;
let cluster: FakeKubernetes;
let client: FakeKubernetesClient;

beforeEach(() => {
  clock = new ManualClock();
  cluster = new FakeKubernetes({ clock });
  client = cluster.connect();
});

function lockOf(options: Partial<LeaseLockOptions> = {}): LeaseLock {
  return new LeaseLock({ ...place, client, clock, label: "a", ...options });
}

function record(fields: Partial<LeaderElectionRecord> = {}): LeaderElectionRecord {
  const times = { acquireTime: time, renewTime: time };
  return { holderIdentity: "a", leaseDurationSeconds: 15, ...times, leaderTransitions: 1, ...fields };
}

function put(spec: unknown, metadata: object = {}): KubernetesResource {
  const lease = { kind: "Lease", apiVersion: "coordination.k8s.io/v1", metadata: { ...place, ...metadata } };
  return cluster.put(ref, spec === undefined ? lease : { ...lease, spec });
}

function written(outcome: LockOutcome): Version {
  if (!outcome.written) throw new Error("the write lost the race");
  return outcome.version;
}

/** Reads and writes, as a renewal does. */
async function rewrite(lock: LeaseLock, fields: Partial<LeaderElectionRecord>): Promise<Version> {
  const seen = await lock.get();
  if (seen === undefined) throw new Error("the Lease is absent");
  return written(await lock.update(record(fields), seen.version));
}

describe("K-17: what is read", () => {
  it("an absent Lease is undefined", async () => {
    expect(await lockOf().get()).toBeUndefined();
  });

  it.each([undefined, null, {}])("a Lease whose spec is %j is free, in term 0", async (spec) => {
    put(spec);
    const free = { holderIdentity: "", acquireTime: "", renewTime: "", leaderTransitions: 0 };
    expect((await lockOf().get())?.record).toEqual(free);
  });

  it("every combination of absent, null and empty loads, as the same record", async () => {
    const full = { holderIdentity: "a", leaseDurationSeconds: 15, acquireTime: time, renewTime: time };
    const texts = ["holderIdentity", "acquireTime", "renewTime", "strategy", "preferredHolder"] as const;
    const lock = lockOf();
    for (let code = 0; code < 4 ** texts.length; code += 1) {
      const spec = new Map<string, unknown>();
      const expected = new Map<string, unknown>();
      for (const [at, field] of texts.entries()) {
        const choice = Math.floor(code / 4 ** at) % 4;
        const optional = field === "strategy" || field === "preferredHolder";
        if (choice > 0) spec.set(field, choice === 1 ? null : choice === 2 ? "" : "text");
        if (choice === 3 || !optional) expected.set(field, choice === 3 ? "text" : "");
      }
      put(Object.fromEntries(spec));
      expect((await lock.get())?.record, String(code)).toEqual({
        ...Object.fromEntries(expected),
        leaderTransitions: 0,
      });
    }
    put({ ...full, leaseTransitions: null, leaseDurationSeconds: null });
    expect((await lock.get())?.record).toEqual({
      ...record({ leaderTransitions: 0 }),
      leaseDurationSeconds: undefined,
    });
  });

  it.each([0, -1, "15", 1.5])(
    "a duration of %j counts as absent, and is warned of once (decide F12)",
    async (seconds) => {
      const warnings: unknown[] = [];
      const say = (): void => {};
      const warn = (_message: string, fields?: object): void => void warnings.push(fields);
      const lock = lockOf({ logger: { debug: say, info: say, warn, error: say } });
      put({ holderIdentity: "b", leaseDurationSeconds: seconds, renewTime: time });
      for (let reads = 0; reads < 2; reads += 1)
        expect(await lock.get()).not.toHaveProperty("record.leaseDurationSeconds");
      expect(warnings).toHaveLength(1);
    },
  );

  it.each([
    ["text", { holderIdentity: 5 }],
    ["a term", { leaseTransitions: -1 }],
    ["a term", { leaseTransitions: 2 ** 31 - 1 }],
    ["an object", []],
  ])("what is not %s is corrupt, and is not overwritten", async (_what, spec) => {
    const { metadata } = put(spec);
    await expect(lockOf().get()).rejects.toMatchObject({ code: "CORRUPT_DATA" });
    const version = `${metadata?.uid}/${metadata?.resourceVersion}` as Version; // cast: as the lock names it
    await expect(lockOf().update(record(), version)).rejects.toMatchObject({ code: "CORRUPT_DATA", applied: "no" });
  });
});

describe("K-18: what a write names", () => {
  it("a version is the uid and the resourceVersion, and every PUT carries both", async () => {
    const lock = lockOf();
    const version = written(await lock.create(record()));
    const { uid, resourceVersion } = cluster.stored(ref)?.metadata ?? {};
    expect(version).toBe(`${uid}/${resourceVersion}`);
    written(await lock.update(record({ renewTime: later }), version));
    expect(client.log.at(-1)).toMatchObject({ verb: "replace", body: { metadata: { uid, resourceVersion } } });
  });

  it("a Lease that was deleted and created again is never written by who knew the old one", async () => {
    const lock = lockOf();
    const version = written(await lock.create(record()));
    cluster.remove(ref);
    const anew = put({ holderIdentity: "b" });
    expect(await lock.update(record({ renewTime: later }), version)).toEqual({ written: false });
    expect(cluster.stored(ref)).toEqual(anew);
  });

  it("an update of a deleted Lease creates nothing, from the cache and after a read", async () => {
    const [lock, other] = [lockOf(), lockOf()];
    const version = written(await lock.create(record()));
    cluster.remove(ref);
    expect(await lock.update(record({ renewTime: later }), version)).toEqual({ written: false });
    expect(await other.update(record({ renewTime: later }), version)).toEqual({ written: false });
    expect(cluster.stored(ref)).toBeUndefined();
  });

  it("a write that would change nothing has a new version all the same: the server skips such writes", async () => {
    const lock = lockOf();
    let version = written(await lock.create(record()));
    const versions = new Set([version]);
    for (let writes = 0; writes < 4; writes += 1)
      versions.add((version = written(await lock.update(record(), version))));
    expect(versions.size).toBe(5);
    written(await lock.update(record({ renewTime: later }), version));
    expect(cluster.stored(ref)?.metadata?.annotations).toBeUndefined();
  });
});

describe("K-19: the resource that is sent", () => {
  it("of the last few versions it is known, so that a renewal is one request", async () => {
    const lock = lockOf();
    const version = written(await lock.create(record()));
    client.forget();
    written(await lock.update(record({ renewTime: later }), version));
    expect(client.calls).toEqual(["replace leases"]);
  });

  it("of an unknown version it is read, once; moved is lost", async () => {
    const { metadata } = put({ holderIdentity: "b", other: 1 });
    const version = `${metadata?.uid}/${metadata?.resourceVersion}` as Version; // cast: as the lock names it
    written(await lockOf().update(record(), version));
    expect(client.calls).toEqual(["read leases", "replace leases"]);
    client.forget();
    expect(await lockOf().update(record(), version)).toEqual({ written: false });
    expect(client.calls).toEqual(["read leases"]);
  });

  it("if that read fails, nothing was written, and the error says so", async () => {
    client.refuse(500, { on: "read" });
    const unknown = "uid/1" as Version; // cast: of another lock
    const failed = lockOf().update(record(), unknown);
    await expect(failed).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
  });

  it("a deadline that the client does not keep is kept by the lock", async () => {
    const endless = new Proxy(client, {
      get: (target, name) => {
        const pending = (): Promise<never> => new Promise<never>(() => {});
        return name === "read" || name === "create" ? pending : Reflect.get(target, name, target);
      },
    });
    const lock = lockOf({ client: endless });
    const read = expect(lock.get({ timeoutMs: 100 })).rejects.toThrow(StorageUnavailableError);
    const write = expect(lock.create(record(), { timeoutMs: 100 })).rejects.toThrow(UnknownOutcomeError);
    await clock.advance(150);
    await Promise.all([read, write]);
  });

  it("a success that names no version is unknown", async () => {
    const answer = { written: true, resource: { metadata: { name: "billing", uid: "u" } } };
    const silent = new Proxy(client, {
      get: (target, name) => (name === "create" ? () => Promise.resolve(answer) : Reflect.get(target, name, target)),
    });
    await expect(lockOf({ client: silent }).create(record())).rejects.toThrow(UnknownOutcomeError);
  });
});

test("K-20: get, create and update suffice: a Lease is never deleted, patched or listed, nor created where it exists", async () => {
  client.refuse(403, { on: "patch" });
  client.refuse(403, { on: "list" });
  client.refuse(403, { on: "create" });
  put({});
  const lock = lockOf({ events: "off" });
  await rewrite(lock, {});
  await rewrite(lock, { renewTime: later });
  await rewrite(lock, { holderIdentity: "", renewTime: later });
  lock.recordEvent("stopped leading");
  await clock.advance();
  expect(new Set(client.calls)).toEqual(new Set(["read leases", "replace leases"]));
});

describe("K-21: what others put there", () => {
  const foreign = {
    labels: { team: "billing" },
    annotations: { note: "by hand" },
    ownerReferences: [{ kind: "Deployment", name: "billing", uid: "u" }],
    finalizers: ["example.org/keep"],
  };

  it("survives acquisition, renewal and release: unknown fields, labels, annotations, owners, strategy", async () => {
    const spec = { strategy: "OldestEmulationVersion", preferredHolder: "c", invented: { deep: [1] } };
    put(spec, foreign);
    const lock = lockOf();
    for (const fields of [{}, { renewTime: later }, { holderIdentity: "", renewTime: later }]) {
      await rewrite(lock, fields);
      const { metadata, ...stored } = cluster.stored(ref) ?? {};
      expect(metadata).toMatchObject(foreign);
      expect(stored["spec"]).toMatchObject(spec);
    }
  });

  it("a preferred holder is kept in an annotation beside no strategy, and goes with the next acquisition", async () => {
    const lock = lockOf();
    await lock.create(record());
    await rewrite(lock, { holderIdentity: "", preferredHolder: "b" });
    expect(cluster.stored(ref)?.metadata?.annotations).toEqual({ "tenure/preferred-holder": "b" });
    expect(cluster.stored(ref)?.["spec"]).not.toHaveProperty("preferredHolder");
    expect((await lock.get())?.record.preferredHolder).toBe("b");
    await rewrite(lock, { holderIdentity: "b" });
    expect(cluster.stored(ref)?.metadata?.annotations).toBeUndefined();
  });

  it("a preferred holder that the server's own election has set goes once it holds the Lease", async () => {
    put({ strategy: "OldestEmulationVersion", preferredHolder: "a" });
    await rewrite(lockOf(), { holderIdentity: "a" });
    expect(cluster.stored(ref)?.["spec"]).not.toHaveProperty("preferredHolder");
    expect(cluster.stored(ref)?.["spec"]).toHaveProperty("strategy");
  });

  it("a preferred holder beside a strategy is in the spec, and survives a server that drops it", async () => {
    const strategy = "OldestEmulationVersion";
    const lock = lockOf();
    await lock.create(record({ strategy }));
    await rewrite(lock, { holderIdentity: "", strategy, preferredHolder: "b" });
    expect(cluster.stored(ref)?.["spec"]).toMatchObject({ strategy, preferredHolder: "b" });
    const plain = new FakeKubernetes({ clock, coordinatedElection: false });
    const onPlain = lockOf({ client: plain.connect() });
    await onPlain.create(record({ strategy, preferredHolder: "b" }));
    expect(plain.stored(ref)?.["spec"]).not.toHaveProperty("strategy");
    expect((await onPlain.get())?.record.preferredHolder).toBe("b");
  });
});

test("K-22: a release blanks the holder, with duration 1 and both times of now; the term stays", async () => {
  const lock = lockOf();
  await lock.create(record({ leaderTransitions: 7 }));
  await rewrite(lock, { holderIdentity: "", leaderTransitions: 7, renewTime: later });
  const released = { holderIdentity: "", leaseDurationSeconds: 1, acquireTime: later, renewTime: later };
  expect(cluster.stored(ref)?.["spec"]).toEqual({ ...released, leaseTransitions: 7 });
  expect(client.log.map(({ verb }) => verb)).toEqual(["create", "read", "replace"]);
});

describe("K-23: labels", () => {
  it("client-go LL9: a Lease without labels gets the lock's own", async () => {
    put({});
    await rewrite(lockOf({ labels: { app: "billing" } }), {});
    expect(cluster.stored(ref)?.metadata?.labels).toEqual({ app: "billing" });
  });

  it("client-go LL10: a lock without labels keeps those that are there", async () => {
    put({}, { labels: { team: "blue" } });
    await rewrite(lockOf(), {});
    expect(cluster.stored(ref)?.metadata?.labels).toEqual({ team: "blue" });
  });

  it("client-go LL11: own ones are restored, others are kept", async () => {
    const lock = lockOf({ labels: { app: "billing" } });
    await lock.create(record());
    expect(cluster.stored(ref)?.metadata?.labels).toEqual({ app: "billing" });
    put({}, { labels: { app: "mallory", team: "blue" } });
    await rewrite(lock, {});
    expect(cluster.stored(ref)?.metadata?.labels).toEqual({ app: "billing", team: "blue" });
  });
});

describe("options", () => {
  it("all problems are named at once", () => {
    const wrong = { namespace: "No", name: "a/b", label: "", labels: { app: "a b" }, events: "on", client: {} };
    const make = (): LeaseLock => new LeaseLock(wrong as unknown as LeaseLockOptions); // cast: wrong on purpose
    expect(make).toThrow(InvalidSettingsError);
    expect(make).toThrow(/client.* read;.*client.* watch;.*namespace \("No"\).*name \("a\/b"\)/);
    expect(make).toThrow(/label \(""\).*labels\["app"\] \("a b"\).*events \("on"\)/);
  });

  it("names that Kubernetes takes are taken", () => {
    for (const name of ["a", "a.b-c.0", "a".repeat(253)]) expect(lockOf({ name }).description).toBe(`default/${name}`);
    expect(lockOf({ label: "pod-7" }).identity).toMatch(/^pod-7_[0-9a-f-]{36}$/);
  });
});
