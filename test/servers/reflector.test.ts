// Goal: the reflector and the watcher of one resource on a real API server: streaming and paged lists, bookmarks, a
// restart, a restored etcd, rights by name. Method: a server of one's own, whose audit log tells what was asked.
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  listWatch,
  Reflector,
  SingleWatcher,
  type KubernetesClient,
  type KubernetesResource,
  type ListWatch,
  type ReflectorSettings,
  type WatchEvent,
  type WatchOptions,
  type WatchQuery,
} from "../../src/kubernetes/index.ts";
import { ResourceTable, type TableBatch } from "../../src/kubernetes/resource-table.ts";
import { describeOn } from "./support/found-server.ts";
import { foundOwnKube, type KubeServer } from "./support/kube-server.ts";

let kube: KubeServer;
let namespace: string;
let client: KubernetesClient;

const patience = { timeout: 20_000, interval: 20 };

function kindHere(): { group: string; version: string; plural: string; namespace: string } {
  return { group: "", version: "v1", plural: "configmaps", namespace };
}

/** Writes a ConfigMap, whatever is there; resolves with its version. */
async function put(name: string, value: string): Promise<string> {
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  const body = { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data: { value } };
  const patched = await kube.ask("PATCH", `${path}/${name}`, { body: { data: { value } } });
  const answer = patched.status === 404 ? await kube.ask("POST", path, { body }) : patched;
  return answer.body.metadata?.resourceVersion ?? expect.fail(`${answer.status} ${answer.text}`);
}

async function remove(name: string): Promise<void> {
  const { status } = await kube.ask("DELETE", `/api/v1/namespaces/${namespace}/configmaps/${name}`);
  expect(status).toBe(200);
}

/** A table of the ConfigMaps of this test, fed until it is disposed of. */
class Followed implements AsyncDisposable {
  readonly batches: TableBatch<KubernetesResource>[] = [];
  readonly errors: unknown[] = [];
  readonly table = new ResourceTable<KubernetesResource>((batch) => void this.batches.push(batch));
  readonly reflector: Reflector;
  readonly #over = new AbortController();
  readonly #run: Promise<void>;

  constructor(settings: ReflectorSettings = {}, adapt: (source: ListWatch) => ListWatch = (source) => source) {
    const source = adapt(listWatch(client, kindHere(), { fieldSelector: "metadata.name!=kube-root-ca.crt" }));
    this.reflector = new Reflector({ source, sink: this.table, settings, onError: (error) => this.errors.push(error) });
    this.#run = this.reflector.run({ signal: this.#over.signal });
  }

  get shown(): Record<string, unknown> {
    const shown = this.table.list().map((resource) => {
      return [resource.metadata?.name ?? "", Reflect.get(Object(resource["data"]), "value")] as const;
    });
    return Object.fromEntries(shown.toSorted(([first], [second]) => (first < second ? -1 : 1)));
  }

  get told(): readonly string[] {
    return this.batches.flatMap(({ changes }) => changes.map(({ kind, identity }) => `${kind} ${identity.name}`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const startMs = performance.now();
    this.#over.abort();
    await this.#run;
    expect(performance.now() - startMs, "W-38").toBeLessThan(100);
  }
}

/** A server that has no streaming lists. */
function withoutStreams(source: ListWatch): ListWatch {
  return {
    list: (query, options) => source.list(query, options),
    watch: (query, options) => {
      // A streaming list that is not to be had: the server itself refuses this one, with 422.
      const { resourceVersionMatch: _left, ...rest } = query;
      return source.watch(query.sendInitialEvents === true ? rest : query, options);
    },
  };
}

/** The next watch that a server answers goes on from a past that it has forgotten when it was restarted. */
class Forgotten {
  readonly #past: string;
  isAsked = false;

  constructor(past: string) {
    this.#past = past;
  }

  of(source: ListWatch): ListWatch {
    return {
      list: (query, options) => source.list(query, options),
      watch: (query, options) => {
        const isPast = this.isAsked && query.resourceVersion !== undefined;
        return isPast ? this.#told(source, query, options) : source.watch(query, options);
      },
    };
  }

  async *#told(source: ListWatch, query: WatchQuery, options: WatchOptions): AsyncGenerator<WatchEvent> {
    for await (const event of source.watch({ ...query, resourceVersion: this.#past }, options)) {
      this.isAsked = false;
      yield event;
    }
  }
}

/** Makes etcd forget all states before this one. */
async function compact(revision: string): Promise<void> {
  const { host, port } = kube.own().etcd.place;
  const body = JSON.stringify({ revision, physical: true });
  const answer = await fetch(`http://${host}:${port}/v3/kv/compaction`, { method: "POST", body });
  expect(answer.status, await answer.text()).toBe(200);
}

/** Far beyond what a server writes when it starts. */
async function putMany(): Promise<void> {
  for (let value = 0; value < 200; value += 1) await put("later", String(value));
}

/** What was asked of ConfigMaps since then. */
function asked(since: number): readonly string[] {
  const requests = kube.requests().slice(since);
  return requests
    .filter(({ verb, uri }) => (verb === "list" || verb === "watch") && uri.includes(`${namespace}/configmaps`))
    .map(({ verb, uri, code }) => {
      const query = new URL(uri, "https://server").searchParams;
      const shown = ["sendInitialEvents", "limit", "continue", "resourceVersion", "resourceVersionMatch"].filter(
        (key) => query.has(key),
      );
      return [verb, code, ...shown].join(" ");
    });
}

describeOn(foundOwnKube, (start) => {
  beforeAll(async () => {
    kube = await start();
  });
  afterAll(() => kube?.[Symbol.asyncDispose]());
  beforeEach(async () => {
    namespace = await kube.namespace();
    client = await kube.client();
  });

  describe("a reflector", () => {
    test("W-21 W-37 streams its first list, and goes on as a watch: changes, deletions, new lives", async () => {
      await put("a", "1");
      await put("b", "1");
      const since = kube.requests().length;
      await using view = new Followed();
      await expect.poll(() => view.reflector.isSynced, patience).toBe(true);
      expect(view.shown).toEqual({ a: "1", b: "1" });
      await put("a", "2");
      await remove("b");
      await put("c", "1");
      await remove("c");
      const version = await put("c", "2");
      await view.reflector.waitFor(version, { timeoutMs: 10_000 });
      expect(view.shown).toEqual({ a: "2", c: "2" });
      expect(view.told.slice(2)).toEqual(["modified a", "deleted b", "created c", "deleted c", "created c"]);
      expect(view.table.list().map(({ kind }) => kind)).toEqual(["ConfigMap", "ConfigMap"]);
      expect(asked(since)).toEqual(["watch 200 sendInitialEvents resourceVersionMatch"]);
      expect([view.errors, view.reflector.counts.skipped]).toEqual([[], {}]);
    });

    test("W-20 W-22 lists by pages where streams are refused; a built-in kind counts by its list", async () => {
      for (const name of ["a", "b", "c", "d", "e"]) await put(name, "1");
      const since = kube.requests().length;
      await using view = new Followed({ pageSize: 2 }, withoutStreams);
      await expect.poll(() => view.reflector.isSynced, patience).toBe(true);
      const version = await put("f", "1");
      await view.reflector.waitFor(version, { timeoutMs: 10_000 });
      expect(Object.keys(view.shown)).toEqual(["a", "b", "c", "d", "e", "f"]);
      expect(asked(since)).toEqual([
        "watch 422 sendInitialEvents",
        "list 200 limit resourceVersion",
        "watch 200 resourceVersion",
      ]);
      expect(view.table.list().map(({ kind, apiVersion }) => `${apiVersion} ${kind}`)).toEqual(
        Array.from({ length: 6 }, () => "v1 ConfigMap"),
      );
    });

    test("W-22 W-27 whose history a restart has forgotten lists by pages, not older than what was seen", async () => {
      for (const name of ["a", "b", "c", "d", "e"]) await put(name, "1");
      const past = await put("a", "2");
      const source = new Forgotten(past);
      await using view = new Followed({ pageSize: 2 }, (own) => source.of(withoutStreams(own)));
      await expect.poll(() => view.reflector.isSynced, patience).toBe(true);
      const since = kube.requests().length;
      await put("b", "2");
      source.isAsked = true;
      await kube.restartApiServer();
      await expect.poll(() => view.reflector.counts.relists.expired, patience).toBe(1);
      const version = await put("c", "2");
      await view.reflector.waitFor(version, { timeoutMs: 10_000 });
      expect(asked(since).filter((one) => one.startsWith("list"))).toEqual([
        ...[
          "list 200 limit resourceVersion resourceVersionMatch",
          "list 200 limit continue",
          "list 200 limit continue",
        ],
      ]);
      const relist = view.batches.findLast(({ list }) => list !== undefined);
      expect(relist?.list).toEqual({ isFirst: false, restored: false });
      expect(relist?.changes).toEqual([]);
      expect(view.shown).toEqual({ a: "2", b: "2", c: "2", d: "1", e: "1" });
    });

    test("W-22 whose state is compacted while it is paged starts over without pages", async () => {
      for (const name of ["a", "b", "c"]) await put(name, "1");
      let isFirst = true;
      const compacted = (source: ListWatch): ListWatch => ({
        async list({ resourceVersion: _cached, ...query }, options) {
          if (query.continue !== undefined && isFirst) {
            isFirst = false;
            await compact(await put("c", "2"));
            await kube.restartApiServer(); // its cache has the states of before
          }
          return await source.list(query, options);
        },
        watch: (query, options) => withoutStreams(source).watch(query, options),
      });
      const since = kube.requests().length;
      await using view = new Followed({ pageSize: 2, listTimeoutMs: 60_000 }, compacted);
      await expect.poll(() => view.reflector.isSynced, { ...patience, timeout: 60_000 }).toBe(true);
      expect(view.shown).toEqual({ a: "1", b: "1", c: "2" });
      expect(asked(since).filter((one) => one.startsWith("list"))).toEqual([
        ...["list 200 limit", "list 410 limit continue", "list 200"],
      ]);
      expect(view.reflector.counts.relists).toMatchObject({ expired: 1 });
    }, 120_000);

    test("W-25 W-26 hears bookmarks, and opens the next watch where the last one ended, without a list", async () => {
      await using view = new Followed({ watchSeconds: { least: 3, most: 3 } });
      await expect.poll(() => view.reflector.isSynced, patience).toBe(true);
      const since = kube.requests().length;
      await kube.ask("POST", "/api/v1/namespaces/default/configmaps", {
        body: { apiVersion: "v1", kind: "ConfigMap", metadata: { generateName: "elsewhere-" } },
      });
      const before = view.reflector.revision;
      // A server sends one right before its end of the watch.
      await expect.poll(() => view.reflector.revision, patience).not.toBe(before);
      await expect.poll(() => view.reflector.counts.watches.closed ?? 0, patience).toBeGreaterThan(1);
      expect(new Set(asked(since))).toEqual(new Set(["watch 200 resourceVersion"]));
      expect([view.reflector.counts.relists, view.errors]).toEqual([{ first: 1 }, []]);
      expect(view.batches).toHaveLength(1);
    });

    test("W-29 W-39 lives through a restart of the server, and misses nothing", async () => {
      await put("a", "1");
      await using view = new Followed();
      await expect.poll(() => view.reflector.isSynced, patience).toBe(true);
      await put("b", "1");
      await kube.restartApiServer();
      await remove("b");
      const version = await put("a", "2");
      await view.reflector.waitFor(version, { timeoutMs: 30_000 });
      expect(view.shown).toEqual({ a: "2" });
      expect(view.told).toEqual(["created a", "created b", "deleted b", "modified a"]);
      expect(view.errors.length).toBeGreaterThan(0);
    });

    test("W-28 W-32 W-34 finds that etcd was set back: a watch ahead of it is silent", async () => {
      await put("a", "1");
      await put("gone", "1");
      const snapshot = kube.snapshot();
      await using view = new Followed({ idleTimeoutMs: 3_000, watchSeconds: { least: 60, most: 60 } });
      await expect.poll(() => view.reflector.isSynced, patience).toBe(true);
      await put("a", "2");
      await remove("gone");
      await putMany();
      await expect.poll(() => view.shown["later"], patience).toBe("199");
      const seen = view.reflector.revision;
      await kube.restore(snapshot);
      await expect.poll(() => view.shown, { ...patience, timeout: 60_000 }).toEqual({ a: "1", gone: "1" });
      expect(view.reflector.counts).toMatchObject({ restored: 1 });
      expect(view.batches.at(-1)?.list).toEqual({ isFirst: false, restored: true });
      expect(Number(view.reflector.revision)).toBeLessThan(Number(seen));
      const version = await put("a", "3");
      await view.reflector.waitFor(version, { timeoutMs: 10_000 });
      expect(view.shown).toEqual({ a: "3", gone: "1" });
    }, 120_000);

    test.each([true, false])(
      "W-28 W-34 is told that its version is too large, and lists what there is (streaming: %s)",
      async (streaming) => {
        const past = await put("a", "0");
        await put("b", "1"); // a server remembers nothing before its last change
        await put("a", "1");
        const snapshot = kube.snapshot();
        const source = new Forgotten(past);
        await using view = new Followed({}, (own) => source.of(streaming ? own : withoutStreams(own)));
        await expect.poll(() => view.reflector.isSynced, patience).toBe(true);
        await put("a", "2");
        await putMany();
        await expect.poll(() => view.shown["later"], patience).toBe("199");
        source.isAsked = true;
        await kube.restore(snapshot);
        await expect.poll(() => view.reflector.counts.restored, { ...patience, timeout: 40_000 }).toBe(1);
        expect(view.shown).toEqual({ a: "1", b: "1" });
        expect(view.reflector.counts.relists).toMatchObject({ first: 1, expired: 1, ahead: 1 });
        expect(view.errors).toContainEqual(expect.objectContaining({ reason: "ResourceVersionTooLarge" }));
      },
      120_000,
    );
  });

  describe("a watcher of one resource", () => {
    const rules = [{ apiGroups: [""], resources: ["configmaps"], resourceNames: ["mine"], verbs: ["list", "watch"] }];

    test.each([true, false])(
      "W-15 W-16 W-18 needs list and watch on its name only (streaming: %s)",
      async (streaming) => {
        const kubeConfig = await kube.candidate(namespace, rules);
        const own = await kube.client(kubeConfig);
        const reader = streaming
          ? own
          : {
              list: own.list.bind(own),
              watch: ((kind, query, options) => {
                const { resourceVersionMatch: _left, ...rest } = query;
                return own.watch(kind, query.sendInitialEvents === true ? rest : query, options);
              }) satisfies KubernetesClient["watch"],
            };
        await put("other", "1");
        const heard: string[] = [];
        const errors: unknown[] = [];
        const text = (resource?: KubernetesResource): string =>
          String(Reflect.get(Object(resource?.["data"]), "value"));
        const watcher = new SingleWatcher({
          client: reader,
          kind: { group: "", version: "v1", plural: "configmaps" },
          ...{ namespace, name: "mine" },
          onSyncComplete: (current) => void heard.push(`synced ${text(current)}`),
          onChange: (current) => void heard.push(text(current)),
          onError: (error) => errors.push(error),
        });
        await watcher.start();
        expect(await watcher.waitForSync({ timeoutMs: 10_000 })).toBeUndefined();
        await put("mine", "1");
        await put("other", "2");
        await put("mine", "2");
        await remove("mine");
        const version = await put("mine", "3");
        await watcher.waitFor(version, { timeoutMs: 10_000 });
        await expect.poll(() => heard, patience).toEqual(["synced undefined", "1", "2", "undefined", "3"]);
        expect(errors).toHaveLength(streaming ? 0 : 1);
        await watcher.stop();
        await expect(own.list(kindHere(), {})).rejects.toMatchObject({ code: "ACCESS_DENIED" });
        await pause(20);
      },
    );
  });
});
