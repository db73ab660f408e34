// Goal: the fake cluster answers as kube-apiserver does, so that what passes on it deserves trust. Method: each rule of
// versions, uids, times, watches and subresources as requests with the answer that the real server gave (1.36.3).
import { beforeEach, describe, expect, it } from "vitest";
import {
  AccessDeniedError,
  ClosedError,
  InvalidSettingsError,
  StorageUnavailableError,
  UnknownOutcomeError,
} from "../../src/errors.ts";
import type { KubernetesResource, WatchEvent, WriteAnswer } from "../../src/kubernetes/kubernetes-resources.ts";
import { FakeKubernetes, ManualClock, type FakeKubernetesClient } from "../../src/testing/index.ts";

const kind = { group: "coordination.k8s.io", version: "v1", plural: "leases", namespace: "default" };
const ref = { ...kind, name: "billing" };
const custom = { group: "example.org", version: "v1", plural: "multiclusterleases", namespace: "default" };
const time = "2026-11-21T09:32:44.921366Z";

let clock: ManualClock;
let cluster: FakeKubernetes;
let client: FakeKubernetesClient;

beforeEach(() => {
  clock = new ManualClock();
  cluster = new FakeKubernetes({ clock });
  client = cluster.connect();
});

function lease(spec: object = { holderIdentity: "a", renewTime: time }, metadata: object = {}): KubernetesResource {
  return { kind: "Lease", apiVersion: "coordination.k8s.io/v1", metadata: { name: "billing", ...metadata }, spec };
}

function resource(answer: WriteAnswer): KubernetesResource {
  if (!answer.written) throw new Error("the write lost the race");
  return answer.resource;
}

const created = async (): Promise<KubernetesResource> => resource(await client.create(kind, lease()));

describe("versions and uids", () => {
  it("every change of anything has a version of its own, and a read shows what the write returned", async () => {
    const first = await created();
    cluster.changeElsewhere();
    const second = resource(await client.replace(ref, { ...first, spec: { holderIdentity: "b" } }));
    expect(Number(second.metadata?.resourceVersion)).toBe(Number(first.metadata?.resourceVersion) + 2);
    expect(second.metadata?.uid).toBe(first.metadata?.uid);
    expect(await client.read(ref)).toEqual(second);
  });

  it("a write that changes nothing keeps the version, as on the real server", async () => {
    const first = await created();
    expect(resource(await client.replace(ref, first))).toEqual(first);
  });

  it("409: what exists, an old version and another uid are lost races", async () => {
    const first = await created();
    expect(await client.create(kind, lease())).toEqual({ written: false });
    cluster.annotate(ref);
    expect(await client.replace(ref, first)).toEqual({ written: false });
    const now = cluster.stored(ref) ?? {};
    const foreign = { ...now, metadata: { ...now.metadata, uid: "another" } };
    expect(await client.replace(ref, foreign)).toEqual({ written: false });
    cluster.remove(ref);
    expect(await client.replace(ref, now)).toEqual({ written: false });
    expect(await client.read(ref)).toBeUndefined();
  });

  it("a PUT with a version alone creates an absent Lease; without one it is refused where the Lease exists", async () => {
    const first = resource(await client.replace(ref, lease({ holderIdentity: "a" }, { resourceVersion: "7" })));
    expect(first.metadata?.resourceVersion).not.toBe("7");
    await expect(client.replace(ref, lease())).rejects.toThrow(InvalidSettingsError);
  });

  it("a patch of what is gone is a lost race, and so is one with a foreign uid or version", async () => {
    expect(await client.patch(ref, { spec: {} })).toEqual({ written: false });
    await created();
    expect(await client.patch(ref, { metadata: { uid: "another" } })).toEqual({ written: false });
    expect(await client.patch(ref, { metadata: { resourceVersion: "1" } })).toEqual({ written: false });
    const patched = resource(await client.patch(ref, { spec: { holderIdentity: null, other: 1 } }));
    expect(patched["spec"]).toEqual({ renewTime: time, other: 1 });
  });

  it("nobody can change what is stored through what was handed out", async () => {
    const first = await created();
    Object.assign(first["spec"] as object, { holderIdentity: "mallory" }); // cast: created with one
    expect((await client.read(ref))?.["spec"]).toEqual({ holderIdentity: "a", renewTime: time });
  });
});

describe("what is checked of a Lease", () => {
  it.each(["2026-11-21T09:32:44Z", "2026-11-21T09:32:44.921Z", "2026-11-21T09:32:44.921366123Z", "soon", 5])(
    "400: %s has not exactly six digits",
    async (renewTime) => {
      const refused = client.create(kind, lease({ renewTime }));
      await expect(refused).rejects.toMatchObject({ code: "INVALID_SETTINGS", applied: "no" });
    },
  );

  it("an offset comes back as Z", async () => {
    const stored = resource(await client.create(kind, lease({ renewTime: "2026-11-21T18:32:44.921366+09:00" })));
    expect(stored["spec"]).toEqual({ renewTime: time });
  });

  it.each([
    { leaseDurationSeconds: 0 },
    { leaseDurationSeconds: 2 ** 31 },
    { leaseTransitions: -1 },
    { holderIdentity: 5 },
    { preferredHolder: "b" },
  ])("a spec out of range is refused: %j", async (spec) => {
    await expect(client.create(kind, lease(spec))).rejects.toThrow(InvalidSettingsError);
  });

  it("without coordinated election both of its fields are dropped on create, and kept where they were stored", async () => {
    const plain = new FakeKubernetes({ clock, coordinatedElection: false });
    const spec = { strategy: "OldestEmulationVersion", preferredHolder: "b" };
    expect(resource(await plain.connect().create(kind, lease(spec)))["spec"]).toEqual({});
    const stored = plain.put(ref, lease(spec));
    const kept = { ...stored, spec: { ...spec, holderIdentity: "a" } };
    expect(resource(await plain.connect().replace(ref, kept))["spec"]).toEqual(kept.spec);
  });
});

describe("status subresource", () => {
  it("status is written apart, and only the rest counts in the generation", async () => {
    const name = { ...custom, name: "global" };
    const body = { kind: "MultiClusterLease", metadata: { name: "global" }, spec: { a: 1 }, status: { b: 1 } };
    const first = resource(await client.create(custom, body));
    expect(first["status"]).toBeUndefined();
    const answered = resource(
      await client.patch(name, { status: { b: 2 }, spec: { a: 9 } }, { subresource: "status" }),
    );
    expect(answered).toMatchObject({ spec: { a: 1 }, status: { b: 2 }, metadata: { generation: 1 } });
    const next = resource(await client.patch(name, { spec: { a: 2 }, status: { b: 9 } }));
    expect(next).toMatchObject({ spec: { a: 2 }, status: { b: 2 }, metadata: { generation: 2 } });
    await expect(client.patch(ref, {}, { subresource: "status" })).rejects.toThrow(InvalidSettingsError);
  });
});

describe("deletion and definitions", () => {
  const lease2 = { ...custom, name: "a" };
  const finalizers = ["example.org/finalizer"];
  const create = async (metadata: object = {}): Promise<KubernetesResource> =>
    resource(await client.create(custom, { metadata: { name: "a", ...metadata }, spec: { term: 1, holder: "a" } }));

  it("what has finalizers is only marked, under the next generation, and goes with the last of them", async () => {
    await create({ finalizers: [...finalizers, "example.org/other"] });
    cluster.remove(lease2);
    const deletionTimestamp = "2026-03-01T00:00:00Z";
    const marked = cluster.stored(lease2)?.metadata;
    expect(marked).toMatchObject({ generation: 2, deletionTimestamp: expect.any(String) });
    expect(String(marked?.["deletionTimestamp"])).toHaveLength(deletionTimestamp.length);
    cluster.remove(lease2);
    const still = resource(await client.patch(lease2, { metadata: { deletionTimestamp: null, finalizers } }));
    expect(still.metadata).toMatchObject({ generation: 2, deletionTimestamp: marked?.["deletionTimestamp"] });
    expect((await client.patch(lease2, { metadata: { finalizers: [] } })).written).toBe(true);
    expect(cluster.stored(lease2)).toBeUndefined();
  });

  it("what has none is gone at once", async () => {
    await create();
    cluster.remove(lease2);
    expect(cluster.stored(lease2)).toBeUndefined();
  });

  it("finalizers leave the generation as it is", async () => {
    await create();
    expect(resource(await client.patch(lease2, { metadata: { finalizers } })).metadata).toMatchObject({
      generation: 1,
    });
  });

  it("a definition drops fields that it does not name, of spec and status", async () => {
    const prunedFields = { multiclusterleases: ["spec.term", "status.since.day"] };
    cluster = new FakeKubernetes({ clock, prunedFields });
    client = cluster.connect();
    expect(await create()).toMatchObject({ spec: { holder: "a" } });
    expect((await client.read(lease2))?.["spec"]).toEqual({ holder: "a" });
    await client.patch(lease2, { status: { since: { day: 1, year: 2 } } }, { subresource: "status" });
    expect(cluster.stored(lease2)?.["status"]).toEqual({ since: { year: 2 } });
  });
});

describe("lists", () => {
  it("come in pages, with the version of the whole; history forgotten meanwhile is 410", async () => {
    for (const name of ["a", "b", "c"]) await client.create(kind, lease({}, { name, labels: { odd: name } }));
    const page = await client.list(kind, { limit: 2 });
    expect(page.items.map(({ metadata }) => metadata?.name)).toEqual(["a", "b"]);
    expect(page.resourceVersion).toBe(cluster.resourceVersion);
    const rest = await client.list(kind, { limit: 2, continue: page.continue ?? "" });
    expect(rest.items.map(({ metadata }) => metadata?.name)).toEqual(["c"]);
    expect(rest.continue).toBeUndefined();
    cluster.changeElsewhere();
    cluster.compact();
    await expect(client.list(kind, { continue: page.continue ?? "" })).rejects.toThrow(StorageUnavailableError);
    const selected = await client.list(kind, { labelSelector: "odd!=a", fieldSelector: "metadata.name=b" });
    expect(selected.items).toHaveLength(1);
  });
});

describe("watches", () => {
  const selector = { fieldSelector: "metadata.name=billing" };

  /** What a watch has told so far, as `type version`. */
  function follow(
    query: object,
    over = new AbortController(),
  ): { told: string[]; events: WatchEvent[]; end: () => void } {
    const [told, events]: [string[], WatchEvent[]] = [[], []];
    const read = async (): Promise<void> => {
      for await (const event of client.watch(kind, query, { signal: over.signal })) {
        events.push(event);
        told.push(event.type);
      }
      told.push("end");
    };
    read().catch((error: unknown) => void told.push(String(error)));
    return { told, events, end: () => over.abort() };
  }

  it("without a version the state comes first, then each change", async () => {
    const first = await created();
    const { told, events, end } = follow(selector);
    await client.create(kind, lease({}, { name: "another" }));
    await client.replace(ref, { ...first, spec: {} });
    cluster.remove(ref);
    await clock.advance();
    expect(told).toEqual(["ADDED", "MODIFIED", "DELETED"]);
    expect(events[0]?.object).toEqual(first);
    expect(events[2]?.object.metadata?.resourceVersion).toBe(cluster.resourceVersion);
    end();
    await clock.advance();
    expect(told.at(-1)).toBe("end");
    expect(cluster.watchCount).toBe(0);
  });

  it("from a version on only what came later is told; 410 as an ERROR where history is gone", async () => {
    const first = await created();
    cluster.annotate(ref);
    const from = follow({ ...selector, resourceVersion: first.metadata?.resourceVersion });
    const ahead = follow({ ...selector, resourceVersion: "1000" });
    cluster.compact();
    const gone = follow({ ...selector, resourceVersion: first.metadata?.resourceVersion });
    const now = follow({ ...selector, resourceVersion: cluster.resourceVersion });
    await clock.advance();
    cluster.annotate(ref);
    await clock.advance();
    expect(from.told).toEqual(["MODIFIED", "MODIFIED"]);
    expect(gone.told).toEqual(["ERROR", "end"]);
    expect(gone.events[0]?.object).toMatchObject({ kind: "Status", code: 410, reason: "Expired" });
    expect(now.told).toEqual(["MODIFIED"]);
    expect(ahead.told).toEqual([]);
  });

  it("a resource that a selector no longer matches is told as deleted", async () => {
    await client.create(kind, lease({}, { labels: { on: "yes" } }));
    const { told } = follow({ labelSelector: "on=yes" });
    await clock.advance();
    await client.patch(ref, { metadata: { labels: { on: "no" } } });
    await client.patch(ref, { metadata: { labels: { on: "yes" } } });
    await clock.advance();
    expect(told).toEqual(["ADDED", "DELETED", "ADDED"]);
  });

  it("bookmarks come each minute with the version of the whole, and the asked time ends the watch", async () => {
    const { told, events } = follow({ allowWatchBookmarks: true, timeoutSeconds: 150 });
    cluster.changeElsewhere();
    await clock.advance(149_999);
    expect(told).toEqual(["BOOKMARK", "BOOKMARK"]);
    expect(events[1]?.object.metadata?.resourceVersion).toBe(cluster.resourceVersion);
    await clock.advance(1);
    expect(told.at(-1)).toBe("end");
    expect(clock.timerCount).toBe(0);
  });

  it("ends, breaks, falls silent or gets an ERROR as the test wants", async () => {
    const [ended, broken, told] = [follow({}), follow({}), follow({})];
    await clock.advance();
    cluster.tellWatches({ type: "ERROR", object: { kind: "Status", code: 500 } });
    await clock.advance();
    expect([ended.told, broken.told, told.told]).toEqual([
      ["ERROR", "end"],
      ["ERROR", "end"],
      ["ERROR", "end"],
    ]);
    const second = follow({});
    await clock.advance();
    cluster.endWatches(new Error("reset"));
    const third = follow({});
    await clock.advance();
    cluster.muteWatches();
    await created();
    await clock.advance();
    expect(second.told).toEqual(["Error: reset"]);
    expect(third.told).toEqual([]);
  });
});

describe("faults on demand", () => {
  it("429 says when to come back, and changes nothing", async () => {
    client.refuse(429, { retryAfterSeconds: 3, times: 1 });
    const refused = client.create(kind, lease());
    await expect(refused).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no", retryAfterMs: 3_000 });
    expect(cluster.stored(ref)).toBeUndefined();
    expect(await created()).toBeDefined();
  });

  it("403 and 401 are denials; 500 leaves a write unknown, and a read unread", async () => {
    client.refuse(403, { on: "write", times: 1 });
    await expect(client.create(kind, lease())).rejects.toThrow(AccessDeniedError);
    client.refuse(500);
    await expect(client.create(kind, lease())).rejects.toThrow(UnknownOutcomeError);
    await expect(client.read(ref)).rejects.toThrow(StorageUnavailableError);
    client.heal();
    expect(await client.read(ref)).toBeUndefined();
  });

  it("an answer is lost, and the write has happened", async () => {
    client.loseAnswer();
    await expect(client.create(kind, lease())).rejects.toThrow(UnknownOutcomeError);
    expect(cluster.stored(ref)).toBeDefined();
  });

  it("a request hangs until its deadline, or is late", async () => {
    client.hang({ on: "write", times: 1 });
    const hung = client.create(kind, lease(), { timeoutMs: 100 });
    const late = expect(hung).rejects.toThrow(UnknownOutcomeError);
    await clock.advance(100);
    await late;
    client.delay({ requestMs: 30, answerMs: 20 });
    const slow = client.create(kind, lease());
    await clock.advance(30);
    expect(cluster.stored(ref)).toBeDefined();
    await clock.advance(20);
    expect((await slow).written).toBe(true);
    expect(client.log.map(({ verb, atMs }) => `${verb} ${atMs}`)).toEqual(["create 0", "create 100"]);
  });

  it("hits only what it is meant for: verb, resource, the n-th request", async () => {
    client.refuse(500, { on: "create", plural: "events", skip: 1, times: 1 });
    const events = { group: "", version: "v1", plural: "events", namespace: "default" };
    await created();
    await client.create(events, { metadata: { name: "first" } });
    await expect(client.create(events, { metadata: { name: "second" } })).rejects.toThrow(UnknownOutcomeError);
    await client.create(events, { metadata: { name: "second" } });
    expect(client.calls).toEqual(["create leases", "create events", "create events", "create events"]);
  });

  it("a type that is not served and a namespace that is missing need somebody's hand; a read finds nothing", async () => {
    const strict = new FakeKubernetes({
      clock,
      unserved: ["multiclusterleases"],
      namespaces: ["kube-system"],
    }).connect();
    await expect(strict.read({ ...custom, name: "a" })).rejects.toThrow(InvalidSettingsError);
    await expect(strict.create(kind, lease())).rejects.toThrow(InvalidSettingsError);
    expect(await strict.read(ref)).toBeUndefined();
  });

  it("after close() calls throw CLOSED and watches end", async () => {
    const ended = (async () => {
      for await (const _event of client.watch(kind, {}, { signal: new AbortController().signal }));
    })();
    await client.close();
    await expect(client.read(ref)).rejects.toThrow(ClosedError);
    await ended;
  });
});
