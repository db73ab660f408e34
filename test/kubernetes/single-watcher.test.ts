// Goal: one resource is followed by its name, with the least rights, and each of its changes is told once. Method: the
// fake API server on a manual clock; what the callbacks hear is compared as text.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ClosedError, InvalidSettingsError } from "../../src/errors.ts";
import type { KubernetesResource } from "../../src/kubernetes/kubernetes-resources.ts";
import { SingleWatcher, type SingleWatcherOptions } from "../../src/kubernetes/single-watcher.ts";
import { FakeKubernetes, ManualClock, type FakeKubernetesClient } from "../../src/testing/index.ts";

const kind = { group: "", version: "v1", plural: "configmaps" } as const;
const place = { namespace: "jobs", name: "settings" } as const;
const ref = { ...kind, ...place };
const leases = { group: "example.com", version: "v1", plural: "multiclusterleases" } as const;

let clock: ManualClock;
let cluster: FakeKubernetes;
let client: FakeKubernetesClient;
let watcher: SingleWatcher;
let heard: string[];
let errors: unknown[];

function watch(options: Partial<SingleWatcherOptions<KubernetesResource>> = {}): SingleWatcher {
  watcher = new SingleWatcher({
    ...{ client, kind, ...place, clock },
    onSyncComplete: (current) => void heard.push(`synced ${textOf(current)}`),
    onChange: (current, previous) => void heard.push(`${textOf(previous)} -> ${textOf(current)}`),
    onError: (error) => errors.push(error),
    ...options,
  });
  return watcher;
}

function textOf(resource: KubernetesResource | undefined): string {
  const value: unknown = Reflect.get(Object(resource?.["data"]), "value");
  return resource === undefined ? "nothing" : JSON.stringify(value ?? "");
}

function put(value: number, more: object = {}): KubernetesResource {
  return cluster.put(ref, { kind: "ConfigMap", apiVersion: "v1", data: { value }, ...more });
}

beforeEach(() => {
  clock = new ManualClock();
  cluster = new FakeKubernetes({ clock });
  client = cluster.connect();
  [heard, errors] = [[], []];
});

afterEach(async () => {
  await watcher.stop();
  expect([clock.timerCount, cluster.watchCount]).toEqual([0, 0]);
});

describe("a SingleWatcher", () => {
  it("W-15 wants namespace and name, unless its kind is cluster-scoped, and says all that is wrong", () => {
    watch();
    const wrong: readonly [object, RegExp][] = [
      [{ name: "" }, /^name must/],
      [{ name: "a,metadata.name!=a" }, /^name must/],
      [{ namespace: undefined }, /^namespace must be given/],
      [{ kind: { ...kind, isClusterScoped: true } }, /^namespace must be left out/],
      [{ onChange: undefined }, /^onChange must/],
      [{ client: {}, kind: {}, name: 7 }, /call list; .*call watch; .*version and plural; name must/],
      [{ settings: { pageSize: 0 } }, /^pageSize \(0\)/],
    ];
    for (const [options] of wrong) expect(() => watch(options)).toThrow(InvalidSettingsError);
    for (const [options, message] of wrong) expect(() => watch(options)).toThrow(message);
    expect(() => watch({ kind: { ...kind, isClusterScoped: true }, namespace: "" })).not.toThrow();
  });

  it.each([true, false])("W-15 asks for this name in each request (streaming: %s)", async (streamingLists) => {
    cluster = new FakeKubernetes({ clock, streamingLists });
    client = cluster.connect();
    put(1);
    cluster.put({ ...ref, name: "other" }, { kind: "ConfigMap", data: { value: 9 } });
    await watch().start();
    await clock.advance(700_000);
    expect(client.log.length).toBeGreaterThan(1);
    for (const { query, plural } of client.log) {
      expect(plural).toBe("configmaps");
      expect(query).toMatchObject({ fieldSelector: "metadata.name=settings" });
    }
    expect(heard).toEqual(["synced 1"]);
  });

  it("W-16 tells nothing before its first sight, then that sight once, then each change", async () => {
    put(1);
    client.hang({ on: "watch", times: 1 });
    await watch().start();
    put(2);
    await clock.advance(29_999);
    expect([heard, watcher.isSynced, watcher.current]).toEqual([[], false, undefined]);
    await clock.advance(2_000);
    expect(heard).toEqual(["synced 2"]);
    put(3);
    await clock.advance();
    expect([heard, textOf(watcher.current)]).toEqual([["synced 2", "2 -> 3"], "3"]);
  });

  it("W-16 tells that it is not there, and W-18 its creation, deletion and new creation", async () => {
    await watch().start();
    await clock.advance();
    put(1);
    await clock.advance();
    cluster.remove(ref);
    put(2);
    await clock.advance();
    expect(heard).toEqual(["synced nothing", "nothing -> 1", "1 -> nothing", "nothing -> 2"]);
    cluster.remove(ref);
    await clock.advance();
    expect(watcher.current).toBeUndefined();
  });

  it("W-17 skips a change only if the generation is positive on both sides, and equal", async () => {
    put(1);
    await watch().start();
    await clock.advance();
    put(2); // no generation
    await clock.advance();
    put(3, { metadata: { generation: 0 } });
    await clock.advance();
    put(4, { metadata: { generation: 0 } });
    await clock.advance();
    put(5, { metadata: { generation: 7 } });
    await clock.advance();
    put(6, { metadata: { generation: 7 } });
    await clock.advance();
    expect(heard).toEqual(["synced 1", "1 -> 2", "2 -> 3", "3 -> 4", "4 -> 5"]);
    expect(textOf(watcher.current)).toBe("6");
    put(7, { metadata: { generation: 8 } });
    await clock.advance();
    expect(heard.at(-1)).toBe("6 -> 7");
  });

  it("W-17 includeStatus tells them, too", async () => {
    const named = { ...leases, ...place };
    cluster.put(named, { kind: "MultiClusterLease", spec: {} });
    let [spec, all] = [0, 0];
    const every = new SingleWatcher({
      client,
      kind: leases,
      ...place,
      clock,
      includeStatus: true,
      onChange: () => void (all += 1),
    });
    await watch({ kind: leases, onChange: () => void (spec += 1) }).start();
    await every.start();
    await clock.advance();
    await client.patch(named, { status: { observed: 1 } }, { subresource: "status" });
    await clock.advance();
    await client.patch(named, { spec: { holderIdentity: "a" } });
    await clock.advance();
    expect([spec, all]).toEqual([1, 2]);
    await every.stop();
  });

  it("W-18 starts and stops any number of times, and tells after a pause what changed in it", async () => {
    put(1);
    watch();
    await watcher.stop();
    await Promise.all([watcher.start(), watcher.start()]);
    await clock.advance();
    await Promise.all([watcher.stop(), watcher.stop()]);
    expect(client.log).toHaveLength(1);
    put(2);
    await clock.advance(600_000);
    expect(heard).toEqual(["synced 1"]);
    void watcher.stop();
    void watcher.start();
    void watcher.stop();
    await watcher.start();
    await clock.advance();
    expect(heard).toEqual(["synced 1", "1 -> 2"]);
    expect(watcher.isSynced).toBe(true);
  });

  it("W-18 stops inside a callback, and with the signal that it was started with", async () => {
    const over = new AbortController();
    watch({ onSyncComplete: () => watcher.stop() });
    await watcher.start({ signal: over.signal });
    await clock.advance();
    put(1);
    await clock.advance();
    expect([heard, cluster.watchCount]).toEqual([[], 0]);
    await watcher.start({ signal: over.signal });
    await clock.advance();
    over.abort();
    put(2);
    await clock.advance();
    expect([heard, cluster.watchCount]).toEqual([["nothing -> 1"], 0]);
    await watcher.start({ signal: over.signal });
    expect(cluster.watchCount).toBe(0);
  });

  it("W-19 knows when it last heard something, a bookmark included, and its last trouble", async () => {
    await watch().start();
    await clock.advance(59_999);
    expect(watcher.lastEventMs).toBe(0);
    await clock.advance(1);
    expect([watcher.lastEventMs, watcher.lastError]).toEqual([60_000, undefined]);
    client.refuse(500, { on: "watch", times: 1 });
    cluster.endWatches();
    await clock.advance();
    expect(watcher.lastError).toMatchObject({ status: 500 });
    expect(errors).toEqual([watcher.lastError]);
    await clock.advance(1_000);
  });

  it("tells one change at a time: what comes during a slow callback is told as one, a new life as two", async () => {
    let release = (): void => {};
    watch({
      onChange: (current, previous) => {
        heard.push(`${textOf(previous)} -> ${textOf(current)}`);
        return new Promise<void>((resolve) => (release = resolve));
      },
    });
    await watcher.start();
    await clock.advance();
    for (const value of [1, 2, 3]) put(value);
    await clock.advance();
    expect(textOf(watcher.current)).toBe("3");
    release();
    await clock.advance();
    cluster.remove(ref);
    put(4);
    put(5);
    await clock.advance();
    release();
    await clock.advance();
    release();
    await clock.advance();
    release();
    await clock.advance();
    expect(heard).toEqual(["synced nothing", "nothing -> 1", "1 -> 3", "3 -> nothing", "nothing -> 5"]);
  });

  it("W-18 tells nothing more once it is stopped, also when a callback ends after that", async () => {
    let release = (): void => {};
    watch({
      onSyncComplete: (current) => {
        heard.push(`synced ${textOf(current)}`);
        return new Promise<void>((resolve) => (release = resolve));
      },
    });
    await watcher.start();
    await clock.advance();
    put(1);
    await clock.advance();
    await watcher.stop();
    release();
    await clock.advance();
    expect(heard).toEqual(["synced nothing"]);
    await watcher.start();
    await clock.advance();
    expect(heard).toEqual(["synced nothing", "nothing -> 1"]);
  });

  it("a callback that throws, or rejects, is told, and the next change as well", async () => {
    const failures: readonly (() => void | Promise<void>)[] = [
      () => {
        throw new TypeError("thrown");
      },
      () => Promise.reject(new TypeError("rejected")),
    ];
    let calls = 0;
    watch({ onChange: () => failures[calls++]?.() });
    await watcher.start();
    for (const value of [1, 2, 3]) {
      await clock.advance();
      put(value);
    }
    await clock.advance();
    expect([calls, errors]).toMatchObject([3, [{ message: "thrown" }, { message: "rejected" }]]);
  });

  it("waits for the first sight: for early and late callers, until stop, deadline or signal", async () => {
    put(1);
    watch();
    const early = watcher.waitForSync();
    await watcher.start();
    await clock.advance();
    expect([textOf(await early), textOf(await watcher.waitForSync())]).toEqual(["1", "1"]);
    await watcher.waitFor(cluster.resourceVersion);
    await watcher.stop();
    client.hang({ on: "watch" });
    watch();
    await watcher.start();
    const over = new AbortController();
    const [late, aborted, stopped] = [
      watcher.waitForSync({ timeoutMs: 1_000 }),
      watcher.waitForSync({ signal: over.signal }),
      watcher.waitForSync(),
    ].map((waiting) => waiting.catch((error: unknown) => error));
    over.abort("enough");
    await clock.advance(1_000);
    await watcher.stop();
    expect(await late).toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    expect([await aborted, await stopped]).toEqual(["enough", expect.any(ClosedError)]);
  });

  it("does not look at others, whatever its client knows of selectors", async () => {
    const blind = client.watch.bind(client);
    client.watch = (asked, { fieldSelector: _ignored, ...query }, options) => blind(asked, query, options);
    cluster.put({ ...ref, name: "other" }, { kind: "ConfigMap", data: { value: 9 } });
    await watch().start();
    await clock.advance();
    cluster.put({ ...ref, name: "other" }, { kind: "ConfigMap", data: { value: 10 } });
    put(1);
    await clock.advance();
    expect(heard).toEqual(["synced nothing", "nothing -> 1"]);
  });
});
